//! The numbers that the demo shows: how long edits took, and how numbers are written.
//!
//! Knows counting. Must not know where the numbers come from.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use sync_core::record::Side;

use super::edits::Kind;
use super::first_sync::many;

/// What has arrived so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    by_side: BTreeMap<Side, Way>,
}

/// The edits of one side.
#[derive(Debug, Default)]
pub(super) struct Way {
    kinds: BTreeMap<Kind, u64>,
    /// Milliseconds from the edit to the other side, in order.
    latencies: Vec<u64>,
}

impl Tally {
    /// Counts an edit, and answers with all of its side.
    pub(super) fn add(&mut self, by: Side, kind: Kind, latency: u64) -> &Way {
        let way = self.by_side.entry(by).or_default();
        *way.kinds.entry(kind).or_default() += 1;
        let place = way.latencies.partition_point(|other| *other <= latency);
        way.latencies.insert(place, latency);
        way
    }

    pub(super) fn len(&self) -> usize {
        self.by_side.values().map(|way| way.latencies.len()).sum()
    }

    /// Line by line.
    pub(super) fn summary(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (by, way) in &self.by_side {
            let (made, to) = match by {
                Side::Outlook => ("in Outlook", "Outlook -> mirror"),
                Side::Platform => ("through the API", "API -> Outlook"),
            };
            let edits = many(way.latencies.len(), "edit", "edits");
            lines.push(format!("{edits} {made}: {}", way.kinds()));
            lines.push(format!("{to:<18} {way}"));
        }
        lines
    }
}

impl Way {
    pub(super) fn median(&self) -> u64 {
        self.percentile(50)
    }

    /// The least latency that so many percent don't exceed; 0 where there is none.
    fn percentile(&self, percent: usize) -> u64 {
        let rank = (self.latencies.len() * percent).div_ceil(100);
        self.latencies
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }

    fn kinds(&self) -> String {
        let kinds = self.kinds.iter();
        let kinds: Vec<_> = kinds.map(|(kind, count)| format!("{count} {kind}")).collect();
        kinds.join(", ")
    }
}

impl Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = self.latencies.last().copied().unwrap_or_default();
        let (median, p95) = (span(self.median()), span(self.percentile(95)));
        write!(f, "median {median}, p95 {p95}, longest {}", span(longest))
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
        for latency in [40, 10, 30, 20, 9_000] {
            tally.add(Side::Outlook, Kind::Edited, latency);
        }
        assert_eq!(tally.add(Side::Platform, Kind::Moved, 50).median(), 50);
        assert_eq!(tally.len(), 6);
        assert_eq!(
            tally.summary(),
            [
                "5 edits in Outlook: 5 edited",
                "Outlook -> mirror  median 30 ms, p95 9.0 s, longest 9.0 s",
                "1 edit through the API: 1 moved",
                "API -> Outlook     median 50 ms, p95 50 ms, longest 50 ms",
            ]
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
