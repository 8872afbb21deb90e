//! `$batch` (facts 6): items run one by one and are answered in any order, each with its own status.
//!
//! Knows the envelope. What an item does is the world's business, as for any request.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use http::{HeaderName, HeaderValue, Request};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::answers::{Answer, Refusal, json_answer};
use super::call::{Call, Route};
use super::mailbox::MailboxKey;
use super::throttle::{Slot, too_many_at_once};
use super::tokens::Caller;
use super::{Carried, Done, Outcome, Pending, Work, World};

/// The most items of a batch.
const MOST: usize = 20;
/// How many items of an unordered batch run at a time.
const AT_A_TIME: u32 = 4;

/// A batch that is being carried out. A handshake in one of its items interrupts it.
#[derive(Debug)]
pub(crate) struct Run {
    caller: Caller,
    items: Vec<Item>,
    done: BTreeMap<usize, Answer>,
    /// How long each of the items that run at a time has been busy.
    lanes: Vec<Duration>,
}

#[derive(Debug)]
struct Item {
    id: String,
    call: Call,
    depends_on: Vec<usize>,
    /// It found no place among the mailbox's concurrent requests.
    crowded: bool,
}

impl World {
    pub(super) fn begin_batch(
        &mut self,
        caller: &Caller,
        call: &Call,
        slot: &mut Slot,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let mut items = read_items(call, &self.settings.graph_url)?;
        let at_a_time = if items.iter().any(|item| !item.depends_on.is_empty()) {
            1
        } else {
            AT_A_TIME
        };
        self.crowd(caller, &mut items, at_a_time, slot);
        let run = Run {
            caller: caller.clone(),
            items,
            done: BTreeMap::new(),
            lanes: vec![Duration::ZERO; at_a_time as usize],
        };
        Ok(self.go_on(run, now))
    }

    /// facts 6: an unordered batch runs up to four items at a time, so it alone fills the concurrency of a mailbox;
    /// what finds no place draws a 429 of its own.
    fn crowd(&mut self, caller: &Caller, items: &mut [Item], at_a_time: u32, slot: &mut Slot) {
        let mut of_mailbox: BTreeMap<MailboxKey, Vec<usize>> = BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            if let Some(key) = self.mailbox_of(Some(caller), &item.call) {
                of_mailbox.entry(key).or_default().push(index);
            }
        }
        for (key, indexes) in of_mailbox {
            let wanted = at_a_time.min(u32::try_from(indexes.len()).unwrap_or(at_a_time));
            let taken = self
                .throttle
                .enter(slot, &self.settings.limits, caller, &key, wanted);
            let surplus = if taken == 0 {
                indexes.len()
            } else {
                (wanted - taken) as usize
            };
            for index in indexes.into_iter().rev().take(surplus) {
                items[index].crowded = true;
            }
        }
    }

    fn go_on(&mut self, mut run: Run, now: Timestamp) -> Done {
        while let Some(index) = run.next() {
            let item = &run.items[index];
            if item.depends_on.iter().any(|it| run.failed(*it)) {
                let refusal = Refusal::new(
                    424,
                    "FailedDependency",
                    "A request that this one depends on has failed.",
                );
                let answer = self.refuse(&refusal, &item.call, now);
                run.done.insert(index, answer);
                continue;
            }
            let call = item.call.clone();
            let carried = self.serve(
                &call,
                Some(&run.caller),
                None,
                item.crowded.then(too_many_at_once),
                now,
            );
            match carried {
                Carried {
                    result: Ok(Done::Handshake { urls, work }),
                    caller,
                    key,
                    fault,
                } => {
                    let pending = Pending {
                        call,
                        caller,
                        key,
                        fault,
                        work,
                        urls: vec![],
                    };
                    return Done::Handshake {
                        urls,
                        work: Work::Batch {
                            run: Box::new(run),
                            index,
                            item: Box::new(pending),
                        },
                    };
                }
                carried => self.settle(&mut run, index, &call, carried, now),
            }
        }
        self.answer_batch(run)
    }

    /// Ends the item whose handshake is over, and goes on.
    pub(super) fn resume_batch(
        &mut self,
        mut run: Run,
        index: usize,
        call: &Call,
        carried: Carried,
        now: Timestamp,
    ) -> Done {
        self.settle(&mut run, index, call, carried, now);
        self.go_on(run, now)
    }

    fn settle(&mut self, run: &mut Run, index: usize, call: &Call, carried: Carried, now: Timestamp) {
        let (outcome, delay) = self.conclude(call, carried, now);
        // The next item goes where there is room first.
        if let Some(lane) = run.lanes.iter_mut().min() {
            *lane += delay;
        }
        let answer = match outcome {
            Outcome::Answer(answer) => answer,
            // A batch has no line of its own to each item: what hangs there is a 504 here (inferred).
            Outcome::Hang | Outcome::Reset | Outcome::Handshake(_) => self.refuse(
                &Refusal::new(504, "GatewayTimeout", "The gateway timed out."),
                call,
                now,
            ),
        };
        run.done.insert(index, answer);
    }

    fn answer_batch(&mut self, run: Run) -> Done {
        let mut responses: Vec<Value> = run
            .done
            .into_iter()
            .map(|(index, answer)| response(&run.items[index].id, &answer))
            .collect();
        // facts 6: in any order.
        self.dice.shuffle(&mut responses);
        self.batch_delay = run.lanes.into_iter().max().unwrap_or_default();
        Done::Answer(json_answer(200, &json!({ "responses": responses })))
    }
}

impl Run {
    /// The next item whose dependencies are done.
    fn next(&self) -> Option<usize> {
        let ready = |index: &usize| {
            !self.done.contains_key(index)
                && self.items[*index]
                    .depends_on
                    .iter()
                    .all(|it| self.done.contains_key(it))
        };
        (0..self.items.len()).find(ready)
    }

    fn failed(&self, index: usize) -> bool {
        self.done
            .get(&index)
            .is_none_or(|answer| !answer.status().is_success())
    }
}

fn read_items(call: &Call, graph_url: &str) -> Result<Vec<Item>, Refusal> {
    let body = call.object()?;
    let requests = body.get("requests").and_then(Value::as_array);
    let requests = requests.ok_or_else(|| Refusal::bad_request("Invalid batch payload format."))?;
    if requests.is_empty() || requests.len() > MOST {
        return Err(Refusal::bad_request(format!(
            "The number of batch requests is not between 1 and {MOST}."
        )));
    }
    let names: Vec<String> = requests
        .iter()
        .map(|it| it["id"].as_str().unwrap_or_default().to_owned())
        .collect();
    // facts 6: ids are unique and not case-sensitive.
    let unique: BTreeSet<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    if unique.len() < names.len() || unique.contains("") {
        return Err(Refusal::bad_request(
            "The request ids of a batch must be unique and not empty.",
        ));
    }
    let mut items = Vec::new();
    for (request, id) in requests.iter().zip(&names) {
        let place = |it: &Value| {
            let name = it.as_str().unwrap_or_default();
            names
                .iter()
                .position(|known| known.eq_ignore_ascii_case(name) && known != id)
        };
        let wanted = request["dependsOn"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let depends_on: Option<Vec<usize>> = wanted.iter().map(place).collect();
        let depends_on =
            depends_on.ok_or_else(|| Refusal::bad_request("Invalid dependsOn in a batch request."))?;
        items.push(Item {
            id: id.clone(),
            call: read_item(request, id, graph_url)?,
            depends_on,
            crowded: false,
        });
    }
    if has_cycle(&items) {
        return Err(Refusal::bad_request(
            "The batch requests depend on each other in a circle.",
        ));
    }
    Ok(items)
}

/// True where some items can never have their turn.
fn has_cycle(items: &[Item]) -> bool {
    let mut turned = BTreeSet::new();
    loop {
        let ready = |index: &usize| {
            !turned.contains(index) && items[*index].depends_on.iter().all(|it| turned.contains(it))
        };
        match (0..items.len()).find(ready) {
            Some(index) => turned.insert(index),
            None => return turned.len() < items.len(),
        };
    }
}

/// facts 6: a relative URL; a body needs its content type. Nothing is inherited from the outer request's headers.
fn read_item(request: &Value, id: &str, graph_url: &str) -> Result<Call, Refusal> {
    let wrong = || Refusal::bad_request(format!("Invalid batch request with id {id}."));
    let url = request["url"].as_str().ok_or_else(wrong)?;
    let headers = request["headers"].as_object().cloned().unwrap_or_default();
    let content_type = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let content_type = content_type
        .and_then(|(_, value)| value.as_str())
        .unwrap_or_default();
    let body = match request.get("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(_) if content_type.is_empty() => {
            let text = format!("Write request id : {id} does not contain Content-Type header or body.");
            return Err(Refusal::bad_request(text));
        }
        Some(Value::String(text)) if !content_type.contains("json") => {
            Bytes::from(BASE64.decode(text.as_bytes()).map_err(|_| wrong())?)
        }
        Some(body) => Bytes::from(body.to_string()),
    };
    // msgraph-core 1.5.2 sends absolute URLs, which OData's JSON batch allows; that Graph takes them is inferred.
    let url = url
        .strip_prefix(graph_url)
        .and_then(|url| url.strip_prefix("/v1.0"))
        .unwrap_or(url);
    let target = format!("/v1.0/{}", url.trim_start_matches('/'));
    let mut outer = Request::builder()
        .method(request["method"].as_str().unwrap_or_default())
        .uri(target);
    for (name, value) in &headers {
        let pair = (
            name.parse::<HeaderName>(),
            HeaderValue::from_str(value.as_str().unwrap_or_default()),
        );
        if let (Ok(name), Ok(value)) = pair {
            outer = outer.header(name, value);
        }
    }
    let mut call = Call::read(outer.body(body).map_err(|_| wrong())?);
    call.batched = true;
    if matches!(call.route, Route::Batch | Route::Token { .. }) {
        return Err(wrong());
    }
    Ok(call)
}

/// facts 6: JSON stays JSON, other bodies come in base64.
fn response(id: &str, answer: &Answer) -> Value {
    let headers: Map<String, Value> = answer
        .headers()
        .iter()
        .filter(|(name, _)| ["content-type", "retry-after", "location"].contains(&name.as_str()))
        .map(|(name, value)| {
            (
                title_case(name.as_str()),
                Value::from(String::from_utf8_lossy(value.as_bytes())),
            )
        })
        .collect();
    let mut response = json!({ "id": id, "status": answer.status().as_u16(), "headers": headers });
    if !answer.body().is_empty() {
        let json = serde_json::from_slice(answer.body());
        response["body"] = json.unwrap_or_else(|_| Value::from(BASE64.encode(answer.body())));
    }
    response
}

fn title_case(name: &str) -> String {
    let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    name.split('-')
        .filter(|it| !it.is_empty())
        .map(word)
        .collect::<Vec<_>>()
        .join("-")
}
