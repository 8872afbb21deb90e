//! A page's contacts onto the mirror.
//!
//! Each row gets its verdict from `sync_core::sighting`; this file only fetches what the verdict needs and does what
//! it says. Rows that are not enough to act on are handed to `evidence`.

use std::collections::{BTreeMap, BTreeSet};

use contact_store::{Companion, Contact, Expected, Phase, StoreError};
use futures_util::{StreamExt, stream};
use graph_client::Transport;
use sync_core::bugs::{Bug, bug};
use sync_core::ids::{ContactId, FolderId, OutlookId};
use sync_core::record::{self, OutlookItem};
use sync_core::sighting::{Absence, Sighting, Source, Verdict, judge, judge_absence};

use crate::Trouble;
use crate::convert::{Shown, known};
use crate::evidence::Whereabouts;
use crate::meet::Meeting;
use crate::recover::may_be_awaited;
use crate::round::RoundPage;
use crate::session::Session;
use crate::twins::has_gone_on;

/// How many contacts are written at a time.
const WRITES_AT_ONCE: usize = 16;

/// What a write does, for the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Insert,
    Update,
    Move,
    Touch,
    Bury,
    /// Its delete waits for a person.
    Guard,
}

/// One contact to be written, and what is believed to be stored.
pub(crate) struct Write {
    pub(crate) contact: Contact,
    pub(crate) expected: Expected,
    /// What is written with it or not at all.
    pub(crate) companions: Vec<Companion>,
    pub(crate) effect: Effect,
}

/// What a page has said that is not in the mirror yet.
pub(crate) struct Applied {
    /// Whom it has shown.
    pub(crate) shown: Vec<ContactId>,
    /// Who is gone, it says. That has to be verified.
    pub(crate) missing: Vec<(ContactId, OutlookId)>,
}

impl<T: Transport> Session<'_, T> {
    /// Brings the mirror up to a page of a folder's round, but for whom it says to be removed.
    pub(crate) async fn apply(
        &mut self,
        folder: &FolderId,
        page: RoundPage,
        source: Source,
    ) -> Result<Applied, Trouble> {
        let mailbox = self.mailbox.id.clone();
        let named = |outlook_id: OutlookId| (ContactId::derive(&mailbox, &outlook_id), outlook_id);
        let (mut shown, doubled) = newest(
            page.changed
                .into_iter()
                .map(|contact| Shown::new(&mailbox, contact)),
        );
        let removed: BTreeMap<_, _> = page.removed.into_iter().map(named).collect();
        let unreadable: BTreeMap<_, _> = page.unreadable.into_iter().map(named).collect();
        self.report.unreadable += unreadable.len() as u64;
        let mut items: BTreeMap<_, _> = removed.clone();
        items.extend(
            shown
                .iter()
                .map(|(id, shown)| (id.clone(), shown.outlook_id.clone())),
        );
        let mirror = self.owners(&items).await?;
        for (id, shown) in &mut shown {
            mirror.rename(id, shown);
        }
        if items.keys().any(|id| may_be_awaited(mirror.contacts.get(id))) {
            self.reload_mailbox().await?;
        }

        let mut writes = Vec::new();
        let mut doubtful = Vec::new();
        let mut missing = Vec::new();
        for (id, shown) in &shown {
            let stored = mirror.contacts.get(id);
            if mirror.unreadable.contains(id) {
                self.report.unreadable += 1;
            } else if removed.contains_key(id)
                || doubled.contains(id)
                || !shown.folder.as_ref().is_some_and(|it| self.is_synced(it))
                || (stored.is_none() && self.mailbox.creating.is_some())
                || stored.is_some_and(|stored| has_gone_on(stored, &shown.outlook_id))
            {
                // The last but one: it may be one that a worker has created before it died. Its stamp tells.
                doubtful.push((id.clone(), shown.outlook_id.clone()));
            } else {
                match self.write_for(shown, stored, source).await {
                    Ok(Some(write)) => writes.push(write),
                    Ok(None) => self.report.unchanged += 1,
                    Err(NotEnough) => doubtful.push((id.clone(), shown.outlook_id.clone())),
                }
            }
        }
        for (id, outlook_id) in removed.iter().filter(|(id, _)| !shown.contains_key(id)) {
            let stored = mirror.contacts.get(id);
            if stored.is_none() && self.mailbox.creating.is_some() {
                // It may be one that a worker has created before it died, and that a person has moved since: it is nowhere
                // else to be seen yet.
                doubtful.push((id.clone(), outlook_id.clone()));
                continue;
            }
            // One that the contact has left behind is none of its business any more.
            let stored = stored.filter(|it| it.outlook.as_ref().is_some_and(|item| item.id == *outlook_id));
            match judge_absence(stored.and_then(known), folder) {
                Absence::Verify if bug(Bug::DeleteWithoutEvidence) => {
                    writes.extend(self.loss(stored, outlook_id, Whereabouts::Nowhere));
                }
                Absence::Verify => missing.push((id.clone(), outlook_id.clone())),
                Absence::Ignore => self.report.unchanged += 1,
            }
        }
        doubtful.extend(self.write_all(writes).await?);
        self.verify(doubtful).await?;
        Ok(Applied {
            // A row that could not be read was shown all the same: it is there.
            shown: shown.into_keys().chain(unreadable.into_keys()).collect(),
            missing,
        })
    }

    /// The write that a sighting leads to, if any.
    pub(crate) async fn write_for(
        &mut self,
        shown: &Shown,
        stored: Option<&Contact>,
        source: Source,
    ) -> Result<Option<Write>, NotEnough> {
        let sighting = shown.sighting().ok_or(NotEnough)?;
        let is_awaited = stored.is_some_and(|stored| self.is_awaited(stored));
        let known = match relation(stored, shown, sighting.folder, is_awaited) {
            Relation::Itself => stored.and_then(known),
            Relation::Newcomer => None,
            Relation::LeftBehind | Relation::Other => return Ok(None),
        };
        let has_moved = known.is_some_and(|known| known.folder != sighting.folder);
        let (document, effect) = match judge(known, sighting, source) {
            Verdict::Insert(document) => (document, Effect::Insert),
            Verdict::Update(document) if has_moved => (document, Effect::Move),
            Verdict::Update(document) => (document, Effect::Update),
            Verdict::Touch => {
                // Nothing that is told of a contact: perhaps its photo.
                let touched = stored.map(|stored| touch(stored, shown, sighting));
                self.note_change(touched.as_ref());
                return Ok(touched);
            }
            Verdict::Unchanged => return Ok(None),
            Verdict::Verify(_) => return Err(NotEnough),
        };
        let meeting = Meeting {
            shown,
            item: OutlookItem {
                id: shown.outlook_id.clone(),
                change_key: sighting.change_key.clone(),
            },
            seen: record::Shown {
                document: &document,
                folder: sighting.folder,
                modified_at: shown.modified_at,
            },
        };
        let mut write = self.take_in(stored, &meeting, effect).await;
        // A delta row carries what has changed: what was left out for its size still is.
        if source != Source::Delta {
            write.contact.omitted = Vec::new();
        }
        self.note_change(Some(&write));
        Ok(Some(write))
    }

    /// Outlook has shown something new: perhaps the photo is new as well. After a first sync all are looked at.
    fn note_change(&mut self, write: Option<&Write>) {
        if let Some(write) = write.filter(|_| self.mailbox.phase == Phase::Live) {
            self.note_photo_of(&write.contact.id);
        }
    }

    /// Writes, a few at a time. Gives back those that somebody else came before, with the items they are about: they have
    /// to be looked at again.
    pub(crate) async fn write_all(
        &mut self,
        writes: Vec<Write>,
    ) -> Result<Vec<(ContactId, OutlookId)>, Trouble> {
        for write in writes.iter().filter(|write| write.expected == Expected::Absent) {
            let contact = &write.contact;
            let item = contact.outlook.iter();
            let item = item.map(|item| (contact.id.clone(), item.id.clone()));
            self.fresh.entry(contact.folder.clone()).or_default().extend(item);
        }
        let items: BTreeMap<ContactId, Option<OutlookId>> = writes
            .iter()
            .map(|write| {
                (
                    write.contact.id.clone(),
                    write.contact.outlook.as_ref().map(|item| item.id.clone()),
                )
            })
            .collect();
        let overtaken = self.write_each(writes).await?;
        let items = items.into_iter().filter(|(id, _)| overtaken.contains(id));
        Ok(items.filter_map(|(id, item)| Some((id, item?))).collect())
    }

    /// The same, for whoever knows what to look at.
    pub(crate) async fn write_each(&mut self, writes: Vec<Write>) -> Result<BTreeSet<ContactId>, Trouble> {
        let store = &self.engine.store;
        let mut results = stream::iter(writes)
            .map(async |write| {
                let put = store.put_contact_with(&write.contact, write.expected, &write.companions);
                (put.await, write)
            })
            .buffer_unordered(WRITES_AT_ONCE);
        let mut overtaken = BTreeSet::new();
        let mut effects = Vec::new();
        let mut left_photos = Vec::new();
        let mut failed = None;
        while let Some((result, write)) = results.next().await {
            match result {
                Ok(()) => {
                    effects.push(write.effect);
                    left_photos.extend(write.contact.has_left_photo().then_some(write.contact.id));
                }
                Err(StoreError::Conflict { .. }) => drop(overtaken.insert(write.contact.id)),
                // The others are let finish: what is written is written.
                Err(error) => failed = Some(error),
            }
        }
        drop(results);
        for contact in left_photos {
            self.note_photo_of(&contact);
        }
        for effect in effects {
            *match effect {
                Effect::Insert => &mut self.report.inserted,
                Effect::Update | Effect::Move => &mut self.report.updated,
                Effect::Touch => &mut self.report.touched,
                Effect::Bury => &mut self.report.buried,
                Effect::Guard => &mut self.report.guarded,
            } += 1;
        }
        failed.map_or(Ok(overtaken), |error| Err(error.into()))
    }
}

/// The same contact, with Outlook's new version of it: no new version of ours, since nothing has changed.
fn touch(stored: &Contact, shown: &Shown, sighting: Sighting<'_>) -> Write {
    let item = OutlookItem {
        id: shown.outlook_id.clone(),
        change_key: sighting.change_key.clone(),
    };
    let contact = Contact {
        outlook: Some(item),
        modified_at: shown.modified_at.or(stored.modified_at),
        ..stored.clone()
    };
    Write::over(stored, contact, Effect::Touch)
}

/// What an item that Outlook shows is to the contact that its id leads to.
enum Relation {
    /// That contact.
    Itself,
    /// That contact is to get this item: it is not in Outlook, or on its way to this folder.
    Newcomer,
    /// The contact has moved on, and this item is to be deleted.
    LeftBehind,
    /// The contact has another item. The id that is derived from this one's shows whose it is.
    Other,
}

fn relation(stored: Option<&Contact>, shown: &Shown, folder: &FolderId, is_awaited: bool) -> Relation {
    let Some(stored) = stored else {
        return Relation::Newcomer;
    };
    let Some(item) = &stored.outlook else {
        return Relation::Newcomer;
    };
    if item.id == shown.outlook_id {
        Relation::Itself
    } else if stored.superseded.contains(&shown.outlook_id) {
        Relation::LeftBehind
    } else if stored.is_tombstone() || is_awaited || is_on_its_way(stored, folder) {
        Relation::Newcomer
    } else {
        Relation::Other
    }
}

/// True for a contact that is being moved to the folder.
pub(crate) fn is_on_its_way(contact: &Contact, folder: &FolderId) -> bool {
    let from = contact.edit.as_ref().and_then(|edit| edit.base_folder.as_ref());
    from.is_some_and(|from| from != folder) && contact.folder == *folder
}

/// What was shown is not enough to act on.
pub(crate) struct NotEnough;

pub(crate) fn expected(stored: Option<&Contact>) -> Expected {
    stored.map_or(Expected::Absent, |stored| Expected::Rev(stored.rev))
}

/// One row for each contact: a page may show the same one several times, and in any order (facts 4.2, point 5). Those
/// that it shows in different versions come back as a second value: each row may carry what another leaves out.
fn newest(rows: impl Iterator<Item = Shown>) -> (BTreeMap<ContactId, Shown>, BTreeSet<ContactId>) {
    let mut newest: BTreeMap<ContactId, Shown> = BTreeMap::new();
    let mut doubled = BTreeSet::new();
    for row in rows {
        if let Some(other) = newest.get(&row.id)
            && other.change_key != row.change_key
        {
            doubled.insert(row.id.clone());
        }
        newest.insert(row.id.clone(), row);
    }
    (newest, doubled)
}
