//! What an operator may ask of a mailbox in each phase, as one table.
//!
//! Pure: an action, a phase, and what becomes of them. It must not know how a phase is stored or a message sent.

use contact_store::Phase;

/// What an operator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Leave the mailbox alone until it is resumed.
    Pause,
    /// Go on after a pause, or look again at once at a mailbox that Graph has refused.
    Resume,
    /// Compare the mailbox with the mirror.
    Resync,
    /// Find out what a first sync would do.
    Plan,
    /// Delete its subscriptions and erase its mirror.
    Remove,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The mailbox enters this phase, and the worker is told.
    Enter(Phase),
    /// The phase stays. The worker is told all the same: the message of an earlier request may have been lost
    /// between the write and the queue.
    Stay,
    /// Not in this phase, for this reason.
    Refuse(&'static str),
}

/// The verdict on `action` in `phase`. `synced` tells whether every folder has been up to date once.
#[expect(clippy::match_same_arms, reason = "a table: each action has its own rows")]
pub(crate) fn judge(action: Action, phase: &Phase, synced: bool) -> Verdict {
    use Verdict::{Enter, Refuse, Stay};
    match (action, phase) {
        (Action::Remove, Phase::Removing) => Stay,
        (Action::Remove, _) => Enter(Phase::Removing),
        (_, Phase::Removing) => Refuse("the mailbox is being removed"),

        (Action::Pause, Phase::Paused) => Stay,
        (Action::Pause, Phase::Enrolled | Phase::Syncing | Phase::Live | Phase::Unavailable { .. }) => {
            Enter(Phase::Paused)
        }

        (Action::Resume, Phase::Enrolled | Phase::Syncing | Phase::Live) => Stay,
        (Action::Resume, Phase::Paused | Phase::Unavailable { .. }) if synced => Enter(Phase::Live),
        (Action::Resume, Phase::Paused | Phase::Unavailable { .. }) => Enter(Phase::Enrolled),

        (Action::Resync, Phase::Enrolled | Phase::Syncing | Phase::Live) => Stay,
        (Action::Resync, Phase::Paused) => Refuse("the mailbox is paused: resume it first"),
        (Action::Resync, Phase::Unavailable { .. }) => {
            Refuse("Microsoft Graph refuses the mailbox: resume it first")
        }

        (Action::Plan, Phase::Enrolled | Phase::Syncing | Phase::Live | Phase::Paused) => Stay,
        (Action::Plan, Phase::Unavailable { .. }) => {
            Refuse("Microsoft Graph refuses the mailbox: resume it first")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contact_store::UnavailableReason;
    use jiff::Timestamp;

    #[test]
    fn every_action_has_its_verdict_in_every_phase() {
        let unavailable = Phase::Unavailable {
            reason: UnavailableReason::AccessDenied,
            since: Timestamp::UNIX_EPOCH,
            retry_at: Timestamp::UNIX_EPOCH,
        };
        let phases = [
            Phase::Enrolled,
            Phase::Syncing,
            Phase::Live,
            Phase::Paused,
            unavailable,
            Phase::Removing,
        ];
        let mut table = String::from("phase        synced  pause     resume    resync    plan      remove");
        for (phase, synced) in phases.iter().flat_map(|phase| [(phase, false), (phase, true)]) {
            let verdicts = [
                Action::Pause,
                Action::Resume,
                Action::Resync,
                Action::Plan,
                Action::Remove,
            ]
            .map(|action| format!("{:<10}", told(&judge(action, phase, synced))));
            let synced = if synced { "yes" } else { "no" };
            let row = format!("{:<13}{synced:<8}{}", name(phase), verdicts.concat());
            table.push('\n');
            table.push_str(row.trim_end());
        }
        let expected = "\
phase        synced  pause     resume    resync    plan      remove
Enrolled     no      Paused    stay      stay      stay      Removing
Enrolled     yes     Paused    stay      stay      stay      Removing
Syncing      no      Paused    stay      stay      stay      Removing
Syncing      yes     Paused    stay      stay      stay      Removing
Live         no      Paused    stay      stay      stay      Removing
Live         yes     Paused    stay      stay      stay      Removing
Paused       no      stay      Enrolled  refuse    stay      Removing
Paused       yes     stay      Live      refuse    stay      Removing
Unavailable  no      Paused    Enrolled  refuse    refuse    Removing
Unavailable  yes     Paused    Live      refuse    refuse    Removing
Removing     no      refuse    refuse    refuse    refuse    stay
Removing     yes     refuse    refuse    refuse    refuse    stay";
        assert_eq!(table, expected, "{table}");
    }

    fn told(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Enter(phase) => name(phase),
            Verdict::Stay => "stay",
            Verdict::Refuse(_) => "refuse",
        }
    }

    fn name(phase: &Phase) -> &'static str {
        match phase {
            Phase::Enrolled => "Enrolled",
            Phase::Syncing => "Syncing",
            Phase::Live => "Live",
            Phase::Paused => "Paused",
            Phase::Unavailable { .. } => "Unavailable",
            Phase::Removing => "Removing",
        }
    }
}
