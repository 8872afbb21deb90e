//! The numbers that the demo shows: how long edits took, and how numbers are written.
//!
//! Knows counting. Must not know where the numbers come from.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use super::edits::Kind;

/// What has arrived so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    kinds: BTreeMap<Kind, u64>,
    /// Milliseconds from the edit to the mirror, in order.
    latencies: Vec<u64>,
}

impl Tally {
    pub(super) fn add(&mut self, kind: Kind, latency: u64) {
        *self.kinds.entry(kind).or_default() += 1;
        let place = self.latencies.partition_point(|other| *other <= latency);
        self.latencies.insert(place, latency);
    }

    pub(super) fn len(&self) -> usize {
        self.latencies.len()
    }

    pub(super) fn median(&self) -> u64 {
        self.percentile(50)
    }

    pub(super) fn p95(&self) -> u64 {
        self.percentile(95)
    }

    /// The least latency that so many percent don't exceed; 0 where there is none.
    fn percentile(&self, percent: usize) -> u64 {
        let rank = (self.latencies.len() * percent).div_ceil(100);
        self.latencies
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<_> = self
            .kinds
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        writeln!(f, "{} edits: {}", thousands(self.len() as u64), kinds.join(", "))?;
        let longest = self.latencies.last().copied().unwrap_or_default();
        let (median, p95, longest) = (span(self.median()), span(self.p95()), span(longest));
        write!(
            f,
            "   from the edit to the mirror: median {median}, p95 {p95}, longest {longest}"
        )
    }
}

/// `1,234,567`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Milliseconds, as a person reads them.
pub(super) fn span(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..100_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        _ => format!("{} s", millis / 1_000),
    }
}

/// Capacity units, rounded.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive, far below 2^53"
)]
pub(super) fn whole(units: f64) -> u64 {
    units.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_tail_are_latencies_that_were_measured() {
        let mut tally = Tally::default();
        assert_eq!(tally.median(), 0);
        for latency in [40, 10, 30, 20, 9_000] {
            tally.add(Kind::Edited, latency);
        }
        assert_eq!((tally.median(), tally.p95()), (30, 9_000));
        assert_eq!(
            tally.to_string(),
            "5 edits: 5 edited\n   from the edit to the mirror: median 30 ms, p95 9.0 s, longest 9.0 s"
        );
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(thousands),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!([7, 1_234, 150_000].map(span), ["7 ms", "1.2 s", "150 s"]);
    }
}
