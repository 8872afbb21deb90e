//! What outside systems do through the API, and what must be true of both sides when all edits have arrived.

use std::collections::BTreeMap;

use axum::body::Body;
use contact_store::Contact;
use graph_sim::Operation;
use lambda_http::http::Request;
use local_stack::aws::BusEvent;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::scene::{Person, Scene};

/// What one side has had to write for the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Creates, updates and deletes of contacts that Graph was asked for.
    pub(crate) graph_writes: u64,
    /// Writes of contacts' items in the mirror.
    pub(crate) revs: u64,
    /// Changes of contacts that somebody can see.
    pub(crate) versions: u64,
    /// Events of contacts on the bus.
    pub(crate) events: u64,
}

impl Scene {
    /// A request to the API with an `If-Match`, or with any other header.
    pub(crate) async fn ask_api(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (u16, Value) {
        let kind = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let answer = self.stack.api.clone().oneshot(request.body(body).unwrap());
        let answer = answer.await.unwrap();
        let status = answer.status().as_u16();
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
        (
            status,
            serde_json::from_slice(&bytes.unwrap()).unwrap_or(Value::Null),
        )
    }

    fn path(person: &Person, rest: &str) -> String {
        format!("/v1/mailboxes/{}{rest}", person.id)
    }

    /// The platform makes a contact. Gives its id.
    pub(crate) async fn make(&self, person: &Person, form: Value) -> String {
        let path = Self::path(person, "/contacts");
        let (status, answer) = self.ask_api("POST", &path, &[], Some(form)).await;
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// The platform edits a contact: a merge patch of its form.
    pub(crate) async fn patch(&self, person: &Person, id: &str, change: Value) {
        let path = Self::path(person, &format!("/contacts/{id}"));
        let (status, answer) = self
            .ask_api("PATCH", &path, &[("if-match", "*")], Some(change))
            .await;
        assert_eq!(status, 200, "{answer}");
    }

    /// The platform deletes a contact.
    pub(crate) async fn erase(&self, person: &Person, id: &str) {
        let path = Self::path(person, &format!("/contacts/{id}"));
        let (status, answer) = self.ask_api("DELETE", &path, &[("if-match", "*")], None).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// The platform creates or replaces many contacts. Gives their ids.
    pub(crate) async fn bulk(&self, person: &Person, items: Vec<Value>) -> Vec<String> {
        let path = Self::path(person, "/contacts:bulk");
        let (status, answer) = self
            .ask_api("POST", &path, &[], Some(json!({ "items": items })))
            .await;
        assert_eq!(status, 200, "{answer}");
        let items = answer["items"].as_array().unwrap().iter();
        items
            .map(|item| {
                assert!(item["status"] == 200 || item["status"] == 201, "{item}");
                item["id"].as_str().unwrap().to_owned()
            })
            .collect()
    }

    /// What the platform asks about a held contact: `retry`, `discard`, `create`, `link`.
    pub(crate) async fn decide(&self, person: &Person, id: &str, what: &str, body: Option<Value>) {
        let path = Self::path(person, &format!("/contacts/{id}/{what}"));
        let (status, answer) = self.ask_api("POST", &path, &[], body).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Brings what was written here to the queue, and no further.
    pub(crate) async fn deliver_changes(&self) {
        for stream in [&self.stack.contact_changes, &self.stack.mailbox_changes] {
            while let Some(batch) = stream.poll().unwrap() {
                self.stack.propagate_from(stream, batch).await;
            }
        }
    }

    /// A contact as the API shows it; with its status.
    pub(crate) async fn shown(&self, person: &Person, id: &str) -> (u16, Value) {
        let path = Self::path(person, &format!("/contacts/{id}"));
        self.ask_api("GET", &path, &[], None).await
    }

    /// Contacts that the API lists as `refused`, `review` or `pending`: their ids.
    pub(crate) async fn waiting(&self, person: &Person, state: &str) -> Vec<String> {
        let path = Self::path(person, &format!("/contacts?sync={state}"));
        let (status, answer) = self.ask_api("GET", &path, &[], None).await;
        assert_eq!(status, 200, "{answer}");
        let items = answer["items"].as_array().unwrap().iter();
        items.map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The conflict log, newest first.
    pub(crate) async fn conflicts(&self, person: &Person) -> Vec<Value> {
        let path = Self::path(person, "/conflicts");
        let (status, answer) = self.ask_api("GET", &path, &[], None).await;
        assert_eq!(status, 200, "{answer}");
        answer["items"].as_array().unwrap().clone()
    }

    /// Sets who gets his way in a mailbox.
    pub(crate) async fn rule(&self, person: &Person, policies: Value) {
        let path = Self::path(person, "");
        let (status, answer) = self.ask_api("PATCH", &path, &[], Some(policies)).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// How many edits wait, as GET mailbox has it.
    pub(crate) async fn waits(&self, person: &Person) -> u64 {
        let state = self.state(person).await;
        let pending = state["pending"].as_object().unwrap().values();
        pending.map(|count| count.as_u64().unwrap()).sum()
    }

    /// The mirror by our ids, tombstones included.
    pub(crate) async fn records(&self, person: &Person) -> BTreeMap<String, Contact> {
        let mirror = self.mirror(person).await;
        let records = mirror.into_values();
        records.map(|record| (record.id.to_string(), record)).collect()
    }

    /// A member of all contacts in Outlook, sorted.
    pub(crate) fn in_outlook(&self, person: &Person, member: &str) -> Vec<String> {
        let truth = self.truth(person);
        let mut values: Vec<String> = truth
            .contacts
            .values()
            .map(|contact| contact[member].as_str().unwrap_or_default().to_owned())
            .collect();
        values.sort();
        values
    }

    /// The one contact in Outlook with this given name.
    pub(crate) fn item_of(&self, person: &Person, given_name: &str) -> Value {
        let contacts = self.truth(person).contacts.into_values();
        let mut named = contacts.filter(|contact| contact["givenName"] == given_name);
        let item = named
            .next()
            .unwrap_or_else(|| panic!("no {given_name} in Outlook"));
        assert!(named.next().is_none(), "more than one {given_name} in Outlook");
        item
    }

    pub(crate) fn graph_writes(&self) -> u64 {
        [
            Operation::CreateContact,
            Operation::UpdateContact,
            Operation::DeleteContact,
            Operation::PurgeContact,
        ]
        .map(|operation| self.asked(operation))
        .iter()
        .sum()
    }

    /// What has been spent until now.
    pub(crate) async fn spent(&self, person: &Person) -> Spent {
        let records = self.records(person).await;
        let of_contacts = |event: &BusEvent| event.detail_type.starts_with("contact.");
        Spent {
            graph_writes: self.graph_writes(),
            revs: records.values().map(|record| record.rev).sum(),
            versions: records.values().map(|record| record.version).sum(),
            events: self
                .stack
                .bus
                .events()
                .iter()
                .filter(|it| of_contacts(it))
                .count() as u64,
        }
    }

    pub(crate) async fn spent_since(&self, person: &Person, before: Spent) -> Spent {
        let now = self.spent(person).await;
        Spent {
            graph_writes: now.graph_writes - before.graph_writes,
            revs: now.revs - before.revs,
            versions: now.versions - before.versions,
            events: now.events - before.events,
        }
    }

    /// All edits have arrived: both sides are equal, each contact is one item, nothing waits and nothing is left over.
    pub(crate) async fn assert_arrived(&self, person: &Person) {
        self.assert_equal(person).await;
        let records = self.records(person).await;
        let pending: Vec<_> = records.values().filter(|it| it.edit.is_some()).collect();
        assert!(pending.is_empty(), "edits wait: {pending:?}");
        let moved: Vec<_> = records.values().filter(|it| !it.superseded.is_empty()).collect();
        assert!(moved.is_empty(), "items are left over: {moved:?}");
        let state = self.state(person).await;
        assert_eq!(
            state["pending"],
            json!({ "now": 0, "deletes": 0, "backfill": 0, "cleanup": 0, "held": 0 })
        );
        let mailbox = self.stack.store.mailbox(&person.id).await.unwrap().unwrap();
        assert_eq!(mailbox.creating, None, "creates are in doubt");
    }

    /// As [`Self::assert_arrived`], and whatever looks again changes nothing on either side: polls, the messages of the
    /// queue twice, a comparison.
    pub(crate) async fn assert_at_rest(&mut self, person: &Person) {
        self.assert_arrived(person).await;
        let (spent, truth) = (self.spent(person).await, self.truth(person));
        self.stack.work.deliver_again(3);
        self.ask(person, "resync").await;
        self.minutes(3).await;
        self.assert_settled(person).await;
        assert_eq!(self.spent_since(person, spent).await, Spent::default());
        assert!(truth == self.truth(person), "a look has changed the mailbox");
        self.assert_arrived(person).await;
    }
}
