//! Many contacts at once, by id or by stamp, through `$batch` (facts 1.3, 6).

use serde_json::Value;

use super::MailboxClient;
use super::contacts::found;
use crate::batch::BatchRequest;
use crate::classify::Subject;
use crate::error::{DecodeError, ErrorKind, GraphError};
use crate::model::{Contact, stamp};
use crate::page::{Envelope, Page, read_row};
use crate::transport::Transport;

/// A stamp to look for. Lists show one folder only, so the folder that the contact was created in is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StampSearch<'a> {
    /// Where it was created; `None`: in the default folder.
    pub folder: Option<&'a str>,
    /// What it was stamped with.
    pub stamp: &'a str,
}

impl<T: Transport> MailboxClient<'_, T> {
    /// Many contacts, in the order of the ids, in whatever folder they are, with their stamps; `None` where Graph says
    /// that there is no such item.
    pub async fn contacts(&self, ids: &[&str]) -> Vec<Result<Option<Contact>, GraphError>> {
        const OPERATION: &str = "contact.get_many";
        let failed = |kind| GraphError::new(kind, OPERATION);
        let request = |id: &&str| {
            BatchRequest::get(&["users", self.user, "contacts", id], Subject::Item)
                .map(|request| request.query(stamp::expand()))
                .map_err(|error| failed(ErrorKind::Permanent).because(error))
        };
        let requests = ids.iter().map(request).collect();
        let outcomes = self
            .client
            .batch_of_results(self.tenant, OPERATION, requests)
            .await;
        // One that can't be read must not hold up the others; one whose answer was cut may be read the next time.
        let row = |body: Value| {
            let kind = if body.is_object() {
                ErrorKind::Permanent
            } else {
                ErrorKind::Transient
            };
            read_row(body).map_err(|row| failed(kind).because(row.problem))
        };
        outcomes
            .into_iter()
            .map(|outcome| found(outcome.and_then(|answer| row(answer.body))))
            .collect()
    }

    /// The contacts with each of these stamps, in the order of the searches. More than one where a creation was
    /// repeated. Not one proves little at first: how soon after its creation a contact can be found so is nowhere said.
    /// A contact that has left the folder is not found.
    pub async fn contacts_by_stamp(
        &self,
        searches: &[StampSearch<'_>],
    ) -> Vec<Result<Vec<Contact>, GraphError>> {
        const OPERATION: &str = "contact.find_by_stamp";
        let failed = |kind| GraphError::new(kind, OPERATION);
        let request = |search: &StampSearch<'_>| {
            BatchRequest::get(&self.contacts_path(search.folder), Subject::Folder)
                .map(|request| request.query(stamp::find(search.stamp)))
                .map_err(|error| failed(ErrorKind::Permanent).because(error))
        };
        let requests = searches.iter().map(request).collect();
        let outcomes = self
            .client
            .batch_of_results(self.tenant, OPERATION, requests)
            .await;
        let mut found = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            found.push(match outcome {
                Ok(answer) => self.all_of(OPERATION, answer.body).await,
                Err(error) => Err(error),
            });
        }
        found
    }

    /// The contacts of a list, from its first page on.
    async fn all_of(&self, operation: &'static str, first: Value) -> Result<Vec<Contact>, GraphError> {
        let failed = |kind, code: Option<&str>| GraphError::new(kind, operation).answered(200, code);
        let page = Envelope::open(first, self.client.endpoints())
            .map(Page::of)
            .map_err(|damage| damage.error(Subject::Folder, failed))?;
        let listing = self.client.listing_from(self.tenant, operation, page).await?;
        if listing.unreadable.is_empty() {
            return Ok(listing.rows);
        }
        // It is there, so nobody may take it for missing.
        let problem = DecodeError::new("value", "a contact that can't be read");
        Err(failed(ErrorKind::Transient, None).because(problem))
    }
}
