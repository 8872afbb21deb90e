//! The words of the stories: a stack with mailboxes, what their users do, what an operator asks, what must be true.

use std::collections::BTreeMap;
use std::sync::MutexGuard;
use std::time::Duration;

use ambient::Ambient;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::Body;
use contact_store::Contact;
use graph_sim::{MailboxKey, Operation, Settings as GraphSettings, Snapshot, World};
use jiff::Timestamp;
use lambda_http::http::{Request, StatusCode};
use local_stack::aws::{CONTACTS_TABLE, HISTORY_TABLE, LocalQueue, Message, STATE_TABLE};
use local_stack::{APP, Difference, LocalStack, Photos, differences};
use serde_json::{Value, json};
use sync_core::ids::MailboxId;
use sync_core::record::OutlookItem;
use sync_engine::Settings;
use tower::ServiceExt;

use crate::errors::Errors;

pub(crate) const TENANT: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
/// Time that a request to the simulated Graph takes.
const LATENCY: Duration = Duration::from_millis(50);
/// A poll comes once in this time.
const POLLED_WITHIN: u64 = 75;

pub(crate) struct Scene {
    pub(crate) stack: LocalStack,
    /// An event of level ERROR fails the story unless it takes it away.
    pub(crate) errors: Errors,
}

/// An enrolled mailbox, as its user and as the operator know it.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) key: MailboxKey,
    pub(crate) id: MailboxId,
}

/// What has been spent so far, or between two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bill {
    /// Requests to `DynamoDB` that write, refused ones included.
    pub(crate) writes: u64,
    /// Requests to Graph, the items of a batch each for itself.
    pub(crate) graph: u64,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(GraphSettings::default(), Settings::default()).await
    }

    pub(crate) async fn with(graph: GraphSettings, settings: Settings) -> Self {
        Self::start(graph, settings, Photos::Off).await
    }

    pub(crate) async fn start(graph: GraphSettings, settings: Settings, photos: Photos) -> Self {
        let errors = Errors::watch();
        let start: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
        let graph = GraphSettings {
            seed: 7,
            latency: LATENCY,
            ..graph
        };
        let ambient = Ambient::simulated(start, 7);
        let stack = LocalStack::start_with(ambient, World::new(graph), settings, photos).await;
        let stack = stack.unwrap();
        Self { stack, errors }
    }

    /// A user with contacts, not enrolled yet.
    pub(crate) fn user(&self, name: &str, contacts: usize, folders: usize) -> MailboxKey {
        self.user_of(TENANT, name, contacts, folders)
    }

    pub(crate) fn user_of(&self, tenant: &str, name: &str, contacts: usize, folders: usize) -> MailboxKey {
        let now = self.now();
        let mut world = self.stack.world();
        world.consent(tenant, APP);
        let principal = format!("{}@contoso.example", name.to_lowercase());
        let number = name
            .bytes()
            .fold(0_u64, |number, byte| number * 31 % 0xffff_ffff + u64::from(byte));
        let object_id = format!("00000000-0000-4000-8000-{number:012x}");
        let key = world.add_mailbox(tenant, &object_id, &principal, name);
        world.seed_contacts(&key, contacts, folders, now).unwrap();
        key
    }

    /// Enrols all folders through the API, and lets nothing run yet.
    pub(crate) async fn enrol(&self, key: &MailboxKey) -> Person {
        self.enrol_as(key, json!({ "tenant": key.tenant, "user": key.user }))
            .await
    }

    /// Enrols some folders only.
    pub(crate) async fn enrol_only(&self, key: &MailboxKey, folders: &[&str]) -> Person {
        let folders = json!({ "include": folders });
        let form = json!({ "tenant": key.tenant, "user": key.user, "folders": folders });
        self.enrol_as(key, form).await
    }

    async fn enrol_as(&self, key: &MailboxKey, form: Value) -> Person {
        let (status, answer) = self.call("POST", "/v1/mailboxes", Some(form)).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        Person {
            key: key.clone(),
            id: answer["id"].as_str().unwrap().parse().unwrap(),
        }
    }

    /// A user with contacts, enrolled and in sync.
    pub(crate) async fn settled(&mut self, name: &str, contacts: usize, folders: usize) -> Person {
        let key = self.user(name, contacts, folders);
        let person = self.enrol(&key).await;
        self.minutes(3).await;
        self.assert_equal(&person).await;
        self.assert_phase(&person, "live").await;
        person
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.stack.ambient.now()
    }

    pub(crate) async fn minutes(&mut self, minutes: u64) {
        self.stack.run_for(Duration::from_mins(minutes)).await.unwrap();
    }

    pub(crate) async fn seconds(&mut self, seconds: u64) {
        self.stack.run_for(Duration::from_secs(seconds)).await.unwrap();
    }

    pub(crate) async fn hours(&mut self, hours: u64) {
        self.minutes(hours * 60).await;
    }

    // What there is.

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.stack.world()
    }

    pub(crate) fn truth(&self, person: &Person) -> Snapshot {
        self.world().snapshot(&person.key).unwrap()
    }

    /// Ids of the contacts in a folder, named by its path.
    pub(crate) fn contacts_in(&self, person: &Person, path: &str) -> Vec<String> {
        let folder = self.folder_id(person, path);
        let contacts = self.truth(person).contacts;
        let inside = contacts
            .into_iter()
            .filter(|(_, contact)| contact["parentFolderId"] == folder);
        inside.map(|(id, _)| id).collect()
    }

    pub(crate) fn folder_id(&self, person: &Person, path: &str) -> String {
        let folders = self.truth(person).folders;
        let found = folders.into_iter().find(|(_, folder)| folder.path == path);
        found.unwrap_or_else(|| panic!("no folder {path}")).0
    }

    /// The mirror, tombstones included, by Outlook's ids; who is not in Outlook, by ours.
    pub(crate) async fn mirror(&self, person: &Person) -> BTreeMap<String, Contact> {
        let mut mirror = BTreeMap::new();
        let mut after: Option<String> = None;
        loop {
            let since = Timestamp::UNIX_EPOCH;
            let page = self
                .stack
                .store
                .contacts_changed_since(&person.id, since, after.as_deref(), 1000);
            let page = page.await.unwrap();
            let rows = page.items.into_iter();
            mirror.extend(rows.map(|contact| (name(&contact), contact)));
            match page.next {
                Some(next) => after = Some(next),
                None => return mirror,
            }
        }
    }

    pub(crate) async fn record(&self, person: &Person, id: &str) -> Contact {
        let mut mirror = self.mirror(person).await;
        mirror
            .remove(id)
            .unwrap_or_else(|| panic!("{id} has never been in the mirror"))
    }

    /// How often the mirror's contacts have been written: each write is a version.
    pub(crate) async fn versions(&self, person: &Person) -> u64 {
        let mirror = self.mirror(person).await;
        mirror.values().map(|contact| contact.version).sum()
    }

    pub(crate) async fn differences(&self, person: &Person) -> Vec<Difference> {
        self.differences_in(person, |_| true).await
    }

    pub(crate) async fn differences_in(
        &self,
        person: &Person,
        in_scope: impl Fn(&str) -> bool,
    ) -> Vec<Difference> {
        let truth = self.truth(person);
        let differences = differences(&self.stack.store, &person.id, &truth, in_scope);
        differences.await.unwrap()
    }

    /// How many items the tables hold.
    #[expect(clippy::disallowed_methods, reason = "only a scan shows what was forgotten")]
    pub(crate) async fn items(&self) -> usize {
        let mut items = 0;
        for table in [CONTACTS_TABLE, STATE_TABLE, HISTORY_TABLE] {
            let page = self.stack.aws.dynamodb().scan().table_name(table).send();
            items += page.await.unwrap().items().len();
        }
        items
    }

    /// When DynamoDB takes a contact's item away; `None`: never.
    pub(crate) async fn ttl_of(&self, person: &Person, id: &str) -> Option<String> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let key = [("mailbox_id", text(person.id.as_str())), ("contact_id", text(id))];
        let key = key.map(|(name, value)| (name.to_owned(), value)).into();
        let get = self.stack.aws.dynamodb().get_item().table_name(CONTACTS_TABLE);
        let item = get.set_key(Some(key)).send().await.unwrap().item.unwrap();
        item.get("ttl").map(|ttl| ttl.as_n().unwrap().clone())
    }

    // What the operator asks.

    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let answer = self.stack.api.clone().oneshot(request.body(body).unwrap());
        let answer = answer.await.unwrap();
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
        let answer = serde_json::from_slice(&bytes.unwrap());
        (status, answer.unwrap_or(Value::Null))
    }

    /// Asks for `pause`, `resume` or `resync`.
    pub(crate) async fn ask(&self, person: &Person, action: &str) {
        let path = format!("/v1/mailboxes/{}/{action}", person.id);
        let (status, answer) = self.call("POST", &path, None).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    }

    pub(crate) async fn remove(&self, person: &Person) {
        let (status, answer) = self
            .call("DELETE", &format!("/v1/mailboxes/{}", person.id), None)
            .await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    }

    /// The mailbox as the API shows it.
    pub(crate) async fn state(&self, person: &Person) -> Value {
        let (status, state) = self
            .call("GET", &format!("/v1/mailboxes/{}", person.id), None)
            .await;
        assert_eq!(status, StatusCode::OK, "{state}");
        state
    }

    /// The names of the folders that the API shows as synced.
    pub(crate) async fn synced_folders(&self, person: &Person) -> Vec<String> {
        let path = format!("/v1/mailboxes/{}/folders", person.id);
        let (status, folders) = self.call("GET", &path, None).await;
        assert_eq!(status, StatusCode::OK, "{folders}");
        let folders = folders["items"].as_array().unwrap().iter();
        let synced = folders.filter(|folder| folder["inScope"] == true && folder["state"] == "synced");
        let mut names: Vec<_> = synced
            .map(|folder| folder["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }

    // What it costs.

    pub(crate) fn metric(&self, name: &str) -> u64 {
        self.stack.metrics.total(name)
    }

    /// Requests to Graph about a mailbox so far.
    pub(crate) fn requests(&self, person: &Person) -> BTreeMap<Operation, u64> {
        self.world().counts(Some(&person.key))
    }

    pub(crate) fn asked(&self, operation: Operation) -> u64 {
        self.world()
            .counts(None)
            .get(&operation)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn delta_requests(&self, person: &Person) -> u64 {
        self.requests(person)
            .get(&Operation::ContactDelta)
            .copied()
            .unwrap_or_default()
    }

    /// When Graph was asked about a mailbox, from a moment on.
    pub(crate) fn requests_since(&self, person: &Person, since: Timestamp) -> Vec<Timestamp> {
        let world = self.world();
        let of_person = world
            .requests()
            .filter(|entry| entry.mailbox.as_ref() == Some(&person.key) && entry.at > since);
        of_person.map(|entry| entry.at).collect()
    }

    pub(crate) fn bill(&self) -> Bill {
        Bill {
            writes: self.stack.store.usage().writes,
            graph: self.world().counts(None).values().sum(),
        }
    }

    pub(crate) fn bill_since(&self, before: Bill) -> Bill {
        let now = self.bill();
        Bill {
            writes: now.writes - before.writes,
            graph: now.graph - before.graph,
        }
    }

    // What must be true.

    pub(crate) async fn assert_equal(&self, person: &Person) {
        assert_eq!(
            self.differences(person).await,
            [],
            "the mirror is not the mailbox"
        );
    }

    pub(crate) async fn assert_phase(&self, person: &Person, phase: &str) {
        let state = self.state(person).await;
        assert_eq!(state["phase"], phase, "{state}");
    }

    /// Nothing is left over, no message, no dead letter, no notification, and Graph has no complaint.
    pub(crate) fn assert_quiet(&self) {
        for queue in [&self.stack.work, &self.stack.lifecycle] {
            assert_eq!(
                bodies(queue.messages()),
                Vec::<String>::new(),
                "{} holds messages",
                queue.name()
            );
            assert_no_dead_letters(queue);
        }
        self.world().quiet().unwrap();
        assert_eq!(self.world().complaints(), Vec::<String>::new());
    }

    /// Mirror and mailbox are equal, and another look at the mailbox costs the mirror no write.
    pub(crate) async fn assert_settled(&mut self, person: &Person) {
        self.assert_equal(person).await;
        let looks = self.requests(person)[&Operation::FolderDelta];
        let (mirror, written) = (self.mirror(person).await, self.contacts_written());
        self.minutes(POLLED_WITHIN).await;
        assert!(
            self.requests(person)[&Operation::FolderDelta] > looks,
            "it was not polled"
        );
        assert!(
            mirror == self.mirror(person).await,
            "a look without a change wrote contacts"
        );
        assert_eq!(self.contacts_written(), written);
        self.assert_equal(person).await;
        self.assert_quiet();
    }

    fn contacts_written(&self) -> u64 {
        let written = ["ContactsInserted", "ContactsUpdated", "ContactsBuried"];
        written.map(|name| self.metric(name)).iter().sum()
    }
}

pub(crate) fn assert_no_dead_letters(queue: &LocalQueue) {
    assert_eq!(
        bodies(queue.dead_letters()),
        Vec::<String>::new(),
        "{} has dead letters",
        queue.name()
    );
}

fn bodies(messages: Vec<Message>) -> Vec<String> {
    messages.into_iter().map(|message| message.body).collect()
}

/// What Outlook knows a contact by.
pub(crate) fn outlook(contact: &mut Contact) -> &mut OutlookItem {
    contact.outlook.as_mut().unwrap()
}

fn name(contact: &Contact) -> String {
    let item = contact.outlook.as_ref();
    item.map_or_else(|| contact.id.to_string(), |item| item.id.to_string())
}
