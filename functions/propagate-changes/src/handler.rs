//! One batch of a stream: pushes, events, addresses and versions out, and from which record on it is to come again.
//!
//! Knows Lambda's partial batch answer for streams. All of it may be done again, so what a record has come to is not
//! remembered: the batch comes again from the first record of which something is missing.

use std::collections::{BTreeMap, BTreeSet};

use ambient::Ambient;
use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use contact_store::{Store, StoreError, Tables, Version};
use futures_util::future::join_all;
use jiff::Timestamp;
use job_queue::{JobQueue, WorkJob};
use lambda_boot::{MetricSink, Metrics};
use sync_core::ids::{ContactId, MailboxId};

use crate::bus::EventBus;
use crate::change::Change;
use crate::event::Event;
use crate::outcome::{Emails, Forget, Outcome, outcome};
use crate::{FUNCTION, Kind};

/// A message names so many contacts at most.
const CONTACTS_PER_PUSH: usize = 100;

/// So many contacts' addresses are written at once.
const AT_ONCE: usize = 8;

/// The function.
pub struct Propagate {
    /// For the index of addresses, and the history.
    pub store: Store,
    /// Whose streams are read.
    pub tables: Tables,
    /// Takes the pushes.
    pub work: JobQueue,
    /// Takes the events.
    pub bus: EventBus,
    /// Time and chance.
    pub ambient: Ambient,
    /// Takes the metrics.
    pub metrics: MetricSink,
}

/// What has become of a contact's history in a batch.
#[derive(Default)]
struct Past {
    at: usize,
    /// True where all that was before is to be erased.
    is_forgotten: bool,
    /// What has come since, by its version.
    versions: BTreeMap<u64, Version>,
}

/// What a batch comes to, each with the place of its record.
#[derive(Default)]
struct Batch {
    pushes: BTreeMap<MailboxId, BTreeSet<ContactId>>,
    /// The first record with a push.
    first_push: Option<usize>,
    events: Vec<Event>,
    events_at: Vec<usize>,
    emails: BTreeMap<(MailboxId, ContactId), Addresses>,
    history: BTreeMap<(MailboxId, ContactId), Past>,
    removed: Vec<(usize, MailboxId, Timestamp)>,
    unreadable: u64,
}

/// A contact's addresses after the batch: true for those that it has.
struct Addresses {
    at: usize,
    has: BTreeMap<String, bool>,
}

impl Propagate {
    /// Handles a batch of either stream.
    pub async fn handle(&self, event: StreamEvent) -> DynamoDbEventResponse {
        let numbers: Vec<_> = event
            .records
            .iter()
            .map(|record| record.change.sequence_number.clone())
            .collect();
        let (batch, unread) = self.read(event);
        // Pushes first: somebody waits for Outlook. All four are tried, whatever becomes of the others.
        let failed = [
            unread,
            self.push(&batch).await,
            self.publish(&batch).await,
            self.index(&batch).await,
            self.remember(&batch).await,
        ];
        let failed = failed.into_iter().flatten().min();
        self.count(&batch, failed.map_or(0, |at| numbers.len() - at));
        let mut answer = DynamoDbEventResponse::default();
        if let Some(number) = failed.map(|at| &numbers[at]) {
            // Without its number, Lambda takes the whole batch for failed, which is right.
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = Some(number.clone().unwrap_or_default());
            answer.batch_item_failures.push(failure);
        }
        answer
    }

    /// Also answers the place of a record that is to come again, behind which nothing was read: a newer version has
    /// written it, and will be here in a moment.
    fn read(&self, event: StreamEvent) -> (Batch, Option<usize>) {
        let mut batch = Batch::default();
        for (at, record) in event.records.into_iter().enumerate() {
            match Change::read(record, &self.tables) {
                Ok(change) => batch.add(at, outcome(&change)),
                Err(error @ StoreError::NewerSchema { .. }) => {
                    tracing::warn!(%error, "a change waits for a newer version of this function");
                    return (batch, Some(at));
                }
                Err(error) => {
                    // It would be no better the next time, and would hold up everybody behind it.
                    tracing::error!(%error, "a change can't be read");
                    batch.unreadable += 1;
                }
            }
        }
        (batch, None)
    }

    async fn push(&self, batch: &Batch) -> Option<usize> {
        let mut jobs = Vec::new();
        for (mailbox, contacts) in &batch.pushes {
            let contacts: Vec<_> = contacts.iter().cloned().collect();
            jobs.extend(contacts.chunks(CONTACTS_PER_PUSH).map(|contacts| WorkJob::Push {
                mailbox: mailbox.clone(),
                contacts: contacts.to_vec(),
            }));
        }
        let seed = self.ambient.uuid().to_string();
        match self.work.send(&jobs, &seed).await {
            Ok(()) => None,
            Err(error) => {
                tracing::error!(error = lambda_boot::chain(&error), "edits could not be queued");
                batch.first_push
            }
        }
    }

    async fn publish(&self, batch: &Batch) -> Option<usize> {
        let unsent = self.bus.put(&batch.events).await.err()?;
        batch.events_at.get(unsent.first).copied()
    }

    async fn index(&self, batch: &Batch) -> Option<usize> {
        let contacts: Vec<_> = batch.emails.iter().collect();
        let mut failed = Vec::new();
        for some in contacts.chunks(AT_ONCE) {
            let written = some.iter().map(|((mailbox, contact), addresses)| async move {
                let of = |has: bool| -> Vec<String> {
                    let of = addresses.has.iter().filter(|(_, it)| **it == has);
                    of.map(|(address, _)| address.clone()).collect()
                };
                let written = self
                    .store
                    .index_emails(mailbox, contact, &of(false), &of(true))
                    .await;
                written.err().map(|error| {
                    let error = lambda_boot::chain(&error);
                    tracing::error!(mailbox.id = %mailbox, contact.id = %contact, error, "addresses could not be indexed");
                    addresses.at
                })
            });
            failed.extend(join_all(written).await.into_iter().flatten());
        }
        failed.into_iter().min()
    }

    /// Erasure first: what a contact was after it came back has to stay.
    async fn remember(&self, batch: &Batch) -> Option<usize> {
        let mut failed = Vec::new();
        for (at, mailbox, until) in &batch.removed {
            let erased = self.store.erase_history(mailbox, *until).await;
            failed.extend(erased.err().map(|error| not_remembered(*at, mailbox, &error)));
        }
        let forgotten: Vec<_> = batch
            .history
            .iter()
            .filter(|(_, past)| past.is_forgotten)
            .collect();
        for some in forgotten.chunks(AT_ONCE) {
            let erased = some.iter().map(|((mailbox, contact), past)| async move {
                let erased = self.store.erase_versions(mailbox, contact).await;
                erased.err().map(|error| not_remembered(past.at, mailbox, &error))
            });
            failed.extend(join_all(erased).await.into_iter().flatten());
        }
        let is_kept = !self.store.history_retention().is_zero();
        let kept = batch.history.values().filter(|_| is_kept);
        let kept: Vec<_> = kept.flat_map(|past| past.versions.values().cloned()).collect();
        if let (Some(first), Err(error)) = (kept.first(), self.store.keep_versions(&kept).await) {
            let at = batch.history.values().filter(|past| !past.versions.is_empty());
            let at = at.map(|past| past.at).min().unwrap_or_default();
            failed.push(not_remembered(at, &first.mailbox, &error));
        }
        failed.into_iter().min()
    }

    fn count(&self, batch: &Batch, again: usize) {
        let of = |kind| batch.events.iter().filter(|event| event.kind == kind).count() as u64;
        Metrics::new(FUNCTION)
            .count(
                "EditsQueued",
                batch.pushes.values().map(|contacts| contacts.len() as u64).sum(),
            )
            .count("EventsContactCreated", of(Kind::ContactCreated))
            .count("EventsContactUpdated", of(Kind::ContactUpdated))
            .count("EventsContactDeleted", of(Kind::ContactDeleted))
            .count("EventsContactErased", of(Kind::ContactErased))
            .count("EventsConflictRecorded", of(Kind::ConflictRecorded))
            .count("EventsMailboxChanged", of(Kind::MailboxChanged))
            .count("ChangesUnreadable", batch.unreadable)
            .count("ChangesAgain", again as u64)
            .emit_to(&self.metrics, self.ambient.now());
    }
}

impl Batch {
    fn add(&mut self, at: usize, outcome: Outcome) {
        if let Some((mailbox, contact)) = outcome.push {
            self.pushes.entry(mailbox).or_default().insert(contact);
            self.first_push.get_or_insert(at);
        }
        for event in outcome.event.into_iter().chain(outcome.erased) {
            self.events.push(event);
            self.events_at.push(at);
        }
        self.add_to_history(at, outcome.version, outcome.forget);
        if let Some(Emails {
            mailbox,
            contact,
            removed,
            added,
        }) = outcome.emails
        {
            let addresses = self
                .emails
                .entry((mailbox, contact))
                .or_insert_with(|| Addresses {
                    at,
                    has: BTreeMap::new(),
                });
            // A later record of the contact knows better.
            let removed = removed.into_iter().map(|address| (address, false));
            let added = added.into_iter().map(|address| (address, true));
            addresses.has.extend(removed.chain(added));
        }
    }

    fn add_to_history(&mut self, at: usize, version: Option<Version>, forget: Option<Forget>) {
        if let Some(version) = version {
            let past = self.past_of(at, version.mailbox.clone(), version.contact.clone());
            past.versions.insert(version.version, version);
        }
        match forget {
            Some(Forget::Contact(mailbox, contact)) => {
                let past = self.past_of(at, mailbox, contact);
                past.is_forgotten = true;
                past.versions.clear();
            }
            Some(Forget::Mailbox(mailbox, until)) => self.removed.push((at, mailbox, until)),
            None => {}
        }
    }

    fn past_of(&mut self, at: usize, mailbox: MailboxId, contact: ContactId) -> &mut Past {
        let past = Past {
            at,
            ..Past::default()
        };
        self.history.entry((mailbox, contact)).or_insert(past)
    }
}

fn not_remembered(at: usize, mailbox: &MailboxId, error: &StoreError) -> usize {
    let error = lambda_boot::chain(error);
    tracing::error!(mailbox.id = %mailbox, error, "the history could not be written");
    at
}
