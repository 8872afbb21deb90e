//! What Outlook's answers to edits mean for the mirror.
//!
//! What a contact becomes is decided by `sync_core::push::after`; this file writes it down, and where somebody has edited
//! the contact while it was on its way, asks again with what it is then. Knows no request but those of cleaning up.

use std::collections::BTreeMap;

use contact_store::{Companion, Contact, StoreError};
use graph_client::{ContactWrite, ErrorKind, Transport, Written};
use sync_core::ids::OutlookId;
use sync_core::members::alike;
use sync_core::merge::{Clash, Winner};
use sync_core::push::{Sent, Step, after, after_delete};
use sync_core::rebase::{DELETED, Rebased};
use sync_core::record::{self, OutlookItem, Side, Wish};
use sync_core::sighting::{Document, Source};

use crate::Trouble;
use crate::apply::{Effect, Write};
use crate::convert::Shown;
use crate::meet::{Meeting, become_of, bury, pending};
use crate::push::Sending;
use crate::session::Session;

/// How often a contact that is edited again and again is read anew.
const LOOKS: u32 = 4;

impl<T: Transport> Session<'_, T> {
    /// Writes down what Outlook has carried out.
    pub(crate) async fn confirm(&mut self, written: Vec<(Sending, Written)>) -> Result<(), Trouble> {
        let mut writes = Vec::new();
        for (sending, answer) in &written {
            *match sending.step {
                Step::Create(_) | Step::Move(_) => &mut self.report.created,
                Step::Update(_) | Step::Agreed | Step::Held => &mut self.report.patched,
                Step::Delete => &mut self.report.deleted,
            } += 1;
            writes.extend(self.confirmation(sending, answer, &sending.contact).await);
        }
        for _ in 0..LOOKS {
            let overtaken = self.write_each(writes).await?;
            if overtaken.is_empty() {
                return Ok(());
            }
            writes = Vec::new();
            for (sending, answer) in &written {
                if !overtaken.contains(&sending.contact.id) {
                    continue;
                }
                let store = &self.engine.store;
                if let Some(now) = store.contact(&self.mailbox.id, &sending.contact.id).await? {
                    writes.extend(self.confirmation(sending, answer, &now).await);
                }
            }
        }
        let key = writes.first().map(|write| write.contact.id.to_string());
        Err(StoreError::Conflict {
            key: key.unwrap_or_default(),
        }
        .into())
    }

    /// The write that an answer leads to. `now` is the contact as it is stored.
    async fn confirmation(&mut self, sending: &Sending, answer: &Written, now: &Contact) -> Option<Write> {
        match answer {
            Written::Saved(answer) => {
                self.saved(sending, Shown::new(&self.mailbox.id, answer.clone()), now)
                    .await
            }
            Written::Deleted => Some(self.deleted(now)),
        }
    }

    async fn saved(&mut self, sending: &Sending, shown: Shown, now: &Contact) -> Option<Write> {
        let sent = &sending.contact;
        let (Some(sent_edit), Some(edit)) = (&sent.edit, &now.edit) else {
            // The edit was taken back while it was on its way: then this is only what Outlook has.
            return self
                .write_for(&shown, Some(now), Source::Read)
                .await
                .ok()
                .flatten();
        };
        let folder = shown.folder.clone();
        let folder = folder.unwrap_or_else(|| match &sending.step {
            Step::Create(_) | Step::Move(_) => self.real_folder(&sent.folder).clone(),
            Step::Update(_) | Step::Delete | Step::Agreed | Step::Held => sent_edit
                .base_folder
                .clone()
                .unwrap_or_else(|| sent.folder.clone()),
        });
        let change_key = shown.change_key.clone()?;
        let seen = record::Shown {
            document: &shown.document,
            folder: &folder,
            modified_at: shown.modified_at,
        };
        let carried_out = Sent {
            pending: pending(sent, sent_edit),
            step: &sending.step,
        };
        let (pending, policy) = (pending(now, edit), self.rules().conflict);
        let mut rebased = after(carried_out, pending, seen, policy, &BTreeMap::new());
        if let Some(answers) = self.answers(now, edit, seen, &rebased.clashes).await {
            rebased = after(carried_out, pending, seen, policy, &answers);
        }
        let item = OutlookItem {
            id: shown.outlook_id.clone(),
            change_key,
        };
        let meeting = Meeting {
            shown: &shown,
            item,
            seen,
        };
        Some(self.settled_write(Some(now), &meeting, rebased, Side::Outlook, Effect::Update))
    }

    fn deleted(&mut self, now: &Contact) -> Write {
        let mut contact = now.clone();
        match now.edit.as_ref().and_then(after_delete) {
            Some(edit) => {
                contact.edit = Some(edit);
                contact.outlook = None;
            }
            None => bury(&mut contact, Side::Platform, self.now()),
        }
        Write::over(now, contact, Effect::Bury)
    }

    /// Both sides have it so already, or both are rid of it.
    pub(crate) async fn agree(&mut self, contact: Contact) -> Result<(), Trouble> {
        let Some(edit) = &contact.edit else { return Ok(()) };
        let mut agreed = contact.clone();
        match (edit.wish, &edit.base) {
            (Wish::Save, Some(base)) => {
                let rebased = Rebased {
                    document: base.clone(),
                    extras: contact.extras.clone(),
                    folder: contact.folder.clone(),
                    edit: None,
                    clashes: Vec::new(),
                };
                become_of(&mut agreed, rebased, Side::Outlook, self.now(), false);
            }
            (Wish::Save, None) => return Ok(()),
            (Wish::Delete, _) => bury(&mut agreed, Side::Platform, self.now()),
        }
        // Who has edited it meanwhile has not agreed.
        self.write_all(vec![Write::over(&contact, agreed, Effect::Touch)])
            .await?;
        Ok(())
    }

    /// Deletes the items in Outlook that a contact has left. One that was changed there after the contact had moved on is
    /// kept in the conflict log first: once it is deleted, nobody looks at it again.
    pub(crate) async fn clean_up(&mut self, contact: Contact) -> Result<(), Trouble> {
        if let Some(photos) = self.engine.photos.clone()
            && contact.has_left_photo()
        {
            return self.erase_photo(&photos, &contact).await;
        }
        if contact.superseded.is_empty() {
            return Ok(());
        }
        let ids: Vec<&str> = contact.superseded.iter().map(OutlookId::as_str).collect();
        let found = self.graph().contacts(&ids).await;
        let mut deletes = Vec::new();
        let mut companions = Vec::new();
        for found in found {
            let Some(item) = found? else { continue };
            let shown = Shown::new(&self.mailbox.id, item);
            if !shown.folder.as_ref().is_some_and(|folder| self.is_synced(folder)) {
                // In Deleted Items already.
                continue;
            }
            // Outlook's times are whole seconds.
            let is_later = shown.modified_at.zip(contact.created_at);
            if is_later.is_some_and(|(modified, moved)| modified >= moved)
                && !alike(&shown.document, &contact.document)
            {
                companions.push(self.left_change(&contact, shown.document));
            }
            deletes.push(ContactWrite::Delete {
                id: shown.outlook_id.as_str().to_owned(),
                if_match: shown.change_key.map(|key| key.as_str().to_owned()),
            });
        }
        // At most one entry a moment for a contact; what a second old item had is rare beyond telling.
        companions.truncate(1);
        let mut cleaned = contact.clone();
        if !companions.is_empty() {
            let write = Write {
                companions,
                ..Write::over(&contact, cleaned.clone(), Effect::Touch)
            };
            if !self.write_all(vec![write]).await?.is_empty() {
                // Edited at this moment: the index shows it again.
                return Ok(());
            }
            cleaned.rev += 1;
        }
        for outcome in self.graph().write_contacts(&deletes).await {
            match outcome {
                Ok(_) => self.report.deleted += 1,
                // Changed at this moment, or not deletable: looked at again with the next push.
                Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Permanent) => {
                    tracing::warn!(contact.id = %contact.id, %error, "an item that a contact has left can't be deleted");
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        let before = cleaned.clone();
        cleaned.superseded = Vec::new();
        // Edited meanwhile: they are gone all the same, and the next look finds that.
        self.write_all(vec![Write::over(&before, cleaned, Effect::Touch)])
            .await?;
        Ok(())
    }

    /// The entry of the log for a change that somebody has made to an item that the contact had left.
    fn left_change(&mut self, contact: &Contact, theirs: Document) -> Companion {
        let clash = Clash {
            member: DELETED.to_owned(),
            base: None,
            ours: None,
            theirs: Some(theirs.clone().into()),
            winner: Winner::Platform,
            kept: None,
        };
        let (base, ours) = (contact.base().clone(), contact.document.clone());
        self.conflict(contact, vec![clash], Some(base), Some(ours), Some(theirs))
    }
}
