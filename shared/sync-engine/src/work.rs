//! A batch of jobs for one mailbox: what is asked for, in which order it is done, and what the mailbox's record says
//! afterwards.

use std::time::Duration;

use contact_store::{
    Cursor, Folder, LastError, Phase, StoreError, Subscription, Timer, TimerKind, UnavailableReason,
};
use graph_client::Transport;
use jiff::{SignedDuration, Timestamp};
use job_queue::{LifecycleJob, WorkJob};
use sync_core::demand::{Demand, SweepFrom};
use sync_core::folders::UNLISTED_DEFAULT;
use sync_core::guard::Recent;
use sync_core::ids::{FolderId, MailboxId, SubscriptionId};
use sync_core::schedule;

use crate::remove::ERASE_AT_ONCE;
use crate::session::{Session, advance_phase};
use crate::trouble::Remedy;
use crate::{Engine, Report, Trouble};

/// After a hint that a round could not confirm, and after a full round, the mailbox is looked at again this soon:
/// changes can lag behind their notification (facts 4.2, point 8).
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// The time of the last success is saved no more often than this: a busy mailbox is not to pay for it.
const SUCCESS_GRAIN: SignedDuration = SignedDuration::from_mins(10);

/// What became of a batch.
#[derive(Debug)]
pub struct Outcome {
    /// What the queue is to be told.
    pub ending: Ending,
    /// What was done, also where it ended badly.
    pub report: Report,
    /// Why it did not end well.
    pub trouble: Option<Trouble>,
}

/// What the queue is to be told about the batch's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// They are answered.
    Done,
    /// Nothing is wrong, but not before this time.
    Later(Timestamp),
    /// Something is wrong: again at this time, and in the end to the dead-letter queue.
    Retry(Timestamp),
}

/// Whether a piece of work came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Complete,
    /// Time is up. All that was done is saved; the rest goes on by another message.
    Cut,
}

impl<T: Transport> Engine<T> {
    /// Does what the jobs ask for, until it is done or `deadline` is near. All jobs are the mailbox's own; `receives`
    /// is how often the batch's oldest message has been received.
    pub async fn work(
        &self,
        mailbox: &MailboxId,
        jobs: &[WorkJob],
        receives: u32,
        deadline: Timestamp,
    ) -> Outcome {
        let (result, report) = match Session::open(self, mailbox, deadline).await {
            Ok(Some(mut session)) => {
                let result = session.run(jobs).await;
                let result = session.verify_fresh(result).await;
                // Also after trouble: what was written by then is not new the next time.
                let queued = session.queue_photos().await;
                let counted = session.count_deletes().await;
                let result = result.and(queued).and(counted);
                let result = session.settle(result, receives).await;
                let result = result.and(self.tidy_up_after(mailbox, &session.report).await);
                (result, session.report)
            }
            Ok(None) => (self.forget(mailbox).await, Report::default()),
            Err(trouble) => (Err(trouble), Report::default()),
        };
        let Err(trouble) = result else {
            return Outcome {
                ending: Ending::Done,
                report,
                trouble: None,
            };
        };
        let ending = match trouble.remedy(self.ambient.now(), receives, self.ambient.below(1000)) {
            Remedy::Later(at) => Ending::Later(at),
            Remedy::Retry(at) => Ending::Retry(at),
            Remedy::GiveUp(_) => Ending::Done,
        };
        Outcome {
            ending,
            report,
            trouble: Some(trouble),
        }
    }

    /// Puts jobs off by the mailbox's timers, for a wait that would wear out their messages.
    pub async fn defer(
        &self,
        mailbox: &MailboxId,
        jobs: &[WorkJob],
        until: Timestamp,
    ) -> Result<(), Trouble> {
        let timer = |kind| Timer {
            mailbox: mailbox.clone(),
            kind,
            due_at: until,
        };
        self.store.set_timer(&timer(TimerKind::Poll)).await?;
        let demand = demand(jobs);
        // A comparison is followed by a look at all photos.
        if demand.compare.is_some() || demand.photo_sweep.is_some() || !demand.photos.is_empty() {
            self.store.set_timer(&timer(TimerKind::Compare)).await?;
        }
        Ok(())
    }

    /// A job for a mailbox that is not enrolled: its removal overtook the job. A contact or a timer may have been written
    /// by somebody who was overtaken too: nobody else would ever look at it.
    async fn forget(&self, mailbox: &MailboxId) -> Result<(), Trouble> {
        while self.store.erase_leftovers(mailbox, ERASE_AT_ONCE).await?.more {}
        Ok(())
    }

    /// A mailbox that was removed while its contacts were being written, by a worker that had taken over: what this one has
    /// inserted since goes too.
    async fn tidy_up_after(&self, mailbox: &MailboxId, report: &Report) -> Result<(), Trouble> {
        if report.inserted > 0 && self.store.mailbox(mailbox).await?.is_none() {
            self.forget(mailbox).await?;
        }
        Ok(())
    }
}

impl<T: Transport> Session<'_, T> {
    /// Another worker has gone on with a folder meanwhile: what this one has taken in of it since may have been gone from
    /// Outlook before that one looked, and nobody would hear of it again.
    async fn verify_fresh(&mut self, result: Result<(), Trouble>) -> Result<(), Trouble> {
        if matches!(result, Err(Trouble::Store(StoreError::Conflict { .. }))) {
            let fresh = std::mem::take(&mut self.fresh);
            self.verify_in_time(fresh.into_values().flatten().collect())
                .await?;
        }
        result
    }

    async fn run(&mut self, jobs: &[WorkJob]) -> Result<(), Trouble> {
        let mut demand = demand(jobs);
        match self.mailbox.phase {
            Phase::Removing => return self.remove().await,
            // Its subscriptions and timers go; resuming brings them back. A plan changes nothing.
            Phase::Paused => {
                self.clear_timers().await?;
                return self.plan_if_wanted(&demand).await;
            }
            Phase::Unavailable { retry_at, .. } if self.now() < retry_at => return Ok(()),
            Phase::Enrolled => {
                self.update_mailbox(|mailbox| advance_phase(mailbox, Phase::Syncing))
                    .await?;
            }
            Phase::Unavailable { .. } | Phase::Syncing | Phase::Live => {}
        }
        if !self.timers.contains_key(&TimerKind::Silence) {
            // A mailbox that never succeeds is silent too.
            let silent_at = ambient::add(self.now(), self.engine.settings.silent_after);
            self.set_timer(TimerKind::Silence, silent_at).await?;
        }
        self.plan_if_wanted(&demand).await?;
        let is_known = |id: &_| {
            self.subscriptions
                .iter()
                .any(|known| known.id.as_ref() == Some(id))
        };
        self.report_strays(demand.widen_strays(is_known)).await?;
        match self.answer(&demand).await? {
            Progress::Complete => self.read_photos(&demand).await,
            Progress::Cut => {
                self.put_photos_off(&demand);
                self.continue_later(&demand).await
            }
        }
    }

    /// A plan that time was up for is made by a message of its own.
    async fn plan_if_wanted(&mut self, demand: &Demand) -> Result<(), Trouble> {
        let Some(requested_at) = demand.plan else {
            return Ok(());
        };
        match self.plan(requested_at).await? {
            Progress::Complete => Ok(()),
            Progress::Cut => {
                self.report.continued += 1;
                let mailbox = self.mailbox.id.clone();
                self.send_work(&[WorkJob::Plan {
                    mailbox,
                    requested_at,
                }])
                .await
            }
        }
    }

    async fn answer(&mut self, demand: &Demand) -> Result<Progress, Trouble> {
        let was_live = self.mailbox.phase == Phase::Live;
        if !was_live || demand.looks_at_outlook() {
            match self.pull(demand).await? {
                Progress::Complete => {}
                Progress::Cut => return Ok(Progress::Cut),
            }
        }
        // Whoever comes by without a hint looks whether an edit was forgotten.
        let wants_push = demand.edits.is_some() || demand.all_folders.is_some() || !was_live;
        let named = demand.edits.clone().unwrap_or_default();
        if wants_push && self.mailbox.phase == Phase::Live && self.push(&named).await? == Progress::Cut {
            return Ok(Progress::Cut);
        }
        let Some(requested_at) = demand.compare else {
            return Ok(Progress::Complete);
        };
        let compared = self.compare(requested_at).await?;
        if compared == Progress::Complete {
            self.note_photo_sweep(SweepFrom::Start);
        }
        Ok(compared)
    }

    /// Brings up to date every folder that was asked for.
    async fn pull(&mut self, demand: &Demand) -> Result<Progress, Trouble> {
        let seen_before = self.report.clone();
        if self.discover(demand).await? == Progress::Cut {
            return Ok(Progress::Cut);
        }
        if self.mailbox.linked_at.is_none()
            && self.mailbox.phase != Phase::Live
            && self.link().await? == Progress::Cut
        {
            return Ok(Progress::Cut);
        }
        let mut full = false;
        let folders = self.folders_in_order().into_iter();
        let (wanted, others): (Vec<_>, Vec<_>) = folders.partition(|folder| self.wants(demand, folder));
        for folder in wanted {
            full |= !matches!(
                self.folders.get(&folder).map(|it| &it.cursor),
                Some(Cursor::Settled { .. })
            );
            if self.round(&folder).await? == Progress::Cut {
                return Ok(Progress::Cut);
            }
        }
        if self.is_losing() {
            for folder in others {
                if self.round(&folder).await? == Progress::Cut {
                    return Ok(Progress::Cut);
                }
            }
        }
        if self.finish_rounds().await? == Progress::Cut {
            return Ok(Progress::Cut);
        }
        // A row that the mirror has already explains its hint: it is the echo of a write of ours, most of the time.
        let shown = |report: &Report| {
            report.inserted + report.updated + report.buried + report.touched + report.unchanged
        };
        let nothing_found = shown(&self.report) == shown(&seen_before);
        let look_again = full || (nothing_found && !demand.hints.is_empty());
        self.conclude(demand, look_again).await?;
        Ok(Progress::Complete)
    }

    /// Rounds that were cut first, so that they end before their links do; then the default folder.
    fn folders_in_order(&self) -> Vec<FolderId> {
        let mut folders: Vec<&Folder> = self
            .folders
            .values()
            .filter(|it| self.is_synced(&it.id))
            .collect();
        folders.sort_by_key(|it| {
            (
                !matches!(it.cursor, Cursor::Round { .. }),
                !it.is_default,
                it.id.clone(),
            )
        });
        folders.into_iter().map(|it| it.id.clone()).collect()
    }

    fn wants(&self, demand: &Demand, folder: &FolderId) -> bool {
        let known = self.folders.get(folder);
        let is_default = known.is_some_and(|it| it.is_default);
        let watches = |it: &&Subscription| {
            it.folder == *folder || (is_default && it.folder.as_str() == UNLISTED_DEFAULT)
        };
        let subscription = self.subscriptions.iter().find(watches);
        let round_started_at = match known.map(|it| &it.cursor) {
            Some(Cursor::Settled { round_started_at, .. }) => Some(*round_started_at),
            Some(Cursor::Unstarted | Cursor::Round { .. }) | None => None,
        };
        demand.wants_folder(subscription.and_then(|it| it.id.as_ref()), round_started_at)
    }

    /// Every folder that was asked for is up to date: says so, and sets the timers.
    async fn conclude(&mut self, demand: &Demand, look_again: bool) -> Result<(), Trouble> {
        let now = self.now();
        if self.mailbox.phase != Phase::Live {
            self.note_photo_sweep(SweepFrom::Start);
        }
        self.update_mailbox(|mailbox| {
            let stale = mailbox
                .last_success_at
                .is_none_or(|at| now.duration_since(at) >= SUCCESS_GRAIN);
            if stale || mailbox.phase != Phase::Live {
                mailbox.last_success_at = Some(now);
            }
            advance_phase(mailbox, Phase::Live);
        })
        .await?;
        let settings = &self.engine.settings;
        let (poll_every, compare_every, silent_after) =
            (settings.poll_every, settings.compare_every, settings.silent_after);
        if self.mailbox.last_success_at == Some(now) {
            let silent_at = now.saturating_add(signed(silent_after)).unwrap_or(Timestamp::MAX);
            self.set_timer(TimerKind::Silence, silent_at).await?;
        }
        let armed = self.timers.get(&TimerKind::Poll).copied();
        let soon = now.saturating_add(LOOK_AGAIN).unwrap_or(now);
        let is_soon = armed.is_some_and(|armed| armed > now && armed <= soon);
        if is_soon {
            // Another run wants that look. This one may have come too early for what lags behind.
        } else if look_again {
            self.set_timer(TimerKind::Poll, soon).await?;
        } else if demand.all_folders.is_some() || armed.is_none() {
            let due = schedule::next_due(now, poll_every, self.draw());
            self.set_timer(TimerKind::Poll, due).await?;
        }
        if !self.timers.contains_key(&TimerKind::Compare) {
            let due = schedule::next_due(now, compare_every, self.draw());
            self.set_timer(TimerKind::Compare, due).await?;
        }
        Ok(())
    }

    /// A subscription that notifies, and that the state does not hold, has perhaps been forgotten in a crash.
    async fn report_strays(&self, strays: Vec<SubscriptionId>) -> Result<(), Trouble> {
        let mailbox = &self.mailbox.id;
        let stray = |subscription| LifecycleJob::Stray {
            mailbox: mailbox.clone(),
            subscription,
        };
        Ok(self
            .engine
            .lifecycle
            .send(&strays.into_iter().map(stray).collect::<Vec<_>>())
            .await?)
    }

    /// The rest, as a message to ourselves. It asks for what was asked for at the time it was asked for, so that what
    /// has been done since is not done again.
    async fn continue_later(&mut self, demand: &Demand) -> Result<(), Trouble> {
        self.report.continued += 1;
        let mailbox = self.mailbox.id.clone();
        let is_push_alone = self.mailbox.phase == Phase::Live && !demand.looks_at_outlook();
        let mut jobs = Vec::new();
        if !is_push_alone {
            jobs.push(WorkJob::Sync {
                mailbox: mailbox.clone(),
                requested_at: demand.asked_at().unwrap_or(Timestamp::UNIX_EPOCH),
            });
        }
        if demand.edits.is_some() {
            jobs.push(WorkJob::Push {
                mailbox: mailbox.clone(),
                contacts: Vec::new(),
            });
        }
        jobs.extend(demand.compare.map(|requested_at| WorkJob::Compare {
            mailbox,
            requested_at,
        }));
        self.send_work(&jobs).await
    }

    pub(crate) async fn send_work(&self, jobs: &[WorkJob]) -> Result<(), Trouble> {
        Ok(self
            .engine
            .work
            .send(jobs, &self.engine.ambient.uuid().to_string())
            .await?)
    }

    /// What was deleted counts together with what is deleted next; what is held, an operator should know of.
    async fn count_deletes(&mut self) -> Result<(), Trouble> {
        let (now, lost, unmade) = (self.now(), self.lost, self.unmade);
        let (held, holding) = (self.report.guarded, self.holding.clone());
        if lost + unmade + held == 0 {
            return Ok(());
        }
        self.update_mailbox(|mailbox| {
            let deletes = &mut mailbox.deletes;
            if lost + unmade > 0 {
                deletes.recent = Some(Recent::with(deletes.recent.as_ref(), lost, unmade, now));
            }
            deletes.held.extend(&holding);
            if held > 0 {
                mailbox.last_error = Some(LastError {
                    code: "deletes-held".to_owned(),
                    detail: format!(
                        "{held} deletes are held, since they are more than the delete guard allows: release or refuse them"
                    ),
                    at: now,
                });
            }
        })
        .await
    }

    /// Writes trouble into the mailbox's record where an operator should know of it.
    async fn settle(&mut self, result: Result<(), Trouble>, receives: u32) -> Result<(), Trouble> {
        let Err(trouble) = result else { return Ok(()) };
        let now = self.now();
        self.report.throttled += u64::from(trouble.is_throttling());
        let error = LastError {
            code: trouble.code(),
            detail: trouble.chain(),
            at: now,
        };
        match trouble.remedy(now, receives, 500) {
            Remedy::Later(_) => {}
            Remedy::Retry(_) => {
                self.update_mailbox(|mailbox| mailbox.last_error = Some(error.clone()))
                    .await?;
            }
            Remedy::GiveUp(reason) => {
                self.report.unavailable += 1;
                let retry_at = schedule::next_due(now, rest(reason), self.draw());
                self.update_mailbox(|mailbox| {
                    let since = match mailbox.phase {
                        Phase::Unavailable {
                            since,
                            reason: before,
                            ..
                        } if before == reason => since,
                        Phase::Unavailable { .. }
                        | Phase::Enrolled
                        | Phase::Syncing
                        | Phase::Live
                        | Phase::Paused
                        | Phase::Removing => now,
                    };
                    advance_phase(
                        mailbox,
                        Phase::Unavailable {
                            reason,
                            since,
                            retry_at,
                        },
                    );
                    mailbox.last_error = Some(error.clone());
                })
                .await?;
                self.set_timer(TimerKind::Poll, retry_at).await?;
            }
        }
        Err(trouble)
    }
}

/// How long a mailbox that can't be had is left alone. A credential may be put right at any minute, and concerns every
/// mailbox of the tenant; a licence takes somebody to assign it.
fn rest(reason: UnavailableReason) -> Duration {
    const MINUTE: u64 = 60;
    Duration::from_secs(match reason {
        UnavailableReason::BadCredential => 15 * MINUTE,
        UnavailableReason::AccessDenied | UnavailableReason::TenantNotFound => 60 * MINUTE,
        UnavailableReason::MailboxNotEnabled | UnavailableReason::UserNotFound => 4 * 60 * MINUTE,
    })
}

fn demand(jobs: &[WorkJob]) -> Demand {
    let mut demand = Demand::default();
    for job in jobs {
        match job {
            WorkJob::Changed {
                subscription,
                received_at,
                ..
            } => {
                demand.hint(subscription.clone(), *received_at);
            }
            WorkJob::Sync { requested_at, .. } => demand.all_folders(*requested_at),
            WorkJob::Compare { requested_at, .. } => demand.compare(*requested_at),
            WorkJob::Push { contacts, .. } => demand.push(contacts.iter().cloned()),
            WorkJob::Plan { requested_at, .. } => demand.plan(*requested_at),
            WorkJob::Photos { contacts, .. } => demand.photos.extend(contacts.iter().cloned()),
            WorkJob::PhotoSweep { after, .. } => {
                demand.sweep_photos(after.clone().map_or(SweepFrom::Start, SweepFrom::After));
            }
            // The phase says so, whatever brought the message.
            WorkJob::Remove { .. } => {}
        }
    }
    demand
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
