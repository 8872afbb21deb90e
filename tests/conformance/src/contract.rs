//! Recorded exchanges against the document: path, query, request body, status, answer body.
//!
//! A request body is judged only where the answer is a success: a test that sends a wrong body on purpose is right
//! to do so. Exchanges that a fault has spoilt are counted and not judged.

use std::collections::{BTreeMap, BTreeSet};

use graph_sim::Exchange;
use serde_json::Value;

use crate::document::{Document, Found, ReadError};

/// The contract of Graph, as the `OpenAPI` document has it.
pub struct Contract {
    document: Document,
}

/// What was validated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Exchanges that were judged.
    pub exchanges: usize,
    /// Exchanges of each operation: method and path template.
    pub operations: BTreeMap<String, usize>,
    /// `$batch` envelopes, which the document doesn't have; their items are recorded by themselves.
    pub batches: usize,
    /// Exchanges that a fault had spoilt.
    pub faulted: usize,
    /// Operations of the document that no exchange asked for.
    pub untouched: BTreeSet<String>,
}

/// What is wrong with an exchange.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Violation {
    /// Which exchange: its number in the record, method and path.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

impl Contract {
    /// Reads the document.
    pub fn read() -> Result<Self, ReadError> {
        Ok(Self {
            document: Document::read()?,
        })
    }

    /// Judges a record. All violations are given, not the first alone.
    pub fn check(&self, record: &[Exchange]) -> Result<Report, Vec<Violation>> {
        let mut report = Report {
            untouched: self.document.operations().into_iter().collect(),
            ..Report::default()
        };
        let mut violations = Vec::new();
        for (number, exchange) in record.iter().enumerate() {
            if exchange.faulted {
                report.faulted += 1;
                continue;
            }
            if exchange.path == "/v1.0/$batch" {
                report.batches += 1;
                continue;
            }
            report.exchanges += 1;
            let mut wrong = Vec::new();
            match self.find(exchange) {
                Some(found) => {
                    self.judge(&found, exchange, &mut wrong);
                    report.untouched.remove(&found.name);
                    *report.operations.entry(found.name).or_default() += 1;
                }
                None => wrong.push("the document has no such operation".to_owned()),
            }
            let place = format!("exchange {number}, {} {}", exchange.method, exchange.path);
            violations.extend(wrong.into_iter().map(|what| Violation {
                place: place.clone(),
                what,
            }));
        }
        if violations.is_empty() {
            Ok(report)
        } else {
            Err(violations)
        }
    }

    /// Judges the body of a notification POST, with change or lifecycle items.
    pub fn check_notification(&self, body: &Value) -> Result<(), Violation> {
        let mut wrong = Vec::new();
        let schema = serde_json::json!({ "$ref": "#/components/schemas/microsoft.graph.changeNotificationCollection" });
        self.validate("a notification", &schema, body, &mut wrong);
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Violation {
            place: "a notification".to_owned(),
            what: wrong.join("; "),
        })
    }

    fn find(&self, exchange: &Exchange) -> Option<Found<'_>> {
        self.document
            .find(&exchange.method, exchange.path.strip_prefix("/v1.0")?)
    }

    fn judge(&self, found: &Found<'_>, exchange: &Exchange, wrong: &mut Vec<String>) {
        if (200..300).contains(&exchange.status) {
            self.judge_query(found, exchange, wrong);
            self.judge_request(found, exchange, wrong);
        }
        self.judge_answer(found, exchange, wrong);
    }

    fn judge_query(&self, found: &Found<'_>, exchange: &Exchange, wrong: &mut Vec<String>) {
        let known = found.operation["parameters"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for (name, value) in url::form_urlencoded::parse(exchange.query.as_bytes()) {
            let Some(parameter) = known
                .iter()
                .find(|it| it["name"] == name.as_ref() && it["in"] == "query")
            else {
                wrong.push(format!("the query option {name} isn't one of this operation"));
                continue;
            };
            let schema = &parameter["schema"];
            let value = match schema["type"].as_str() {
                Some("array") => value.split(',').map(Value::from).collect(),
                Some("integer" | "boolean") => serde_json::from_str(&value).unwrap_or(Value::Null),
                _ => Value::from(value.as_ref()),
            };
            self.validate(&format!("query option {name}"), schema, &value, wrong);
        }
    }

    fn judge_request(&self, found: &Found<'_>, exchange: &Exchange, wrong: &mut Vec<String>) {
        let declared = self.document.resolve(&found.operation["requestBody"]);
        let Some(schema) = declared["content"]
            .get("application/json")
            .map(|it| &it["schema"])
        else {
            return;
        };
        // The simulator takes webhooks of this machine without TLS; Graph wants https.
        let body = exchange
            .request_body
            .replace("\"http://127.0.0.1:", "\"https://127.0.0.1:");
        let Ok(body) = serde_json::from_str::<Value>(&body) else {
            if declared["required"] == true {
                wrong.push("the request has no JSON body".to_owned());
            }
            return;
        };
        self.validate("request", schema, &body, wrong);
        if found.name.ends_with("/contacts") || found.name.ends_with("/{contact-id}") {
            // The overlay from the prose: no unknown members, three e-mails, two phones (facts 13). Control
            // information is no member.
            let strict = serde_json::json!({ "$ref": "#/components/schemas/x.contactWriteStrict" });
            let members = body
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(name, _)| !name.starts_with('@'));
            let body = members
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            self.validate("request, strictly", &strict, &body, wrong);
        }
    }

    fn judge_answer(&self, found: &Found<'_>, exchange: &Exchange, wrong: &mut Vec<String>) {
        let responses = &found.operation["responses"];
        let class = format!("{}XX", exchange.status / 100);
        let declared = responses
            .get(exchange.status.to_string())
            .or_else(|| responses.get(&class));
        let Some(declared) = declared.map(|it| self.document.resolve(it)) else {
            wrong.push(format!(
                "the status {} isn't one of this operation",
                exchange.status
            ));
            return;
        };
        let content_type = exchange
            .headers
            .get("content-type")
            .map(String::as_str)
            .unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default();
        let Some(content) = declared.get("content") else {
            if !exchange.body.is_empty() {
                wrong.push(format!("the status {} has no body", exchange.status));
            }
            return;
        };
        let Some(media) = content.get(content_type) else {
            wrong.push(format!(
                "the content type '{content_type}' isn't one of this answer"
            ));
            return;
        };
        let schema = &media["schema"];
        if schema["format"] == "binary" {
            return;
        }
        match serde_json::from_str(&exchange.body) {
            Ok(body) => self.validate("answer", schema, &body, wrong),
            Err(_) => wrong.push("the answer isn't JSON".to_owned()),
        }
    }

    fn validate(&self, place: &str, schema: &Value, value: &Value, wrong: &mut Vec<String>) {
        match self.document.compile(place, schema) {
            Ok(validator) => {
                let errors = validator.iter_errors(value);
                wrong.extend(errors.map(|error| format!("{place}{}: {error}", error.instance_path())));
            }
            Err(error) => wrong.push(error.to_string()),
        }
    }
}
