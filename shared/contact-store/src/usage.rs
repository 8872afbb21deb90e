//! What the store has cost so far: counters for tests and for the metric of an invocation.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::types::ConsumedCapacity;

/// Requests made and capacity consumed since the store was made. Every index that a write touches is in its units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Requests that read.
    pub reads: u64,
    /// Requests that wrote or deleted, refused ones included.
    pub writes: u64,
    /// Read capacity units.
    pub read_units: f64,
    /// Write capacity units.
    pub write_units: f64,
}

/// The counters behind [`Usage`]. `DynamoDB` counts in half units, so units are kept doubled, as whole numbers.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    reads: AtomicU64,
    writes: AtomicU64,
    read_halves: AtomicU64,
    write_halves: AtomicU64,
}

impl Meter {
    pub(crate) fn read(&self, consumed: &[ConsumedCapacity]) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.read_halves.fetch_add(halves(consumed), Ordering::Relaxed);
    }

    pub(crate) fn write(&self, consumed: &[ConsumedCapacity]) {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.write_halves.fetch_add(halves(consumed), Ordering::Relaxed);
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            reads: self.reads.load(Ordering::Relaxed),
            writes: self.writes.load(Ordering::Relaxed),
            read_units: units(self.read_halves.load(Ordering::Relaxed)),
            write_units: units(self.write_halves.load(Ordering::Relaxed)),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small, positive, already whole"
)]
fn halves(consumed: &[ConsumedCapacity]) -> u64 {
    consumed
        .iter()
        .filter_map(ConsumedCapacity::capacity_units)
        .map(|units| (units * 2.0).round() as u64)
        .sum()
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 halves")]
fn units(halves: u64) -> f64 {
    halves as f64 / 2.0
}
