//! Photos of contacts (facts 1.5): <https://learn.microsoft.com/graph/api/resources/profilephoto>.

use bytes::Bytes;
use http::Method;

use super::MailboxClient;
use crate::classify::Subject;
use crate::client::{Call, Target};
use crate::error::{ErrorKind, GraphError};
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

/// Which code comes with the 404 is nowhere said, so only what is known to concern the whole mailbox is left out. The
/// token endpoint's 404 is none of Graph's.
fn is_none(error: &GraphError) -> bool {
    let whole_mailbox = matches!(error.kind(), ErrorKind::MailboxUnavailable(_));
    error.status() == Some(404) && !error.not_sent() && !whole_mailbox
}
