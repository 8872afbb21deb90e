//! Time and chance as values.
//!
//! The one crate that reads the clock and the random source; everything else is handed an [`Ambient`].
//! It must not know what time and chance are used for. A [`Ambient::simulated`] one is seeded and moves only
//! when someone sleeps or advances it, so a run with the same seed leaves the same trace.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// A clock and a source of chance. Cheap to clone; clones share both.
#[derive(Clone, Debug)]
pub struct Ambient {
    clock: Clock,
    chance: Arc<Mutex<fastrand::Rng>>,
}

#[derive(Clone, Debug)]
enum Clock {
    System,
    Simulated(Arc<Mutex<Timestamp>>),
}

impl Ambient {
    /// The clock of this machine, and chance seeded by the operating system.
    pub fn system() -> Self {
        Self {
            clock: Clock::System,
            chance: Arc::new(Mutex::new(fastrand::Rng::new())),
        }
    }

    /// A clock that stands still at `start` until somebody sleeps or advances it, and chance from `seed`.
    pub fn simulated(start: Timestamp, seed: u64) -> Self {
        Self {
            clock: Clock::Simulated(Arc::new(Mutex::new(start))),
            chance: Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))),
        }
    }

    /// The present moment.
    #[expect(clippy::disallowed_methods, reason = "this is the place the rule points to")]
    pub fn now(&self) -> Timestamp {
        match &self.clock {
            Clock::System => Timestamp::now(),
            Clock::Simulated(now) => *now.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Waits. On a simulated clock the wait is over at once and the clock has moved by `duration`.
    #[expect(clippy::disallowed_methods, reason = "this is the place the rule points to")]
    pub async fn sleep(&self, duration: Duration) {
        match &self.clock {
            Clock::System => tokio::time::sleep(duration).await,
            Clock::Simulated(_) => {
                self.advance(duration);
                tokio::task::yield_now().await;
            }
        }
    }

    /// Moves a simulated clock; the system's clock can't be moved, so there it does nothing.
    pub fn advance(&self, duration: Duration) {
        if let Clock::Simulated(now) = &self.clock {
            let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
            *now = add(*now, duration);
        }
    }

    /// True where [`Ambient::sleep`] takes no real time.
    pub fn is_simulated(&self) -> bool {
        matches!(self.clock, Clock::Simulated(_))
    }

    /// A number in `0..bound`; 0 where `bound` is 0.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 {
            0
        } else {
            self.with_chance(|chance| chance.u64(0..bound))
        }
    }

    /// A duration in `0..limit`, to the millisecond: full jitter.
    pub fn jitter(&self, limit: Duration) -> Duration {
        Duration::from_millis(self.below(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)))
    }

    /// A version 4 UUID.
    pub fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.with_chance(|chance| chance.u128(..)).to_be_bytes()).into_uuid()
    }

    fn with_chance<R>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> R) -> R {
        draw(&mut self.chance.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// `time` plus `duration`, stopping at the last moment that can be told.
pub fn add(time: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| time.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_simulated_clock_moves_only_by_sleeping_and_the_same_seed_gives_the_same_chance() {
        let trace = async |seed| {
            let ambient = Ambient::simulated(Timestamp::UNIX_EPOCH, seed);
            ambient.sleep(Duration::from_secs(90)).await;
            (
                ambient.now(),
                ambient.uuid(),
                ambient.below(1000),
                ambient.jitter(Duration::from_secs(5)),
            )
        };
        assert_eq!(trace(7).await, trace(7).await);
        assert_eq!(trace(7).await.0.as_second(), 90);
        assert_ne!(trace(7).await.1, trace(8).await.1);
    }
}
