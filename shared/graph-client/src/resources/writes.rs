//! Many writes to the contacts of a mailbox (facts 2, 6), each with an outcome of its own.
//!
//! Knows which writes may share a request and which must not be repeated. Must not know why they are made.

use std::time::Duration;

use http::Method;
use serde_json::{Map, Value};

use super::MailboxClient;
use crate::batch::{BatchOutcome, BatchRequest, Chunk, ITEMS, Refused};
use crate::classify::Subject;
use crate::endpoints::UnfitSegment;
use crate::error::{ErrorKind, GraphError};
use crate::model::{Contact, stamp};
use crate::page::read_row;
use crate::retry::Repeat;
use crate::transport::Transport;

const OPERATION: &str = "contact.write";

/// No request is begun with less time than this before the deadline: twenty writes, four at a time, take a while.
const ROOM: Duration = Duration::from_secs(5);

/// A write to one contact. Its `Debug` form leaves out the members, which are about people.
#[derive(Clone, PartialEq)]
pub enum ContactWrite {
    /// A new contact.
    Create {
        /// The folder it goes to; `None`: the default folder, whose id an empty mailbox hides (facts 3).
        folder: Option<String>,
        /// Its members.
        members: Map<String, Value>,
        /// What it can be found by afterwards: [`MailboxClient::contacts_by_stamp`].
        stamp: String,
    },
    /// Changes these members and no others. Send `displayName` with every update (facts 1.2).
    Update {
        /// The contact.
        id: String,
        /// The change key that it must still have; `None`: any.
        if_match: Option<String>,
        /// Its new members: null clears a text, addresses and lists are replaced whole.
        members: Map<String, Value>,
    },
    /// Moves the contact into Deleted Items.
    Delete {
        /// The contact.
        id: String,
        /// The change key that it must still have; `None`: any.
        if_match: Option<String>,
    },
    /// Deletes the contact so that its owner does not find it again: it does not come to Deleted Items. Global cloud only
    /// (facts 2.5).
    Purge {
        /// The contact.
        id: String,
    },
}

/// What a write came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    /// The contact as Outlook has it now, without its stamp.
    Saved(Contact),
    /// It is gone, by this delete or before it.
    Deleted,
}

impl<T: Transport> MailboxClient<'_, T> {
    /// Makes the writes through `$batch`, 20 per request, one request after the other, and gives their outcomes in the
    /// order of the writes. Within a request Graph keeps no order, so no two writes may be to the same contact.
    ///
    /// Updates and deletes are repeated after passing faults; creates never share a request with them, and are only
    /// repeated where they were certainly not carried out. Where that isn't known, [`GraphError::may_have_happened`]
    /// says so: look for the stamp before creating it again.
    ///
    /// Throttling, a batch that fails as a whole, and a deadline that is near end the run: what is left has an error of
    /// the same kind ([`ErrorKind::Transient`] for the deadline), with [`GraphError::not_sent`]. Kinds that judge one
    /// write, such as [`ErrorKind::Permanent`], are never given to writes for something else's sake. An update of a contact
    /// that is gone is [`ErrorKind::NotFound`], one against another change key [`ErrorKind::Conflict`].
    pub async fn write_contacts(&self, writes: &[ContactWrite]) -> Vec<Result<Written, GraphError>> {
        let mut outcomes: Vec<Option<Result<Written, GraphError>>> = vec![None; writes.len()];
        let mut end: Option<GraphError> = None;
        for request in requests(writes) {
            if end.is_none() && self.client.is_late(ROOM) {
                end = Some(GraphError::new(ErrorKind::Transient, OPERATION));
            }
            let (answers, stop) = match &end {
                Some(error) => (vec![Err(error.clone().unsent()); request.len()], None),
                None => self.one_request(writes, &request).await,
            };
            for (&index, answer) in request.iter().zip(answers) {
                outcomes[index] = Some(writes[index].read(answer));
            }
            end = end.or(stop);
        }
        let unsent = || Err(GraphError::new(ErrorKind::Transient, OPERATION).unsent());
        outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or_else(unsent))
            .collect()
    }

    /// Whether [`Self::write_contacts`] would still send anything before the deadline.
    pub fn has_room_for_writes(&self) -> bool {
        !self.client.is_late(ROOM)
    }

    /// The outcomes of the writes with these indexes, and what makes further requests pointless.
    async fn one_request(
        &self,
        writes: &[ContactWrite],
        indexes: &[usize],
    ) -> (Vec<BatchOutcome>, Option<GraphError>) {
        let items: Vec<Result<BatchRequest, UnfitSegment>> =
            indexes.iter().map(|&index| self.item(&writes[index])).collect();
        let sound: Vec<BatchRequest> = items.iter().flatten().cloned().collect();
        let (answers, stop) = self.sound_request(&sound).await;
        let mut answers = answers.into_iter();
        let unfit = |error| GraphError::new(ErrorKind::Permanent, OPERATION).because(error);
        let outcomes = items.into_iter().map(|item| {
            item.map_err(unfit)
                .and_then(|_| answers.next().unwrap_or_else(unanswered))
        });
        (outcomes.collect(), stop)
    }

    async fn sound_request(&self, items: &[BatchRequest]) -> (Vec<BatchOutcome>, Option<GraphError>) {
        let Chunk {
            mut outcomes,
            refused,
        } = self.client.chunk(self.tenant, OPERATION, items).await;
        let Some(Refused { error, items: left }) = refused else {
            let stop = outcomes.iter().filter_map(throttling).max_by_key(until);
            return (outcomes, stop);
        };
        if !is_of_one(&error) {
            for index in left {
                outcomes[index] = outcomes[index].clone().map_err(of_all);
            }
            return (outcomes, Some(of_all(error)));
        }
        if left.len() == 1 {
            return (outcomes, None);
        }
        let mut stop: Option<GraphError> = None;
        for index in left {
            outcomes[index] = if let Some(error) = &stop {
                Err(error.clone().unsent())
            } else {
                let one = std::slice::from_ref(&items[index]);
                let alone = self.client.chunk(self.tenant, OPERATION, one).await;
                let outcome = alone.outcomes.into_iter().next().unwrap_or_else(unanswered);
                let refused = alone.refused.map(|refused| refused.error);
                if let Some(error) = refused.filter(|error| !is_of_one(error)) {
                    stop = Some(of_all(error));
                    outcome.map_err(of_all)
                } else {
                    stop = throttling(&outcome);
                    outcome
                }
            };
        }
        (outcomes, stop)
    }

    fn item(&self, write: &ContactWrite) -> Result<BatchRequest, UnfitSegment> {
        let existing = |method, id: &str, if_match: &Option<String>| {
            let path = ["users", self.user, "contacts", id];
            let etag = if_match.as_ref().map(|change_key| format!("W/\"{change_key}\""));
            BatchRequest::new(method, &path, Subject::Item, Repeat::Safe)
                .map(|item| item.if_match(etag.as_deref()))
        };
        match write {
            ContactWrite::Create {
                folder,
                members,
                stamp,
            } => {
                let mut members = members.clone();
                stamp::put(&mut members, stamp);
                let path = self.contacts_path(folder.as_deref());
                BatchRequest::new(Method::POST, &path, Subject::Folder, Repeat::Unsafe)
                    .map(|item| item.body(Value::Object(members)))
            }
            ContactWrite::Update {
                id,
                if_match,
                members,
            } => existing(Method::PATCH, id, if_match).map(|item| item.body(Value::Object(members.clone()))),
            ContactWrite::Delete { id, if_match } => existing(Method::DELETE, id, if_match),
            ContactWrite::Purge { id } => {
                let path = ["users", self.user, "contacts", id, "permanentDelete"];
                BatchRequest::new(Method::POST, &path, Subject::Item, Repeat::Safe)
            }
        }
    }
}

/// The indexes of the writes of each request. A request begins where its first write stands, so that what is asked for
/// first is sent first.
fn requests(writes: &[ContactWrite]) -> Vec<Vec<usize>> {
    let (creates, others): (Vec<usize>, Vec<usize>) =
        (0..writes.len()).partition(|&index| matches!(writes[index], ContactWrite::Create { .. }));
    let chunks = creates.chunks(ITEMS).chain(others.chunks(ITEMS));
    let mut requests: Vec<Vec<usize>> = chunks.map(<[usize]>::to_vec).collect();
    requests.sort();
    requests
}

/// Something about one of its items made the whole batch unfit, such as its size: each has to answer for itself.
fn is_of_one(error: &GraphError) -> bool {
    error.kind() == ErrorKind::Permanent && !error.may_have_happened() && !error.not_sent()
}

/// The error of a batch as a whole, told of its items. Nobody may take it for a verdict on one of them.
fn of_all(error: GraphError) -> GraphError {
    match error.kind() {
        ErrorKind::SyncStateGone
        | ErrorKind::NotFound
        | ErrorKind::FolderNotFound
        | ErrorKind::Conflict
        | ErrorKind::AlreadyExists
        | ErrorKind::Permanent => error.of_kind(ErrorKind::Transient),
        ErrorKind::Throttled { .. }
        | ErrorKind::MailboxUnavailable(_)
        | ErrorKind::Forbidden
        | ErrorKind::QuotaExceeded
        | ErrorKind::BadCredential
        | ErrorKind::TenantNotFound
        | ErrorKind::ForeignHost
        | ErrorKind::Transient => error,
    }
}

/// A batch gives one outcome per item, so this is never needed.
fn unanswered() -> BatchOutcome {
    Err(GraphError::new(ErrorKind::Transient, OPERATION).lost(true))
}

fn throttling(outcome: &BatchOutcome) -> Option<GraphError> {
    let error = outcome.as_ref().err()?;
    until(error).map(|_| error.clone())
}

fn until(error: &GraphError) -> Option<jiff::Timestamp> {
    if let ErrorKind::Throttled { until } = error.kind() {
        Some(until)
    } else {
        None
    }
}

impl ContactWrite {
    fn read(&self, outcome: BatchOutcome) -> Result<Written, GraphError> {
        match (self, outcome) {
            (Self::Delete { .. } | Self::Purge { .. }, Ok(_)) => Ok(Written::Deleted),
            (Self::Delete { .. } | Self::Purge { .. }, Err(error)) if error.kind() == ErrorKind::NotFound => {
                Ok(Written::Deleted)
            }
            (Self::Create { .. } | Self::Update { .. }, Ok(answer)) => {
                read_row(answer.body).map(Written::Saved).map_err(|row| {
                    // Carried out, but it can't be told what came of it.
                    GraphError::new(ErrorKind::Transient, OPERATION)
                        .answered(answer.status, None)
                        .because(row.problem)
                })
            }
            (
                Self::Create { .. } | Self::Update { .. } | Self::Delete { .. } | Self::Purge { .. },
                Err(error),
            ) => Err(error),
        }
    }
}

impl std::fmt::Debug for ContactWrite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, id) = match self {
            Self::Create { stamp, .. } => ("Create", stamp),
            Self::Update { id, .. } => ("Update", id),
            Self::Delete { id, .. } => ("Delete", id),
            Self::Purge { id } => ("Purge", id),
        };
        f.debug_tuple(name).field(id).finish()
    }
}
