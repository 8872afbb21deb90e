//! Both sides change one contact: every cell of the matrix, held against the oracle in `tests/matrix`.
//!
//! A sheet of the matrix is one mailbox with a contact for each cell. The platform acts through the API and Outlook's
//! user in the simulator. Looked at are both sides, the conflict log, the bus and the price; then everything is looked
//! at once more by the bundle itself, which must find nothing to do.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use contact_store::Contact;
use edit_matrix::{
    Act, Cell, Deletion, Policy, Seen, Sheet, Side, State, Subject, Trial, Winner, edits, newcomer, sheets,
};
use graph_sim::Settings as GraphSettings;
use graph_sim::faults::{NoticeFault, NoticeRule};
use jiff::Timestamp;
use lambda_http::http::Request;
use serde_json::{Map, Value, json};
use sync_engine::{Arbiter, Settings};
use tower::ServiceExt;

use crate::scene::{Person, Scene};

/// Outlook's times are whole seconds.
const LATER: Duration = Duration::from_secs(2);

#[tokio::test]
async fn the_later_one_wins() {
    matrix(of(Policy::LastWriteWins), GraphSettings::default(), |_| {}).await;
}

#[tokio::test]
async fn outlook_wins() {
    matrix(of(Policy::OutlookWins), GraphSettings::default(), |_| {}).await;
}

#[tokio::test]
async fn the_platform_wins() {
    matrix(of(Policy::PlatformWins), GraphSettings::default(), |_| {}).await;
}

#[tokio::test]
async fn the_operators_function_decides() {
    matrix(of(Policy::Custom), GraphSettings::default(), |_| {}).await;
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
    matrix(at_once(), graph, late).await;
}

/// The change in Outlook has been taken in before the edit is on its way.
#[tokio::test]
async fn nothing_depends_on_who_is_heard_first() {
    let slow = |scene: &Scene| scene.stack.contact_changes.delay(Duration::from_secs(20));
    matrix(at_once(), GraphSettings::default(), slow).await;
}

/// The sheets of a policy.
fn of(policy: Policy) -> Vec<Sheet> {
    let mut sheets = sheets();
    sheets.retain(|sheet| sheet.policy == policy);
    sheets
}

/// Those in which neither knows of the other, under the default policies.
fn at_once() -> Vec<Sheet> {
    let mut sheets = of(Policy::LastWriteWins);
    sheets.retain(|sheet| sheet.deletion == Deletion::EditWins && !sheet.order.is_settled());
    sheets
}

/// Tries sheets, a mailbox for each, with something in the way.
async fn matrix(sheets: Vec<Sheet>, graph: GraphSettings, trouble: impl Fn(&Scene)) {
    let mut scene = Scene::with(graph, Settings::default()).await;
    join_by_function(&mut scene);
    let mut tried = Vec::new();
    for (number, sheet) in sheets.into_iter().enumerate() {
        let mut mailbox = Mailbox::begin(&mut scene, sheet, number).await;
        trouble(&scene);
        mailbox.act(&mut scene).await;
        scene.minutes(3).await;
        scene.world().clear_faults();
        let seen = mailbox.look(&scene).await;
        mailbox.complain(mailbox.trial.judge(&seen));
        let differences = scene.differences(&mailbox.person).await;
        mailbox.complain(
            differences
                .iter()
                .map(|it| format!("mirror and mailbox: {it:?}"))
                .collect(),
        );
        mailbox.mirror = scene.mirror(&mailbox.person).await;
        tried.push(mailbox);
    }
    // The function is asked about each member in conflict once, and about nothing else.
    let subjects = tried.iter().flat_map(|mailbox| &mailbox.trial.subjects);
    let winners = subjects.filter_map(|subject| Some(subject.expected.entry?.winner));
    let asked = scene.stack.aws.functions().asked().len();
    assert_eq!(asked, winners.filter(|winner| *winner == Winner::Custom).count());
    look_again(&mut scene, &mut tried).await;
    let faults: Vec<String> = tried.into_iter().flat_map(|mailbox| mailbox.faults).collect();
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// Polls, and a comparison of each mailbox with its mirror: nothing is written anywhere, and nobody is told anything.
async fn look_again(scene: &mut Scene, tried: &mut [Mailbox]) {
    scene.stack.bus.take();
    for mailbox in &mut *tried {
        mailbox.begun_at = scene.now();
        scene.ask(&mailbox.person, "resync").await;
    }
    scene.minutes(75).await;
    let told = scene.stack.bus.take();
    for mailbox in &mut *tried {
        let mut faults = Vec::new();
        for (id, contact) in scene.mirror(&mailbox.person).await {
            if mailbox.mirror.get(&id) != Some(&contact) {
                faults.push(format!("{} is written without a change", contact.id));
            }
        }
        let asked = mailbox.asked(scene);
        let of_mailbox = told
            .iter()
            .filter(|event| event.detail["data"]["mailbox"] == mailbox.person.id.as_str());
        let told = of_mailbox
            .map(|event| (event.detail_type.clone(), Value::Null))
            .collect();
        let seen = Seen {
            told,
            asked,
            ..Seen::default()
        };
        if (seen.events(), seen.writes()) != (0, 0) {
            let found = (seen.told, seen.asked);
            faults.push(format!(
                "events, or writes to Outlook, without a change: {found:?}"
            ));
        }
        mailbox.complain(faults);
    }
    scene.assert_quiet();
}

/// The operator's function: both values, joined.
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

/// A mailbox in which a sheet is tried.
struct Mailbox {
    sheet: Sheet,
    person: Person,
    trial: Trial,
    /// Since when both sides agreed.
    begun_at: Timestamp,
    /// The mirror after everything.
    mirror: BTreeMap<String, Contact>,
    faults: Vec<String>,
}

impl Mailbox {
    /// In sync, with a contact for each cell.
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
        let cells = sheet.cells.iter();
        let ids: Vec<_> = cells
            .map(|cell| (*cell, scene.create(&person, None, members(cell))))
            .collect();
        scene.minutes(3).await;
        scene.assert_equal(&person).await;
        scene.assert_phase(&person, "live").await;
        let mirror = scene.mirror(&person).await;
        let subjects = ids.into_iter().map(|(cell, outlook_id)| {
            let contact = &mirror[&outlook_id];
            Subject::new(cell, outlook_id, contact.id.to_string(), contact.version)
        });
        let trial = Trial {
            folders: [before, outlooks, platforms],
            subjects: subjects.collect(),
        };
        scene.stack.bus.take();
        Self {
            sheet,
            person,
            trial,
            begun_at: scene.now(),
            mirror: BTreeMap::new(),
            faults: Vec::new(),
        }
    }

    /// One side acts on all contacts, then the other one.
    async fn act(&mut self, scene: &mut Scene) {
        for side in self.sheet.order.sides() {
            for subject in &self.trial.subjects {
                match side {
                    Side::Outlook => self.in_outlook(scene, subject),
                    Side::Platform => self.on_the_platform(scene, subject).await,
                }
            }
            if self.sheet.order.is_settled() {
                scene.minutes(2).await;
            } else {
                scene.stack.ambient.advance(LATER);
            }
        }
    }

    fn in_outlook(&self, scene: &Scene, subject: &Subject) {
        if subject.expected.impossible == Some(Side::Outlook) {
            return;
        }
        let cell = subject.cell;
        let (person, folders) = (&self.person, &self.trial.folders);
        // A move on the platform has given it another id in Outlook.
        let seen = Seen {
            outlook: scene.truth(person).contacts.into_values().collect(),
            ..Seen::default()
        };
        let now = seen.in_outlook("Ada", &cell.name());
        let id = now
            .first()
            .and_then(|contact| contact["id"].as_str())
            .unwrap_or_default();
        match cell.outlook {
            Act::Nothing => {}
            Act::Create => {
                let members = Value::Object(newcomer(Side::Outlook, &cell.name()));
                scene.create(person, None, members);
            }
            Act::EditSame | Act::EditOther => {
                scene.edit(person, id, Value::Object(edits(Side::Outlook, cell.outlook)));
            }
            Act::Delete => scene.delete(person, id),
            Act::Move => scene.move_to(person, id, Some(&folders[1])),
        }
    }

    /// Whoever changes a contact has read it just before.
    async fn on_the_platform(&self, scene: &Scene, subject: &Subject) {
        let cell = subject.cell;
        let contacts = format!("/v1/mailboxes/{}/contacts", self.person.id);
        let path = format!("{contacts}/{}", subject.id);
        let (method, body) = match cell.platform {
            Act::Nothing => return,
            Act::Create => {
                let body = json!({ "contact": newcomer(Side::Platform, &cell.name()) });
                let (status, answer) = ask(scene, "POST", &contacts, None, Some(body)).await;
                assert_eq!(status, 201, "{answer}");
                return;
            }
            Act::EditSame | Act::EditOther => {
                let edits = edits(Side::Platform, cell.platform);
                ("PATCH", Some(json!({ "contact": edits })))
            }
            Act::Delete => ("DELETE", None),
            Act::Move => ("PATCH", Some(json!({ "folder": self.trial.folders[2] }))),
        };
        let is_impossible = subject.expected.impossible == Some(Side::Platform);
        let wanted = if is_impossible { 404 } else { 200 };
        let (status, read) = ask(scene, "GET", &path, None, None).await;
        assert_eq!(status, wanted, "{}: {read}", cell.name());
        let tag = read["version"].as_u64();
        let tag = tag.map_or_else(|| "*".to_owned(), |version| format!("\"{version}\""));
        let (status, answer) = ask(scene, method, &path, Some(&tag), body).await;
        assert_eq!(status, wanted, "{}: {answer}", cell.name());
    }

    /// All that can be seen of the mailbox.
    async fn look(&self, scene: &Scene) -> Seen {
        let mailbox = format!("/v1/mailboxes/{}", self.person.id);
        let (status, feed) = ask(scene, "GET", &format!("{mailbox}/changes?limit=500"), None, None).await;
        assert_eq!((status, &feed["more"]), (200, &json!(false)));
        let (status, list) = ask(
            scene,
            "GET",
            &format!("{mailbox}/conflicts?limit=500"),
            None,
            None,
        )
        .await;
        assert_eq!((status, &list["next"]), (200, &Value::Null));
        let mut log = Vec::new();
        for entry in list["items"].as_array().unwrap() {
            let path = format!("{mailbox}/conflicts/{}", entry["id"].as_str().unwrap());
            log.push(ask(scene, "GET", &path, None, None).await.1);
        }
        let told = scene.stack.bus.take().into_iter();
        Seen {
            outlook: scene.truth(&self.person).contacts.into_values().collect(),
            platform: feed["items"].as_array().unwrap().clone(),
            log,
            told: told
                .map(|event| (event.detail_type, event.detail["data"].clone()))
                .collect(),
            asked: self.asked(scene),
        }
    }

    /// What Graph was asked since both sides agreed.
    fn asked(&self, scene: &Scene) -> Vec<(String, String)> {
        let world = scene.world();
        let asked = world
            .requests()
            .filter(|entry| entry.mailbox.as_ref() == Some(&self.person.key) && entry.at >= self.begun_at);
        asked
            .map(|entry| {
                let operation = serde_json::to_value(entry.operation).unwrap();
                (operation.as_str().unwrap().to_owned(), entry.target.clone())
            })
            .collect()
    }

    fn complain(&mut self, faults: Vec<String>) {
        let Sheet {
            order,
            policy,
            deletion,
            ..
        } = &self.sheet;
        let of = format!("{order:?}, {policy:?}, {deletion:?}");
        self.faults
            .extend(faults.into_iter().map(|fault| format!("{of}: {fault}")));
    }
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
    let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX)
        .await
        .unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}
