//! A folder's delta round, page by page: write the contacts, then save the link.
//!
//! A full round begins without a link, for the first sync and after a link has died; what it does not show has to
//! be looked up when it is complete. Where delta is not to be had, the pages of a plain list stand in for it.

use std::collections::BTreeSet;

use contact_store::{Cursor, Phase, SeenPage};
use graph_client::{ErrorKind, Next, ReadFrom, Transport};
use jiff::{SignedDuration, Timestamp};
use sync_core::bugs::{Bug, bug};
use sync_core::ids::{ContactId, FolderId, OutlookId};
use sync_core::sighting::{Absence, Source, judge_absence};

use crate::Trouble;
use crate::convert::{known, named};
use crate::session::Session;
use crate::work::Progress;

/// How often a folder's links may die within one run.
const RESTARTS: u32 = 2;

/// How long the ids of a full round's pages are kept, should it never end. Links die within days.
const SEEN_FOR: SignedDuration = SignedDuration::from_hours(14 * 24);

/// So many contacts that are gone are asked about, though the round goes on. In a mailbox of which more may be deleted,
/// the delete guard sees them part by part.
const MISSING_AT_ONCE: usize = 1_000;

/// Contacts that wait for something, read at a time.
const AT_ONCE: usize = 100;

/// More than these missing in a run, and the other folders are looked at before anybody is buried.
const A_FEW: usize = 5;

/// Where a round stands: what [`Cursor`] says, made whole.
#[derive(Clone, Debug)]
struct Standing {
    full: bool,
    listing: bool,
    generation: u64,
    link: Option<String>,
    page: u32,
    started_at: Timestamp,
    /// Another run has begun it.
    is_resumed: bool,
}

/// A round that has come to its end, but for those that it says, or leads to believe, to be gone.
pub(crate) struct Ended {
    folder: FolderId,
    standing: Standing,
    /// The delta link.
    link: Option<String>,
    /// How many contacts its last page has shown.
    shown: usize,
    missing: Vec<(ContactId, OutlookId)>,
}

/// A page of either kind.
pub(crate) struct RoundPage {
    pub(crate) changed: Vec<graph_client::Contact>,
    pub(crate) removed: Vec<OutlookId>,
    pub(crate) unreadable: Vec<OutlookId>,
    next: Onward,
}

/// Where a round goes on.
#[derive(Clone)]
enum Onward {
    Page(String),
    /// The delta link; `None` at the end of a list.
    Done(Option<String>),
}

impl<T: Transport> Session<'_, T> {
    /// Brings a folder up to date, but for who is missing: [`Session::finish_rounds`] looks them up.
    pub(crate) async fn round(&mut self, id: &FolderId) -> Result<Progress, Trouble> {
        let mut restarts = 0;
        // Whom the pages since the saved link have said to be gone: looked up together, before the next link is saved, so
        // that the delete guard sees how many they are.
        let mut missing = Vec::new();
        let Some(mut standing) = self.standing(id) else {
            return Ok(Progress::Complete);
        };
        loop {
            let page = match self.round_page(id, &standing).await {
                Ok(page) => page,
                Err(Trouble::Graph(error)) if error.kind() == ErrorKind::SyncStateGone => {
                    if restarts == RESTARTS {
                        return Err(Trouble::Restless);
                    }
                    restarts += 1;
                    self.report.resyncs += 1;
                    // The full round that follows shows who is there.
                    missing.clear();
                    standing = self.restart(id, &standing, standing.listing).await?;
                    continue;
                }
                // The mailbox is full: delta would have to write into it (facts 4.3). Listing doesn't.
                Err(Trouble::Graph(error))
                    if error.kind() == ErrorKind::QuotaExceeded && !standing.listing =>
                {
                    missing.clear();
                    standing = self.restart(id, &standing, true).await?;
                    continue;
                }
                Err(trouble) => return Err(trouble),
            };
            let source = match &standing {
                Standing { listing: true, .. } => Source::Read,
                Standing { full: true, .. } => Source::Full,
                Standing { .. } => Source::Delta,
            };
            let next = page.next.clone();
            if bug(Bug::LinkBeforePage) {
                self.save_early(id, &standing, &next).await?;
            }
            let applied = self.apply(id, page, source).await?;
            let shown = applied.shown;
            missing.extend(applied.missing);
            self.report.pages += 1;
            if standing.full {
                self.remember_seen(id, &standing, &shown).await?;
            }
            match next {
                Onward::Page(link) => {
                    let is_over = self.out_of_time();
                    if is_over || missing.len() >= MISSING_AT_ONCE {
                        self.verify(std::mem::take(&mut missing)).await?;
                    }
                    standing.link = Some(link.clone());
                    standing.page += 1;
                    if missing.is_empty() {
                        self.save_cut(id, &standing, link, shown.len()).await?;
                    }
                    if is_over {
                        return Ok(Progress::Cut);
                    }
                }
                Onward::Done(link) => {
                    if standing.full {
                        missing.extend(self.not_seen(id, standing.generation).await?);
                        missing.sort();
                        missing.dedup();
                    }
                    let ended = Ended {
                        folder: id.clone(),
                        standing,
                        link,
                        shown: shown.len(),
                        missing,
                    };
                    if ended.missing.is_empty() {
                        self.finish(ended).await?;
                    } else {
                        self.ended.push(ended);
                    }
                    return Ok(Progress::Complete);
                }
            }
        }
    }

    fn standing(&self, id: &FolderId) -> Option<Standing> {
        let started_at = self.now();
        let begin = |listing| Standing {
            full: true,
            listing,
            generation: generation(started_at),
            link: None,
            page: 0,
            started_at,
            is_resumed: false,
        };
        Some(match &self.folders.get(id)?.cursor {
            // Without a delta link: never begun, or listed last time. Delta may be to be had by now.
            Cursor::Unstarted | Cursor::Settled { link: None, .. } => begin(!self.engine.settings.delta),
            // So old that what it has seen may have been dropped.
            Cursor::Round {
                full: true,
                started_at: since,
                ..
            } if started_at.duration_since(*since) > SEEN_FOR / 2 => begin(!self.engine.settings.delta),
            Cursor::Round {
                full,
                generation,
                link,
                page,
                started_at,
                listing,
            } => Standing {
                full: *full,
                listing: *listing,
                generation: *generation,
                link: Some(link.clone()),
                page: *page,
                started_at: *started_at,
                is_resumed: true,
            },
            Cursor::Settled {
                link: Some(link),
                generation,
                ..
            } => Standing {
                full: false,
                listing: false,
                generation: *generation,
                link: Some(link.clone()),
                page: 0,
                started_at,
                is_resumed: false,
            },
        })
    }

    async fn round_page(&self, id: &FolderId, standing: &Standing) -> Result<RoundPage, Trouble> {
        let from = standing.link.as_deref().map_or(ReadFrom::Start, ReadFrom::Link);
        let outlook_id = |text: Option<String>| text.map(OutlookId::new);
        if standing.listing {
            let page = self.graph().list_contacts(Some(id.as_str()), from).await?;
            return Ok(RoundPage {
                changed: page.rows,
                removed: Vec::new(),
                unreadable: page
                    .unreadable
                    .into_iter()
                    .filter_map(|row| outlook_id(row.id))
                    .collect(),
                next: page.next.map_or(Onward::Done(None), Onward::Page),
            });
        }
        let page = self.graph().contact_delta(id.as_str(), from).await?;
        Ok(RoundPage {
            changed: page.changed,
            removed: page
                .removed
                .into_iter()
                .map(|row| OutlookId::new(row.id))
                .collect(),
            unreadable: page
                .unreadable
                .into_iter()
                .filter_map(|row| outlook_id(row.id))
                .collect(),
            next: match page.next {
                Next::Page(link) => Onward::Page(link),
                Next::Done(link) => Onward::Done(Some(link)),
            },
        })
    }

    /// Begins a full round in a new generation, and forgets what the one before has seen.
    async fn restart(&mut self, id: &FolderId, from: &Standing, listing: bool) -> Result<Standing, Trouble> {
        self.engine
            .store
            .clear_seen(&self.mailbox.id, id, from.generation)
            .await?;
        let now = self.now();
        if let Some(mut folder) = self.folders.get(id).cloned() {
            folder.cursor = Cursor::Unstarted;
            folder.contacts_seen = 0;
            self.save_folder(folder).await?;
        }
        // Two generations within one millisecond must not share their pages.
        let generation = generation(now).max(from.generation + 2);
        Ok(Standing {
            full: true,
            listing,
            generation,
            link: None,
            page: 0,
            started_at: now,
            is_resumed: false,
        })
    }

    async fn remember_seen(
        &self,
        id: &FolderId,
        standing: &Standing,
        shown: &[ContactId],
    ) -> Result<(), Trouble> {
        let page = SeenPage {
            mailbox: self.mailbox.id.clone(),
            folder: id.clone(),
            generation: standing.generation,
            page: standing.page,
            contacts: shown.to_vec(),
            expires_at: self.now().saturating_add(SEEN_FOR).unwrap_or(Timestamp::MAX),
        };
        Ok(self.engine.store.add_seen(&page).await?)
    }

    async fn save_cut(
        &mut self,
        id: &FolderId,
        standing: &Standing,
        link: String,
        shown: usize,
    ) -> Result<(), Trouble> {
        let Some(mut folder) = self.folders.get(id).cloned() else {
            return Ok(());
        };
        count_seen(&mut folder.contacts_seen, standing, standing.page == 1, shown);
        folder.cursor = Cursor::Round {
            full: standing.full,
            generation: standing.generation,
            link,
            page: standing.page,
            started_at: standing.started_at,
            listing: standing.listing,
        };
        self.save_folder(folder).await
    }

    /// What nobody must do: saves where a page leads before the page is written.
    async fn save_early(&mut self, id: &FolderId, standing: &Standing, next: &Onward) -> Result<(), Trouble> {
        let mut standing = standing.clone();
        match next {
            Onward::Page(link) => {
                standing.page += 1;
                self.save_cut(id, &standing, link.clone(), 0).await
            }
            Onward::Done(link) => {
                let (folder, link) = (id.clone(), link.clone());
                let (shown, missing) = (0, Vec::new());
                self.finish(Ended {
                    folder,
                    standing,
                    link,
                    shown,
                    missing,
                })
                .await
            }
        }
    }

    /// True where so much is missing after the rounds of this run that the other folders are to be looked at as well,
    /// before anybody is buried: a mailbox that is being emptied shows it folder by folder.
    pub(crate) fn is_losing(&self) -> bool {
        self.ended.iter().map(|ended| ended.missing.len()).sum::<usize>() > A_FEW
    }

    /// Looks up whom the rounds of this run have missed, all together, and saves their links.
    pub(crate) async fn finish_rounds(&mut self) -> Result<Progress, Trouble> {
        let ended = std::mem::take(&mut self.ended);
        let missing = ended.iter().flat_map(|it| it.missing.iter().cloned()).collect();
        if self.verify_in_time(missing).await? == Progress::Cut {
            return Ok(Progress::Cut);
        }
        for ended in ended {
            self.finish(ended).await?;
        }
        Ok(Progress::Complete)
    }

    async fn finish(&mut self, ended: Ended) -> Result<(), Trouble> {
        let (id, standing) = (ended.folder, ended.standing);
        let Some(mut folder) = self.folders.get(&id).cloned() else {
            return Ok(());
        };
        count_seen(
            &mut folder.contacts_seen,
            &standing,
            standing.page == 0,
            ended.shown,
        );
        folder.cursor = Cursor::Settled {
            link: ended.link,
            generation: standing.generation,
            round_started_at: standing.started_at,
            round_finished_at: self.now(),
        };
        self.save_folder(folder).await?;
        if standing.full {
            self.engine
                .store
                .clear_seen(&self.mailbox.id, &id, standing.generation)
                .await?;
        }
        if !standing.is_resumed {
            self.looked_at.insert(id, self.now());
        }
        self.report.rounds += 1;
        Ok(())
    }

    /// A full round has no tombstones: whom the mirror has in the folder and no page has shown has to be looked up.
    async fn not_seen(&self, id: &FolderId, generation: u64) -> Result<Vec<(ContactId, OutlookId)>, Trouble> {
        let seen: BTreeSet<ContactId> = self.engine.store.seen(&self.mailbox.id, id, generation).await?;
        let mut missing = self.contacts_in(id).await?;
        missing.extend(self.leaving(id).await?);
        missing.retain(|(id, _)| !seen.contains(id));
        Ok(missing)
    }

    /// Whom Outlook has in a folder and the mirror has not: deleted or moved here, and Outlook has not been told. A first
    /// sync finds nobody: it comes before all edits.
    async fn leaving(&self, id: &FolderId) -> Result<Vec<(ContactId, OutlookId)>, Trouble> {
        let (store, mailbox) = (&self.engine.store, &self.mailbox.id);
        let mut leaving = Vec::new();
        if self.mailbox.phase != Phase::Live {
            return Ok(leaving);
        }
        for is_held in [false, true] {
            let mut after: Option<String> = None;
            loop {
                let page = if is_held {
                    store.held(mailbox, after.as_deref(), AT_ONCE).await?
                } else {
                    store.pending(mailbox, after.as_deref(), AT_ONCE).await?
                };
                let ids: Vec<ContactId> = page.items.into_iter().map(|row| row.id).collect();
                let found = store.contacts_by_id(mailbox, &ids).await?;
                let of_folder = found
                    .contacts
                    .values()
                    .filter(|it| judge_absence(known(it), id) == Absence::Verify)
                    .filter_map(|it| it.outlook.as_ref());
                leaving.extend(of_folder.map(|item| (ContactId::derive(mailbox, &item.id), item.id.clone())));
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        Ok(leaving)
    }

    /// Whom the mirror has in a folder, by the ids that Outlook's ids lead to.
    pub(crate) async fn contacts_in(&self, id: &FolderId) -> Result<Vec<(ContactId, OutlookId)>, Trouble> {
        let mut contacts = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let store = &self.engine.store;
            let page = store.outlines(&self.mailbox.id, id, after.as_deref()).await?;
            let named = page.items.iter().filter_map(|it| named(&self.mailbox.id, it));
            contacts.extend(named.map(|(id, item)| (id, item.id.clone())));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(contacts),
            }
        }
    }
}

fn count_seen(seen: &mut u64, standing: &Standing, is_first_page: bool, shown: usize) {
    if standing.full {
        *seen = if is_first_page { 0 } else { *seen } + shown as u64;
    }
}

/// Even numbers are those of rounds; comparisons have the odd ones, so that the two never share their seen pages.
fn generation(started_at: Timestamp) -> u64 {
    u64::try_from(started_at.as_millisecond()).unwrap_or_default() * 2
}
