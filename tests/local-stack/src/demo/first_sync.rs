//! Act one: the mailboxes are enrolled, and the first sync runs until the mirror is full.
//!
//! Knows the state table, as an operator sees it. Everything that happens happens in the bundle.

use contact_store::{Cursor, MailboxState, Phase};
use jiff::Timestamp;

use super::tally::{span, thousands};
use super::{Stage, cast};

/// How often progress is read, in milliseconds.
const EVERY: u64 = 100;

/// How far it is, over all mailboxes.
#[derive(Clone, Copy, Default)]
struct Progress {
    live: usize,
    folders: usize,
    folders_done: usize,
    contacts: u64,
    subscriptions: usize,
}

impl Progress {
    fn add(&mut self, state: &MailboxState) {
        let synced = || state.folders.iter().filter(|folder| folder.in_scope);
        let is_done = |cursor: &Cursor| match cursor {
            Cursor::Settled { .. } | Cursor::Round { full: false, .. } => true,
            Cursor::Unstarted | Cursor::Round { full: true, .. } => false,
        };
        self.live += usize::from(state.mailbox.phase == Phase::Live);
        self.folders += synced().count();
        self.folders_done += synced().filter(|folder| is_done(&folder.cursor)).count();
        self.contacts += synced().map(|folder| folder.contacts_seen).sum::<u64>();
        self.subscriptions += state.subscriptions.iter().filter(|it| it.id.is_some()).count();
    }

    fn is_over(&self, mailboxes: usize) -> bool {
        self.live == mailboxes && self.folders_done == self.folders && self.subscriptions >= self.folders
    }
}

impl Stage<'_> {
    /// False where it was stopped.
    pub(super) async fn first_sync(&mut self) -> anyhow::Result<bool> {
        let mailboxes = self.people.len();
        let contacts: u64 = self
            .people
            .iter()
            .map(|person| person.contacts.len() as u64)
            .sum();
        self.screen.line(&format!(
            "\n1. First sync of {}: {} contacts in {} folders",
            many(mailboxes, "mailbox", "mailboxes"),
            thousands(contacts),
            self.people
                .iter()
                .map(|person| person.folders.len())
                .sum::<usize>(),
        ));
        let began = self.stack.ambient.now();
        for person in &self.people {
            cast::enrol(&self.platform, person).await?;
        }
        loop {
            self.hear();
            let progress = self.progress().await?;
            let line = self.describe(&progress, contacts, began);
            // Notifications of what happened meanwhile, the second look that follows a new subscription, and events.
            if progress.is_over(mailboxes) && self.is_at_rest() {
                self.screen.line(&line);
                return Ok(true);
            }
            if self.stop.is_asked() || self.screen.is_gone() {
                return Ok(false);
            }
            self.screen.progress(&line);
            self.pause(EVERY).await;
        }
    }

    async fn progress(&self) -> anyhow::Result<Progress> {
        let mut progress = Progress::default();
        for person in &self.people {
            let Some(state) = self.audience.mailbox_state(&person.id).await? else {
                continue;
            };
            if let Phase::Unavailable { reason, .. } = state.mailbox.phase {
                anyhow::bail!("Graph refuses the mailbox of {}: {reason:?}", person.name);
            }
            progress.add(&state);
        }
        Ok(progress)
    }

    fn describe(&self, progress: &Progress, contacts: u64, began: Timestamp) -> String {
        let counts = self.stack.world().counts(None);
        let elapsed = self.stack.ambient.now().duration_since(began).as_millis();
        // A full round that had to begin again counts contacts again.
        let seen = progress.contacts.min(contacts);
        format!(
            "   {:>6} of {} contacts  {:>2} of {} folders  {:>4} requests  {:>2} subscriptions  {:>6} events  {:>6}",
            thousands(seen),
            thousands(contacts),
            progress.folders_done,
            self.people
                .iter()
                .map(|person| person.folders.len())
                .sum::<usize>(),
            thousands(counts.values().sum()),
            progress.subscriptions,
            thousands(self.heard.values().sum()),
            span(u64::try_from(elapsed).unwrap_or_default()),
        )
    }
}

/// `1 mailbox`, `2 mailboxes`.
pub(super) fn many(count: usize, one: &str, more: &str) -> String {
    format!(
        "{} {}",
        thousands(count as u64),
        if count == 1 { one } else { more }
    )
}
