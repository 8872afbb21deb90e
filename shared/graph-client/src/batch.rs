//! `$batch` (facts 6): many calls in one request, each with an outcome of its own.
//!
//! Knows items, their order and their retries. Must not know what they are about.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::classify::{self, Subject};
use crate::client::{Call, GraphClient, Target, prefer};
use crate::endpoints::{UnfitSegment, path};
use crate::error::{DecodeError, ErrorKind, GraphError};
use crate::exchange::{Answer, hidden_error};
use crate::retry::{Repeat, Trouble, Verdict, parse_retry_after};
use crate::transport::Transport;

/// Graph refuses a batch with more.
pub(crate) const ITEMS: usize = 20;

/// One call of a batch. Its `Debug` form leaves out the body, which may be about people.
#[derive(Clone)]
pub struct BatchRequest {
    method: Method,
    path: String,
    query: Option<String>,
    subject: Subject,
    repeat: Repeat,
    body: Option<Value>,
    if_match: Option<String>,
    page_size: Option<u32>,
}

/// The answer to one call of a batch, with a status of 2xx.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body; `Null` where there is none.
    pub body: Value,
}

impl BatchRequest {
    /// A call to the resource whose path below the version root has these segments, each of them not yet encoded.
    pub fn new(
        method: Method,
        segments: &[&str],
        subject: Subject,
        repeat: Repeat,
    ) -> Result<Self, UnfitSegment> {
        let path = path(segments)?;
        Ok(Self {
            method,
            path,
            query: None,
            subject,
            repeat,
            body: None,
            if_match: None,
            page_size: None,
        })
    }

    /// Reads a resource.
    pub fn get(segments: &[&str], subject: Subject) -> Result<Self, UnfitSegment> {
        Self::new(Method::GET, segments, subject, Repeat::Safe)
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Only if the resource still has this etag.
    #[must_use]
    pub fn if_match(mut self, etag: Option<&str>) -> Self {
        self.if_match = etag.map(str::to_owned);
        self
    }

    /// With query options that are already encoded.
    #[must_use]
    pub(crate) fn query(mut self, query: String) -> Self {
        self.query = Some(query);
        self
    }

    /// Asks for pages of this size.
    #[must_use]
    pub(crate) fn page_size(mut self, rows: u32) -> Self {
        self.page_size = Some(rows);
        self
    }

    fn to_json(&self, id: usize) -> Value {
        let mut headers = Map::from_iter([("Prefer".to_owned(), prefer(self.page_size).into())]);
        let query = self.query.iter().map(|query| format!("?{query}"));
        let url = format!("/{}{}", self.path, query.collect::<String>());
        let mut item = json!({ "id": id.to_string(), "method": self.method.as_str(), "url": url });
        if let Some(etag) = &self.if_match {
            headers.insert("If-Match".to_owned(), etag.as_str().into());
        }
        if let Some(body) = &self.body {
            headers.insert("Content-Type".to_owned(), "application/json".into());
            item["body"] = body.clone();
        }
        item["headers"] = headers.into();
        item
    }
}

impl std::fmt::Debug for BatchRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchRequest")
            .field("method", &self.method)
            .field("subject", &self.subject)
            .field("repeat", &self.repeat)
            .finish_non_exhaustive()
    }
}

/// The outcome of one call of a batch.
pub type BatchOutcome = Result<BatchAnswer, GraphError>;

#[derive(Deserialize)]
struct Responses {
    responses: Vec<Value>,
}

#[derive(Deserialize)]
struct Response {
    id: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    body: Value,
}

impl Response {
    fn retry_after(&self, now: Timestamp) -> Option<std::time::Duration> {
        let (_, value) = self
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
        parse_retry_after(
            &value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            now,
        )
    }

    fn trouble(&self, now: Timestamp) -> Option<Trouble> {
        Trouble::of_status(self.status, self.retry_after(now))
    }
}

impl<T: Transport> GraphClient<T> {
    /// Sends the items, 20 at a time, and gives their outcomes in the order of the items.
    pub(crate) async fn batch(
        &self,
        tenant: &str,
        operation: &'static str,
        items: &[BatchRequest],
    ) -> Vec<BatchOutcome> {
        let mut outcomes = Vec::with_capacity(items.len());
        let mut throttled: Option<GraphError> = None;
        // One after the other: one batch keeps all four of a mailbox's concurrent requests busy (facts 6).
        for chunk in items.chunks(ITEMS) {
            if let Some(error) = &throttled {
                outcomes.extend(chunk.iter().map(|_| Err(error.clone())));
                continue;
            }
            let answered = self.chunk(tenant, operation, chunk).await;
            outcomes.extend(answered.outcomes);
            let refused = answered.refused.map(|refused| refused.error);
            throttled = refused.filter(|error| matches!(error.kind(), ErrorKind::Throttled { .. }));
        }
        outcomes
    }

    /// As [`Self::batch`], for items of which some could not even be written down.
    pub(crate) async fn batch_of_results(
        &self,
        tenant: &str,
        operation: &'static str,
        items: Vec<Result<BatchRequest, GraphError>>,
    ) -> Vec<BatchOutcome> {
        let sound: Vec<BatchRequest> = items
            .iter()
            .filter_map(|item| item.as_ref().ok().cloned())
            .collect();
        let mut outcomes = self.batch(tenant, operation, &sound).await.into_iter();
        let mut next = || {
            // `batch` gives one outcome per item, so there is one.
            outcomes
                .next()
                .unwrap_or_else(|| Err(GraphError::new(ErrorKind::Transient, operation)))
        };
        items.into_iter().map(|item| item.and_then(|_| next())).collect()
    }

    /// Sends up to 20 items.
    pub(crate) async fn chunk(&self, tenant: &str, operation: &'static str, items: &[BatchRequest]) -> Chunk {
        let mut outcomes: BTreeMap<usize, BatchOutcome> = BTreeMap::new();
        // Items that were sent before and may have been carried out then.
        let mut lost: BTreeSet<usize> = BTreeSet::new();
        let mut pending: Vec<usize> = (0..items.len()).collect();
        let mut refused = None;
        let mut number = 0;
        while !pending.is_empty() {
            number += 1;
            let mut round = match self.round(tenant, operation, items, &pending).await {
                Ok(round) => round,
                Err(error) => {
                    let failed = |&index: &usize| (index, Err(error.clone().lost(lost.contains(&index))));
                    outcomes.extend(pending.iter().map(failed));
                    refused = Some(Refused {
                        error,
                        items: std::mem::take(&mut pending),
                    });
                    break;
                }
            };
            let mut longest = std::time::Duration::ZERO;
            pending.retain(
                |&index| match self.settle(&mut round, &items[index], index, number) {
                    Settled::Outcome(outcome) => {
                        let outcome = outcome.map_err(|error| error.lost(lost.contains(&index)));
                        outcomes.insert(index, outcome);
                        false
                    }
                    Settled::Again { wait, loses_sight } => {
                        longest = longest.max(wait);
                        if loses_sight {
                            lost.insert(index);
                        }
                        true
                    }
                },
            );
            if !pending.is_empty() {
                self.exchange().ambient.sleep(longest).await;
            }
        }
        Chunk {
            outcomes: outcomes.into_values().collect(),
            refused,
        }
    }

    /// One request with the pending items.
    async fn round(
        &self,
        tenant: &str,
        operation: &'static str,
        items: &[BatchRequest],
        pending: &[usize],
    ) -> Result<Round, GraphError> {
        let requests: Vec<Value> = pending.iter().map(|&index| items[index].to_json(index)).collect();
        let safe = pending.iter().all(|&index| items[index].repeat == Repeat::Safe);
        let repeat = if safe { Repeat::Safe } else { Repeat::Unsafe };
        let call = Call::new(
            operation,
            Method::POST,
            Subject::Mailbox,
            Target::Path(&["$batch"]),
            repeat,
        )
        .body(&json!({ "requests": requests }));
        self.count_batch_items(pending.len());
        let answer = self.answer(tenant, &call).await?;
        // Whatever the outer status: a batch with a failed item may come as 424 (facts 6).
        let mut reader = serde_json::Deserializer::from_slice(&answer.body);
        match serde_path_to_error::deserialize::<_, Responses>(&mut reader) {
            Ok(body) => Ok(Round {
                answer,
                responses: by_index(body.responses),
            }),
            Err(_) if !answer.is_success() => Err(answer.explained(self.refusal(&answer, call.subject))),
            Err(error) => Err(answer.unreadable(error.into())),
        }
    }

    /// What has become of one item.
    fn settle(&self, round: &mut Round, item: &BatchRequest, index: usize, number: u32) -> Settled {
        let Some(response) = round.responses.remove(&index) else {
            let problem = DecodeError::new(format!("responses[id={index}]"), "no answer to an item");
            return Settled::Outcome(Err(round.answer.unreadable(problem)));
        };
        let exchange = self.exchange();
        let terms = self.terms(round.answer.operation, item.repeat);
        let trouble = response.trouble(exchange.ambient.now());
        let loses_sight = trouble.is_some_and(Trouble::loses_sight);
        let verdict = trouble.map_or(Verdict::GiveUp, |trouble| exchange.judge(number, trouble, terms));
        match verdict {
            Verdict::After(wait) => Settled::Again { wait, loses_sight },
            Verdict::Within(limit) => Settled::Again {
                wait: exchange.ambient.jitter(limit),
                loses_sight,
            },
            Verdict::ComeBack(until) => {
                Settled::Outcome(Err(round.error(&response, ErrorKind::Throttled { until })))
            }
            Verdict::GiveUp => Settled::Outcome(round.outcome(response, item)),
        }
    }
}

/// What came of up to 20 items.
pub(crate) struct Chunk {
    /// In the order of the items.
    pub(crate) outcomes: Vec<BatchOutcome>,
    /// Set where the batch itself failed.
    pub(crate) refused: Option<Refused>,
}

/// A batch that failed as a whole, perhaps a repeated one.
pub(crate) struct Refused {
    pub(crate) error: GraphError,
    /// The indexes of the items that were in it.
    pub(crate) items: Vec<usize>,
}

enum Settled {
    Outcome(BatchOutcome),
    Again {
        wait: std::time::Duration,
        /// It may have been carried out.
        loses_sight: bool,
    },
}

/// The answer to a batch, taken apart.
struct Round {
    answer: Answer,
    responses: BTreeMap<usize, Response>,
}

impl Round {
    fn outcome(&self, response: Response, item: &BatchRequest) -> BatchOutcome {
        let hidden = hidden_error(&response.body).is_some();
        if hidden || !(200..300).contains(&response.status) {
            let code = classify::code_in(&response.body);
            let kind = classify::kind(response.status, code.as_deref(), item.subject);
            let error = self.error(&response, kind);
            return Err(if item.method == Method::GET {
                error
            } else {
                error.explained(&response.body)
            });
        }
        Ok(BatchAnswer {
            status: response.status,
            body: response.body,
        })
    }

    fn error(&self, response: &Response, kind: ErrorKind) -> GraphError {
        let code = classify::code_in(&response.body);
        self.answer
            .error(kind, None)
            .answered(response.status, code.as_deref())
    }
}

/// By the item's id, which is its place in the chunk. What can't be read, or answers nothing, is dropped: it leaves an
/// item without an answer.
fn by_index(responses: Vec<Value>) -> BTreeMap<usize, Response> {
    let read = |response| {
        let response: Response = serde_json::from_value(response).ok()?;
        Some((response.id.parse().ok()?, response))
    };
    responses.into_iter().filter_map(read).collect()
}
