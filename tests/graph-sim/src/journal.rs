//! What was asked and answered: a log with exact counts, and a recorder of whole exchanges.
//!
//! Must not know what requests mean. Tokens and secrets are never kept.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use http::{HeaderMap, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::world::{Call, MailboxKey, Operation};

/// One line of the request log.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Entry {
    /// When it arrived.
    pub at: Timestamp,
    /// The app, where the token named one.
    pub app: Option<String>,
    /// The mailbox, where the path named one that exists.
    pub mailbox: Option<MailboxKey>,
    /// What was asked for.
    pub operation: Operation,
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// An item of a `$batch`.
    pub batched: bool,
    /// The status of the answer; `None` where none was given.
    pub status: Option<u16>,
    /// The fault that struck.
    pub fault: Option<String>,
}

/// A request with its answer: what `tests/conformance` validates. One JSON object each, `/_sim/exchanges` gives a list.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Exchange {
    /// The HTTP method.
    pub method: String,
    /// The path from the version on, still encoded: `/v1.0/users/…`.
    pub path: String,
    /// The query, still encoded.
    pub query: String,
    /// The request's headers without `Authorization`.
    pub request_headers: BTreeMap<String, String>,
    /// The request's body as text; bytes that aren't text are left out.
    pub request_body: String,
    /// The status of the answer.
    pub status: u16,
    /// The answer's headers.
    pub headers: BTreeMap<String, String>,
    /// The answer's body as text; bytes that aren't text are left out.
    pub body: String,
    /// The answer is a fault that was asked for: a broken body there is no fault of the simulator.
    pub faulted: bool,
}

/// The log, the counts and the recorder.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) entries: VecDeque<Entry>,
    pub(crate) counts: BTreeMap<(Option<MailboxKey>, Operation), u64>,
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) complaints: Vec<String>,
}

impl Journal {
    pub(crate) fn enter(&mut self, entry: Entry, most: usize) {
        *self
            .counts
            .entry((entry.mailbox.clone(), entry.operation))
            .or_default() += 1;
        self.entries.push_back(entry);
        while self.entries.len() > most {
            self.entries.pop_front();
        }
    }

    pub(crate) fn record(&mut self, call: &Call, answer: &Response<Bytes>, faulted: bool) {
        self.exchanges.push(Exchange {
            method: call.method.to_string(),
            path: call.path.clone(),
            query: call.query_text.clone(),
            request_headers: headers(&call.headers),
            request_body: text(&call.body),
            status: answer.status().as_u16(),
            headers: headers(answer.headers()),
            body: text(answer.body()),
            faulted,
        });
    }
}

fn headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let kept = headers
        .iter()
        .filter(|(name, _)| name.as_str() != "authorization");
    kept.map(|(name, value)| {
        (
            name.to_string(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    })
    .collect()
}

fn text(body: &Bytes) -> String {
    std::str::from_utf8(body).map(str::to_owned).unwrap_or_default()
}
