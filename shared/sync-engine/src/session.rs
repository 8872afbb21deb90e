//! What is held while one worker works on one mailbox.
//!
//! Knows how the mailbox's state is loaded and saved. Takes no decision about contacts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contact_store::{Creating, Folder, Mailbox, Phase, StoreError, Subscription, Timer, TimerKind};
use graph_client::{GraphClient, MailboxClient, Transport};
use jiff::Timestamp;
use sync_core::demand::SweepFrom;
use sync_core::ids::{ContactId, FolderId, MailboxId, OutlookId};
use sync_core::record::Side;

use crate::round::Ended;
use crate::{Engine, Report, Trouble};

/// How often a save that somebody else came before is tried again with what is stored then.
const SAVE_ATTEMPTS: u32 = 4;

pub(crate) struct Session<'e, T> {
    pub(crate) engine: &'e Engine<T>,
    graph: GraphClient<T>,
    deadline: Timestamp,
    pub(crate) mailbox: Mailbox,
    /// Somebody else has written the mailbox's record since the contacts to be sent were read: perhaps a worker who sends
    /// the same ones.
    pub(crate) is_overtaken: bool,
    pub(crate) folders: BTreeMap<FolderId, Folder>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) timers: BTreeMap<TimerKind, Timestamp>,
    /// Folders that the listing did not show. Whether they are gone is asked for each.
    pub(crate) missing: BTreeSet<FolderId>,
    /// Folders outside of the state in which contacts were found, and for which the folders were listed.
    pub(crate) strangers: BTreeSet<FolderId>,
    /// Rounds that are at their end but for those who are missing.
    pub(crate) ended: Vec<Ended>,
    /// Contacts that this run has taken in anew since it saved how far it has come with their folder.
    pub(crate) fresh: BTreeMap<FolderId, Vec<(ContactId, OutlookId)>>,
    /// Folders that this run has brought up to date, and when.
    pub(crate) looked_at: BTreeMap<FolderId, Timestamp>,
    /// Contacts of which a create may have been carried out.
    pub(crate) doubtful: BTreeSet<ContactId>,
    /// The mailbox's record of creates as this run has last found it or written it. If it is another one by now, another
    /// worker's creates are in it.
    pub(crate) own_creates: Option<Creating>,
    /// Contacts whose photos are to be looked at, by a message of their own.
    pub(crate) photos_wanted: BTreeSet<ContactId>,
    /// Where a sweep over all photos goes on, by a message of its own.
    pub(crate) photo_sweep: Option<SweepFrom>,
    /// The operator's function for conflicts has failed in this run: it is not asked again.
    pub(crate) arbiter_is_out: bool,
    /// Whose deletes this run has held.
    pub(crate) holding: BTreeSet<Side>,
    /// The contacts that Outlook had deleted and that this run has buried.
    pub(crate) lost: u64,
    /// The contacts that were deleted here and that this run has deleted in Outlook.
    pub(crate) unmade: u64,
    pub(crate) report: Report,
}

impl<'e, T: Transport> Session<'e, T> {
    /// Loads all that is remembered of a mailbox; `None` where it is not enrolled.
    pub(crate) async fn open(
        engine: &'e Engine<T>,
        mailbox: &MailboxId,
        deadline: Timestamp,
    ) -> Result<Option<Self>, Trouble> {
        let Some(state) = engine.store.mailbox_state(mailbox).await? else {
            return Ok(None);
        };
        Ok(Some(Self {
            engine,
            graph: engine.graph.with_deadline(deadline),
            deadline,
            mailbox: state.mailbox,
            is_overtaken: false,
            folders: state
                .folders
                .into_iter()
                .map(|folder| (folder.id.clone(), folder))
                .collect(),
            subscriptions: state.subscriptions,
            timers: state
                .timers
                .into_iter()
                .map(|timer| (timer.kind, timer.due_at))
                .collect(),
            missing: BTreeSet::new(),
            strangers: BTreeSet::new(),
            ended: Vec::new(),
            fresh: BTreeMap::new(),
            looked_at: BTreeMap::new(),
            doubtful: BTreeSet::new(),
            own_creates: None,
            photos_wanted: BTreeSet::new(),
            photo_sweep: None,
            arbiter_is_out: false,
            holding: BTreeSet::new(),
            lost: 0,
            unmade: 0,
            report: Report::default(),
        }))
    }

    pub(crate) fn graph(&self) -> MailboxClient<'_, T> {
        self.graph
            .mailbox(self.mailbox.tenant.as_str(), self.mailbox.user.as_str())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.engine.ambient.now()
    }

    /// A draw of chance for `sync_core::schedule`.
    pub(crate) fn draw(&self) -> u64 {
        self.engine.ambient.below(1000)
    }

    pub(crate) fn out_of_time(&self) -> bool {
        self.now() >= self.deadline
    }

    /// True where the next write would not be sent any more: then the rest is for another run.
    pub(crate) fn out_of_time_to_write(&self) -> bool {
        self.out_of_time() || !self.graph().has_room_for_writes()
    }

    pub(crate) fn time_left(&self) -> Duration {
        let left = self.deadline.duration_since(self.now());
        Duration::try_from(left).unwrap_or_default()
    }

    /// The folders whose contacts are in the mirror.
    pub(crate) fn is_synced(&self, folder: &FolderId) -> bool {
        self.folders.get(folder).is_some_and(|folder| folder.in_scope)
    }

    pub(crate) async fn save_folder(&mut self, mut folder: Folder) -> Result<(), Trouble> {
        self.engine.store.save_folder(&mut folder).await?;
        self.fresh.remove(&folder.id);
        self.folders.insert(folder.id.clone(), folder);
        Ok(())
    }

    /// Changes the mailbox's record, and saves it if that made a difference. Where an operator wrote it meanwhile, the
    /// change is made to what he wrote.
    pub(crate) async fn update_mailbox(&mut self, change: impl Fn(&mut Mailbox)) -> Result<(), Trouble> {
        for _ in 0..SAVE_ATTEMPTS {
            let mut changed = self.mailbox.clone();
            change(&mut changed);
            if changed == self.mailbox {
                return Ok(());
            }
            changed.updated_at = self.now();
            match self.engine.store.save_mailbox(&mut changed).await {
                Ok(()) => {
                    self.mailbox = changed;
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {
                    if !self.reload_mailbox().await? {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(self.conflict_of_mailbox())
    }

    /// Takes in what others have written into the mailbox's record. False where it was removed: there is nothing left to
    /// be said about it.
    pub(crate) async fn reload_mailbox(&mut self) -> Result<bool, Trouble> {
        let Some(stored) = self.engine.store.mailbox(&self.mailbox.id).await? else {
            return Ok(false);
        };
        self.is_overtaken |= stored.rev != self.mailbox.rev;
        self.mailbox = stored;
        Ok(true)
    }

    pub(crate) fn conflict_of_mailbox(&self) -> Trouble {
        let key = self.mailbox.id.to_string();
        StoreError::Conflict { key }.into()
    }

    pub(crate) async fn set_timer(&mut self, kind: TimerKind, due_at: Timestamp) -> Result<(), Trouble> {
        if self.timers.get(&kind) != Some(&due_at) {
            let mailbox = self.mailbox.id.clone();
            self.engine
                .store
                .set_timer(&Timer {
                    mailbox,
                    kind,
                    due_at,
                })
                .await?;
            self.timers.insert(kind, due_at);
        }
        Ok(())
    }

    pub(crate) async fn clear_timers(&mut self) -> Result<(), Trouble> {
        for kind in std::mem::take(&mut self.timers).into_keys() {
            self.engine.store.clear_timer(&self.mailbox.id, kind).await?;
        }
        Ok(())
    }
}

/// Moves a mailbox on by itself, but never against an operator: one that is paused or being removed stays so.
pub(crate) fn advance_phase(mailbox: &mut Mailbox, phase: Phase) {
    match mailbox.phase {
        Phase::Enrolled | Phase::Syncing | Phase::Live | Phase::Unavailable { .. } => mailbox.phase = phase,
        Phase::Paused | Phase::Removing => {}
    }
}
