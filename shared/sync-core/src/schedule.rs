//! When things are due. Chance is handed in as a fraction, so that the same draw gives the same time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How long a subscription is asked for: Outlook's maximum of 10,080 minutes, less ten, since requests beyond the
/// maximum fail and clocks differ (facts 5.1).
pub const SUBSCRIPTION_LIFE: Duration = Duration::from_mins(10_070);

/// After a renewal, an `reauthorizationRequired` needs no answer for this long: renewing reauthorizes, and the two
/// must never happen within ten minutes of each other (facts 5.5).
pub const REAUTHORIZED_FOR: Duration = Duration::from_mins(10);

/// When to renew a subscription: at half its life, give or take a fifth of that half, so that a million
/// subscriptions made in one hour are not renewed in one hour.
///
/// `draw` is chance, in `0..1000`.
pub fn renewal_due(granted_at: Timestamp, expires_at: Timestamp, draw: u64) -> Timestamp {
    let half = expires_at.duration_since(granted_at) / 2;
    granted_at
        .saturating_add(spread(half, draw))
        .unwrap_or(expires_at)
}

/// When to try again after `attempts` failures: 1, 2, 4 … minutes, an hour at the most, give or take a fifth.
///
/// `draw` is chance, in `0..1000`.
pub fn retry_due(now: Timestamp, attempts: u32, draw: u64) -> Timestamp {
    let minutes = 2_i64.saturating_pow(attempts.saturating_sub(1)).min(60);
    now.saturating_add(spread(SignedDuration::from_mins(minutes), draw))
        .unwrap_or(Timestamp::MAX)
}

/// When a thing that happens `every` so often is due next, give or take a fifth.
///
/// `draw` is chance, in `0..1000`.
pub fn next_due(now: Timestamp, every: Duration, draw: u64) -> Timestamp {
    let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX);
    now.saturating_add(spread(every, draw)).unwrap_or(Timestamp::MAX)
}

/// How long after a comparison the next one comes, where one comes `every` so often as a rule: sooner where drift was found,
/// later where none was for a week of them. `clean`: how many in a row have found none, up to this one.
pub fn comparison_after(every: Duration, clean: u32) -> Duration {
    match clean {
        0 => every / 4,
        1..7 => every,
        7.. => every.saturating_mul(2),
    }
}

/// From four fifths to six fifths of a duration.
fn spread(duration: SignedDuration, draw: u64) -> SignedDuration {
    let per_mille = 800 + i32::try_from(draw.min(1000)).unwrap_or(1000) * 400 / 1000;
    // Divided first, so that a long duration can't overflow.
    (duration / 1000).saturating_mul(per_mille)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_with_drift_is_compared_sooner_and_one_without_later() {
        let hours = |clean| comparison_after(Duration::from_hours(24), clean).as_secs() / 3_600;
        assert_eq!([0, 1, 6, 7, u32::MAX].map(hours), [6, 24, 24, 48, 48]);
        assert_eq!(comparison_after(Duration::MAX, 7), Duration::MAX);
    }

    #[test]
    fn a_renewal_is_due_around_half_life_and_well_before_expiry() {
        let granted = Timestamp::UNIX_EPOCH;
        let expires = granted
            .saturating_add(SignedDuration::try_from(SUBSCRIPTION_LIFE).unwrap())
            .unwrap();
        let hours = |draw| {
            renewal_due(granted, expires, draw)
                .duration_since(granted)
                .as_hours()
        };
        assert_eq!((hours(0), hours(500), hours(999)), (67, 83, 100));
    }

    #[test]
    fn retries_double_up_to_an_hour() {
        let minutes = |attempts| retry_due(Timestamp::UNIX_EPOCH, attempts, 500).as_second() / 60;
        assert_eq!([1, 2, 3, 6, 7, 50].map(minutes), [1, 2, 4, 32, 60, 60]);
    }
}
