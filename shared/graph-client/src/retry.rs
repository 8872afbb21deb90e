//! Whether a failed attempt is made again, and when: a pure function.
//!
//! Knows statuses, Retry-After, idempotency and the deadline. Must not sleep, draw chance or read the clock.

use std::time::Duration;

use ambient::add;
use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;

use crate::transport::TransportError;

/// A Retry-After beyond a day is a mistake of the sender's and must not silence a mailbox for longer.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);

/// How often and how long attempts are repeated.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// Attempts in all, the first included. Default: 4.
    pub attempts: u32,
    /// The first attempt's backoff is drawn from `0..base`; it doubles with each attempt. Default: 250 ms.
    pub base: Duration,
    /// The most that a backoff is drawn from. Default: 5 s.
    pub cap: Duration,
    /// The longest Retry-After that is slept through. A longer one is handed back to the caller. Default: 5 s.
    pub patience: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            base: Duration::from_millis(250),
            cap: Duration::from_secs(5),
            patience: Duration::from_secs(5),
        }
    }
}

/// Whether a request may be made again when it isn't known if it was carried out. Declared where the call is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Carried out twice is the same as once.
    Safe,
    /// Carried out twice does harm: the creation of a contact.
    Unsafe,
}

/// What went wrong with an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// 429: certainly not carried out.
    Throttled(Option<Duration>),
    /// 503 or 504: perhaps carried out.
    Unavailable(Option<Duration>),
    /// Nothing was sent.
    Unsent,
    /// Sent, and no answer.
    Unanswered,
}

impl Trouble {
    /// `None` where the status is not one that another attempt could change.
    pub(crate) fn of_status(status: u16, retry_after: Option<Duration>) -> Option<Self> {
        match status {
            429 => Some(Self::Throttled(retry_after)),
            503 | 504 => Some(Self::Unavailable(retry_after)),
            _ => None,
        }
    }

    /// `None` where another attempt would end in the same way.
    pub(crate) fn of_transport(error: &TransportError) -> Option<Self> {
        match error {
            TransportError::Connect(_) => Some(Self::Unsent),
            TransportError::Timeout(_) | TransportError::Interrupted(_) => Some(Self::Unanswered),
            TransportError::TooLarge { .. } => None,
        }
    }

    /// True where the attempt may have been carried out.
    pub(crate) fn loses_sight(self) -> bool {
        match self {
            Self::Throttled(_) | Self::Unsent => false,
            Self::Unavailable(_) | Self::Unanswered => true,
        }
    }
}

/// A failed attempt and the terms it was made under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// From 1.
    pub(crate) number: u32,
    pub(crate) trouble: Trouble,
    pub(crate) repeat: Repeat,
    /// No attempt is to begin after this moment.
    pub(crate) deadline: Option<Timestamp>,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Again, after exactly so long.
    After(Duration),
    /// Again, after a time drawn from `0..limit` (full jitter).
    Within(Duration),
    /// Not now: the server wants to be left alone until then. The request was not carried out, or may be repeated.
    ComeBack(Timestamp),
    /// The answer, or the lack of one, stands.
    GiveUp,
}

pub(crate) fn verdict(attempt: Attempt, policy: &RetryPolicy, now: Timestamp) -> Verdict {
    let (allowed, throttled, retry_after) = match attempt.trouble {
        Trouble::Throttled(retry_after) => (true, true, retry_after),
        Trouble::Unavailable(retry_after) => {
            (attempt.repeat == Repeat::Safe, retry_after.is_some(), retry_after)
        }
        Trouble::Unsent => (true, false, None),
        Trouble::Unanswered => (attempt.repeat == Repeat::Safe, false, None),
    };
    let wait = retry_after.unwrap_or_else(|| backoff(attempt.number, policy));
    let in_time = attempt.deadline.is_none_or(|deadline| add(now, wait) < deadline);
    let again = attempt.number < policy.attempts && in_time;
    match (allowed, retry_after) {
        (true, Some(wait)) if again && wait <= policy.patience => Verdict::After(wait),
        (true, None) if again => Verdict::Within(wait),
        // Without a Retry-After the longest backoff is as good a guess as any.
        (true, _) if throttled => Verdict::ComeBack(add(now, retry_after.unwrap_or(policy.cap))),
        (true | false, _) => Verdict::GiveUp,
    }
}

fn backoff(number: u32, policy: &RetryPolicy) -> Duration {
    policy
        .base
        .saturating_mul(1 << (number - 1).min(16))
        .min(policy.cap)
}

/// Retry-After in seconds or as an HTTP date; `None` where it is absent or neither.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    parse_retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, now)
}

pub(crate) fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let date = jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(text)
            .ok()?;
        // A date in the past means: at once.
        Duration::try_from(date.duration_since(now)).unwrap_or_default()
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn check(number: u32, trouble: Trouble, repeat: Repeat, expected: Verdict) {
        let attempt = Attempt {
            number,
            trouble,
            repeat,
            deadline: None,
        };
        assert_eq!(
            verdict(attempt, &RetryPolicy::default(), NOW),
            expected,
            "{attempt:?}"
        );
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_tried_again_and_when() {
        use Repeat::{Safe, Unsafe};
        use Trouble::{Throttled, Unanswered, Unavailable, Unsent};
        use Verdict::{After, ComeBack, GiveUp, Within};
        let in_ = |seconds| add(NOW, secs(seconds));
        let ms = Duration::from_millis;

        check(1, Throttled(Some(secs(3))), Safe, After(secs(3)));
        check(1, Throttled(Some(secs(3))), Unsafe, After(secs(3)));
        check(1, Throttled(Some(secs(6))), Safe, ComeBack(in_(6)));
        check(4, Throttled(Some(secs(3))), Safe, ComeBack(in_(3)));
        check(1, Throttled(None), Safe, Within(ms(250)));
        check(4, Throttled(None), Safe, ComeBack(in_(5)));

        check(1, Unavailable(None), Safe, Within(ms(250)));
        check(3, Unavailable(None), Safe, Within(ms(1000)));
        check(4, Unavailable(None), Safe, GiveUp);
        check(1, Unavailable(Some(secs(600))), Safe, ComeBack(in_(600)));
        check(1, Unavailable(Some(secs(1))), Unsafe, GiveUp);

        check(1, Unsent, Unsafe, Within(ms(250)));
        check(4, Unsent, Safe, GiveUp);
        check(2, Unanswered, Safe, Within(ms(500)));
        check(1, Unanswered, Unsafe, GiveUp);
    }

    #[test]
    fn nothing_is_tried_again_past_the_deadline() {
        let attempt = |trouble| Attempt {
            number: 1,
            trouble,
            repeat: Repeat::Safe,
            deadline: Some(add(NOW, Duration::from_millis(200))),
        };
        let policy = RetryPolicy::default();
        assert_eq!(
            verdict(attempt(Trouble::Unanswered), &policy, NOW),
            Verdict::GiveUp
        );
        assert_eq!(
            verdict(attempt(Trouble::Throttled(Some(secs(1)))), &policy, NOW),
            Verdict::ComeBack(add(NOW, secs(1)))
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let cases = [
            ("10", Some(secs(10))),
            (" 0 ", Some(secs(0))),
            ("Thu, 01 Jan 1970 00:02:00 GMT", Some(secs(120))),
            ("Wed, 31 Dec 1969 23:59:00 GMT", Some(secs(0))),
            ("99999999999", Some(LONGEST_RETRY_AFTER)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_retry_after(text, NOW), expected, "{text}");
        }
    }
}
