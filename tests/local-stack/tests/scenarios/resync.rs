//! The comparison: it finds and counts what nobody told, and costs nothing where all is well.

use std::time::Duration;

use contact_store::Expected;
use graph_sim::faults::{NoticeFault, NoticeRule};
use graph_sim::{Operation, Settings as GraphSettings};
use jiff::Timestamp;
use resync_mailboxes::Task;
use serde_json::{Value, json};
use sync_core::ids::{ChangeKey, FolderId};
use sync_engine::Settings;

use crate::scene::{Person, Scene, outlook};

/// A contact that Outlook no longer has, back in the mirror behind the sync's back.
async fn haunt(scene: &mut Scene, person: &Person) {
    let id = scene.create(person, None, json!({ "givenName": "Ghost" }));
    scene.seconds(5).await;
    let alive = scene.record(person, &id).await;
    scene.purge(person, &id);
    scene.seconds(5).await;
    let buried = Expected::Rev(scene.record(person, &id).await.rev);
    scene.stack.store.put_contact(&alive, buried).await.unwrap();
}

async fn compared(scene: &mut Scene, person: &Person) -> Value {
    scene.ask(person, "resync").await;
    scene.minutes(2).await;
    let state = scene.state(person).await;
    assert!(
        state["lastComparison"]["finishedAt"].is_string(),
        "it has not ended: {state}"
    );
    state["lastComparison"].clone()
}

#[tokio::test]
async fn drift_made_behind_the_syncs_back_is_repaired_and_counted_by_cause() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 30, 2).await;
    // What Outlook has changed within minutes is news and no drift.
    scene.minutes(10).await;
    let mirror = scene.mirror(&ada).await;
    let mut records = mirror.values();
    let mut next = || records.next().unwrap().clone();

    // Somebody has restored an old backup over the mirror, as it were: one contact is missing,
    let mut missing = next();
    missing.deleted_at = Some(scene.now());
    missing.document.clear();
    // one is of an older version,
    let mut stale = next();
    outlook(&mut stale).change_key = ChangeKey::new("old");
    stale.document.insert("jobTitle".to_owned(), json!("Drifted"));
    // one lies in another folder,
    let mut astray = next();
    let folders = scene.truth(&ada).folders.into_keys();
    let elsewhere = folders
        .into_iter()
        .find(|id| *id != astray.folder.as_str())
        .unwrap();
    astray.folder = FolderId::new(elsewhere);
    for record in [&missing, &stale, &astray] {
        let stored = Expected::Rev(record.rev);
        scene.stack.store.put_contact(record, stored).await.unwrap();
    }
    // and one is long gone.
    haunt(&mut scene, &ada).await;
    assert_eq!(scene.differences(&ada).await.len(), 4);

    let comparison = compared(&mut scene, &ada).await;
    scene.assert_equal(&ada).await;
    let causes = json!({
        "missing-in-mirror": 1, "stale-in-mirror": 1, "in-another-folder": 1, "gone-from-outlook": 1
    });
    assert_eq!(comparison["drift"], causes);
    assert_eq!(comparison["contacts"], 30);
    assert_eq!(scene.metric("DriftRepaired"), 4);
    let comparison = compared(&mut scene, &ada).await;
    assert_eq!(comparison["drift"], json!({}));
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn an_equal_mailbox_costs_the_comparison_no_write_of_a_contact() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 40, 2).await;
    let (mirror, before) = (scene.mirror(&ada).await, scene.bill());
    compared(&mut scene, &ada).await;
    assert!(mirror == scene.mirror(&ada).await);
    let spent = scene.bill_since(before);
    assert!(
        spent.writes <= 10,
        "{} writes to say that nothing differs",
        spent.writes
    );
    assert_eq!(scene.metric("DriftRepaired"), 0);
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn what_a_user_changes_while_it_is_compared_is_news_and_no_drift() {
    let mut scene = Scene::new().await;
    scene.stack.set_page_size(5);
    let ada = scene.settled("Ada", 40, 1).await;
    let ids: Vec<String> = scene.truth(&ada).contacts.into_keys().collect();
    scene.ask(&ada, "resync").await;
    let batch = scene.stack.work.poll().unwrap();
    let user = async {
        for id in &ids {
            tokio::task::yield_now().await;
            scene.edit(&ada, id, json!({ "jobTitle": "Countess" }));
        }
    };
    let (answer, ()) = tokio::join!(scene.stack.work_on(&batch), user);
    scene.stack.work.finish(batch, Ok::<_, ()>(answer));
    scene.minutes(3).await;
    scene.assert_equal(&ada).await;
    assert_eq!(scene.metric("DriftRepaired"), 0);
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn what_nobody_told_but_a_look_would_have_shown_is_no_drift() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 12, 1).await;
    scene.world().add_notice_fault(NoticeRule::new(NoticeFault::Lost));
    let ids = scene.contacts_in(&ada, "Contacts");
    scene.edit(&ada, &ids[0], json!({ "jobTitle": "Countess" }));
    scene.purge(&ada, &ids[1]);
    scene.minutes(20).await;
    assert_eq!(scene.differences(&ada).await.len(), 2);
    let comparison = compared(&mut scene, &ada).await;
    assert_eq!(comparison["drift"], json!({}));
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_comparison_that_is_longer_than_a_functions_life_goes_on_where_it_was() {
    let mut scene = Scene::new().await;
    scene.stack.set_page_size(5);
    let ada = scene.settled("Ada", 60, 2).await;
    haunt(&mut scene, &ada).await;
    scene.stack.shorten_worker(Duration::from_millis(700));
    let continued = scene.metric("Continuations");
    let before = scene.bill();
    let comparison = compared(&mut scene, &ada).await;
    assert!(
        scene.metric("Continuations") >= continued + 2,
        "it was not cut: the story has no point"
    );
    assert_eq!(comparison["drift"], json!({ "gone-from-outlook": 1 }));
    assert_eq!(comparison["contacts"], 60, "no page was compared twice");
    let asked = scene.bill_since(before).graph;
    assert!(asked <= 40, "{asked} requests for 12 pages and their cuts");
    scene.stack.shorten_worker(Duration::from_mins(2));
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn every_mailbox_is_compared_once_a_day_and_on_request_within_the_hour() {
    let settings = Settings {
        poll_every: Duration::from_hours(24),
        silent_after: Duration::from_hours(48),
        ..Settings::default()
    };
    let mut scene = Scene::with(GraphSettings::default(), settings).await;
    let mut people = Vec::new();
    for name in ["Ada", "Grace", "Hedy"] {
        people.push(scene.settled(name, 4, 0).await);
    }
    let finished = async |scene: &Scene, person: &Person| -> Option<Timestamp> {
        let state = scene.state(person).await;
        let at = state["lastComparison"]["finishedAt"].as_str()?;
        Some(at.parse().unwrap())
    };
    scene.hours(30).await;
    let mut daily = Vec::new();
    for person in &people {
        daily.push(finished(&scene, person).await.expect("a day has passed"));
    }
    let asked_at = scene.now();
    let ends_at = ambient::add(asked_at, Duration::from_mins(1));
    let answer = scene
        .stack
        .resync
        .handle(Task::CompareAll { after: None }, ends_at);
    assert_eq!(answer.await.unwrap().next, None);
    scene.minutes(65).await;
    let mut moments = Vec::new();
    for person in &people {
        let at = finished(&scene, person).await.unwrap();
        assert!(at > asked_at);
        moments.push(at);
    }
    moments.dedup();
    assert!(moments.len() > 1, "they are spread over the hour");
    assert_eq!(scene.metric("DriftRepaired"), 0);
    scene.assert_equal(&people[0]).await;
    scene.assert_quiet();
}

#[tokio::test]
async fn a_mailbox_that_drifts_is_compared_sooner_and_one_that_never_does_later() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 12, 0).await;
    let mut finished = Vec::new();
    for hour in 0..14 * 24 {
        scene.hours(1).await;
        if hour == 10 * 24 {
            haunt(&mut scene, &ada).await;
        }
        let at = scene.state(&ada).await["lastComparison"]["finishedAt"]
            .as_str()
            .map(str::to_owned);
        let at: Option<Timestamp> = at.map(|at| at.parse().unwrap());
        if at.is_some() && at.as_ref() != finished.last() {
            finished.extend(at);
        }
    }
    let waits: Vec<i64> = finished
        .windows(2)
        .map(|pair| pair[1].duration_since(pair[0]).as_hours())
        .collect();
    // Seven clean ones, then later; one that has repaired something, then sooner, and as ever.
    let later = waits.iter().position(|wait| *wait > 30).unwrap();
    let sooner = waits.iter().position(|wait| *wait < 10).unwrap();
    assert_eq!((later, later < sooner), (6, true), "{waits:?}");
    assert!(waits[sooner + 1] >= 18 && waits[sooner + 1] <= 30, "{waits:?}");
    assert_eq!(scene.metric("DriftRepaired"), 1);
}

#[tokio::test]
async fn a_comparison_asks_once_for_each_page() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 1_000, 0).await;
    let lists = |scene: &Scene| {
        scene
            .requests(&ada)
            .get(&Operation::ListContacts)
            .copied()
            .unwrap_or(0)
    };
    let (before, asked) = (scene.bill(), lists(&scene));
    let comparison = compared(&mut scene, &ada).await;
    assert_eq!(comparison["contacts"], 1_000);
    assert_eq!(lists(&scene) - asked, 5, "200 at a time");
    let all = scene.bill_since(before).graph;
    assert!(
        all <= 5 + 10,
        "{all} requests with the delta round, the folders and the token"
    );
}
