//! `EventBridge` Scheduler as a value: named rates, and which of them are due.
//!
//! Knows names, rates and when each fires next. It must not know what a schedule starts, nor the clock.

use std::collections::BTreeMap;
use std::time::Duration;

use ambient::add;
use jiff::Timestamp;

/// The finest rate. AWS goes no finer than a minute; tests and the demo may.
const FINEST: Duration = Duration::from_secs(1);

/// A set of named rates.
#[derive(Clone, Debug, Default)]
pub struct Schedules {
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    every: Duration,
    next: Timestamp,
}

impl Schedules {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a schedule, or changes the one of that name. It fires at `now` plus `every` first, as a rate does in
    /// AWS; a rate below a second counts as a second.
    pub fn add(&mut self, now: Timestamp, name: &str, every: Duration) {
        let every = every.max(FINEST);
        self.entries.insert(
            name.to_owned(),
            Entry {
                every,
                next: add(now, every),
            },
        );
    }

    /// Those that are due, longest overdue first. Each is named once however often it was missed, and its next
    /// time lies after `now`, still a whole number of periods from its first.
    pub fn due(&mut self, now: Timestamp) -> Vec<String> {
        let mut due: Vec<(Timestamp, String)> = Vec::new();
        for (name, entry) in self.entries.iter_mut().filter(|(_, entry)| entry.next <= now) {
            due.push((entry.next, name.clone()));
            while entry.next <= now && entry.next < Timestamp::MAX {
                entry.next = add(entry.next, entry.every);
            }
        }
        due.sort();
        due.into_iter().map(|(_, name)| name).collect()
    }

    /// When the next one is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.entries.values().map(|entry| entry.next).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_from_due_time_to_due_time_fires_each_rate_in_its_turn() {
        let start = Timestamp::UNIX_EPOCH;
        let mut schedules = Schedules::new();
        schedules.add(start, "renew", Duration::from_mins(1));
        schedules.add(start, "compare", Duration::from_secs(150));

        let mut fired = Vec::new();
        while let Some(now) = schedules.next_due().filter(|at| at.as_second() <= 300) {
            fired.extend(schedules.due(now).into_iter().map(|name| (now.as_second(), name)));
        }
        let names: Vec<(i64, &str)> = fired.iter().map(|(at, name)| (*at, name.as_str())).collect();
        assert_eq!(
            names,
            [
                (60, "renew"),
                (120, "renew"),
                (150, "compare"),
                (180, "renew"),
                (240, "renew"),
                (300, "compare"),
                (300, "renew"),
            ]
        );
    }

    #[test]
    fn periods_that_were_missed_are_fired_once_and_keep_their_beat() {
        let start = Timestamp::UNIX_EPOCH;
        let mut schedules = Schedules::new();
        schedules.add(start, "renew", Duration::from_mins(1));

        assert_eq!(
            schedules.due(add(start, Duration::from_secs(59))),
            Vec::<String>::new()
        );
        assert_eq!(schedules.due(add(start, Duration::from_secs(610))), ["renew"]);
        assert_eq!(schedules.next_due(), Some(add(start, Duration::from_mins(11))));
    }
}
