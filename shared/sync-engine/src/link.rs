//! Contacts that the platform and Outlook both had before they met: linked, not doubled. And the plan of it.
//!
//! Whom to link is decided in `sync_core::matching`; an item that bears a contact's stamp is that contact's without
//! asking. Linking is writing an alias before the first sync: its rows then lead to the platform's contact. Whom nobody
//! can tell apart waits for a person. A plan finds out the same, and writes nothing but itself.

use std::collections::{BTreeMap, BTreeSet};

use contact_store::{Contact, FolderScope, Outsider, PlanEntry, PlanPage, PlanSummary};
use graph_client::{ReadFrom, Transport};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sync_core::folders::{self, Scope};
use sync_core::ids::{ContactId, FolderId};
use sync_core::matching::{Candidate, Ground, Outcome, match_all};
use sync_core::record::{self, Hold, OutlookItem, Wish};

use crate::Trouble;
use crate::apply::{Effect, Write};
use crate::convert::Shown;
use crate::meet::{Meeting, stamped};
use crate::session::Session;
use crate::work::Progress;

/// Contacts that are read from the index at a time.
const AT_ONCE: usize = 100;

/// Entries of a page of a plan.
const ENTRIES: usize = 200;

/// How long a plan is kept.
const PLAN_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Both sides, and who is whom.
struct Meetings {
    /// The platform's contacts that Outlook has not.
    ours: BTreeMap<ContactId, Contact>,
    /// Outlook's contacts, by the ids that their ids lead to.
    theirs: BTreeMap<ContactId, Shown>,
    /// What is to become of ours, without those that wait for a person.
    outcomes: BTreeMap<ContactId, Outcome>,
}

impl<T: Transport> Session<'_, T> {
    /// Links what both sides had before the first sync. Once for a mailbox.
    pub(crate) async fn link(&mut self) -> Result<Progress, Trouble> {
        let (ours, held) = self.unborn().await?;
        if ours.len() > held.len() {
            let folders = self.folders.values().filter(|it| it.in_scope);
            let folders: Vec<FolderId> = folders.map(|it| it.id.clone()).collect();
            let Some(meetings) = self.meetings(ours, held, folders).await? else {
                return Ok(Progress::Cut);
            };
            self.introduce(meetings).await?;
        }
        let now = self.now();
        self.update_mailbox(|mailbox| mailbox.linked_at = Some(now))
            .await?;
        Ok(Progress::Complete)
    }

    /// Finds out what a first sync would do, and writes it down.
    pub(crate) async fn plan(&mut self, requested_at: Timestamp) -> Result<Progress, Trouble> {
        let mailbox = self.mailbox.id.clone();
        let store = &self.engine.store;
        let first = store.plan_pages(&mailbox, None, 1).await?.items.pop();
        let answered = first.and_then(|page| page.summary);
        if answered.is_some_and(|it| it.finished_at.is_some() && it.started_at > requested_at) {
            return Ok(Progress::Complete);
        }
        let started_at = self.now();
        store.clear_plan(&mailbox).await?;
        let (ours, held) = self.unborn().await?;
        let folders = self.folders_in_scope().await?;
        let Some(meetings) = self.meetings(ours, held, folders).await? else {
            return Ok(Progress::Cut);
        };
        let entries = self.entries(&meetings).await?;
        let count = |is: fn(&PlanEntry) -> bool| entries.iter().filter(|entry| is(entry)).count() as u64;
        let summary = PlanSummary {
            started_at,
            finished_at: Some(self.now()),
            link: count(|it| matches!(it, PlanEntry::Link { .. })),
            review: count(|it| matches!(it, PlanEntry::Review { .. })),
            create: count(|it| matches!(it, PlanEntry::Create { .. })),
            import: count(|it| matches!(it, PlanEntry::Import { .. })),
        };
        let expires_at = started_at.saturating_add(PLAN_FOR).unwrap_or(Timestamp::MAX);
        let mut chunks: Vec<&[PlanEntry]> = entries.chunks(ENTRIES).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        // The page with the summary last: who finds it finds the others.
        for (page, entries) in (0_u32..).zip(chunks).collect::<Vec<_>>().into_iter().rev() {
            let page = PlanPage {
                mailbox: mailbox.clone(),
                page,
                entries: entries.to_vec(),
                summary: (page == 0).then_some(summary),
                expires_at,
            };
            self.engine.store.save_plan_page(&page).await?;
        }
        Ok(Progress::Complete)
    }

    /// The contacts that Outlook has not, and who of them waits for a person.
    async fn unborn(&self) -> Result<(BTreeMap<ContactId, Contact>, BTreeSet<ContactId>), Trouble> {
        let (mut unborn, mut held) = (BTreeMap::new(), BTreeSet::new());
        for of_held in [false, true] {
            let mut after: Option<String> = None;
            loop {
                let (store, mailbox) = (&self.engine.store, &self.mailbox.id);
                let page = if of_held {
                    store.held(mailbox, after.as_deref(), AT_ONCE).await?
                } else {
                    store.pending(mailbox, after.as_deref(), AT_ONCE).await?
                };
                let ids = page.items.into_iter().map(|row| row.id).collect();
                for contact in self.read(ids).await?.into_iter().filter(is_unborn) {
                    if contact.edit.as_ref().is_some_and(|edit| edit.hold.is_some()) {
                        held.insert(contact.id.clone());
                    }
                    unborn.insert(contact.id.clone(), contact);
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok((unborn, held))
    }

    /// Reads the folders, and decides who is whom; `None` where time was up. A plan of a part would be wrong, so the
    /// whole is read again then: a thousand contacts take a request.
    async fn meetings(
        &self,
        ours: BTreeMap<ContactId, Contact>,
        held: BTreeSet<ContactId>,
        folders: Vec<FolderId>,
    ) -> Result<Option<Meetings>, Trouble> {
        let mut theirs = BTreeMap::new();
        for folder in folders {
            let mut link: Option<String> = None;
            loop {
                if self.out_of_time() {
                    return Ok(None);
                }
                let from = link.as_deref().map_or(ReadFrom::Start, ReadFrom::Link);
                let page = self
                    .graph()
                    .list_stamped_contacts(Some(folder.as_str()), from)
                    .await?;
                let rows = page.rows.into_iter().map(|row| Shown::new(&self.mailbox.id, row));
                theirs.extend(rows.map(|row| (row.id.clone(), row)));
                link = page.next;
                if link.is_none() {
                    break;
                }
            }
        }
        let taken = self.taken(&theirs).await?;
        let mut outcomes = by_stamp(&ours, theirs.values().filter(|row| !taken.contains(&row.id)));
        let linked: BTreeSet<&ContactId> = outcomes.values().filter_map(linked).chain(&taken).collect();
        let ours_left: Vec<Candidate<'_>> = ours
            .iter()
            .filter(|(id, _)| !outcomes.contains_key(*id))
            .map(|(id, contact)| Candidate {
                id,
                document: &contact.document,
            })
            .collect();
        let theirs_left: Vec<Candidate<'_>> = theirs
            .iter()
            .filter(|(id, _)| !linked.contains(id))
            .map(|(id, row)| Candidate {
                id,
                document: &row.document,
            })
            .collect();
        let matches = match_all(&ours_left, &theirs_left);
        outcomes.extend(matches.into_iter().map(|it| (it.ours, it.outcome)));
        // They were matched all the same: what one of them may be is not free for another.
        outcomes.retain(|id, _| !held.contains(id));
        Ok(Some(Meetings {
            ours,
            theirs,
            outcomes,
        }))
    }

    /// Those of theirs that lead to a record already: a run that was cut has linked them, or they were synced before.
    /// They are nobody else's; an alias could not be written over theirs.
    async fn taken(&self, theirs: &BTreeMap<ContactId, Shown>) -> Result<BTreeSet<ContactId>, Trouble> {
        let ids: Vec<ContactId> = theirs.keys().cloned().collect();
        let found = self.engine.store.contacts_by_id(&self.mailbox.id, &ids).await?;
        Ok(found.contacts.into_keys().chain(found.unreadable).collect())
    }

    /// Writes down who is whom.
    async fn introduce(&mut self, meetings: Meetings) -> Result<(), Trouble> {
        let mut writes = Vec::new();
        for (id, outcome) in meetings.outcomes {
            let Some(contact) = meetings.ours.get(&id) else {
                continue;
            };
            match outcome {
                Outcome::New => {}
                Outcome::Link { theirs, .. } => {
                    let Some(shown) = meetings.theirs.get(&theirs) else {
                        continue;
                    };
                    let (Some(folder), Some(change_key)) = (&shown.folder, &shown.change_key) else {
                        continue;
                    };
                    let meeting = Meeting {
                        shown,
                        item: OutlookItem {
                            id: shown.outlook_id.clone(),
                            change_key: change_key.clone(),
                        },
                        seen: record::Shown {
                            document: &shown.document,
                            folder,
                            modified_at: shown.modified_at,
                        },
                    };
                    writes.push(self.take_in(Some(contact), &meeting, Effect::Update).await);
                }
                Outcome::Review { candidates, .. } => {
                    let mut held = contact.clone();
                    if let Some(edit) = &mut held.edit {
                        edit.hold = Some(Hold::Review { candidates });
                    }
                    writes.push(Write::over(contact, held, Effect::Touch));
                }
            }
        }
        // Whoever is edited at this moment is linked by the next run: nothing is marked as done.
        let overtaken = self.write_each(writes).await?;
        match overtaken.first() {
            Some(id) => Err(contact_store::StoreError::Conflict { key: id.to_string() }.into()),
            None => Ok(()),
        }
    }

    /// What would be done, the platform's contacts first.
    async fn entries(&self, meetings: &Meetings) -> Result<Vec<PlanEntry>, Trouble> {
        let ids: Vec<ContactId> = meetings.theirs.keys().cloned().collect();
        let known = self.engine.store.contacts_by_id(&self.mailbox.id, &ids).await?;
        let outsider = |id: &ContactId| {
            let row = meetings.theirs.get(id)?;
            Some(Outsider {
                id: row.outlook_id.clone(),
                contact: known.contacts.get(id).map(|contact| contact.id.clone()),
                title: row
                    .document
                    .get("displayName")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            })
        };
        let ours = meetings.outcomes.iter().filter_map(|(id, outcome)| {
            let contact = id.clone();
            Some(match outcome {
                Outcome::New => PlanEntry::Create { contact },
                Outcome::Link { theirs, by } => PlanEntry::Link {
                    contact,
                    outlook: outsider(theirs)?,
                    by: *by,
                },
                Outcome::Review { candidates, by } => PlanEntry::Review {
                    contact,
                    candidates: candidates.iter().filter_map(outsider).collect(),
                    by: *by,
                },
            })
        });
        let linked: BTreeSet<&ContactId> = meetings.outcomes.values().filter_map(linked).collect();
        let is_live = |id: &ContactId| known.contacts.get(id).is_some_and(|it| !it.is_tombstone());
        let theirs = meetings
            .theirs
            .iter()
            .filter(|(id, _)| !linked.contains(*id) && !is_live(id))
            .filter_map(|(id, row)| {
                Some(PlanEntry::Import {
                    outlook: outsider(id)?,
                    folder: row.folder.clone()?,
                })
            });
        Ok(ours.chain(theirs).collect())
    }

    /// The folders that a first sync would read, by asking only.
    async fn folders_in_scope(&self) -> Result<Vec<FolderId>, Trouble> {
        let listing = self.graph().contact_folder_tree().await?;
        let Some(default) = self.graph().default_folder_id().await? else {
            return Ok(Vec::new());
        };
        let seen: Vec<_> = listing.rows.into_iter().map(crate::discover::seen).collect();
        let scope = match &self.mailbox.scope {
            FolderScope::All => Scope::All,
            FolderScope::Only(names) => Scope::Only(names),
        };
        let paths = folders::paths(&FolderId::new(default), &seen);
        let in_scope = paths
            .into_iter()
            .filter(|(id, path)| folders::in_scope(&scope, id, path));
        Ok(in_scope.map(|(id, _)| id).collect())
    }
}

/// Those that this mailbox has had from us before: they bear the stamp. Of several, the first: the others are copies that
/// somebody has made in Outlook.
fn by_stamp<'t>(
    ours: &BTreeMap<ContactId, Contact>,
    theirs: impl Iterator<Item = &'t Shown>,
) -> BTreeMap<ContactId, Outcome> {
    let mut stamped_rows: Vec<&Shown> = theirs.filter(|row| row.stamp.is_some()).collect();
    stamped_rows.sort_by_key(|row| (row.created_at, &row.id));
    let mut outcomes = BTreeMap::new();
    for row in stamped_rows {
        let (theirs, by) = (row.id.clone(), Ground::Stamp);
        if let Some(id) = stamped(row.stamp.as_deref()).filter(|id| ours.contains_key(id)) {
            outcomes.entry(id).or_insert(Outcome::Link { theirs, by });
        }
    }
    outcomes
}

fn linked(outcome: &Outcome) -> Option<&ContactId> {
    match outcome {
        Outcome::Link { theirs, .. } => Some(theirs),
        Outcome::Review { .. } | Outcome::New => None,
    }
}

fn is_unborn(contact: &Contact) -> bool {
    let edit = contact.edit.as_ref();
    edit.is_some_and(|edit| edit.wish == Wish::Save && edit.base.is_none())
}
