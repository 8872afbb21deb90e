//! The proof: the whole mailbox against the whole mirror, by id and change key.
//!
//! Lists each folder and holds it against the mirror's outlines of it. What differs is read by id and repaired; what
//! is equal costs no write. Where time is up in mid-folder, what has been seen is kept, and only then.

use std::collections::{BTreeMap, BTreeSet};

use contact_store::{Comparison, ComparisonCursor, Folder, SeenPage, TimerKind};
use graph_client::{ErrorKind, ReadFrom, Transport};
use jiff::{SignedDuration, Timestamp};
use sync_core::demand::CLOCK_SKEW;
use sync_core::ids::{ContactId, FolderId, OutlookId};
use sync_core::record::OutlookItem;
use sync_core::schedule;

use crate::Trouble;
use crate::apply::Effect;
use crate::convert::{Shown, named};
use crate::evidence::Finding;
use crate::session::Session;
use crate::work::Progress;

/// How long the pages of a comparison that was cut are kept, should it never go on.
const SEEN_FOR: SignedDuration = SignedDuration::from_hours(3 * 24);

/// A change as fresh as this when the comparison begins may still be on its way to us: Graph takes three minutes at the
/// most (facts 5.1), and tells the time of a change in whole seconds.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_mins(5);

/// Ids kept in one item, of the 12,000 that it could hold.
const SEEN_AT_ONCE: usize = 5_000;

/// One folder's comparison while it runs.
struct Folding {
    cursor: ComparisonCursor,
    /// What the mirror has of Outlook, by the ids that Outlook's ids lead to.
    mirror: BTreeMap<ContactId, OutlookItem>,
    seen: BTreeSet<ContactId>,
    /// Those of `seen` that are stored already.
    stored: BTreeSet<ContactId>,
}

impl<T: Transport> Session<'_, T> {
    /// Compares, unless a comparison that began after `requested_at` has been made.
    pub(crate) async fn compare(&mut self, requested_at: Timestamp) -> Result<Progress, Trouble> {
        let now = self.now();
        let mut run = match self.mailbox.comparison.clone() {
            Some(done) if done.finished_at.is_some() && is_answered(&done, requested_at) => {
                return Ok(Progress::Complete);
            }
            Some(running)
                if running.finished_at.is_none()
                    && running.requested_at >= requested_at
                    && now.duration_since(running.started_at) < SEEN_FOR / 2 =>
            {
                running
            }
            before => Comparison {
                clean: before.map_or(0, |before| before.clean),
                started_at: now,
                finished_at: None,
                requested_at,
                contacts: 0,
                drift: BTreeMap::new(),
            },
        };
        // Odd, where those of rounds are even.
        let generation = u64::try_from(run.started_at.as_millisecond()).unwrap_or_default() * 2 + 1;
        let mut done_here = Vec::new();
        // Of all folders: the delete guard is to see how many they are.
        let mut unseen = Vec::new();
        for id in self.synced_folders() {
            let Some(folder) = self.folders.get(&id).cloned() else {
                continue;
            };
            match self
                .compare_folder(&folder, generation, &mut run, &mut unseen)
                .await?
            {
                None => done_here.push(id),
                Some(cursor) => {
                    let findings = self.verify(unseen).await?;
                    self.count_drift(&mut run, &findings);
                    self.put_down(id, cursor, done_here, &run).await?;
                    return Ok(Progress::Cut);
                }
            }
        }
        let findings = self.verify(unseen).await?;
        self.count_drift(&mut run, &findings);
        run.finished_at = Some(self.now());
        run.clean = if run.drift.is_empty() {
            run.clean.saturating_add(1)
        } else {
            0
        };
        self.update_mailbox(|mailbox| mailbox.comparison = Some(run.clone()))
            .await?;
        let wait = schedule::comparison_after(self.engine.settings.compare_every, run.clean);
        let due = schedule::next_due(self.now(), wait, self.draw());
        self.set_timer(TimerKind::Compare, due).await?;
        Ok(Progress::Complete)
    }

    fn synced_folders(&self) -> Vec<FolderId> {
        self.folders
            .keys()
            .filter(|id| self.is_synced(id))
            .cloned()
            .collect()
    }

    /// `None` when the folder is done but for those whom only the mirror has; a cursor where time was up.
    async fn compare_folder(
        &mut self,
        folder: &Folder,
        generation: u64,
        run: &mut Comparison,
        unseen: &mut Vec<(ContactId, OutlookId)>,
    ) -> Result<Option<ComparisonCursor>, Trouble> {
        let cut = folder
            .comparison
            .clone()
            .filter(|cursor| cursor.generation == generation);
        let mut link = match &cut {
            Some(cursor) if cursor.link.is_none() => return Ok(None),
            Some(cursor) => cursor.link.clone(),
            None => None,
        };
        let mut folding = self.begin(folder, cut, generation).await?;
        loop {
            let from = link.as_deref().map_or(ReadFrom::Start, ReadFrom::Link);
            let page = self
                .graph()
                .list_contact_versions(Some(folder.id.as_str()), from)
                .await;
            let page = match page {
                // The place where it was cut is no longer to be had: from the start.
                Err(error) if error.kind() == ErrorKind::SyncStateGone && link.is_some() => {
                    link = None;
                    continue;
                }
                page => page?,
            };
            let rows: Vec<Shown> = page
                .rows
                .into_iter()
                .map(|contact| Shown::new(&self.mailbox.id, contact))
                .collect();
            run.contacts += rows.len() as u64;
            let suspects = rows.iter().filter(|row| differs(row, &folding.mirror));
            let suspects = suspects
                .map(|row| (row.id.clone(), row.outlook_id.clone()))
                .collect();
            let findings = self.verify(suspects).await?;
            self.count_drift(run, &findings);
            folding.seen.extend(rows.into_iter().map(|row| row.id));
            folding.seen.extend(
                page.unreadable
                    .into_iter()
                    .filter_map(|row| self.contact_id(row.id)),
            );
            folding.cursor.page += 1;
            link = page.next;
            if link.is_none() {
                break;
            }
            if self.out_of_time() {
                folding.cursor.link = link;
                return self.keep(folder, folding).await.map(Some);
            }
        }
        let is_unseen = |id: &ContactId| !folding.seen.contains(id);
        let mirror = folding.mirror.into_iter().filter(|(id, _)| is_unseen(id));
        unseen.extend(mirror.map(|(id, item)| (id, item.id)));
        if !folding.stored.is_empty() {
            self.engine
                .store
                .clear_seen(&self.mailbox.id, &folder.id, generation)
                .await?;
        }
        Ok(None)
    }

    fn contact_id(&self, outlook_id: Option<String>) -> Option<ContactId> {
        let outlook_id = OutlookId::new(outlook_id?);
        Some(ContactId::derive(&self.mailbox.id, &outlook_id))
    }

    async fn begin(
        &self,
        folder: &Folder,
        cut: Option<ComparisonCursor>,
        generation: u64,
    ) -> Result<Folding, Trouble> {
        let stored = match cut {
            Some(_) => {
                self.engine
                    .store
                    .seen(&self.mailbox.id, &folder.id, generation)
                    .await?
            }
            None => BTreeSet::new(),
        };
        let mut mirror = BTreeMap::new();
        let mut after: Option<String> = None;
        loop {
            let page = self
                .engine
                .store
                .outlines(&self.mailbox.id, &folder.id, after.as_deref())
                .await?;
            let named = page.items.iter().filter_map(|it| named(&self.mailbox.id, it));
            mirror.extend(named.map(|(id, item)| (id, item.clone())));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let cursor = cut.unwrap_or(ComparisonCursor {
            generation,
            link: None,
            page: 0,
        });
        Ok(Folding {
            cursor,
            mirror,
            seen: stored.clone(),
            stored,
        })
    }

    /// Keeps what has been seen, for the run that goes on.
    async fn keep(&self, folder: &Folder, folding: Folding) -> Result<ComparisonCursor, Trouble> {
        let new: Vec<_> = folding.seen.difference(&folding.stored).cloned().collect();
        let expires_at = self.now().saturating_add(SEEN_FOR).unwrap_or(Timestamp::MAX);
        // Numbered down from the last page of this run: each page of Graph's has at most a thousand contacts, so there
        // are never more items than pages, and those of an earlier run keep their numbers.
        for (page, contacts) in (0..=folding.cursor.page).rev().zip(new.chunks(SEEN_AT_ONCE)) {
            let page = SeenPage {
                mailbox: self.mailbox.id.clone(),
                folder: folder.id.clone(),
                generation: folding.cursor.generation,
                page,
                contacts: contacts.to_vec(),
                expires_at,
            };
            self.engine.store.add_seen(&page).await?;
        }
        Ok(folding.cursor)
    }

    /// Puts a comparison down where time is up: the folders that are done, the one that is cut, and the counts.
    async fn put_down(
        &mut self,
        cut: FolderId,
        cursor: ComparisonCursor,
        done: Vec<FolderId>,
        run: &Comparison,
    ) -> Result<(), Trouble> {
        let finished = |generation| ComparisonCursor {
            generation,
            link: None,
            page: 0,
        };
        let marks = done.into_iter().map(|id| (id, finished(cursor.generation)));
        for (id, cursor) in marks.collect::<Vec<_>>().into_iter().chain([(cut, cursor)]) {
            if let Some(mut folder) = self.folders.get(&id).cloned()
                && folder.comparison.as_ref() != Some(&cursor)
            {
                folder.comparison = Some(cursor);
                self.save_folder(folder).await?;
            }
        }
        self.update_mailbox(|mailbox| mailbox.comparison = Some(run.clone()))
            .await
    }

    /// What had to be written is drift, unless Outlook changed it only just before the comparison or during it: that is
    /// news.
    fn count_drift(&mut self, run: &mut Comparison, findings: &[Finding]) {
        let news_since = run
            .started_at
            .saturating_sub(ON_ITS_WAY)
            .unwrap_or(run.started_at);
        for finding in findings {
            if finding.effect != Effect::Bury && finding.modified_at.is_some_and(|at| at >= news_since) {
                continue;
            }
            let cause = match finding.effect {
                Effect::Insert => "missing-in-mirror",
                Effect::Update | Effect::Touch => "stale-in-mirror",
                Effect::Move => "in-another-folder",
                Effect::Bury => "gone-from-outlook",
                // Nothing is repaired before a person has decided.
                Effect::Guard => continue,
            };
            *run.drift.entry(cause.to_owned()).or_default() += 1;
            *self.report.drift.entry(cause).or_default() += 1;
        }
    }
}

fn is_answered(done: &Comparison, requested_at: Timestamp) -> bool {
    done.started_at.duration_since(requested_at) > CLOCK_SKEW
}

fn differs(row: &Shown, mirror: &BTreeMap<ContactId, OutlookItem>) -> bool {
    mirror
        .get(&row.id)
        .is_none_or(|item| Some(&item.change_key) != row.change_key.as_ref())
}
