//! From a result to an answer: what faults make of it, the headers of every answer, the log; and handshakes.
//!
//! Knows all outcomes. Must not know what a request was about.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::answers::{Answer, Refusal, empty_answer, set_header};
use super::call::{Call, Operation};
use super::notify::{Delivery, RETRY_BUDGET, WebhookAnswer};
use super::{Carried, Done, Handshake, Outcome, Pending, World, ids};
use crate::faults::Fault;
use crate::journal::Entry;

impl World {
    /// Makes the answer: what a fault makes of it, the headers of every answer, the log.
    pub(super) fn conclude(&mut self, call: &Call, carried: Carried, now: Timestamp) -> (Outcome, Duration) {
        let Carried {
            result,
            caller,
            key,
            fault,
        } = carried;
        let answer = match result {
            Ok(Done::Handshake { urls, work }) => {
                let call = call.clone();
                let pending = Pending {
                    call,
                    caller,
                    key,
                    fault,
                    work,
                    urls: vec![],
                };
                return (self.shake(urls, pending), Duration::ZERO);
            }
            Ok(Done::Answer(answer)) => self.dress(answer, call, now),
            Err(refusal) => self.refuse(&refusal, call, now),
        };
        if let Some(key) = &key {
            self.publish(key, now);
        }
        let (outcome, delay) = self.spoil(answer, fault.as_ref(), call, now);
        let answer = match &outcome {
            Outcome::Answer(answer) => Some(answer),
            Outcome::Hang | Outcome::Reset | Outcome::Handshake(_) => None,
        };
        // The token endpoint's bodies are secrets.
        if let Some(answer) = answer.filter(|_| self.settings.record && call.operation != Operation::Token) {
            self.journal.record(call, answer, fault.is_some());
        }
        let entry = Entry {
            at: now,
            app: caller.map(|caller| caller.app),
            mailbox: key,
            operation: call.operation,
            method: call.method.to_string(),
            target: call.target(),
            batched: call.batched,
            status: answer.map(|answer| answer.status().as_u16()),
            fault: fault.map(|fault| fault.name().to_owned()),
        };
        self.journal.enter(entry, self.settings.log_kept);
        (outcome, delay)
    }

    fn shake(&mut self, urls: Vec<String>, mut pending: Pending) -> Outcome {
        let ticket = self.next_number();
        let mut calls = Vec::new();
        for url in urls {
            let number = self.next_number().to_string();
            let token = format!(
                "Validation: Testing client application reachability for subscription Request-Id: {}",
                ids::guid(&["validation", &number])
            );
            let url_text = validation_url(&url, &token);
            pending.urls.push((url, token));
            calls.push(Delivery {
                id: 0,
                url: url_text,
                content_type: "text/plain; charset=utf-8",
                body: Bytes::new(),
                attempt: 1,
                budget: RETRY_BUDGET,
            });
        }
        self.pending.insert(ticket, pending);
        Outcome::Handshake(Handshake { ticket, calls })
    }

    /// What a fault makes of an answer.
    fn spoil(
        &mut self,
        mut answer: Answer,
        fault: Option<&Fault>,
        call: &Call,
        now: Timestamp,
    ) -> (Outcome, Duration) {
        // A batch takes the time of its items: they share one way there and back.
        let delay = self.settings.latency.max(std::mem::take(&mut self.batch_delay));
        let refusal = match fault {
            None => return (Outcome::Answer(answer), delay),
            Some(Fault::Hang { .. }) => return (Outcome::Hang, delay),
            Some(Fault::Reset { .. }) => return (Outcome::Reset, delay),
            Some(Fault::Slow { millis }) => {
                return (Outcome::Answer(answer), delay + Duration::from_millis(*millis));
            }
            Some(Fault::ForeignLink { host }) => {
                let text = String::from_utf8_lossy(answer.body()).replace(&self.settings.graph_url, host);
                *answer.body_mut() = Bytes::from(text);
                return (Outcome::Answer(answer), delay);
            }
            Some(Fault::Truncated) => {
                let half = answer.body().len() / 2;
                answer.body_mut().truncate(half);
                return (Outcome::Answer(answer), delay);
            }
            Some(Fault::Emptied) => {
                empty(&mut answer);
                return (Outcome::Answer(answer), delay);
            }
            Some(Fault::Unavailable { retry_after }) => {
                let mut answer = empty_answer(503);
                if let Some(seconds) = retry_after {
                    set_header(&mut answer, "retry-after", &seconds.to_string());
                }
                return (Outcome::Answer(self.dress(answer, call, now)), delay);
            }
            Some(Fault::GatewayTimeout { .. }) => Refusal::new(504, "UnknownError", ""),
            Some(Fault::Error { status, code, .. }) => {
                Refusal::new(*status, code.clone(), "A fault was asked for.")
            }
            Some(Fault::TokenRejected) => Refusal::new(
                401,
                "InvalidAuthenticationToken",
                "Lifetime validation failed, the token is expired.",
            ),
            Some(Fault::DeadToken { form }) => self.dead_token(*form, call),
            Some(Fault::Throttled { retry_after }) => {
                let refusal = Refusal::new(429, "TooManyRequests", "Please retry again later.");
                match retry_after {
                    Some(seconds) => refusal.with_header("retry-after", seconds.to_string()),
                    None => refusal,
                }
            }
        };
        (Outcome::Answer(self.refuse(&refusal, call, now)), delay)
    }

    /// The headers that every answer has (facts 11).
    pub(super) fn dress(&mut self, mut answer: Answer, call: &Call, now: Timestamp) -> Answer {
        let number = self.next_number().to_string();
        set_header(&mut answer, "request-id", &ids::guid(&["request", &number]));
        if let Some(id) = call.header("client-request-id") {
            set_header(&mut answer, "client-request-id", id);
        }
        set_header(
            &mut answer,
            "date",
            &now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        );
        set_header(
            &mut answer,
            "x-ms-ags-diagnostic",
            r#"{"ServerInfo":{"DataCenter":"Simulated"}}"#,
        );
        answer
    }

    pub(super) fn refuse(&mut self, refusal: &Refusal, call: &Call, now: Timestamp) -> Answer {
        let number = self.next_number().to_string();
        let id = ids::guid(&["request", &number]);
        let date = now.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let answer = refusal.answer(&id, call.header("client-request-id"), &date);
        let mut answer = self.dress(answer, call, now);
        set_header(&mut answer, "request-id", &id);
        answer
    }
}

/// Takes the rows out of a page. What is no page stays as it is.
fn empty(answer: &mut Answer) {
    let page = serde_json::from_slice::<Value>(answer.body()).ok();
    if let Some(mut page) = page.filter(|page| page["value"].is_array()) {
        page["value"] = Value::Array(Vec::new());
        *answer.body_mut() = Bytes::from(page.to_string());
    }
}

/// facts 5.2: exactly 200, text/plain, the decoded token and nothing else, within the budget.
pub(super) fn check_handshake(urls: &[(String, String)], answers: &[WebhookAnswer]) -> Result<(), Refusal> {
    for (index, (_, token)) in urls.iter().enumerate() {
        let why = match answers.get(index) {
            Some(WebhookAnswer::Answered { took, .. }) if *took > RETRY_BUDGET => {
                "The operation has timed out."
            }
            Some(WebhookAnswer::Answered { status, .. }) if *status != 200 => {
                "Must respond with 200 OK to this request."
            }
            Some(WebhookAnswer::Answered { content_type, .. }) if !content_type.starts_with("text/plain") => {
                "The content type of the validation response must be text/plain."
            }
            Some(WebhookAnswer::Answered { body, .. }) if body != token.as_bytes() => {
                "The content of the validation response doesn't match the expected token."
            }
            Some(WebhookAnswer::Answered { .. }) => continue,
            Some(WebhookAnswer::Unreachable) | None => "The endpoint could not be reached.",
        };
        return Err(Refusal::new(
            400,
            "ValidationError",
            format!("Subscription validation request failed. {why}"),
        ));
    }
    Ok(())
}

/// The query of the registered URL is preserved (facts 5.2).
fn validation_url(url: &str, token: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}validationToken={encoded}")
}
