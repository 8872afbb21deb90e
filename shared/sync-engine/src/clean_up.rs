//! What moves leave behind in Outlook: the old items, which are looked at once more and deleted.
//!
//! Graph can't move a contact, so it is created anew and the old item deleted. In between somebody may have changed the
//! old one: what he did goes on with the contact, or into the conflict log. No item's trouble is another's.

use std::collections::BTreeSet;

use contact_store::{Companion, Contact, Why};
use graph_client::{ContactWrite, GraphError, Transport};
use sync_core::edit::Current;
use sync_core::ids::OutlookId;
use sync_core::members::alike;
use sync_core::merge::{Clash, Winner};
use sync_core::push::{Step, overlooked};
use sync_core::rebase::DELETED;
use sync_core::record::{self, OutlookItem, Wish};
use sync_core::sighting::Document;

use crate::Trouble;
use crate::apply::{Effect, Write};
use crate::convert::Shown;
use crate::course::{Base, Course, Kind};
use crate::meet::become_of;
use crate::send::{Fate, fate};
use crate::session::Session;

/// How often an item is looked at that is changed again before it can be deleted.
const LOOKS: u32 = 3;

/// A contact that has left items behind.
struct Leaver {
    contact: Contact,
    /// As it is stored.
    stored: Contact,
    companions: Vec<Companion>,
    /// Items to be deleted, in the version that was looked at.
    doomed: Vec<(OutlookId, Option<String>)>,
    gone: BTreeSet<OutlookId>,
}

impl<T: Transport> Session<'_, T> {
    /// Deletes the items in Outlook that contacts have left.
    pub(crate) async fn clean_up(&mut self, course: &mut Course) -> Result<(), Trouble> {
        for _ in 0..LOOKS {
            let left = std::mem::take(&mut course.left);
            if left.is_empty() || course.is_closed_to(Kind::Delete) {
                return Ok(());
            }
            let contacts = self.read(left).await?.into_iter();
            let leavers = contacts.filter(|contact| !contact.superseded.is_empty());
            self.clean_up_after(leavers.collect(), course).await?;
        }
        Ok(())
    }

    async fn clean_up_after(&mut self, contacts: Vec<Contact>, course: &mut Course) -> Result<(), Trouble> {
        let (mut leavers, end) = self.look_at_left(contacts, course).await;
        if let Some(error) = end {
            return Err(error.into());
        }
        // What somebody did is kept before the item goes.
        let changed = leavers.iter().filter(|it| it.contact != it.stored);
        let writes = changed.map(|leaver| Write {
            companions: leaver.companions.clone(),
            ..Write::over(&leaver.stored, leaver.contact.clone(), Effect::Touch)
        });
        let overtaken = self.write_each(writes.collect()).await?;
        // Edited at this moment: it is merged with what it is then.
        course.left.extend(overtaken.iter().cloned());
        leavers.retain(|leaver| !overtaken.contains(&leaver.contact.id));
        for leaver in leavers.iter_mut().filter(|it| it.contact != it.stored) {
            leaver.contact.rev += 1;
            // What was taken along is sent after it, whatever the index says.
            course.named.insert(leaver.contact.id.clone());
        }
        let doomed: Vec<(usize, OutlookId, Option<String>)> = leavers
            .iter()
            .enumerate()
            .flat_map(|(index, leaver)| {
                leaver
                    .doomed
                    .iter()
                    .map(move |(id, key)| (index, id.clone(), key.clone()))
            })
            .collect();
        let deletes: Vec<ContactWrite> = doomed
            .iter()
            .map(|(index, id, if_match)| {
                let id = id.as_str().to_owned();
                self.deletion(&leavers[*index].contact, id, if_match.clone())
            })
            .collect();
        let mut end = None;
        for ((index, id, _), outcome) in doomed
            .into_iter()
            .zip(self.graph().write_contacts(&deletes).await)
        {
            let leaver = &mut leavers[index];
            let Err(error) = outcome else {
                self.report.deleted += 1;
                leaver.gone.insert(id);
                continue;
            };
            match fate(&Step::Delete, &error) {
                // Changed at this moment.
                Fate::Look => drop(course.left.insert(leaver.contact.id.clone())),
                Fate::Refusal => {
                    course.closes(Kind::Delete);
                    course.refusal.get_or_insert(error);
                }
                Fate::Park | Fate::Failure => not_now(&leaver.contact, &error),
                Fate::Stop => end = end.or(Some(error)),
            }
        }
        let cleaned = leavers.into_iter().filter(|it| !it.gone.is_empty());
        let writes = cleaned.map(|Leaver { contact, gone, .. }| {
            let mut cleaned = contact.clone();
            cleaned.superseded.retain(|id| !gone.contains(id));
            cleaned.left.retain(|item| !gone.contains(&item.id));
            Write::over(&contact, cleaned, Effect::Touch)
        });
        // Edited meanwhile: they are gone all the same, and the next look finds that.
        self.write_each(writes.collect()).await?;
        end.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Reads the items, and takes up what somebody has changed in them. An item that can't be read stays for the next
    /// time. The error is one that concerns all.
    async fn look_at_left(
        &mut self,
        contacts: Vec<Contact>,
        course: &Course,
    ) -> (Vec<Leaver>, Option<GraphError>) {
        let ids: Vec<&str> = contacts
            .iter()
            .flat_map(|it| &it.superseded)
            .map(OutlookId::as_str)
            .collect();
        let mut found = self.graph().contacts(&ids).await.into_iter();
        let mut end = None;
        let mut leavers = Vec::new();
        for stored in contacts {
            let mut leaver = Leaver {
                contact: stored.clone(),
                companions: Vec::new(),
                doomed: Vec::new(),
                gone: BTreeSet::new(),
                stored,
            };
            for id in leaver.stored.superseded.clone() {
                match found.next() {
                    Some(Ok(Some(item))) => {
                        self.look_at_one(&mut leaver, Shown::new(&self.mailbox.id, item), course);
                    }
                    Some(Ok(None)) => drop(leaver.gone.insert(id)),
                    Some(Err(error)) if fate(&Step::Delete, &error) == Fate::Stop => {
                        end = end.or(Some(error));
                    }
                    Some(Err(error)) => not_now(&leaver.stored, &error),
                    None => {}
                }
            }
            // At most one entry a moment for a contact; what a second old item had is rare beyond telling.
            leaver.companions.truncate(1);
            leavers.push(leaver);
        }
        (leavers, end)
    }

    fn look_at_one(&mut self, leaver: &mut Leaver, shown: Shown, course: &Course) {
        let Some(folder) = &shown.folder else {
            return;
        };
        if !self.is_synced(folder) {
            // In Deleted Items already.
            leaver.gone.insert(shown.outlook_id);
            return;
        }
        let known = leaver
            .contact
            .left
            .iter()
            .find(|item| item.id == shown.outlook_id);
        let is_untouched = known.is_some_and(|item| Some(&item.change_key) == shown.change_key.as_ref());
        if !is_untouched {
            self.take_along(leaver, &shown, course.bases.get(&shown.outlook_id));
            // Looked at again, it is no news.
            leaver.contact.left.retain(|item| item.id != shown.outlook_id);
            leaver
                .contact
                .left
                .extend(shown.change_key.clone().map(|change_key| OutlookItem {
                    id: shown.outlook_id.clone(),
                    change_key,
                }));
        }
        let if_match = shown.change_key.map(|key| key.as_str().to_owned());
        leaver.doomed.push((shown.outlook_id, if_match));
    }

    /// Somebody has changed the item after it was looked at. The contact goes on with what he did; where nobody knows any
    /// more what the item was, or nobody wants the contact, that is kept in the conflict log.
    fn take_along(&mut self, leaver: &mut Leaver, shown: &Shown, base: Option<&Base>) {
        let contact = &mut leaver.contact;
        if contact.is_erased() {
            return; // Nothing of it is to be kept.
        }
        let is_wanted = contact.edit.as_ref().is_none_or(|edit| edit.wish == Wish::Save);
        let Some(base) = base.filter(|_| is_wanted && contact.deleted_at.is_none()) else {
            if !alike(&shown.document, &contact.document) {
                let entry = self.left_change(contact, shown.document.clone());
                leaver.companions.push(entry);
            }
            return;
        };
        let before = contact.clone();
        let mut edits = base.edits.clone();
        edits.extend(before.edit.iter().flat_map(|edit| edit.members.clone()));
        let now = Current {
            document: &before.document,
            extras: &before.extras,
            folder: &before.folder,
            edit: before.edit.as_ref(),
            rev: before.rev,
        };
        let seen = record::Shown {
            document: &shown.document,
            folder: &before.folder,
            modified_at: shown.modified_at,
        };
        let (edited, clashes) = overlooked(&base.document, &edits, now, seen, self.rules().conflict);
        if let Some(edited) = edited {
            let why = if clashes.is_empty() {
                Why::Seen
            } else {
                Why::Conflict
            };
            become_of(contact, edited.into(), why, self.now(), false);
        }
        if !clashes.is_empty() {
            let (base, ours) = (base.document.clone(), before.document);
            let theirs = shown.document.clone();
            let entry = self.conflict(contact, clashes, Some(base), Some(ours), Some(theirs));
            leaver.companions.push(entry);
        }
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

fn not_now(contact: &Contact, error: &GraphError) {
    tracing::warn!(contact.id = %contact.id, %error, "an item that a contact has left can't be deleted");
}
