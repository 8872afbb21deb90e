//! What goes wrong at Microsoft Graph in the demo, in three degrees.
//!
//! Knows the simulator's fault script. Must not know how the bundle copes.

use std::collections::BTreeMap;
use std::time::Duration;

use graph_sim::faults::{Fault, NoticeFault, NoticeRule, Rule};
use graph_sim::{DeadToken, Operation, Warts};
use local_stack::LocalStack;

/// Requests about mailboxes. Sign-in and subscriptions are spared: a failed subscription is tried again a minute later,
/// which nobody wants to watch.
const MAILBOXES: &str = "/users/";

/// How much goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Faults {
    /// Nothing
    None,
    /// Some requests and notifications fail
    Some,
    /// Many do, and delta tokens die
    Many,
}

impl Faults {
    /// The deployed default of an hour is too long to watch.
    pub(super) fn poll_every(self) -> Option<Duration> {
        (self != Self::None).then_some(Duration::from_secs(10))
    }

    pub(super) fn explained(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::Some => &[
                "",
                "Faults: of 100 requests 3 get a 429, 2 a 503, 1 no answer; of 100 notifications 10 are lost, 10 late,",
                "5 doubled. What a lost notification told of is found by the poll: here every 10 s, deployed every hour.",
            ],
            Self::Many => &[
                "",
                "Faults: of 100 requests 8 get a 429, 5 a 503, 2 a 504, 3 no answer, 5 are slow; 3 of 100 delta tokens",
                "die; delta pages come empty, in no order and with replays; of 100 notifications 25 are lost, 15 late,",
                "10 doubled, 10 out of order. What a lost notification told of is found by the poll: here every 10 s,",
                "deployed every hour.",
            ],
        }
    }

    pub(super) fn warts(self) -> Warts {
        match self {
            Self::None | Self::Some => Warts::default(),
            Self::Many => Warts {
                replays: 10,
                reorder: true,
                empty_pages: 10,
                ..Warts::default()
            },
        }
    }

    /// Puts the script in force.
    pub(super) fn script(self, stack: &LocalStack) {
        let mut world = stack.world();
        for (percent, fault) in self.requests() {
            world.add_fault(Rule::new(fault).with_target(MAILBOXES).percent(percent));
        }
        if self == Self::Many {
            let dead = Fault::DeadToken {
                form: DeadToken::Gone,
            };
            world.add_fault(Rule::new(dead).on(Operation::ContactDelta).percent(3));
        }
        for (percent, fault) in self.notices() {
            world.add_notice_fault(NoticeRule::new(fault).percent(percent));
        }
    }

    fn requests(self) -> Vec<(u8, Fault)> {
        let throttled = |seconds| Fault::Throttled {
            retry_after: Some(seconds),
        };
        let unavailable = Fault::Unavailable { retry_after: None };
        let reset = Fault::Reset { committed: true };
        match self {
            Self::None => vec![],
            Self::Some => vec![(3, throttled(1)), (2, unavailable), (1, reset)],
            Self::Many => vec![
                (7, throttled(1)),
                (1, throttled(8)),
                (5, unavailable),
                (2, Fault::GatewayTimeout { committed: true }),
                (3, reset),
                (5, Fault::Slow { millis: 500 }),
            ],
        }
    }

    fn notices(self) -> Vec<(u8, NoticeFault)> {
        let late = NoticeFault::Late { millis: 2_000 };
        match self {
            Self::None => vec![],
            Self::Some => vec![(10, NoticeFault::Lost), (10, late), (5, NoticeFault::Doubled)],
            Self::Many => vec![
                (25, NoticeFault::Lost),
                (15, late),
                (10, NoticeFault::Doubled),
                (10, NoticeFault::Reordered),
            ],
        }
    }
}

/// Which faults struck, and how often, in words.
pub(super) fn struck(stack: &LocalStack) -> String {
    let mut counts = BTreeMap::<String, u64>::new();
    for entry in stack.world().requests() {
        if let Some(fault) = &entry.fault {
            *counts.entry(fault.replace('_', " ")).or_default() += 1;
        }
    }
    if counts.is_empty() {
        return "none".to_owned();
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|(fault, count)| format!("{count} {fault}"))
        .collect();
    counts.join(", ")
}
