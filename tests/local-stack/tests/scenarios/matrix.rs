//! Both sides change one contact: every cell of the matrix, held against the oracle in `tests/matrix`.
//!
//! A sheet of the matrix is one mailbox with a contact for each cell. The platform acts through the API and Outlook's
//! user in the simulator. Looked at are both sides, the conflict log, the bus and the price; then everything is looked
//! at once more by the bundle itself, which must find nothing to do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Body;
use contact_store::Contact;
use edit_matrix::{
    Act, Cell, Change, Clash, Entry, Expected, Folder, Mark, Policy, Sheet, Side, State, Winner, Writes,
    expected, newcomer, sheets, title,
};
use graph_sim::faults::{NoticeFault, NoticeRule};
use graph_sim::{Operation, Settings as GraphSettings};
use jiff::Timestamp;
use lambda_http::http::Request;
use local_stack::aws::BusEvent;
use serde_json::{Map, Value, json};
use sync_core::ids::ContactId;
use sync_engine::{Arbiter, Settings};
use tower::ServiceExt;

use crate::scene::{Person, Scene};

/// Outlook's times are whole seconds.
const LATER: Duration = Duration::from_secs(2);

#[tokio::test]
async fn the_later_one_wins() {
    matrix(Policy::LastWriteWins, GraphSettings::default(), |_| {}).await;
}

#[tokio::test]
async fn outlook_wins() {
    matrix(Policy::OutlookWins, GraphSettings::default(), |_| {}).await;
}

#[tokio::test]
async fn the_platform_wins() {
    matrix(Policy::PlatformWins, GraphSettings::default(), |_| {}).await;
}

#[tokio::test]
async fn the_operators_function_decides() {
    matrix(Policy::Custom, GraphSettings::default(), |_| {}).await;
}

/// Graph promises neither to honour `If-Match` nor to notify in time: that alone must not cost anybody his change.
#[tokio::test]
async fn nothing_depends_on_if_match_or_on_a_notification_in_time() {
    let graph = GraphSettings {
        if_match_enforced: false,
        ..GraphSettings::default()
    };
    let late = |scene: &Scene| {
        let late = NoticeRule::new(NoticeFault::Late { millis: 40_000 });
        scene.world().add_notice_fault(late);
    };
    matrix(Policy::LastWriteWins, graph, late).await;
}

/// The change in Outlook has been taken in before the edit is on its way.
#[tokio::test]
async fn nothing_depends_on_who_is_heard_first() {
    let slow = |scene: &Scene| scene.stack.contact_changes.delay(Duration::from_secs(20));
    matrix(Policy::LastWriteWins, GraphSettings::default(), slow).await;
}

/// Tries all sheets of a policy.
async fn matrix(policy: Policy, graph: GraphSettings, trouble: impl Fn(&Scene)) {
    let mut scene = Scene::with(graph, Settings::default()).await;
    join_by_function(&mut scene);
    let mut tried = Vec::new();
    let mut faults = Vec::new();
    for (number, sheet) in sheets().into_iter().filter(|sheet| sheet.policy == policy).enumerate() {
        let mut trial = Trial::begin(&mut scene, sheet, number).await;
        trouble(&scene);
        trial.act(&mut scene).await;
        scene.minutes(3).await;
        scene.world().clear_faults();
        trial.judge(&mut scene).await;
        tried.push(trial);
    }
    let questions = scene.stack.aws.functions().asked().len();
    assert_eq!(questions > 0, policy == Policy::Custom, "{questions} questions");
    look_again(&mut scene, &mut tried).await;
    for trial in tried {
        let sheet = &trial.sheet;
        let of = format!("{:?} {:?} {:?}", sheet.order, sheet.policy, sheet.deletion);
        faults.extend(trial.faults.into_iter().map(|fault| format!("{of}: {fault}")));
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// The operator's function: both titles, joined.
fn join_by_function(scene: &mut Scene) {
    let arn = scene.stack.aws.functions().put("join", |question| {
        let mut members = Map::new();
        for name in question["members"].as_array()? {
            let name = name.as_str()?;
            let (ours, theirs) = (&question["platform"][name], &question["outlook"][name]);
            let joined = format!("{} and {}", ours.as_str()?, theirs.as_str()?);
            members.insert(name.to_owned(), joined.into());
        }
        Some(json!({ "members": members }))
    });
    let lambda = scene.stack.aws.lambda();
    scene.stack.worker.engine.arbiter = Some(Arbiter::new(lambda, arn, Duration::from_secs(10)));
}

/// A contact that a cell is about, as both sides agreed on it.
struct Subject {
    cell: Cell,
    expected: Expected,
    outlook_id: String,
    id: ContactId,
    version: u64,
}

/// A sheet that is tried.
struct Trial {
    sheet: Sheet,
    person: Person,
    /// The folders' ids.
    folders: [String; 3],
    subjects: Vec<Subject>,
    /// Since when both sides agreed.
    begun_at: Timestamp,
    /// The mirror after everything.
    mirror: BTreeMap<ContactId, Contact>,
    faults: Vec<String>,
}

impl Trial {
    /// A mailbox with a contact for each cell, in sync.
    async fn begin(scene: &mut Scene, sheet: Sheet, number: usize) -> Self {
        let key = scene.user(&format!("Ada{number}"), 0, 0);
        let person = scene.enrol(&key).await;
        let policies = json!({
            "conflictPolicy": sheet.policy.name(),
            "deletionPolicy": sheet.deletion.name(),
        });
        let path = format!("/v1/mailboxes/{}", person.id);
        let (status, answer) = ask(scene, "PATCH", &path, None, Some(policies)).await;
        assert_eq!(status, 200, "{answer}");
        let outlooks = scene.create_folder(&person, None, "Outlook's");
        let platforms = scene.create_folder(&person, None, "The platform's");
        let before = scene.folder_id(&person, "Contacts");
        let members = |cell: &Cell| Value::Object(State::BEFORE.members(&cell.name()));
        let ids: Vec<String> = sheet
            .cells
            .iter()
            .map(|cell| scene.create(&person, None, members(cell)))
            .collect();
        scene.minutes(3).await;
        scene.assert_equal(&person).await;
        scene.assert_phase(&person, "live").await;
        let mirror = scene.mirror(&person).await;
        let subjects = sheet.cells.iter().zip(ids).map(|(cell, outlook_id)| Subject {
            cell: *cell,
            expected: expected(*cell),
            id: mirror[&outlook_id].id.clone(),
            version: mirror[&outlook_id].version,
            outlook_id,
        });
        let subjects = subjects.collect();
        scene.stack.bus.take();
        Self {
            sheet,
            person,
            folders: [before, outlooks, platforms],
            subjects,
            begun_at: scene.now(),
            mirror: BTreeMap::new(),
            faults: Vec::new(),
        }
    }

    /// One side acts on all contacts, then the other one.
    async fn act(&mut self, scene: &mut Scene) {
        for side in self.sheet.order.sides() {
            for at in 0..self.subjects.len() {
                match side {
                    Side::Outlook => self.in_outlook(scene, at),
                    Side::Platform => self.on_the_platform(scene, at).await,
                }
            }
            if self.sheet.order.is_settled() {
                scene.minutes(2).await;
            } else {
                scene.stack.ambient.advance(LATER);
            }
        }
    }

    fn in_outlook(&self, scene: &Scene, at: usize) {
        let Subject {
            cell,
            expected,
            outlook_id,
            id,
            ..
        } = &self.subjects[at];
        if expected.impossible == Some(Side::Outlook) {
            return;
        }
        // A move on the platform has given it another id in Outlook.
        let moved = self.sheet.order.is_settled() && cell.platform == Act::Move;
        let outlook_id = if moved {
            let now = self.in_truth(scene, "Ada", &cell.name());
            now.first().map_or_else(|| panic!("{id} is not there"), |(id, _)| id.clone())
        } else {
            outlook_id.clone()
        };
        let edits = || Value::Object(edits(Side::Outlook, cell.outlook));
        match cell.outlook {
            Act::Nothing => {}
            Act::Create => {
                let members = Value::Object(newcomer(Side::Outlook, &cell.name()));
                scene.create(&self.person, None, members);
            }
            Act::EditSame | Act::EditOther => scene.edit(&self.person, &outlook_id, edits()),
            Act::Delete => scene.delete(&self.person, &outlook_id),
            Act::Move => scene.move_to(&self.person, &outlook_id, Some(&self.folders[1])),
        }
    }

    /// Whoever changes a contact has read it just before.
    async fn on_the_platform(&mut self, scene: &Scene, at: usize) {
        let Subject { cell, id, .. } = &self.subjects[at];
        let contacts = format!("/v1/mailboxes/{}/contacts", self.person.id);
        let path = format!("{contacts}/{id}");
        let (method, body) = match cell.platform {
            Act::Nothing => return,
            Act::Create => {
                let body = json!({ "contact": newcomer(Side::Platform, &cell.name()) });
                let (status, answer) = ask(scene, "POST", &contacts, None, Some(body)).await;
                return self.expect(at, "the answer to the create", &201, &status, &answer);
            }
            Act::EditSame | Act::EditOther => {
                ("PATCH", Some(json!({ "contact": edits(Side::Platform, cell.platform) })))
            }
            Act::Delete => ("DELETE", None),
            Act::Move => ("PATCH", Some(json!({ "folder": self.folders[2] }))),
        };
        let is_impossible = self.subjects[at].expected.impossible == Some(Side::Platform);
        let (status, read) = ask(scene, "GET", &path, None, None).await;
        self.expect(at, "the read before", if is_impossible { &404 } else { &200 }, &status, &read);
        let tag = read["version"].as_u64().map_or_else(|| "*".to_owned(), |it| format!("\"{it}\""));
        let (status, answer) = ask(scene, method, &path, Some(&tag), body).await;
        self.expect(at, "the answer", if is_impossible { &404 } else { &200 }, &status, &answer);
    }

    /// Whether all has come as the oracle says.
    async fn judge(&mut self, scene: &mut Scene) {
        let differences = scene.differences(&self.person).await;
        if !differences.is_empty() {
            self.faults.push(format!("the mirror is not the mailbox: {differences:?}"));
        }
        self.mirror = by_id(scene, &self.person).await;
        let told = told(scene.stack.bus.take());
        for at in 0..self.subjects.len() {
            self.judge_outlook(scene, at);
            self.judge_platform(scene, at).await;
            self.judge_log(scene, at).await;
            let subject = &self.subjects[at];
            let changes: Vec<_> = subject.expected.events.iter().map(|it| (it.change, it.by)).collect();
            let (id, version, name) = (subject.id.clone(), subject.version, subject.cell.name());
            self.judge_told(&told, &name, &id, version, &changes);
            for side in self.subjects[at].expected.newcomers.clone() {
                self.judge_newcomer(scene, &told, at, side).await;
            }
            let clashed = self.subjects[at].expected.entry.is_some();
            let recorded = told.recorded.get(&id).copied().unwrap_or_default();
            self.expect(at, "conflicts told", &usize::from(clashed), &recorded, &"");
        }
        let living = self.mirror.values().filter(|contact| contact.deleted_at.is_none()).count();
        let wanted: usize = self
            .subjects
            .iter()
            .map(|subject| usize::from(subject.expected.contact.is_some()) + subject.expected.newcomers.len())
            .sum();
        if living != wanted {
            self.faults.push(format!("{living} contacts live, not {wanted}"));
        }
        self.judge_writes(scene);
    }

    fn judge_outlook(&mut self, scene: &Scene, at: usize) {
        let name = self.subjects[at].cell.name();
        let found: Vec<Value> = self.in_truth(scene, "Ada", &name).into_iter().map(|(_, it)| it).collect();
        let found: Vec<_> = found
            .iter()
            .map(|contact| (written(contact), contact["parentFolderId"].clone()))
            .collect();
        let wanted: Vec<_> = self.subjects[at]
            .expected
            .contact
            .map(|state| (state.written(), self.folder(state).into()))
            .into_iter()
            .collect();
        self.expect(at, "in Outlook", &wanted, &found, &"");
    }

    async fn judge_platform(&mut self, scene: &Scene, at: usize) {
        let path = format!("/v1/mailboxes/{}/contacts/{}", self.person.id, self.subjects[at].id);
        let (status, answer) = ask(scene, "GET", &path, None, None).await;
        let Some(state) = self.subjects[at].expected.contact else {
            return self.expect(at, "on the platform", &404, &status, &answer);
        };
        self.expect(at, "on the platform", &200, &status, &answer);
        let found = (written(&answer["contact"]), answer["folder"].clone(), answer["sync"].clone());
        let wanted = (state.written(), self.folder(state).into(), json!({ "state": "settled" }));
        self.expect(at, "on the platform", &wanted, &found, &"");
    }

    async fn judge_log(&mut self, scene: &Scene, at: usize) {
        let log = format!("/v1/mailboxes/{}/conflicts", self.person.id);
        let path = format!("{log}?contact={}", self.subjects[at].id);
        let (status, list) = ask(scene, "GET", &path, None, None).await;
        self.expect(at, "the log", &200, &status, &list);
        let entries = list["items"].as_array().cloned().unwrap_or_default();
        let Some(entry) = self.subjects[at].expected.entry else {
            return self.expect(at, "entries in the log", &0, &entries.len(), &list);
        };
        self.expect(at, "entries in the log", &1, &entries.len(), &list);
        let Some(id) = entries.first().and_then(|entry| entry["id"].as_str()) else { return };
        let (_, found) = ask(scene, "GET", &format!("{log}/{id}"), None, None).await;
        let told = found["clashes"].as_array().cloned().unwrap_or_default();
        let [clash] = told.as_slice() else {
            return self.expect(at, "clashes in the entry", &1, &told.len(), &found);
        };
        let (wanted, kept) = (self.subjects[at].expected.clone(), self.subjects[at].expected.contact);
        let name = self.subjects[at].cell.name();
        let value = |state: Option<State>| self.clashing(entry, state, &name);
        let values = json!({
            "base": value(Some(State::BEFORE)),
            "platform": value(entry.platform),
            "outlook": value(entry.outlook),
            "kept": value(kept),
        });
        let shown = |found: &Value| match entry.clash {
            Clash::Title | Clash::Folder => found.clone(),
            Clash::Being if found.is_null() => Value::Null,
            Clash::Being => Value::Object(written(found)),
        };
        let logged = json!({
            "base": shown(&clash["base"]),
            "platform": shown(&clash["platform"]),
            "outlook": shown(&clash["outlook"]),
            "kept": shown(&clash["kept"]),
        });
        self.expect(at, "the values in the log", &values, &logged, &"");
        let (member, winner) = (member(entry.clash), winner(entry.winner));
        let says = (clash["member"].as_str(), clash["winner"].as_str(), found["policy"].as_str());
        let policy = self.sheet.policy.name();
        self.expect(at, "the log", &(Some(member), Some(winner), Some(policy)), &says, &"");
        // The three versions, whole.
        let versions = [("base", Some(State::BEFORE)), ("platform", entry.platform), ("outlook", entry.outlook)];
        for (name, state) in versions {
            let has = found.get(name).map(written);
            self.expect(at, &format!("the log's {name}"), &state.map(State::written), &has, &"");
        }
        let seen_by = wanted.events.len() as u64 + self.subjects[at].version;
        self.expect(at, "the log's version", &json!(seen_by), &found["version"], &"");
    }

    /// What one side made while the other was busy: both have it, once.
    async fn judge_newcomer(&mut self, scene: &Scene, told: &Told, at: usize, side: Side) {
        let members = newcomer(side, &self.subjects[at].cell.name());
        let given = members["givenName"].as_str().unwrap().to_owned();
        let name = self.subjects[at].cell.name();
        let there = self.in_truth(scene, &given, &name);
        self.expect(at, "newcomers in Outlook", &1, &there.len(), &given);
        let named = self.mirror.values().filter(|contact| {
            contact.document.get("givenName").is_some_and(|it| *it == given.as_str())
                && contact.document.get("surname").is_some_and(|it| *it == name.as_str())
        });
        let ids: Vec<_> = named.map(|contact| contact.id.clone()).collect();
        self.expect(at, "newcomers in the mirror", &1, &ids.len(), &given);
        let Some(id) = ids.first() else { return };
        self.judge_told(told, &format!("{name}, {given}"), id, 0, &[(Change::Created, side)]);
        let path = format!("/v1/mailboxes/{}/contacts/{id}", self.person.id);
        let (status, answer) = ask(scene, "GET", &path, None, None).await;
        self.expect(at, "the newcomer", &(200, &json!({ "state": "settled" })), &(status, &answer["sync"]), &"");
    }

    /// What the bus has told of a contact: each version once, rising, and in the end what the mirror has.
    fn judge_told(
        &mut self,
        told: &Told,
        name: &str,
        id: &ContactId,
        version: u64,
        wanted: &[(Change, Side)],
    ) {
        let nothing = Vec::new();
        let events = told.of.get(id).unwrap_or(&nothing);
        let found: Vec<_> = events.iter().map(|it| (it.change, it.by)).collect();
        if found != wanted {
            self.faults.push(format!("{name}: told {found:?}, not {wanted:?}"));
        }
        let versions: Vec<u64> = events.iter().map(|it| it.version).collect();
        let rising: Vec<u64> = (version + 1..).take(wanted.len()).collect();
        if versions != rising {
            self.faults.push(format!("{name}: told of versions {versions:?}, not {rising:?}"));
        }
        let (Some(last), Some(contact)) = (events.last(), self.mirror.get(id)) else { return };
        let living = contact.deleted_at.is_none();
        let agrees = last.version == contact.version
            && (last.change != Change::Deleted) == living
            && (!living
                || (last.data["contact"] == Value::Object(contact.document.clone())
                    && last.data["folder"] == contact.folder.as_str()));
        if !agrees {
            self.faults.push(format!("{name}: the last event is not the mirror's state"));
        }
    }

    /// The least that it takes, and each write where it belongs.
    fn judge_writes(&mut self, scene: &Scene) {
        let mut found: BTreeMap<String, Writes> = BTreeMap::new();
        let mut creates = 0;
        {
            let world = scene.world();
            let own = world.requests().filter(|entry| {
                entry.mailbox.as_ref() == Some(&self.person.key) && entry.at >= self.begun_at
            });
            for entry in own {
                let id = |target: &str| target.rsplit('/').next().unwrap_or_default().to_owned();
                match entry.operation {
                    Operation::CreateContact => creates += 1,
                    Operation::UpdateContact => found.entry(id(&entry.target)).or_default().updates += 1,
                    Operation::DeleteContact => found.entry(id(&entry.target)).or_default().deletes += 1,
                    _ => {}
                }
            }
        }
        let mut wanted_creates = 0;
        for at in 0..self.subjects.len() {
            let expected = &self.subjects[at].expected;
            let born = expected.newcomers.contains(&Side::Platform);
            wanted_creates += expected.writes.creates + u64::from(born);
            let wanted = Writes {
                creates: 0,
                ..expected.writes
            };
            let had = found.remove(&self.subjects[at].outlook_id).unwrap_or_default();
            self.expect(at, "writes to Outlook", &wanted, &had, &"");
        }
        if creates != wanted_creates {
            self.faults.push(format!("{creates} creates in Outlook, not {wanted_creates}"));
        }
        if !found.is_empty() {
            self.faults.push(format!("writes to contacts that nobody has changed: {found:?}"));
        }
    }

    /// The contacts of a name that Outlook has.
    fn in_truth(&self, scene: &Scene, given: &str, surname: &str) -> Vec<(String, Value)> {
        let contacts = scene.truth(&self.person).contacts.into_iter();
        contacts
            .filter(|(_, contact)| contact["givenName"] == given && contact["surname"] == surname)
            .collect()
    }

    fn folder(&self, state: State) -> &str {
        match state.folder {
            Folder::Before => &self.folders[0],
            Folder::Outlook => &self.folders[1],
            Folder::Platform => &self.folders[2],
        }
    }

    /// What a side had of what they clash about.
    fn clashing(&self, entry: Entry, state: Option<State>, _: &str) -> Value {
        match (entry.clash, state) {
            (_, None) => Value::Null,
            (Clash::Title, Some(state)) => title(state.title).into(),
            (Clash::Folder, Some(state)) => self.folder(state).into(),
            (Clash::Being, Some(state)) => Value::Object(state.written()),
        }
    }

    fn expect<T: PartialEq + std::fmt::Debug>(
        &mut self,
        at: usize,
        what: &str,
        wanted: &T,
        found: &T,
        more: &dyn std::fmt::Debug,
    ) {
        if wanted != found {
            let name = self.subjects[at].cell.name();
            self.faults.push(format!("{name}: {what} is {found:?}, not {wanted:?} {more:?}"));
        }
    }
}

/// What somebody sends who edits.
fn edits(side: Side, act: Act) -> Map<String, Value> {
    State::BEFORE.after(side, act).map(State::edits).unwrap_or_default()
}

/// The members of a contact that the matrix writes.
fn written(contact: &Value) -> Map<String, Value> {
    let written = State::BEFORE.written();
    let names = written.keys().cloned();
    names.map(|name| (name.clone(), contact[name.as_str()].clone())).collect()
}

fn member(clash: Clash) -> &'static str {
    match clash {
        Clash::Title => "jobTitle",
        Clash::Folder => "folder",
        Clash::Being => "(deleted)",
    }
}

fn winner(winner: Winner) -> &'static str {
    match winner {
        Winner::Side(Side::Outlook) => "outlook",
        Winner::Side(Side::Platform) => "platform",
        Winner::Custom => "custom",
    }
}

/// An event about a contact.
struct Heard {
    change: Change,
    by: Side,
    version: u64,
    data: Value,
}

/// What the bus has told.
#[derive(Default)]
struct Told {
    of: BTreeMap<ContactId, Vec<Heard>>,
    /// Conflicts, by their contacts.
    recorded: BTreeMap<ContactId, usize>,
}

fn told(events: Vec<BusEvent>) -> Told {
    let mut told = Told::default();
    for event in events {
        let data = &event.detail["data"];
        let contact = || -> ContactId { data["contactId"].as_str().unwrap().parse().unwrap() };
        let change = match event.detail_type.as_str() {
            "contact.created" => Change::Created,
            "contact.updated" => Change::Updated,
            "contact.deleted" => Change::Deleted,
            "conflict.recorded" => {
                *told.recorded.entry(contact()).or_default() += 1;
                continue;
            }
            "mailbox.changed" => continue,
            other => panic!("nobody knows {other}"),
        };
        let by = match data["changedBy"].as_str() {
            Some("outlook") => Side::Outlook,
            Some("platform") => Side::Platform,
            other => panic!("changed by {other:?}"),
        };
        let version = data["version"].as_u64().unwrap();
        let data = data.clone();
        let of = contact();
        told.of.entry(of).or_default().push(Heard {
            change,
            by,
            version,
            data,
        });
    }
    told
}

/// The mirror, tombstones included.
async fn by_id(scene: &Scene, person: &Person) -> BTreeMap<ContactId, Contact> {
    let mirror = scene.mirror(person).await.into_values();
    mirror.map(|contact| (contact.id.clone(), contact)).collect()
}

/// Polls, and a comparison of each mailbox with its mirror: nothing is written anywhere, and nobody is told anything.
async fn look_again(scene: &mut Scene, tried: &mut [Trial]) {
    let since = scene.now();
    scene.stack.bus.take();
    for trial in &mut *tried {
        scene.ask(&trial.person, "resync").await;
    }
    scene.minutes(75).await;
    let told = told(scene.stack.bus.take());
    for trial in &mut *tried {
        let now = by_id(scene, &trial.person).await;
        let ids: BTreeSet<_> = now.keys().chain(trial.mirror.keys()).collect();
        for id in ids {
            if now.get(id) != trial.mirror.get(id) {
                let before = trial.mirror.get(id).map(|it| (it.version, it.rev));
                let after = now.get(id).map(|it| (it.version, it.rev));
                trial.faults.push(format!("{id} was written without a change: {before:?} to {after:?}"));
            }
            if told.of.contains_key(id) || told.recorded.contains_key(id) {
                trial.faults.push(format!("{id} was told of without a change"));
            }
        }
        let world = scene.world();
        let writes = world.requests().filter(|entry| {
            let is_write = [
                Operation::CreateContact,
                Operation::UpdateContact,
                Operation::DeleteContact,
            ];
            entry.mailbox.as_ref() == Some(&trial.person.key)
                && entry.at > since
                && is_write.contains(&entry.operation)
        });
        let writes = writes.count();
        if writes > 0 {
            trial.faults.push(format!("{writes} writes to Outlook without a change"));
        }
    }
    scene.assert_quiet();
}

/// Asks the API, as those who use it do.
async fn ask(
    scene: &Scene,
    method: &str,
    path: &str,
    if_match: Option<&str>,
    body: Option<Value>,
) -> (u16, Value) {
    let kind = if method == "PATCH" {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let mut request = Request::builder().method(method).uri(path);
    if let Some(tag) = if_match {
        request = request.header("if-match", tag);
    }
    let body = match body {
        Some(body) => {
            request = request.header("content-type", kind);
            Body::from(body.to_string())
        }
        None => Body::empty(),
    };
    let answer = scene.stack.api.clone().oneshot(request.body(body).unwrap());
    let answer = answer.await.unwrap();
    let status = answer.status().as_u16();
    let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

// The words are the oracle's; one of them is needed for its type alone.
const _: fn(Mark) -> &'static str = title;
