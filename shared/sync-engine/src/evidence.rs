//! Contacts that have to be read by their ids before anything is done about them.
//!
//! The one place that buries a contact, and it does so on evidence only: Graph says that there is no such item, or
//! that it lies in none of the mailbox's synced folders. A deleted contact can still be read, in Deleted Items.

use std::collections::{BTreeMap, BTreeSet};

use contact_store::{Contact, Why};
use graph_client::{ErrorKind, Transport};
use jiff::Timestamp;
use sync_core::ids::{ContactId, OutlookId};
use sync_core::rebase::{Bereaved, bereaved, withheld};
use sync_core::record::{Hold, Side, Wish};
use sync_core::sighting::Source;

use crate::Trouble;
use crate::apply::{Effect, Write, is_on_its_way};
use crate::convert::Shown;
use crate::meet::{bury, pending, stamped};
use crate::photo_push::gone_with;
use crate::push::not_synced;
use crate::recover::{as_if_answered, may_be_awaited, may_be_its_item};
use crate::session::Session;
use crate::twins::has_gone_on;
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
    /// In a contact folder that is not synced.
    Unsynced,
    /// In any other folder, Deleted Items among them.
    Elsewhere,
}

/// What reading a contact led to.
pub(crate) struct Finding {
    pub(crate) effect: Effect,
    /// Outlook's time of its last change, where it is still there.
    pub(crate) modified_at: Option<Timestamp>,
}

/// What is done about a contact that is found to be gone from Outlook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// It is buried.
    Bury,
    /// Nothing yet: so many are asked about that it has to be known first how many are gone.
    Count,
    /// It waits for a person: more are gone than the delete guard allows.
    Guard,
}

impl<T: Transport> Session<'_, T> {
    /// Reads the contacts, and brings the mirror up to what they are. Gives back what had to be written.
    ///
    /// The delete guard counts what is asked in one call: whoever knows of more ought to ask for all of it.
    pub(crate) async fn verify(
        &mut self,
        asked: Vec<(ContactId, OutlookId)>,
    ) -> Result<Vec<Finding>, Trouble> {
        let mut findings = Vec::new();
        self.look_up(asked, &mut findings, |_| false).await?;
        Ok(findings)
    }

    /// As [`Session::verify`], for any number of contacts: looks at the clock now and then. What is left when time is
    /// up is asked for anew, and what has been done is then no longer among it.
    pub(crate) async fn verify_in_time(
        &mut self,
        asked: Vec<(ContactId, OutlookId)>,
    ) -> Result<Progress, Trouble> {
        self.look_up(asked, &mut Vec::new(), Self::out_of_time).await
    }

    /// More are asked about than may be deleted: nobody is buried before it is known how many are gone. If they are too
    /// many, all of them wait.
    async fn look_up(
        &mut self,
        asked: Vec<(ContactId, OutlookId)>,
        findings: &mut Vec<Finding>,
        is_over: impl Fn(&Self) -> bool,
    ) -> Result<Progress, Trouble> {
        let room = self.room_for(Side::Outlook).await?;
        let is_too_many = |count: usize| count as u64 > room;
        let (mut asked, mut loss) = (asked, Loss::Bury);
        if is_too_many(asked.len()) {
            let (mut gone, mut rest) = (Vec::new(), Vec::new());
            for chunk in asked.chunks(AT_ONCE) {
                if is_too_many(gone.len()) {
                    rest.extend_from_slice(chunk);
                } else if is_over(self) {
                    return Ok(Progress::Cut);
                } else {
                    gone.extend(self.read_again(chunk.to_vec(), Loss::Count, findings).await?);
                }
            }
            if is_too_many(gone.len()) {
                loss = Loss::Guard;
                self.holding.insert(Side::Outlook);
                tracing::warn!(
                    gone = gone.len(),
                    room,
                    "more contacts are gone from Outlook than the delete guard allows"
                );
            }
            asked = gone;
            asked.append(&mut rest);
        }
        for chunk in asked.chunks(AT_ONCE) {
            if is_over(self) {
                return Ok(Progress::Cut);
            }
            self.read_again(chunk.to_vec(), loss, findings).await?;
        }
        Ok(Progress::Complete)
    }

    /// How many more contacts one side may delete on the other: none, as long as some of its deletes are held.
    pub(crate) async fn room_for(&mut self, by: Side) -> Result<u64, Trouble> {
        if self.mailbox.deletes.held.contains(&by) {
            if self.holds_deletes(by).await? {
                return Ok(0);
            }
            self.update_mailbox(|mailbox| {
                mailbox.deletes.held.remove(&by);
            })
            .await?;
        }
        let done = match by {
            Side::Outlook => self.lost,
            Side::Platform => self.unmade,
        };
        let recent = self.mailbox.deletes.recent.as_ref();
        let guard = self.engine.settings.guard;
        let room = guard.room(self.size(), recent, by, self.now());
        Ok(room.saturating_sub(done))
    }

    /// Whether deletes of one side wait for a person: they may have settled by themselves, every one.
    async fn holds_deletes(&self, by: Side) -> Result<bool, Trouble> {
        let store = &self.engine.store;
        let mut after: Option<String> = None;
        loop {
            let page = store.held(&self.mailbox.id, after.as_deref(), AT_ONCE).await?;
            let ids: Vec<_> = page.items.into_iter().map(|row| row.id).collect();
            let found = store.contacts_by_id(&self.mailbox.id, &ids).await?;
            if found.contacts.values().any(|it| guarded_by(it) == Some(by)) {
                return Ok(true);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(false),
            }
        }
    }

    /// How many contacts the mailbox has: what the last comparison has counted, or else the first sync.
    fn size(&self) -> u64 {
        match &self.mailbox.comparison {
            Some(comparison) if comparison.finished_at.is_some() => comparison.contacts,
            Some(_) | None => self.folders.values().map(|folder| folder.contacts_seen).sum(),
        }
    }

    /// Reads some contacts. Gives back those of whom it is only counted that they are gone.
    async fn read_again(
        &mut self,
        asked: Vec<(ContactId, OutlookId)>,
        loss: Loss,
        findings: &mut Vec<Finding>,
    ) -> Result<Vec<(ContactId, OutlookId)>, Trouble> {
        let mut gone = Vec::new();
        let mut back = BTreeSet::new();
        let mut asked = asked;
        for _ in 0..LOOKS {
            let back_before = back.clone();
            let writes = self
                .gather(&asked.iter().cloned().collect(), loss, &mut gone, &mut back)
                .await?;
            findings.extend(writes.iter().map(|write| Finding {
                effect: write.effect,
                modified_at: write.contact.modified_at,
            }));
            let overtaken = self.write_all(writes).await?;
            let (overtaken_back, overtaken): (Vec<_>, Vec<_>) =
                overtaken.into_iter().partition(|(_, item)| back.contains(item));
            let back_again = back.difference(&back_before);
            let back_again = back_again.chain(overtaken_back.iter().map(|(_, item)| item));
            let derived = |item: &OutlookId| (ContactId::derive(&self.mailbox.id, item), item.clone());
            asked = overtaken.into_iter().chain(back_again.map(derived)).collect();
            if asked.is_empty() {
                return Ok(gone);
            }
        }
        let key = asked.first().map(|(id, _)| id.to_string()).unwrap_or_default();
        Err(contact_store::StoreError::Conflict { key }.into())
    }

    /// `back`: items that a look has found to be back in Outlook after their contacts had gone on. Only what is asked of
    /// Graph after that is evidence: this worker, or one before it, may just have deleted what a move had left there.
    async fn gather(
        &mut self,
        asked: &BTreeMap<ContactId, OutlookId>,
        loss: Loss,
        gone: &mut Vec<(ContactId, OutlookId)>,
        back: &mut BTreeSet<OutlookId>,
    ) -> Result<Vec<Write>, Trouble> {
        let outlook_ids: Vec<&str> = asked.values().map(OutlookId::as_str).collect();
        let mailbox = self.mailbox.id.clone();
        // The mirror first: who writes a contact behind this, before what Graph shows is written, is noticed by its revision.
        let mirror = self.owners(asked).await?;
        let answers = self.graph().contacts(&outlook_ids).await;
        self.report.verified += answers.len() as u64;
        if asked.keys().any(|id| may_be_awaited(mirror.contacts.get(id))) {
            self.reload_mailbox().await?;
        }
        let mut writes = Vec::new();
        for ((id, outlook_id), answer) in asked.iter().zip(answers) {
            let stored = mirror.contacts.get(id);
            let whereabouts = match answer {
                _ if mirror.unreadable.contains(id) => {
                    self.report.unreadable += 1;
                    continue;
                }
                Ok(Some(contact)) => {
                    let mut shown = Shown::new(&mailbox, contact);
                    let leads_there = shown.id == *id;
                    mirror.rename(id, &mut shown);
                    match self.is_ours(&shown).await? {
                        Some(true) => {
                            let other = stored.filter(|it| leads_there && has_gone_on(it, outlook_id));
                            if let Some(other) = other {
                                if !back.insert(outlook_id.clone()) {
                                    writes.extend(self.take_in_beside(other, shown).await?);
                                }
                                continue;
                            }
                            let owner = match stored {
                                Some(_) => None,
                                None => self.owner(&shown).await?,
                            };
                            if let Some(owner) = owner.as_ref().filter(|it| it.is_tombstone()) {
                                writes.extend(self.unwanted(&shown, owner));
                                continue;
                            }
                            let stored = stored.or(owner.as_ref());
                            let write = self.write_for(&shown, stored, Source::Read).await;
                            writes.extend(write.ok().flatten());
                            continue;
                        }
                        Some(false) if self.is_left_out(&shown) => Whereabouts::Unsynced,
                        Some(false) => Whereabouts::Elsewhere,
                        None => {
                            self.report.unreadable += 1;
                            continue;
                        }
                    }
                }
                Ok(None) => Whereabouts::Nowhere,
                Err(error) => match error.kind() {
                    // About this one contact only: it stays as it is, and the rest goes on.
                    ErrorKind::Permanent | ErrorKind::Conflict | ErrorKind::QuotaExceeded => {
                        self.report.unreadable += 1;
                        tracing::warn!(contact.id = %id, error = %error, "a contact can't be read");
                        continue;
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
            let Some(write) = self.loss(stored, outlook_id, whereabouts) else {
                continue;
            };
            // Created anew, it would be there twice if the others turn out to be there after all.
            let is_buried = write.effect == Effect::Bury;
            let is_lost = (is_buried || write.contact.outlook.is_none())
                && stored.is_some_and(|stored| stored.deleted_at.is_none());
            match (loss, stored) {
                (Loss::Count, _) if is_lost => gone.push((id.clone(), outlook_id.clone())),
                (Loss::Guard, Some(stored)) if is_lost => writes.push(self.guarded(stored, whereabouts)),
                _ => {
                    self.lost += u64::from(is_lost && is_buried);
                    writes.push(write);
                }
            }
        }
        Ok(writes)
    }

    /// A contact that is gone, and whose deletion waits for a person.
    fn guarded(&self, stored: &Contact, whereabouts: Whereabouts) -> Write {
        let now = self.now();
        let hold = Hold::Guarded {
            at: now,
            elsewhere: whereabouts == Whereabouts::Unsynced,
        };
        let contact = Contact {
            outlook: None,
            edit: Some(withheld(stored.edit.as_ref(), stored.rev, hold, now)),
            omitted: Vec::new(),
            ..stored.clone()
        };
        Write::over(stored, contact, Effect::Guard)
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

    /// Whether a contact lies in a folder that is there, and that the mailbox's scope leaves out.
    fn is_left_out(&self, shown: &Shown) -> bool {
        let folder = shown.folder.as_ref().and_then(|id| self.folders.get(id));
        folder.is_some_and(|folder| !folder.in_scope && !self.missing.contains(&folder.id))
    }

    /// The contact that was created as this item, and does not know it yet: its creator died before he could say so.
    /// An item that somebody has copied in Outlook has the stamp of a contact that is there.
    async fn owner(&self, shown: &Shown) -> Result<Option<Contact>, Trouble> {
        let Some(id) = stamped(shown.stamp.as_deref()) else {
            return Ok(None);
        };
        let contact = self.engine.store.contact(&self.mailbox.id, &id).await?;
        let since = self.mailbox.creating.as_ref().map(|creating| creating.since);
        let contact = contact.filter(|contact| {
            let is_unborn = contact.outlook.is_none() && contact.edit.is_some();
            let arrives = shown.folder.as_ref().is_some_and(|it| is_on_its_way(contact, it));
            let may_be = shown
                .folder
                .as_ref()
                .is_some_and(|it| may_be_its_item(contact, shown, it, since));
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
        let has_left = whereabouts != Whereabouts::Nowhere && !self.takes_contacts(&stored.folder);
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
                let why = if clash.is_some() { Why::Conflict } else { Why::Seen };
                bury(&mut contact, why, now);
                clash
            }
            Some(Bereaved::Unborn) => return None,
            None => {
                bury(&mut contact, Why::Seen, now);
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

/// Whose delete of the contact the guard holds.
fn guarded_by(contact: &Contact) -> Option<Side> {
    let edit = contact.edit.as_ref()?;
    matches!(edit.hold, Some(Hold::Guarded { .. })).then_some(match edit.wish {
        Wish::Delete | Wish::Erase => Side::Platform,
        Wish::Save => Side::Outlook,
    })
}
