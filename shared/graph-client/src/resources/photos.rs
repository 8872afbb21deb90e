//! Photos of contacts (facts 1.5): <https://learn.microsoft.com/graph/api/resources/profilephoto>.

use bytes::Bytes;
use data_encoding::BASE64;
use http::Method;
use serde_json::Value;

use super::MailboxClient;
use crate::batch::{BatchAnswer, BatchRequest, Chunk, ITEMS};
use crate::classify::Subject;
use crate::client::{Call, Target};
use crate::error::{DecodeError, ErrorKind, GraphError};
use crate::retry::Repeat;
use crate::transport::Transport;

/// Graph takes no larger photo.
const LARGEST: usize = 4 << 20;

impl<T: Transport> MailboxClient<'_, T> {
    /// A contact's photo; `None` where there is none, or no such contact.
    /// <https://learn.microsoft.com/graph/api/profilephoto-get>
    pub async fn photo(&self, contact: &str) -> Result<Option<Bytes>, GraphError> {
        let path = ["users", self.user, "contacts", contact, "photo", "$value"];
        let call = Call::get("photo.get", Subject::Item, Target::Path(&path));
        match self.client.call(self.tenant, call).await {
            Ok(answer) => Ok(Some(answer.body).filter(|photo| !photo.is_empty())),
            Err(error) if is_none(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Contacts' photos through `$batch`, 20 per request, in the order of the contacts; each as [`Self::photo`] gives
    /// it. Throttling ends the run: what is left has the same error. Where twenty photos are more than one answer may
    /// have, they are read one by one.
    pub async fn photos(&self, contacts: &[&str]) -> Vec<Result<Option<Bytes>, GraphError>> {
        let mut photos = Vec::with_capacity(contacts.len());
        let mut throttled: Option<GraphError> = None;
        for contacts in contacts.chunks(ITEMS) {
            let read = match &throttled {
                Some(error) => contacts.iter().map(|_| Err(error.clone().unsent())).collect(),
                None => self.some_photos(contacts).await,
            };
            throttled = throttled.or_else(|| read.iter().find_map(throttling));
            photos.extend(read);
        }
        photos
    }

    async fn some_photos(&self, contacts: &[&str]) -> Vec<Result<Option<Bytes>, GraphError>> {
        const OPERATION: &str = "photo.get";
        let items = contacts.iter().map(|contact| {
            let path = ["users", self.user, "contacts", contact, "photo", "$value"];
            BatchRequest::get(&path, Subject::Item)
        });
        let Ok(items) = items.collect::<Result<Vec<_>, _>>() else {
            return self.photos_one_by_one(contacts).await;
        };
        let Chunk { outcomes, refused } = self.client.chunk(self.tenant, OPERATION, &items).await;
        if refused.is_some_and(|refused| refused.error.kind() == ErrorKind::Permanent) {
            return self.photos_one_by_one(contacts).await;
        }
        outcomes
            .into_iter()
            .map(|outcome| match outcome {
                Ok(answer) => decoded(answer)
                    .map_err(|problem| GraphError::new(ErrorKind::Permanent, OPERATION).because(problem)),
                Err(error) if is_none(&error) => Ok(None),
                Err(error) => Err(error),
            })
            .collect()
    }

    async fn photos_one_by_one(&self, contacts: &[&str]) -> Vec<Result<Option<Bytes>, GraphError>> {
        let mut photos = Vec::with_capacity(contacts.len());
        for contact in contacts {
            photos.push(self.photo(contact).await);
        }
        photos
    }

    /// Gives a contact this photo, a JPEG of at most 4 MB.
    /// <https://learn.microsoft.com/graph/api/profilephoto-update>
    pub async fn put_photo(&self, contact: &str, photo: Bytes) -> Result<(), GraphError> {
        const OPERATION: &str = "photo.put";
        if photo.len() > LARGEST {
            return Err(GraphError::new(ErrorKind::Permanent, OPERATION));
        }
        let path = ["users", self.user, "contacts", contact, "photo", "$value"];
        let target = Target::Path(&path);
        let call = Call::new(OPERATION, Method::PUT, Subject::Item, target, Repeat::Safe);
        let call = call.bytes("image/jpeg", photo);
        self.client.call(self.tenant, call).await.map(|_| ())
    }
}

/// In a batch, what is not JSON comes in base64 (facts 6).
fn decoded(answer: BatchAnswer) -> Result<Option<Bytes>, DecodeError> {
    let unfit = || DecodeError::new("body".to_owned(), "a photo that is not in base64");
    match answer.body {
        Value::Null => Ok(None),
        Value::String(text) => {
            let bytes = BASE64.decode(text.as_bytes()).map_err(|_| unfit())?;
            Ok(Some(Bytes::from(bytes)).filter(|photo| !photo.is_empty()))
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Err(unfit()),
    }
}

fn throttling(photo: &Result<Option<Bytes>, GraphError>) -> Option<GraphError> {
    let error = photo.as_ref().err()?;
    matches!(error.kind(), ErrorKind::Throttled { .. }).then(|| error.clone())
}

/// Which code comes with the 404 is nowhere said, so only what is known to concern the whole mailbox is left out. The
/// token endpoint's 404 is none of Graph's.
fn is_none(error: &GraphError) -> bool {
    let whole_mailbox = matches!(error.kind(), ErrorKind::MailboxUnavailable(_));
    error.status() == Some(404) && !error.not_sent() && !whole_mailbox
}
