//! Photos that were set here, to Outlook.
//!
//! Who gets his way is decided by `sync_core::photo`. As with other edits: look before you write, log what the policy
//! has decided before the loser is written over, and a photo that is refused stops nobody else.

use bytes::Bytes;
use contact_store::{Contact, Photo, PhotoEdit};
use graph_client::{ErrorKind, GraphError, Transport};
use jiff::Timestamp;
use photo_store::PhotoStore;
use serde_json::Value;
use sync_core::merge::{Clash, Winner};
use sync_core::photo::{PHOTO, PhotoHash, Step, step};
use sync_core::record::Refusal;

use crate::Trouble;
use crate::apply::{Effect, Write};
use crate::photos::{kept, name};
use crate::session::Session;

/// What has become of a photo on its way.
pub(crate) enum Sent {
    /// It is in Outlook, or somebody has changed it meanwhile, or it is refused.
    Done,
    /// Outlook takes no photos in this mailbox.
    Refusal(GraphError),
    /// It has failed, and that may pass. Another one may fare better.
    Failure(GraphError),
}

impl<T: Transport> Session<'_, T> {
    /// Brings a contact's photo to Outlook.
    pub(crate) async fn push_photo(
        &mut self,
        photos: &PhotoStore,
        mut contact: Contact,
    ) -> Result<Sent, Trouble> {
        let Some((wanted, edit)) = contact
            .pending_photo()
            .map(|(it, edit)| (it.clone(), edit.clone()))
        else {
            return Ok(Sent::Done);
        };
        let Some(item) = contact.outlook.clone() else {
            // It is created first.
            return Ok(Sent::Done);
        };
        let theirs = match self.graph().photo(item.id.as_str()).await {
            Ok(theirs) => theirs,
            Err(error) => return self.photo_failed(&contact, error).await,
        };
        self.report.photos_checked += 1;
        let their_hash = theirs.as_deref().map(PhotoHash::of);
        let base = edit.base.as_ref().map(|photo| &photo.hash);
        let policy = self.rules().conflict;
        match step(&wanted.hash, &edit.replaced, base, their_hash.as_ref(), policy) {
            Step::Agreed => return self.photo_settled(photos, contact).await,
            Step::Send => {}
            Step::Clash(Winner::Outlook) => return self.yield_photo(photos, &contact, theirs).await,
            Step::Clash(Winner::Platform | Winner::Custom) => {
                // Their photo is what Outlook had last from now on; so the clash is logged once, and before it is
                // written over.
                match self.note_clash(photos, &contact, theirs).await? {
                    Some(noted) => contact = noted,
                    None => return Ok(Sent::Done),
                }
            }
        }
        let Some(bytes) = photos.get(&name(&contact, &wanted)).await? else {
            tracing::error!(contact.id = %contact.id, "a photo that Outlook is to get is not kept any more");
            let refusal = Refusal {
                at: self.now(),
                status: None,
                code: Some("photoMissing".to_owned()),
                reason: Some("The photo's object is gone. Set the photo again.".to_owned()),
                request_id: None,
            };
            return self.hold_photo(&contact, refusal).await;
        };
        match self.graph().put_photo(item.id.as_str(), bytes).await {
            Ok(()) => {
                self.report.photos_written += 1;
                self.photo_settled(photos, contact).await
            }
            Err(error) => self.photo_failed(&contact, error).await,
        }
    }

    /// Outlook has the photo.
    async fn photo_settled(&mut self, photos: &PhotoStore, contact: Contact) -> Result<Sent, Trouble> {
        let settled = Contact {
            photo_edit: None,
            ..contact.clone()
        };
        // Where somebody has written the contact meanwhile it is looked at again, and agrees; or it has another photo, and
        // knows that this one was ours.
        let write = Write::over(&contact, settled, Effect::Touch);
        let is_written = self.write_each(vec![write]).await?.is_empty();
        if let Some(photo) = contact.photo.filter(|_| is_written) {
            photos
                .erase_older(&contact.mailbox, &contact.id, photo.version)
                .await?;
        }
        Ok(Sent::Done)
    }

    /// Outlook's photo is kept, and the platform's is in the log.
    async fn yield_photo(
        &mut self,
        photos: &PhotoStore,
        contact: &Contact,
        theirs: Option<Bytes>,
    ) -> Result<Sent, Trouble> {
        let hash = theirs.as_deref().map(PhotoHash::of);
        let yielded = self.with_photo(photos, contact, theirs).await?;
        let companion = self.photo_conflict(contact, &yielded, hash.as_ref(), Winner::Outlook);
        let version = yielded.version;
        let write = Write {
            companions: vec![companion],
            ..Write::over(contact, yielded, Effect::Update)
        };
        if self.write_each(vec![write]).await?.is_empty() {
            photos.erase_older(&contact.mailbox, &contact.id, version).await?;
        }
        Ok(Sent::Done)
    }

    /// The contact with Outlook's photo as the base of ours, and an entry in the log. `None`: written by somebody else
    /// at this moment.
    async fn note_clash(
        &mut self,
        photos: &PhotoStore,
        contact: &Contact,
        theirs: Option<Bytes>,
    ) -> Result<Option<Contact>, Trouble> {
        // Version 0: older than any that the contact has had, so it goes with the others.
        let base = theirs.as_ref().map(|bytes| kept(bytes, 0));
        if let (Some(base), Some(bytes)) = (&base, theirs) {
            photos.put(&name(contact, base), bytes).await?;
        }
        let hash = base.as_ref().map(|base| base.hash.clone());
        let mut noted = contact.clone();
        if let Some(edit) = &mut noted.photo_edit {
            edit.base = base;
        }
        let companion = self.photo_conflict(contact, &noted, hash.as_ref(), Winner::Platform);
        let write = Write {
            companions: vec![companion],
            ..Write::over(contact, noted.clone(), Effect::Touch)
        };
        let is_written = self.write_each(vec![write]).await?.is_empty();
        noted.rev += 1;
        Ok(is_written.then_some(noted))
    }

    fn photo_conflict(
        &mut self,
        before: &Contact,
        after: &Contact,
        theirs: Option<&PhotoHash>,
        winner: Winner,
    ) -> contact_store::Companion {
        let value = |photo: &Photo| Value::from(photo.hash.as_str());
        let clash = Clash {
            member: PHOTO.to_owned(),
            base: before.outlook_photo().map(value),
            ours: before.photo.as_ref().map(value),
            theirs: theirs.map(|hash| hash.as_str().into()),
            winner,
            kept: after.photo.as_ref().map(value),
        };
        self.conflict(after, vec![clash], None, None, None)
    }

    async fn photo_failed(&mut self, contact: &Contact, error: GraphError) -> Result<Sent, Trouble> {
        match error.kind() {
            // The contact is gone, or was moved: what has become of it is another question than its photo's.
            ErrorKind::NotFound => {
                let item = contact.outlook.clone();
                let asked = item.map(|item| (contact.id.clone(), item.id));
                self.verify(asked.into_iter().collect()).await?;
                Ok(Sent::Done)
            }
            ErrorKind::Permanent => {
                let refusal = Refusal {
                    at: self.now(),
                    status: error.status(),
                    code: error.code().map(str::to_owned),
                    reason: error.reason().map(str::to_owned),
                    request_id: error.request_id().map(str::to_owned),
                };
                tracing::warn!(contact.id = %contact.id, %error, "Outlook refuses a photo");
                self.hold_photo(contact, refusal).await
            }
            ErrorKind::Forbidden | ErrorKind::QuotaExceeded => Ok(Sent::Refusal(error)),
            ErrorKind::SyncStateGone
            | ErrorKind::FolderNotFound
            | ErrorKind::Conflict
            | ErrorKind::AlreadyExists
            | ErrorKind::Transient
                if error.status().is_some() =>
            {
                Ok(Sent::Failure(error))
            }
            ErrorKind::Throttled { .. }
            | ErrorKind::SyncStateGone
            | ErrorKind::FolderNotFound
            | ErrorKind::MailboxUnavailable(_)
            | ErrorKind::Conflict
            | ErrorKind::AlreadyExists
            | ErrorKind::BadCredential
            | ErrorKind::TenantNotFound
            | ErrorKind::ForeignHost
            | ErrorKind::Transient => Err(error.into()),
        }
    }

    /// It waits for a person, and holds nobody up.
    async fn hold_photo(&mut self, contact: &Contact, refusal: Refusal) -> Result<Sent, Trouble> {
        let mut held = contact.clone();
        if let Some(edit) = &mut held.photo_edit {
            edit.refusal = Some(refusal);
        }
        self.report.refused += 1;
        // Who has set another photo meanwhile has perhaps put it right: then that is tried.
        self.write_each(vec![Write::over(contact, held, Effect::Touch)])
            .await?;
        Ok(Sent::Done)
    }
}

/// An item that is new to the contact has none of its photo: Outlook is to get it again.
pub(crate) fn send_again(contact: &mut Contact, now: Timestamp) {
    if contact.photo.is_none() {
        return;
    }
    let edit = contact.photo_edit.take();
    contact.photo_edit = Some(match edit {
        Some(edit) => PhotoEdit { base: None, ..edit },
        None => PhotoEdit {
            base: None,
            replaced: Vec::new(),
            edited_at: now,
            count: contact.rev + 1,
            refusal: None,
        },
    });
}

/// What is to be logged of a photo that waits while its contact is deleted in Outlook: it goes with the contact.
pub(crate) fn gone_with(contact: &Contact) -> Option<Clash> {
    let value = |photo: &Photo| Value::from(photo.hash.as_str());
    contact.photo_edit.as_ref().map(|edit| Clash {
        member: PHOTO.to_owned(),
        base: edit.base.as_ref().map(value),
        ours: contact.photo.as_ref().map(value),
        theirs: None,
        winner: Winner::Outlook,
        kept: None,
    })
}
