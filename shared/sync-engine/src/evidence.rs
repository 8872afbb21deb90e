//! Contacts that have to be read by their ids before anything is done about them.
//!
//! The one place that buries a contact, and it does so on evidence only: Graph says that there is no such item, or
//! that it lies in none of the mailbox's synced folders. A deleted contact can still be read, in Deleted Items.

use std::collections::BTreeMap;

use contact_store::Contact;
use graph_client::{ErrorKind, Transport};
use jiff::Timestamp;
use sync_core::ids::{ContactId, OutlookId};
use sync_core::rebase::{Bereaved, bereaved};
use sync_core::record::{Hold, Side};
use sync_core::sighting::Source;

use crate::Trouble;
use crate::apply::{Effect, Write, is_on_its_way};
use crate::convert::Shown;
use crate::meet::{bury, pending, stamped};
use crate::photo_push::gone_with;
use crate::push::not_synced;
use crate::recover::{as_if_answered, may_be_its_item};
use crate::session::Session;
use crate::work::Progress;

/// How often contacts that somebody else wrote meanwhile are looked at again.
const LOOKS: u32 = 3;

/// Contacts read at a time: five batches of Graph's twenty.
const AT_ONCE: usize = 100;

/// Where an item is that is none of ours any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// Graph says that there is none.
    Nowhere,
    /// In a folder that is not synced, Deleted Items among them.
    Elsewhere,
}

/// What reading a contact led to.
pub(crate) struct Finding {
    pub(crate) effect: Effect,
    /// Outlook's time of its last change, where it is still there.
    pub(crate) modified_at: Option<Timestamp>,
}

impl<T: Transport> Session<'_, T> {
    /// Reads the contacts, and brings the mirror up to what they are. Gives back what had to be written.
    pub(crate) async fn verify(
        &mut self,
        asked: Vec<(ContactId, OutlookId)>,
    ) -> Result<Vec<Finding>, Trouble> {
        let mut findings = Vec::new();
        let mut asked = asked;
        for _ in 0..LOOKS {
            let mut overtaken = Vec::new();
            for chunk in asked.chunks(AT_ONCE) {
                let writes = self.gather(&chunk.iter().cloned().collect()).await?;
                let effects: Vec<_> = writes
                    .iter()
                    .map(|write| Finding {
                        effect: write.effect,
                        modified_at: write.contact.modified_at,
                    })
                    .collect();
                overtaken.extend(self.write_all(writes).await?);
                findings.extend(effects);
            }
            if overtaken.is_empty() {
                return Ok(findings);
            }
            asked = overtaken;
        }
        let key = asked.first().map(|(id, _)| id.to_string()).unwrap_or_default();
        Err(contact_store::StoreError::Conflict { key }.into())
    }

    /// As [`Session::verify`], for any number of contacts: looks at the clock now and then. What is left when time is
    /// up is asked for anew, and what has been done is then no longer among it.
    pub(crate) async fn verify_in_time(
        &mut self,
        asked: Vec<(ContactId, OutlookId)>,
    ) -> Result<Progress, Trouble> {
        for chunk in asked.chunks(AT_ONCE) {
            if self.out_of_time() {
                return Ok(Progress::Cut);
            }
            self.verify(chunk.to_vec()).await?;
        }
        Ok(Progress::Complete)
    }

    async fn gather(&mut self, asked: &BTreeMap<ContactId, OutlookId>) -> Result<Vec<Write>, Trouble> {
        let outlook_ids: Vec<&str> = asked.values().map(OutlookId::as_str).collect();
        let answers = self.graph().contacts(&outlook_ids).await;
        self.report.verified += answers.len() as u64;
        let mailbox = self.mailbox.id.clone();
        let ids: Vec<_> = asked.keys().cloned().collect();
        let mirror = self.engine.store.contacts_by_id(&mailbox, &ids).await?;
        let mut writes = Vec::new();
        for ((id, outlook_id), answer) in asked.iter().zip(answers) {
            let stored = mirror.contacts.get(id);
            let write = match answer {
                _ if mirror.unreadable.contains(id) => {
                    self.report.unreadable += 1;
                    None
                }
                Ok(Some(contact)) => {
                    let shown = Shown::new(&mailbox, contact);
                    match self.is_ours(&shown).await? {
                        Some(true) => {
                            let owner = match stored {
                                Some(_) => None,
                                None => self.owner(&shown).await?,
                            };
                            let stored = stored.or(owner.as_ref());
                            self.write_for(&shown, stored, Source::Read).await.ok().flatten()
                        }
                        Some(false) => self.loss(stored, outlook_id, Whereabouts::Elsewhere),
                        None => {
                            self.report.unreadable += 1;
                            None
                        }
                    }
                }
                Ok(None) => self.loss(stored, outlook_id, Whereabouts::Nowhere),
                Err(error) => match error.kind() {
                    // About this one contact only: it stays as it is, and the rest goes on.
                    ErrorKind::Permanent | ErrorKind::Conflict | ErrorKind::QuotaExceeded => {
                        self.report.unreadable += 1;
                        tracing::warn!(contact.id = %id, error = %error, "a contact can't be read");
                        None
                    }
                    ErrorKind::Throttled { .. }
                    | ErrorKind::SyncStateGone
                    | ErrorKind::NotFound
                    | ErrorKind::MailboxUnavailable(_)
                    | ErrorKind::FolderNotFound
                    | ErrorKind::Forbidden
                    | ErrorKind::AlreadyExists
                    | ErrorKind::BadCredential
                    | ErrorKind::TenantNotFound
                    | ErrorKind::ForeignHost
                    | ErrorKind::Transient => return Err(error.into()),
                },
            };
            writes.extend(write);
        }
        Ok(writes)
    }

    /// Whether a contact lies in a synced folder; `None` where Graph didn't say in which it lies. One in a folder that
    /// nobody knows may have been moved to a new one, so the folders are listed, once for each such folder.
    async fn is_ours(&mut self, shown: &Shown) -> Result<Option<bool>, Trouble> {
        let Some(folder) = &shown.folder else {
            return Ok(None);
        };
        if !self.folders.contains_key(folder) && self.strangers.insert(folder.clone()) {
            self.list_folders().await?;
        }
        Ok(Some(self.is_synced(folder)))
    }

    /// The contact that was created as this item, and does not know it yet: its creator died before he could say so.
    /// An item that somebody has copied in Outlook has the stamp of a contact that is there.
    async fn owner(&self, shown: &Shown) -> Result<Option<Contact>, Trouble> {
        let Some(id) = stamped(shown.stamp.as_deref()) else {
            return Ok(None);
        };
        let contact = self.engine.store.contact(&self.mailbox.id, &id).await?;
        let contact = contact.filter(|contact| {
            let is_unborn = contact.outlook.is_none() && contact.edit.is_some();
            let arrives = shown.folder.as_ref().is_some_and(|it| is_on_its_way(contact, it));
            let may_be = shown
                .folder
                .as_ref()
                .is_some_and(|it| may_be_its_item(contact, shown, it));
            is_unborn || arrives || (may_be && self.is_awaited(contact))
        });
        Ok(contact.map(|contact| as_if_answered(&contact, shown)))
    }

    /// What becomes of a contact whose item is gone from Outlook: a tombstone, or, where an edit waits that wins against
    /// the delete, a contact that is to be created anew. A tombstone is for the id: its members go.
    ///
    /// Where its item is still there, and its folder is not synced any more, the contact has left with its folder. What
    /// was edited is held then: created anew, it would lie there twice, and Outlook's version is none to be given up.
    pub(crate) fn loss(
        &mut self,
        stored: Option<&Contact>,
        item: &OutlookId,
        whereabouts: Whereabouts,
    ) -> Option<Write> {
        let stored = stored.filter(|stored| !stored.is_tombstone())?;
        // An item that the contact has left behind is not the contact.
        stored.outlook.as_ref().filter(|it| it.id == *item)?;
        let now = self.now();
        let mut contact = stored.clone();
        let bereaved = stored
            .edit
            .as_ref()
            .map(|edit| bereaved(pending(stored, edit), self.rules()));
        let has_left = whereabouts == Whereabouts::Elsewhere && !self.takes_contacts(&stored.folder);
        let clash = match bereaved {
            Some(Bereaved::Recreate(..)) if has_left => {
                let edit = contact.edit.as_mut().filter(|edit| edit.hold.is_none())?;
                edit.hold = Some(Hold::Refused(not_synced(now)));
                self.report.refused += 1;
                return Some(Write::over(stored, contact, Effect::Touch));
            }
            Some(Bereaved::Recreate(edit, clash)) => {
                contact.outlook = None;
                contact.edit = Some(*edit);
                contact.omitted = Vec::new();
                Some(clash)
            }
            Some(Bereaved::Gone(clash)) => {
                bury(&mut contact, Side::Outlook, now);
                clash
            }
            Some(Bereaved::Unborn) => return None,
            None => {
                bury(&mut contact, Side::Outlook, now);
                None
            }
        };
        let effect = if contact.is_tombstone() {
            Effect::Bury
        } else {
            Effect::Update
        };
        let of_photo = gone_with(stored).filter(|_| contact.is_tombstone() && stored.deleted_at.is_none());
        let clashes: Vec<_> = clash.into_iter().chain(of_photo).collect();
        let conflict = (!clashes.is_empty()).then(|| {
            let (base, ours) = (stored.base().clone(), stored.document.clone());
            self.conflict(&contact, clashes, Some(base), Some(ours), None)
        });
        Some(Write {
            companions: conflict.into_iter().collect(),
            ..Write::over(stored, contact, effect)
        })
    }
}
