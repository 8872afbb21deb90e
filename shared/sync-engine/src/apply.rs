//! A page's contacts onto the mirror.
//!
//! Each row gets its verdict from `sync_core::sighting`; this file only fetches what the verdict needs and does what
//! it says. Rows that are not enough to act on are handed to `evidence`.

use std::collections::{BTreeMap, BTreeSet};

use contact_store::{Contact, Expected, StoreError};
use futures_util::{StreamExt, stream};
use graph_client::Transport;
use sync_core::ids::{ContactId, FolderId, OutlookId};
use sync_core::sighting::{Absence, Sighting, Source, Verdict, judge, judge_absence};

use crate::Trouble;
use crate::convert::{Shown, known};
use crate::round::RoundPage;
use crate::session::Session;

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
}

/// One contact to be written, and what is believed to be stored.
pub(crate) struct Write {
    pub(crate) contact: Contact,
    pub(crate) expected: Expected,
    pub(crate) effect: Effect,
}

impl<T: Transport> Session<'_, T> {
    /// Brings the mirror up to a page of a folder's round. Gives back whom the page has shown.
    pub(crate) async fn apply(
        &mut self,
        folder: &FolderId,
        page: RoundPage,
        source: Source,
    ) -> Result<Vec<ContactId>, Trouble> {
        let mailbox = self.mailbox.id.clone();
        let named = |outlook_id: OutlookId| (ContactId::derive(&mailbox, &outlook_id), outlook_id);
        let (shown, doubled) = newest(
            page.changed
                .into_iter()
                .map(|contact| Shown::new(&mailbox, contact)),
        );
        let removed: BTreeMap<_, _> = page.removed.into_iter().map(named).collect();
        let unreadable: BTreeMap<_, _> = page.unreadable.into_iter().map(named).collect();
        self.report.unreadable += unreadable.len() as u64;
        let ids: BTreeSet<_> = shown.keys().chain(removed.keys()).cloned().collect();
        let mirror = self
            .engine
            .store
            .contacts_by_id(&mailbox, &Vec::from_iter(ids))
            .await?;

        let mut writes = Vec::new();
        let mut doubtful = Vec::new();
        for (id, shown) in &shown {
            let stored = mirror.contacts.get(id);
            if mirror.unreadable.contains(id) {
                self.report.unreadable += 1;
            } else if removed.contains_key(id)
                || doubled.contains(id)
                || !shown.folder.as_ref().is_some_and(|it| self.is_synced(it))
            {
                doubtful.push((id.clone(), shown.outlook_id.clone()));
            } else {
                match self.write_for(shown, stored, source) {
                    Ok(Some(write)) => writes.push(write),
                    Ok(None) => self.report.unchanged += 1,
                    Err(NotEnough) => doubtful.push((id.clone(), shown.outlook_id.clone())),
                }
            }
        }
        for (id, outlook_id) in removed.iter().filter(|(id, _)| !shown.contains_key(id)) {
            match judge_absence(mirror.contacts.get(id).map(known), folder) {
                Absence::Verify => doubtful.push((id.clone(), outlook_id.clone())),
                Absence::Ignore => self.report.unchanged += 1,
            }
        }
        doubtful.extend(self.write_all(writes).await?);
        self.verify(doubtful).await?;
        // A row that could not be read was shown all the same: it is there.
        Ok(shown.into_keys().chain(unreadable.into_keys()).collect())
    }

    /// The write that a sighting leads to, if any.
    pub(crate) fn write_for(
        &self,
        shown: &Shown,
        stored: Option<&Contact>,
        source: Source,
    ) -> Result<Option<Write>, NotEnough> {
        let sighting = shown.sighting().ok_or(NotEnough)?;
        let has_moved = stored.is_some_and(|stored| stored.folder != *sighting.folder);
        let (document, effect) = match judge(stored.map(known), sighting, source) {
            Verdict::Insert(document) => (document, Effect::Insert),
            Verdict::Update(document) if has_moved => (document, Effect::Move),
            Verdict::Update(document) => (document, Effect::Update),
            Verdict::Touch => return Ok(stored.map(|stored| touch(stored, shown, sighting))),
            Verdict::Unchanged => return Ok(None),
            Verdict::Verify(_) => return Err(NotEnough),
        };
        let contact = Contact {
            mailbox: self.mailbox.id.clone(),
            id: shown.id.clone(),
            outlook_id: shown.outlook_id.clone(),
            folder: sighting.folder.clone(),
            change_key: sighting.change_key.clone(),
            document,
            created_at: shown.created_at.or_else(|| stored.and_then(|it| it.created_at)),
            modified_at: shown.modified_at.or_else(|| stored.and_then(|it| it.modified_at)),
            changed_at: self.now(),
            version: stored.map_or(0, |stored| stored.version) + 1,
            deleted_at: None,
            // What a delta row leaves out is left out still.
            omitted: match (source, stored) {
                (Source::Delta, Some(stored)) => stored.omitted.clone(),
                (Source::Delta | Source::Full | Source::Read, _) => Vec::new(),
            },
        };
        Ok(Some(Write {
            contact,
            expected: expected(stored),
            effect,
        }))
    }

    /// Writes, a few at a time. Gives back those that somebody else came before: they have to be looked at again.
    pub(crate) async fn write_all(
        &mut self,
        writes: Vec<Write>,
    ) -> Result<Vec<(ContactId, OutlookId)>, Trouble> {
        let store = &self.engine.store;
        let mut results = stream::iter(writes)
            .map(async |write| (store.put_contact(&write.contact, write.expected).await, write))
            .buffer_unordered(WRITES_AT_ONCE);
        let mut overtaken = Vec::new();
        let mut effects = Vec::new();
        let mut failed = None;
        while let Some((result, write)) = results.next().await {
            match result {
                Ok(()) => effects.push(write.effect),
                Err(StoreError::Conflict { .. }) => {
                    overtaken.push((write.contact.id, write.contact.outlook_id));
                }
                // The others are let finish: what is written is written.
                Err(error) => failed = Some(error),
            }
        }
        drop(results);
        for effect in effects {
            *match effect {
                Effect::Insert => &mut self.report.inserted,
                Effect::Update | Effect::Move => &mut self.report.updated,
                Effect::Touch => &mut self.report.touched,
                Effect::Bury => &mut self.report.buried,
            } += 1;
        }
        failed.map_or(Ok(overtaken), |error| Err(error.into()))
    }
}

/// The same contact, with Outlook's new version of it: no new version of ours, since nothing has changed.
fn touch(stored: &Contact, shown: &Shown, sighting: Sighting<'_>) -> Write {
    let contact = Contact {
        change_key: sighting.change_key.clone(),
        modified_at: shown.modified_at.or(stored.modified_at),
        ..stored.clone()
    };
    Write {
        contact,
        expected: expected(Some(stored)),
        effect: Effect::Touch,
    }
}

/// What was shown is not enough to act on.
pub(crate) struct NotEnough;

pub(crate) fn expected(stored: Option<&Contact>) -> Expected {
    stored.map_or(Expected::Absent, |stored| Expected::Version(stored.version))
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
