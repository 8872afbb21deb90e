//! Contacts (facts 1, 2, 4): <https://learn.microsoft.com/graph/api/resources/contact>.

use http::Method;
use serde_json::Value;

use super::MailboxClient;
use crate::classify::Subject;
use crate::client::{Call, Target};
use crate::delta::DeltaPage;
use crate::error::{ErrorKind, GraphError};
use crate::exchange::Answer;
use crate::model::{Contact, ContactFields, stamp};
use crate::page::{Page, ReadFrom, read_row};
use crate::retry::Repeat;
use crate::transport::Transport;

impl<T: Transport> MailboxClient<'_, T> {
    /// One page of what has changed in a folder since the link was given; from the start, of all that is in it.
    /// A dead link is [`ErrorKind::SyncStateGone`]. <https://learn.microsoft.com/graph/api/contact-delta>
    pub async fn contact_delta(
        &self,
        folder: &str,
        from: ReadFrom<'_>,
    ) -> Result<DeltaPage<Contact>, GraphError> {
        let start = ["users", self.user, "contactFolders", folder, "contacts", "delta"];
        let call = Call::get("contact.delta", Subject::Folder, from.target(&start));
        self.client.delta_page(self.tenant, call).await
    }

    /// One page of a folder's contacts; `None`: of the default folder. Pages shift under concurrent deletes, so delta
    /// is the better source where it is to be had. <https://learn.microsoft.com/graph/api/user-list-contacts>
    pub async fn list_contacts(
        &self,
        folder: Option<&str>,
        from: ReadFrom<'_>,
    ) -> Result<Page<Contact>, GraphError> {
        let path = self.contacts_path(folder);
        self.client
            .page(
                self.tenant,
                Call::get("contact.list", Subject::Folder, from.target(&path)),
            )
            .await
    }

    /// As [`MailboxClient::list_contacts`], with the stamps.
    pub async fn list_stamped_contacts(
        &self,
        folder: Option<&str>,
        from: ReadFrom<'_>,
    ) -> Result<Page<Contact>, GraphError> {
        let (path, query) = (self.contacts_path(folder), stamp::expand());
        let target = match from {
            ReadFrom::Start => Target::Query(&path, &query),
            ReadFrom::Link(link) => Target::Link(link),
        };
        let call = Call::get("contact.list_stamped", Subject::Folder, target);
        self.client.page(self.tenant, call).await
    }

    /// As [`MailboxClient::list_contacts`], but each contact is only its id, its version, its folder and the time of
    /// its last change: a fraction of the bytes, for a comparison.
    pub async fn list_contact_versions(
        &self,
        folder: Option<&str>,
        from: ReadFrom<'_>,
    ) -> Result<Page<Contact>, GraphError> {
        const VERSIONS: &str = "$select=id,changeKey,parentFolderId,lastModifiedDateTime";
        let path = self.contacts_path(folder);
        let target = match from {
            ReadFrom::Start => Target::Query(&path, VERSIONS),
            ReadFrom::Link(link) => Target::Link(link),
        };
        self.client
            .page(
                self.tenant,
                Call::get("contact.list_versions", Subject::Folder, target),
            )
            .await
    }

    /// A contact, in whatever folder it is; `None` where Graph says that there is no such item.
    /// <https://learn.microsoft.com/graph/api/contact-get>
    pub async fn contact(&self, id: &str) -> Result<Option<Contact>, GraphError> {
        let target = Target::Path(&["users", self.user, "contacts", id]);
        let call = Call::get("contact.get", Subject::Item, target);
        let outcome = self.client.call(self.tenant, call).await;
        found(outcome.and_then(|answer| read(&answer)))
    }

    /// Creates a contact in a folder; `None`: in the default folder. Not idempotent, so it is never repeated where it
    /// may have been carried out: after [`ErrorKind::Transient`] look for it before creating it again.
    /// <https://learn.microsoft.com/graph/api/user-post-contacts>
    pub async fn create_contact(
        &self,
        folder: Option<&str>,
        contact: &ContactFields,
    ) -> Result<Contact, GraphError> {
        let path = self.contacts_path(folder);
        let call = Call::new(
            "contact.create",
            Method::POST,
            Subject::Folder,
            Target::Path(&path),
            Repeat::Unsafe,
        )
        .body(&Value::Object(contact.to_members()));
        read(&self.client.call(self.tenant, call).await?)
    }

    /// Changes the members that are in `patch`. With `if_match` only if the contact still has that etag
    /// ([`ErrorKind::Conflict`] else, also where a first attempt of ours was carried out and its answer lost).
    /// <https://learn.microsoft.com/graph/api/contact-update>
    pub async fn update_contact(
        &self,
        id: &str,
        if_match: Option<&str>,
        patch: &ContactFields,
    ) -> Result<Contact, GraphError> {
        let target = Target::Path(&["users", self.user, "contacts", id]);
        let call = Call::new(
            "contact.update",
            Method::PATCH,
            Subject::Item,
            target,
            Repeat::Safe,
        )
        .if_match(if_match)
        .body(&Value::Object(patch.to_members()));
        read(&self.client.call(self.tenant, call).await?)
    }

    /// Deletes a contact, into Deleted Items. One that is gone already is a success.
    /// <https://learn.microsoft.com/graph/api/contact-delete>
    pub async fn delete_contact(&self, id: &str, if_match: Option<&str>) -> Result<(), GraphError> {
        let target = Target::Path(&["users", self.user, "contacts", id]);
        let call = Call::new(
            "contact.delete",
            Method::DELETE,
            Subject::Item,
            target,
            Repeat::Safe,
        )
        .if_match(if_match);
        found(self.client.call(self.tenant, call).await).map(|_| ())
    }

    pub(super) fn contacts_path<'p>(&'p self, folder: Option<&'p str>) -> Vec<&'p str> {
        let mut path = vec!["users", self.user];
        if let Some(folder) = folder {
            path.extend(["contactFolders", folder]);
        }
        path.push("contacts");
        path
    }
}

fn read(answer: &Answer) -> Result<Contact, GraphError> {
    read_row(answer.json(Subject::Item)?).map_err(|row| answer.unreadable(row.problem))
}

/// Not found is no error.
pub(super) fn found<R>(outcome: Result<R, GraphError>) -> Result<Option<R>, GraphError> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
