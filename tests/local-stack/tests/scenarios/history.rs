//! What contacts were before: explained, brought back one by one or as of a moment, and forgotten after its time.

use std::collections::BTreeMap;
use std::time::Duration;

use contact_store::Contact;
use jiff::Timestamp;
use serde_json::{Value, json};
use sync_core::sighting::Document;

use crate::scene::{Person, Scene};

impl Scene {
    pub(crate) async fn get(&self, person: &Person, rest: &str) -> Value {
        let path = format!("/v1/mailboxes/{}{rest}", person.id);
        let (status, answer) = self.ask_api("GET", &path, &[], None).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// The versions that are kept of a contact, the newest first.
    pub(crate) async fn versions_of(&self, person: &Person, id: &str) -> Vec<Value> {
        let answer = self.get(person, &format!("/contacts/{id}/versions")).await;
        answer["items"].as_array().unwrap().clone()
    }

    /// A contact's story as `what by who why changed`, the latest first.
    async fn story(&self, person: &Person, id: &str) -> Vec<String> {
        let answer = self.get(person, &format!("/contacts/{id}/explain")).await;
        let chapters = answer["story"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let told = chapters.map(|it| {
            let changed: Vec<_> = it["changed"].as_array().unwrap().iter().map(text).collect();
            let (who, why) = (text(&it["cause"]["who"]), text(&it["cause"]["why"]));
            format!("{} by {who} {why} {}", text(&it["what"]), changed.join(","))
        });
        told.map(|it| it.trim_end().to_owned()).collect()
    }

    async fn restore_one(&self, person: &Person, id: &str, version: u64) -> (u16, Value) {
        let path = format!("/v1/mailboxes/{}/contacts/{id}/restore", person.id);
        let body = json!({ "version": version });
        self.ask_api("POST", &path, &[("if-match", "*")], Some(body))
            .await
    }

    /// Restores the mailbox, request after request; gives what was or would be done, and `until`.
    async fn restore(&self, person: &Person, asked: Value) -> (Vec<Value>, String) {
        let path = format!("/v1/mailboxes/{}/restore", person.id);
        let (mut items, mut asked) = (Vec::new(), asked);
        loop {
            let (status, answer) = self.ask_api("POST", &path, &[], Some(asked.clone())).await;
            assert_eq!(status, 200, "{answer}");
            items.extend(answer["items"].as_array().unwrap().iter().cloned());
            let until = answer["until"].as_str().unwrap().to_owned();
            asked["until"] = json!(until);
            match answer["next"].as_str() {
                Some(next) => asked["cursor"] = json!(next),
                None => return (items, until),
            }
        }
    }
}

/// How many items have each action.
fn actions(items: &[Value]) -> BTreeMap<String, usize> {
    let mut actions = BTreeMap::new();
    for item in items {
        assert_eq!(item.get("problem"), None, "{item}");
        *actions
            .entry(item["action"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    actions
}

fn counted(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    let expected = expected.iter();
    expected
        .map(|(action, count)| ((*action).to_owned(), *count))
        .collect()
}

/// Everything of the living contacts that a person can see, by their ids.
async fn seen(scene: &Scene, person: &Person) -> BTreeMap<String, (String, Document)> {
    let records = scene.records(person).await.into_iter();
    let living = records.filter(|(_, contact)| contact.deleted_at.is_none());
    living
        .map(|(id, contact): (String, Contact)| (id, (contact.folder.to_string(), contact.document)))
        .collect()
}

fn title(text: &str) -> Value {
    json!({ "contact": { "jobTitle": text } })
}

#[tokio::test]
async fn a_contact_is_explained_by_who_has_changed_what_when_and_why() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 3, 0).await;
    let item = scene.create(
        &ada,
        None,
        json!({ "givenName": "Grace", "displayName": "Grace" }),
    );
    scene.seconds(5).await;
    let id = scene.record(&ada, &item).await.id.to_string();

    scene.edit(&ada, &item, json!({ "jobTitle": "Admiral", "surname": "Hopper" }));
    scene.minutes(1).await;
    scene.patch(&ada, &id, title("Rear admiral")).await;
    scene.minutes(1).await;
    // Both at once, each another member; and then the same.
    scene.edit(&ada, &item, json!({ "companyName": "Navy" }));
    scene
        .patch(&ada, &id, json!({ "contact": { "department": "Computing" } }))
        .await;
    scene.minutes(1).await;
    scene.patch(&ada, &id, title("Commodore")).await;
    scene.seconds(2).await;
    scene.assert_arrived(&ada).await;
    scene.stack.bus.take();
    scene.edit(&ada, &item, json!({ "jobTitle": "Professor" }));
    scene.patch(&ada, &id, title("Lecturer")).await;
    scene.minutes(1).await;
    scene.delete(&ada, &item);
    scene.minutes(1).await;

    let told = scene.get(&ada, &format!("/contacts/{id}/explain")).await;
    assert_eq!(told["state"], "deleted");
    assert_eq!(told["sync"]["state"], "settled");
    assert_eq!(told["conflicts"].as_array().unwrap().len(), 1);
    assert_eq!(told["conflicts"][0]["clashes"][0]["member"], "jobTitle");
    let story = scene.story(&ada, &id).await;
    let both = [
        "deleted by outlook seen",
        "changed by sync conflict jobTitle",
        "changed by platform edited jobTitle",
        "changed by platform edited jobTitle",
        "changed by sync merged companyName",
        "changed by platform edited department",
        "changed by platform edited jobTitle",
        "changed by outlook seen displayName,fileAs,jobTitle,surname",
        "created by outlook seen",
    ];
    let merged: Vec<_> = story.iter().map(String::as_str).collect();
    assert_eq!(merged, both);
    // No value is told; those are in the versions.
    assert!(!told.to_string().contains("Admiral"), "{told}");
    let second = scene.get(&ada, &format!("/contacts/{id}/versions/2")).await;
    assert_eq!(second["contact"]["jobTitle"], "Admiral");
    assert_eq!(second["cause"], json!({ "who": "outlook", "why": "seen" }));
    let kept = scene.versions_of(&ada, &id).await;
    let numbers: Vec<_> = kept.iter().map(|it| it["version"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [8, 7, 6, 5, 4, 3, 2, 1]);
    // Each until the next one.
    for pair in kept.windows(2) {
        assert_eq!(pair[0]["since"], pair[1]["until"]);
    }
}

#[tokio::test]
async fn a_wrong_mass_edit_is_undone_as_of_a_time_and_what_came_after_the_plan_stays() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 150, 2).await;
    let before = seen(&scene, &ada).await;
    let suppliers = scene.folder_id(&ada, "Contacts/Suppliers");
    scene.minutes(5).await;
    let right = scene.now();
    scene.minutes(5).await;

    // A program writes nonsense and deletes; in Outlook somebody edits, deletes and moves; two are new.
    let ids: Vec<String> = before.keys().cloned().collect();
    let items: Vec<Value> = ids[..110]
        .iter()
        .map(|id| json!({ "id": id, "contact": { "displayName": "Wrong" } }))
        .collect();
    scene.bulk(&ada, items).await;
    for id in &ids[110..120] {
        scene.erase(&ada, id).await;
    }
    scene.minutes(3).await;
    for id in &ids[120..125] {
        let item = item_of(&scene, &ada, id).await;
        scene.delete(&ada, &item);
    }
    for id in &ids[125..130] {
        let item = item_of(&scene, &ada, id).await;
        scene.edit(&ada, &item, json!({ "jobTitle": "Wrong" }));
    }
    let mut moved = 0;
    for id in &ids[130..] {
        if before[id].0 != suppliers {
            let item = item_of(&scene, &ada, id).await;
            scene.move_to(&ada, &item, Some(&suppliers));
            moved += 1;
        }
    }
    scene.create(&ada, None, json!({ "givenName": "New", "displayName": "New" }));
    scene
        .make(&ada, json!({ "contact": { "displayName": "New here" } }))
        .await;
    scene.minutes(3).await;
    scene.assert_arrived(&ada).await;
    assert_eq!(scene.waits(&ada).await, 0);

    // The plan says what would be done, and does nothing.
    let (spent, truth) = (scene.spent(&ada).await, scene.truth(&ada));
    let (plan, until) = scene.restore(&ada, json!({ "at": right.to_string() })).await;
    let expected = counted(&[("create", 15), ("update", 115 + moved), ("keepNewer", 2)]);
    assert_eq!(actions(&plan), expected);
    let of = |id: &String| plan.iter().find(|it| it["contact"] == **id).unwrap();
    assert_eq!(
        (&of(&ids[0])["version"], &of(&ids[112])["action"]),
        (&json!(1), &json!("create"))
    );
    assert_eq!(of(&ids[126])["changed"], json!(["jobTitle"]));
    assert!(of(&ids[0])["changed"].as_array().unwrap().len() > 1);
    scene.minutes(1).await;
    assert_eq!(
        scene.spent_since(&ada, spent).await,
        crate::platform::Spent::default()
    );
    assert!(truth == scene.truth(&ada));

    // Somebody goes on with one of them after the plan: that stays.
    scene.patch(&ada, &ids[5], title("Kept")).await;
    scene.minutes(1).await;
    let again = json!({ "at": right.to_string(), "plan": false, "until": until });
    let (done, _) = scene.restore(&ada, again.clone()).await;
    assert_eq!(actions(&done).get("create"), Some(&15));
    scene.minutes(10).await;
    scene.assert_arrived(&ada).await;
    let mut after = seen(&scene, &ada).await;
    assert_eq!(after.remove(&ids[5]).unwrap().1["jobTitle"], "Kept");
    after.retain(|id, _| before.contains_key(id));
    assert_eq!(after.len(), 149);
    for (id, (folder, document)) in &after {
        assert_eq!(folder, &before[id].0, "{id}");
        let differs = sync_core::members::differing(document, &before[id].1);
        assert!(differs.is_empty(), "{id}: {differs:?}");
    }
    assert_eq!(scene.in_outlook(&ada, "displayName").len(), 152);

    // Once more: nothing is left to be done.
    let spent = scene.spent(&ada).await;
    scene.restore(&ada, again).await;
    let fresh = json!({ "at": right.to_string(), "plan": false });
    let (done, _) = scene.restore(&ada, fresh).await;
    assert_eq!(
        actions(&done),
        counted(&[("update", 1), ("keepNewer", 2)]),
        "the one that was kept"
    );
    scene.minutes(5).await;
    let now = scene.spent_since(&ada, spent).await;
    assert_eq!((now.versions, now.graph_writes), (1, 1));
    scene.assert_at_rest(&ada).await;

    // What was not there goes only if that is asked for.
    let asked = json!({ "at": right.to_string(), "plan": false, "deleteNewer": true });
    let (done, _) = scene.restore(&ada, asked).await;
    assert_eq!(actions(&done), counted(&[("delete", 2)]));
    scene.minutes(5).await;
    assert_eq!(scene.in_outlook(&ada, "displayName").len(), 150);
    scene.assert_at_rest(&ada).await;
    let story = scene.story(&ada, &ids[0]).await;
    assert!(story[0].starts_with("changed by platform restored "), "{story:?}");
}

async fn item_of(scene: &Scene, person: &Person, id: &str) -> String {
    let records = scene.records(person).await;
    let item = records[id].outlook.as_ref().unwrap();
    item.id.to_string()
}

#[tokio::test]
async fn a_deleted_contact_that_is_restored_reaches_outlook_once_under_its_id() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 3, 0).await;
    let item = scene.contacts_in(&ada, "Contacts")[0].clone();
    let before = scene.record(&ada, &item).await;
    let id = before.id.to_string();
    // Deleted there, and deleted here; and once more after it has come back.
    for round in 0..2 {
        if round == 0 {
            scene.delete(&ada, &item);
        } else {
            scene.erase(&ada, &id).await;
        }
        scene.minutes(2).await;
        assert_eq!(scene.shown(&ada, &id).await.0, 404);
        let writes = scene.graph_writes();
        for _ in 0..2 {
            let (status, answer) = scene.restore_one(&ada, &id, 1).await;
            assert_eq!(status, 200, "{answer}");
            assert_eq!(answer["id"], id);
        }
        scene.stack.work.deliver_again(2);
        scene.minutes(3).await;
        assert_eq!(scene.graph_writes() - writes, 1, "round {round}");
        let (_, shown) = scene.shown(&ada, &id).await;
        assert_eq!(shown["contact"]["displayName"], before.document["displayName"]);
        assert_eq!(scene.truth(&ada).contacts.len(), 3);
        scene.assert_arrived(&ada).await;
    }
    let (status, answer) = scene.restore_one(&ada, &id, 2).await;
    assert_eq!(
        (status, &answer["type"]),
        (409, &json!("tag:outlook-contact-sync,2026:not-restorable"))
    );
    let (status, _) = scene.restore_one(&ada, &id, 99).await;
    assert_eq!(status, 404);
    scene.assert_at_rest(&ada).await;
    let story = scene.story(&ada, &id).await;
    let told: Vec<_> = story
        .iter()
        .map(|it| it.split(' ').take(4).collect::<Vec<_>>().join(" "))
        .collect();
    let restored = "cameBack by platform restored";
    assert!(
        told.iter().filter(|it| **it == restored).count() == 2,
        "{story:?}"
    );
}

#[tokio::test]
async fn versions_go_after_their_time_and_nothing_older_is_brought_back() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 2, 0).await;
    let item = scene.contacts_in(&ada, "Contacts")[0].clone();
    let id = scene.record(&ada, &item).await.id.to_string();
    scene.edit(&ada, &item, json!({ "jobTitle": "Countess" }));
    scene.minutes(1).await;
    let right = scene.now();
    scene.edit(&ada, &item, json!({ "jobTitle": "Analyst" }));
    scene.minutes(1).await;
    assert_eq!(scene.versions_of(&ada, &id).await.len(), 2);

    // Untouched for as long as that, a contact has something to go back to: its time begins when it is replaced.
    let days = |days: u64| Duration::from_hours(24 * days);
    scene.stack.ambient.advance(days(20));
    scene.patch(&ada, &id, title("Enchantress")).await;
    scene.deliver_changes().await;
    scene.stack.ambient.advance(days(11));
    scene.stack.aws.sweep_expired().unwrap();
    let kept = scene.versions_of(&ada, &id).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["version"], 3);
    let story = scene.story(&ada, &id).await;
    assert_eq!(
        story,
        ["changed by platform edited jobTitle", "earliest by outlook seen"]
    );

    let path = format!("/v1/mailboxes/{}/restore", ada.id);
    let tomorrow = scene.now() + Duration::from_hours(24);
    for at in [right, tomorrow] {
        let asked = Some(json!({ "at": at.to_string() }));
        let (status, answer) = scene.ask_api("POST", &path, &[], asked).await;
        assert_eq!(
            (status, &answer["errors"][0]["pointer"]),
            (400, &json!("/at")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_change_costs_one_write_for_the_history_and_an_echo_none() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 40, 1).await;
    let item = scene.contacts_in(&ada, "Contacts")[0].clone();
    let id = scene.record(&ada, &item).await.id.to_string();
    // A first sync, new contacts: nothing was replaced.
    assert_eq!(kept(&scene).await, 0);
    let written = |scene: &Scene| scene.stack.propagate.store.usage();

    let before = written(&scene);
    scene.edit(&ada, &item, json!({ "jobTitle": "Countess" }));
    scene.minutes(1).await;
    assert_eq!(written(&scene).writes - before.writes, 1);
    assert!(written(&scene).write_units - before.write_units <= 2.0);
    // An edit here; that Outlook has it then is no change.
    let (before, spent) = (written(&scene), scene.bill());
    scene.patch(&ada, &id, title("Analyst")).await;
    scene.minutes(1).await;
    scene.assert_arrived(&ada).await;
    assert_eq!(written(&scene).writes - before.writes, 1);
    assert_eq!(kept(&scene).await, 2);
    // Nor does the history cost the worker or the API anything: the edit, its confirmation, the link, the mailbox.
    assert!(
        scene.bill_since(spent).writes <= 5,
        "{:?}",
        scene.bill_since(spent)
    );
    // Told twice, it is kept once.
    scene.stack.contact_changes.deliver_again(2);
    scene.edit(&ada, &item, json!({ "jobTitle": "Poet" }));
    scene.minutes(1).await;
    assert_eq!(kept(&scene).await, 3);
    let before = written(&scene);
    scene.assert_at_rest(&ada).await;
    assert_eq!(written(&scene).writes, before.writes);
}

/// How many versions are kept of anybody.
#[expect(clippy::disallowed_methods, reason = "only a scan shows what was forgotten")]
async fn kept(scene: &Scene) -> usize {
    let scan = scene.stack.aws.dynamodb().scan();
    let page = scan.table_name(local_stack::aws::HISTORY_TABLE).send().await;
    page.unwrap().items().len()
}

#[tokio::test]
async fn a_removed_mailbox_leaves_no_history() {
    let mut scene = Scene::new().await;
    let (ada, bob) = (
        scene.settled("Ada", 30, 0).await,
        scene.settled("Bob", 3, 0).await,
    );
    let items = scene.contacts_in(&ada, "Contacts");
    for item in &items[..20] {
        scene.edit(&ada, item, json!({ "jobTitle": "Countess" }));
    }
    scene.delete(&ada, &items[20]);
    scene.edit_one(&bob, "Poet");
    scene.minutes(2).await;
    assert_eq!(kept(&scene).await, 22);
    // Some changes are told only after the mailbox has gone.
    scene.stack.contact_changes.delay(Duration::from_mins(3));
    for item in &items[..10] {
        scene.edit(&ada, item, json!({ "jobTitle": "Analyst" }));
    }
    scene.seconds(5).await;
    scene.remove(&ada).await;
    scene.minutes(15).await;
    let (status, _) = scene
        .call("GET", &format!("/v1/mailboxes/{}", ada.id), None)
        .await;
    assert_eq!(status, 404);
    assert_eq!(kept(&scene).await, 1, "Bob's");
    scene.remove(&bob).await;
    scene.minutes(15).await;
    assert_eq!(scene.items().await, 0);
}

#[tokio::test]
async fn a_history_that_comes_late_is_no_reason_to_delete() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 5, 0).await;
    let item = scene.contacts_in(&ada, "Contacts")[0].clone();
    scene.minutes(1).await;
    let right: Timestamp = scene.now();
    scene.minutes(1).await;
    // Until what it was has been kept, nobody knows it: it is no reason to delete it.
    scene.stack.contact_changes.delay(Duration::from_mins(3));
    scene.edit(&ada, &item, json!({ "jobTitle": "Wrong" }));
    scene.seconds(5).await;
    let asked = json!({ "at": right.to_string(), "plan": false, "deleteNewer": true });
    let (done, _) = scene.restore(&ada, asked.clone()).await;
    assert_eq!(done.len(), 1);
    assert_eq!(
        done[0]["problem"]["type"],
        "tag:outlook-contact-sync,2026:not-restorable"
    );
    scene.minutes(5).await;
    let (done, _) = scene.restore(&ada, asked).await;
    assert_eq!(actions(&done), counted(&[("update", 1)]));
    assert_eq!(done[0]["changed"], json!(["jobTitle"]));
    scene.minutes(5).await;
    scene.assert_at_rest(&ada).await;
}
