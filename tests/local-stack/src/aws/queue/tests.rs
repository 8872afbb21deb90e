//! What a FIFO queue promises, checked against random senders, receivers and clocks; and the rules that a random run
//! seldom meets, one story each.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const VISIBILITY: Duration = Duration::from_secs(30);

fn queue(name: &str, max_receive_count: Option<u32>) -> Queue {
    Queue::new(QueueSettings {
        name: name.to_owned(),
        visibility_timeout: VISIBILITY,
        max_receive_count,
    })
}

fn at(second: u64) -> Timestamp {
    add(Timestamp::UNIX_EPOCH, Duration::from_secs(second))
}

fn job(group: &str, id: &str) -> Outgoing {
    Outgoing {
        body: id.to_owned(),
        group: Some(group.to_owned()),
        deduplication: Some(id.to_owned()),
        delay: Duration::ZERO,
    }
}

const TEN: Receive = Receive {
    max: 10,
    groups: Groups::One,
    visibility_timeout: None,
};

fn receive(queue: &mut Queue, second: u64) -> Vec<Message> {
    queue.receive(at(second), TEN).messages
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_str()).collect()
}

/// One step of somebody around the queue.
#[derive(Clone, Debug)]
enum Step {
    Send {
        group: u8,
        id: u8,
    },
    Receive {
        max: usize,
        mixed: bool,
    },
    /// The receiver of a batch answers: bit n of `failed` keeps its n-th message.
    Finish {
        batch: usize,
        failed: u16,
    },
    Hide {
        batch: usize,
        seconds: u64,
    },
    Wait {
        seconds: u64,
    },
    Lapse,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3u8, 0..40u8).prop_map(|(group, id)| Step::Send { group, id }),
        4 => (1..=10usize, any::<bool>()).prop_map(|(max, mixed)| Step::Receive { max, mixed }),
        4 => (0..4usize, any::<u16>()).prop_map(|(batch, failed)| Step::Finish { batch, failed }),
        1 => (0..4usize, 0..90u64).prop_map(|(batch, seconds)| Step::Hide { batch, seconds }),
        3 => (0..200u64).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Lapse),
    ]
}

/// A FIFO queue and an account of its own of what should be in it.
struct Watched {
    queue: Queue,
    now: Timestamp,
    /// What must still come, by group and in the order sent.
    owed: BTreeMap<String, Vec<u64>>,
    /// Since when an id is known.
    known: BTreeMap<(String, String), Timestamp>,
    batches: Vec<Vec<Message>>,
    /// In flight until then, as far as the receivers were told.
    held: BTreeMap<u64, Timestamp>,
}

impl Watched {
    fn new() -> Self {
        Self {
            queue: queue("jobs.fifo", None),
            now: Timestamp::UNIX_EPOCH,
            owed: BTreeMap::new(),
            known: BTreeMap::new(),
            batches: Vec::new(),
            held: BTreeMap::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Send { group, id } => self.send(format!("group {group}"), format!("id {id}")),
            Step::Receive { max, mixed } => self.receive(max, if mixed { Groups::Many } else { Groups::One }),
            Step::Finish { batch, failed } => self.finish(batch, failed),
            Step::Hide { batch, seconds } => self.hide(batch, Duration::from_secs(seconds)),
            Step::Wait { seconds } => self.now = add(self.now, Duration::from_secs(seconds)),
            Step::Lapse => {
                self.queue.lapse(self.now);
                self.held.clear();
            }
        }
    }

    fn send(&mut self, group: String, id: String) {
        let before = self.queue.messages.len();
        let sent = self.queue.send(self.now, job(&group, &id)).unwrap();
        let key = (group.clone(), id);
        let duplicate = self
            .known
            .get(&key)
            .is_some_and(|since| self.now < add(*since, Duration::from_mins(5)));
        assert_eq!(
            self.queue.messages.len() - before,
            usize::from(!duplicate),
            "{key:?} at {}",
            self.now
        );
        if !duplicate {
            self.known.insert(key, self.now);
            self.owed.entry(group).or_default().push(sent.sequence);
        }
    }

    fn receive(&mut self, max: usize, groups: Groups) {
        let received = self
            .queue
            .receive(
                self.now,
                Receive {
                    max,
                    groups,
                    visibility_timeout: None,
                },
            )
            .messages;
        assert!(received.len() <= max);
        let now = self.now;
        let mut by_group = BTreeMap::<String, Vec<u64>>::new();
        for message in &received {
            by_group
                .entry(message.group.clone().unwrap())
                .or_default()
                .push(message.sequence);
        }
        assert!(groups == Groups::Many || by_group.len() <= 1, "one group a batch");
        for (group, sequences) in by_group {
            let owed = &self.owed[&group];
            assert!(
                owed.starts_with(&sequences),
                "{group}: {sequences:?} of {owed:?}: in order, from the first"
            );
            let busy = owed
                .iter()
                .any(|sequence| self.held.get(sequence).is_some_and(|until| *until > now));
            assert!(!busy, "{group} is in somebody's hands");
            self.held.extend(
                sequences
                    .into_iter()
                    .map(|sequence| (sequence, add(now, VISIBILITY))),
            );
        }
        self.batches.push(received);
    }

    fn finish(&mut self, batch: usize, failed: u16) {
        if batch >= self.batches.len() {
            return;
        }
        for (index, message) in self.batches.remove(batch).into_iter().enumerate() {
            let deleted =
                failed & (1 << index) == 0 && self.queue.delete(self.now, &message.receipt()).is_ok();
            if deleted {
                let owed = self.owed.get_mut(message.group.as_deref().unwrap()).unwrap();
                owed.retain(|sequence| *sequence != message.sequence);
                self.held.remove(&message.sequence);
            }
        }
    }

    fn hide(&mut self, batch: usize, timeout: Duration) {
        for message in self.batches.get(batch).into_iter().flatten() {
            if self
                .queue
                .change_visibility(self.now, &message.receipt(), timeout)
                .is_ok()
            {
                self.held.insert(message.sequence, add(self.now, timeout));
            }
        }
    }

    /// Receives and deletes until nothing comes any more, jumping from one visible moment to the next.
    fn drain(&mut self) -> BTreeSet<u64> {
        let mut drained = BTreeSet::new();
        while let Some(next) = self.queue.next_visible_at() {
            self.now = self.now.max(next);
            let received = self.queue.receive(self.now, TEN).messages;
            assert!(
                !received.is_empty(),
                "the queue named {next} and had nothing at {}",
                self.now
            );
            for message in received {
                self.queue.delete(self.now, &message.receipt()).unwrap();
                drained.insert(message.sequence);
            }
        }
        drained
    }
}

proptest! {
    #[test]
    fn a_fifo_queue_keeps_order_and_groups_drops_duplicates_only_and_loses_nothing(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut watched = Watched::new();
        for step in steps {
            watched.take(&step);
        }
        let owed: BTreeSet<u64> = watched.owed.values().flatten().copied().collect();
        prop_assert_eq!(watched.drain(), owed);
    }
}

#[test]
fn a_group_waits_for_its_failed_message_while_another_group_goes_on() {
    let mut queue = queue("jobs.fifo", None);
    for (group, id) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3")] {
        queue.send(at(0), job(group, id)).unwrap();
    }
    let first = receive(&mut queue, 1);
    assert_eq!(bodies(&first), ["a1", "a2", "a3"]);
    assert_eq!(bodies(&receive(&mut queue, 2)), ["b1"]);
    assert_eq!(bodies(&receive(&mut queue, 3)), [] as [&str; 0]);
    assert_eq!(
        queue.depth(at(3)),
        Depth {
            visible: 0,
            in_flight: 4,
            delayed: 0
        }
    );

    queue.delete(at(4), &first[0].receipt()).unwrap();
    queue
        .change_visibility(at(4), &first[1].receipt(), Duration::from_secs(100))
        .unwrap();
    // a3 is visible again at 31, but a2 before it is not.
    queue.send(at(5), job("a", "a4")).unwrap();
    assert_eq!(bodies(&receive(&mut queue, 40)), ["b1"]);
    assert_eq!(bodies(&receive(&mut queue, 104)), ["a2", "a3", "a4"]);
}

#[test]
fn a_receipt_of_fifo_ends_with_its_visibility_timeout_and_a_standard_one_with_the_next_receipt() {
    let mut fifo = queue("jobs.fifo", None);
    fifo.send(at(0), job("a", "a1")).unwrap();
    let slow = receive(&mut fifo, 0).remove(0);
    assert_eq!(fifo.delete(at(30), &slow.receipt()), Err(Refusal::ExpiredReceipt));
    let again = receive(&mut fifo, 30).remove(0);
    assert_eq!(again.receive_count, 2);
    assert_eq!(fifo.delete(at(31), &slow.receipt()), Err(Refusal::ExpiredReceipt));
    assert_eq!(fifo.delete(at(31), &again.receipt()), Ok(()));
    assert_eq!(
        fifo.delete(at(31), &again.receipt()),
        Ok(()),
        "gone counts as deleted"
    );
    assert_eq!(fifo.delete(at(31), "nonsense"), Err(Refusal::UnknownReceipt));

    let mut standard = queue("jobs", None);
    standard
        .send(
            at(0),
            Outgoing {
                body: "s1".to_owned(),
                ..Outgoing::default()
            },
        )
        .unwrap();
    let slow = receive(&mut standard, 0).remove(0);
    let again = receive(&mut standard, 30).remove(0);
    standard.delete(at(31), &slow.receipt()).unwrap();
    assert_eq!(
        standard.depth(at(31)).total(),
        1,
        "an outdated receipt deletes nothing"
    );
    standard.delete(at(90), &again.receipt()).unwrap();
    assert_eq!(standard.depth(at(90)).total(), 0);
}

#[test]
fn a_message_that_was_received_too_often_makes_way_for_its_group() {
    let mut queue = queue("jobs.fifo", Some(2));
    queue.send(at(0), job("a", "poison")).unwrap();
    for second in [0, 30] {
        assert_eq!(bodies(&receive(&mut queue, second)), ["poison"]);
    }
    queue.send(at(59), job("a", "next")).unwrap();
    let received = queue.receive(at(60), TEN);
    assert_eq!(bodies(&received.dead), ["poison"]);
    assert_eq!(bodies(&received.messages), ["next"]);
}

#[test]
fn a_flight_may_be_prolonged_to_twelve_hours_from_its_receipt() {
    let mut queue = queue("jobs.fifo", None);
    queue.send(at(0), job("a", "a1")).unwrap();
    let message = receive(&mut queue, 0).remove(0);
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    queue
        .change_visibility(at(20), &message.receipt(), hours(11))
        .unwrap();
    let too_long = queue.change_visibility(at(3600), &message.receipt(), hours(12));
    assert_eq!(too_long, Err(Refusal::VisibilityTooLong));
    assert_eq!(queue.next_visible_at(), Some(at(20 + 11 * 3600)));
    let late = queue.change_visibility(at(12 * 3600), &message.receipt(), hours(1));
    assert_eq!(late, Err(Refusal::NotInFlight));
}

#[test]
fn messages_that_aws_would_refuse_are_refused() {
    let mut fifo = queue("jobs.fifo", None);
    let mut standard = queue("jobs", None);
    let good = job("a", "a1");
    let delayed = Outgoing {
        delay: Duration::from_secs(5),
        ..good.clone()
    };
    let refused = [
        fifo.send(
            at(0),
            Outgoing {
                group: None,
                ..good.clone()
            },
        ),
        fifo.send(
            at(0),
            Outgoing {
                deduplication: None,
                ..good.clone()
            },
        ),
        fifo.send(at(0), delayed.clone()),
        fifo.send(
            at(0),
            Outgoing {
                body: String::new(),
                ..good.clone()
            },
        ),
        fifo.send(
            at(0),
            Outgoing {
                body: "x".repeat(LARGEST_BODY + 1),
                ..good.clone()
            },
        ),
        standard.send(at(0), good),
    ];
    assert_eq!(
        refused.map(Result::unwrap_err),
        [
            Refusal::MissingGroup,
            Refusal::MissingDeduplication,
            Refusal::WrongQueueType,
            Refusal::EmptyBody,
            Refusal::TooLong,
            Refusal::WrongQueueType,
        ]
    );
    standard
        .send(
            at(0),
            Outgoing {
                deduplication: None,
                ..delayed
            },
        )
        .unwrap();
    assert_eq!(standard.depth(at(4)).delayed, 1);
    assert_eq!(bodies(&receive(&mut standard, 5)), ["a1"]);
}
