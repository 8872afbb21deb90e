//! The fault script: which requests and which notifications go wrong, and how.
//!
//! A rule matches requests and strikes some of them. Nothing here carries a fault out: the world answers by it, the
//! faces hang or cut the line.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::world::{DeadToken, MailboxKey, Operation};

/// What goes wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// 429, with or without `Retry-After` (facts 7).
    Throttled {
        /// Seconds; `None` leaves the header out.
        retry_after: Option<u64>,
    },
    /// 503 with an empty body (facts 7).
    Unavailable {
        /// Seconds; `None` leaves the header out.
        retry_after: Option<u64>,
    },
    /// 504; the request was carried out or not.
    GatewayTimeout {
        /// Whether it was carried out.
        committed: bool,
    },
    /// The connection ends without an answer.
    Reset {
        /// Whether the request was carried out.
        committed: bool,
    },
    /// No answer ever.
    Hang {
        /// Whether the request was carried out.
        committed: bool,
    },
    /// The delta token is dead (facts 4.3).
    DeadToken {
        /// How it is told.
        form: DeadToken,
    },
    /// Any error answer.
    Error {
        /// The HTTP status.
        status: u16,
        /// `error.code`; may be empty.
        code: String,
        /// Whether the request was carried out.
        #[serde(default)]
        committed: bool,
    },
    /// 401, as if the token had ended.
    TokenRejected,
    /// The right answer, later.
    Slow {
        /// How much later, in milliseconds.
        millis: u64,
    },
    /// The right answer, with next and delta links that lead to another host (facts 11).
    ForeignLink {
        /// Scheme and host, `https://evil.example`.
        host: String,
    },
    /// The first half of the right answer, with status 200 (facts 8: truncated JSON was seen).
    Truncated,
    /// The right page without its rows: what a permission that was taken away can look like (inferred).
    Emptied,
}

impl Fault {
    /// Whether the request is carried out all the same.
    pub(crate) fn commits(&self) -> bool {
        match self {
            Self::GatewayTimeout { committed }
            | Self::Reset { committed }
            | Self::Hang { committed }
            | Self::Error { committed, .. } => *committed,
            Self::Slow { .. } | Self::ForeignLink { .. } | Self::Truncated | Self::Emptied => true,
            Self::Throttled { .. }
            | Self::Unavailable { .. }
            | Self::DeadToken { .. }
            | Self::TokenRejected => false,
        }
    }

    /// The name in logs.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Throttled { .. } => "throttled",
            Self::Unavailable { .. } => "unavailable",
            Self::GatewayTimeout { .. } => "gateway_timeout",
            Self::Reset { .. } => "reset",
            Self::Hang { .. } => "hang",
            Self::DeadToken { .. } => "dead_token",
            Self::Error { .. } => "error",
            Self::TokenRejected => "token_rejected",
            Self::Slow { .. } => "slow",
            Self::ForeignLink { .. } => "foreign_link",
            Self::Truncated => "truncated",
            Self::Emptied => "emptied",
        }
    }
}

/// Which requests a rule is about. An empty one matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Aim {
    /// The operation.
    pub operation: Option<Operation>,
    /// The HTTP method.
    pub method: Option<String>,
    /// A part of path and query, as they came.
    pub target: Option<String>,
    /// The user's object id.
    pub mailbox: Option<String>,
    /// This many matching requests pass first.
    pub skip: u64,
    /// At most this many strikes; `None`: no end.
    pub times: Option<u64>,
    /// The chance of a strike in percent; `None`: always.
    pub percent: Option<u8>,
}

/// A fault and its aim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Which requests.
    #[serde(default)]
    pub aim: Aim,
    /// What happens to them.
    pub fault: Fault,
    #[serde(skip)]
    seen: u64,
    #[serde(skip)]
    struck: u64,
}

impl Rule {
    /// Strikes every request.
    pub fn new(fault: Fault) -> Self {
        Self {
            aim: Aim::default(),
            fault,
            seen: 0,
            struck: 0,
        }
    }

    /// Strikes only this operation.
    #[must_use]
    pub fn on(mut self, operation: Operation) -> Self {
        self.aim.operation = Some(operation);
        self
    }

    /// Strikes only requests for this user's mailbox.
    #[must_use]
    pub fn for_user(mut self, user: &str) -> Self {
        self.aim.mailbox = Some(user.to_owned());
        self
    }

    /// Strikes only requests whose path and query contain this.
    #[must_use]
    pub fn with_target(mut self, part: &str) -> Self {
        self.aim.target = Some(part.to_owned());
        self
    }

    /// Lets `count` matching requests pass first.
    #[must_use]
    pub fn after(mut self, count: u64) -> Self {
        self.aim.skip = count;
        self
    }

    /// Strikes `count` times and then no more.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.aim.times = Some(count);
        self
    }

    /// Strikes with this chance.
    #[must_use]
    pub fn percent(mut self, percent: u8) -> Self {
        self.aim.percent = Some(percent);
        self
    }
}

/// What goes wrong with a notification (facts 5.3, 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NoticeFault {
    /// Never sent.
    Lost,
    /// Sent twice.
    Doubled,
    /// Sent later.
    Late {
        /// How much later, in milliseconds.
        millis: u64,
    },
    /// Sent after those that came later.
    Reordered,
}

/// A fault of notifications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeRule {
    /// The user's object id; `None`: all.
    #[serde(default)]
    pub mailbox: Option<String>,
    /// At most this many strikes; `None`: no end.
    #[serde(default)]
    pub times: Option<u64>,
    /// The chance in percent; `None`: always.
    #[serde(default)]
    pub percent: Option<u8>,
    /// What happens to them.
    pub fault: NoticeFault,
    #[serde(skip)]
    struck: u64,
}

impl NoticeRule {
    /// Strikes every notification.
    pub fn new(fault: NoticeFault) -> Self {
        Self {
            mailbox: None,
            times: None,
            percent: None,
            fault,
            struck: 0,
        }
    }

    /// Strikes with this chance.
    #[must_use]
    pub fn percent(mut self, percent: u8) -> Self {
        self.percent = Some(percent);
        self
    }

    /// Strikes `count` times and then no more.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.times = Some(count);
        self
    }
}

/// The script in force. The first rule that strikes wins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) rules: Vec<Rule>,
    pub(crate) notices: Vec<NoticeRule>,
}

/// What a rule looks at.
pub(crate) struct Target<'a> {
    pub(crate) operation: Operation,
    pub(crate) method: &'a str,
    pub(crate) path_and_query: &'a str,
    pub(crate) mailbox: Option<&'a MailboxKey>,
}

impl Faults {
    pub(crate) fn strike(&mut self, request: &Target<'_>, dice: &mut Rng) -> Option<Fault> {
        let rule = self
            .rules
            .iter_mut()
            .find_map(|rule| rule.strikes(request, dice).then_some(rule))?;
        Some(rule.fault.clone())
    }

    pub(crate) fn strike_notice(&mut self, mailbox: &MailboxKey, dice: &mut Rng) -> Option<NoticeFault> {
        let strikes = |rule: &mut NoticeRule| {
            let aimed = rule.mailbox.as_ref().is_none_or(|user| *user == mailbox.user);
            let left = rule.times.is_none_or(|times| rule.struck < times);
            let strikes = aimed && left && rule.percent.is_none_or(|percent| dice.u8(0..100) < percent);
            rule.struck += u64::from(strikes);
            strikes.then_some(rule.fault)
        };
        self.notices.iter_mut().find_map(strikes)
    }
}

impl Rule {
    fn strikes(&mut self, request: &Target<'_>, dice: &mut Rng) -> bool {
        let aim = &self.aim;
        let aimed = aim
            .operation
            .is_none_or(|operation| operation == request.operation)
            && aim
                .method
                .as_ref()
                .is_none_or(|method| method.eq_ignore_ascii_case(request.method))
            && aim
                .target
                .as_ref()
                .is_none_or(|part| request.path_and_query.contains(part))
            && aim
                .mailbox
                .as_ref()
                .is_none_or(|user| request.mailbox.is_some_and(|key| key.user == *user));
        if !aimed {
            return false;
        }
        self.seen += 1;
        let left = self.aim.times.is_none_or(|times| self.struck < times);
        let strikes = self.seen > self.aim.skip
            && left
            && self.aim.percent.is_none_or(|percent| dice.u8(0..100) < percent);
        self.struck += u64::from(strikes);
        strikes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_lets_some_pass_strikes_a_few_and_is_then_spent() {
        let rule = Rule::new(Fault::Throttled { retry_after: Some(3) })
            .on(Operation::GetContact)
            .after(1)
            .times(2);
        let mut faults = Faults {
            rules: vec![rule],
            notices: vec![],
        };
        let mut dice = Rng::with_seed(1);
        let mut strike = |operation| {
            let target = Target {
                operation,
                method: "GET",
                path_and_query: "/v1.0/users/u/contacts/c",
                mailbox: None,
            };
            faults.strike(&target, &mut dice).is_some()
        };
        assert!(!strike(Operation::ListContacts));
        let hits: Vec<bool> = (0..5).map(|_| strike(Operation::GetContact)).collect();
        assert_eq!(hits, [false, true, true, false, false]);
    }

    #[test]
    fn a_script_can_be_written_as_json() {
        let rule: Rule = serde_json::from_str(
            r#"{"aim":{"operation":"contact_delta","skip":2,"times":1},"fault":{"kind":"dead_token","form":"gone"}}"#,
        )
        .unwrap();
        assert_eq!(
            rule,
            Rule::new(Fault::DeadToken {
                form: DeadToken::Gone
            })
            .on(Operation::ContactDelta)
            .after(2)
            .times(1)
        );
    }
}
