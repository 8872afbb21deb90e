//! Taken out of Deleted Items after its contact has gone on with another item: both are there, on both sides. And nobody is
//! there twice of whom an old item was only seen late.

use std::pin::pin;

use graph_sim::{Operation, Settings as GraphSettings, Warts};
use serde_json::{Value, json};
use sync_engine::Settings;

use crate::crash::live_for;
use crate::scene::{Person, Scene};

/// A contact that a person deletes while the platform edits it: it is created anew. Gives its id, the item that was deleted,
/// and the new one.
async fn created_anew(scene: &mut Scene, person: &Person, name: &str) -> (String, String, String) {
    let old = item_of(scene, person, name);
    let id = scene.record(person, &old).await.id.to_string();
    scene.delete(person, &old);
    scene.patch(person, &id, title("Admiral")).await;
    scene.minutes(3).await;
    let new = item_of(scene, person, name);
    assert_ne!(old, new, "it is not created anew: the story has no point");
    assert_eq!(scene.record(person, &new).await.id.as_str(), id);
    (id, old, new)
}

fn item_of(scene: &Scene, person: &Person, name: &str) -> String {
    scene.item_of(person, name)["id"].as_str().unwrap().to_owned()
}

fn title(text: &str) -> Value {
    json!({ "contact": { "jobTitle": text } })
}

/// The contacts' ids that the bus was told of, with what happened to them.
fn told(scene: &Scene) -> Vec<(String, String)> {
    let events = scene.stack.bus.take().into_iter();
    let of_contact = |event: &local_stack::aws::BusEvent| {
        let id = event.detail["data"]["contactId"].as_str()?.to_owned();
        Some((event.detail_type.clone(), id))
    };
    events.filter_map(|event| of_contact(&event)).collect()
}

async fn title_here(scene: &Scene, person: &Person, id: &str) -> Value {
    let (status, shown) = scene.shown(person, id).await;
    assert_eq!(status, 200, "{shown}");
    shown["contact"]["jobTitle"].clone()
}

#[tokio::test]
async fn who_is_restored_after_a_contact_was_created_anew_is_a_contact_beside_it() {
    for is_born_here in [false, true] {
        let mut scene = Scene::new().await;
        let ada = scene.settled("Ada", 3, 1).await;
        let grace = json!({ "givenName": "Zerlina", "jobTitle": "Commodore" });
        if is_born_here {
            scene.make(&ada, json!({ "contact": grace })).await;
        } else {
            scene.create(&ada, None, grace);
        }
        scene.minutes(2).await;
        let (id, old, new) = created_anew(&mut scene, &ada, "Zerlina").await;
        scene.stack.bus.take();

        scene.move_to(&ada, &old, None);
        scene.minutes(2).await;
        scene.assert_arrived(&ada).await;
        let twin = scene.record(&ada, &old).await.id.to_string();
        assert_ne!(twin, id);
        assert_eq!(scene.record(&ada, &new).await.id.as_str(), id);
        let now = [
            title_here(&scene, &ada, &id).await,
            title_here(&scene, &ada, &twin).await,
        ];
        assert_eq!(now, ["Admiral", "Commodore"]);
        assert_eq!(told(&scene), [("contact.created".to_owned(), twin.clone())]);
        scene.assert_at_rest(&ada).await;

        // Each is edited from both sides, and the other one is not touched.
        scene.edit(&ada, &old, json!({ "jobTitle": "Captain" }));
        scene.edit(&ada, &new, json!({ "jobTitle": "Admiral of the fleet" }));
        scene.minutes(2).await;
        assert_eq!(title_here(&scene, &ada, &twin).await, "Captain");
        assert_eq!(title_here(&scene, &ada, &id).await, "Admiral of the fleet");
        scene.patch(&ada, &twin, title("Lieutenant")).await;
        scene.patch(&ada, &id, title("Retired")).await;
        scene.minutes(2).await;
        assert_eq!(scene.truth(&ada).contacts[&old]["jobTitle"], "Lieutenant");
        assert_eq!(scene.truth(&ada).contacts[&new]["jobTitle"], "Retired");
        scene.assert_at_rest(&ada).await;

        // Each is deleted on one side, and comes back as who it was.
        scene.delete(&ada, &old);
        scene.minutes(2).await;
        assert_eq!(scene.shown(&ada, &twin).await.0, 404);
        scene.assert_arrived(&ada).await;
        scene.move_to(&ada, &old, None);
        scene.erase(&ada, &id).await;
        scene.minutes(2).await;
        assert_eq!(item_of(&scene, &ada, "Zerlina"), old);
        assert_eq!(title_here(&scene, &ada, &twin).await, "Lieutenant");
        assert_eq!(scene.shown(&ada, &id).await.0, 404);
        scene.move_to(&ada, &new, None);
        scene.erase(&ada, &twin).await;
        scene.minutes(2).await;
        assert_eq!(item_of(&scene, &ada, "Zerlina"), new);
        assert_eq!(title_here(&scene, &ada, &id).await, "Retired");
        assert_eq!(scene.shown(&ada, &twin).await.0, 404);
        scene.assert_at_rest(&ada).await;
    }
}

#[tokio::test]
async fn a_twin_moves_and_is_created_anew_like_anybody_and_may_have_a_twin_of_its_own() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 3, 2).await;
    let suppliers = scene.folder_id(&ada, "Contacts/Suppliers");
    scene.create(&ada, None, json!({ "givenName": "Zerlina" }));
    scene.minutes(2).await;
    let (id, old, new) = created_anew(&mut scene, &ada, "Zerlina").await;
    scene.move_to(&ada, &old, None);
    scene.minutes(2).await;
    let twin = scene.record(&ada, &old).await.id.to_string();

    // It is deleted in Outlook while it is edited here, and restored when it has been created anew.
    scene.delete(&ada, &old);
    scene.patch(&ada, &twin, title("Captain")).await;
    scene.minutes(3).await;
    scene.assert_arrived(&ada).await;
    let records = scene.records(&ada).await;
    let anew = records[&twin].outlook.clone().unwrap().id.to_string();
    assert!(anew != old && anew != new);
    scene.move_to(&ada, &old, None);
    scene.minutes(2).await;
    scene.assert_arrived(&ada).await;
    let third = scene.record(&ada, &old).await.id.to_string();
    assert!(third != twin && third != id);
    assert_eq!(scene.record(&ada, &anew).await.id.as_str(), twin);
    scene.assert_at_rest(&ada).await;

    // Moves of all three leave nothing behind.
    for id in [&id, &twin, &third] {
        scene.patch(&ada, id, json!({ "folder": suppliers })).await;
    }
    scene.minutes(3).await;
    scene.assert_arrived(&ada).await;
    let there = scene.in_outlook(&ada, "givenName");
    assert_eq!(there.iter().filter(|name| *name == "Zerlina").count(), 3);
    for id in [&id, &twin, &third] {
        scene.erase(&ada, id).await;
    }
    scene.minutes(3).await;
    assert!(
        !scene
            .in_outlook(&ada, "givenName")
            .contains(&"Zerlina".to_owned())
    );
    scene.assert_at_rest(&ada).await;
}

/// Its own tombstone leads to its twin for as long as there may be one.
#[tokio::test]
async fn a_twin_is_not_doubled_when_the_tombstone_beside_it_would_be_gone() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 3, 1).await;
    scene.create(&ada, None, json!({ "givenName": "Zerlina" }));
    scene.minutes(2).await;
    let (id, old, _) = created_anew(&mut scene, &ada, "Zerlina").await;
    scene.move_to(&ada, &old, None);
    scene.minutes(2).await;
    scene.erase(&ada, &id).await;
    scene.minutes(2).await;
    let expires = scene.ttl_of(&ada, &id).await;
    assert_eq!(expires, None, "the tombstone would go, and its twin be doubled");
    scene.edit(&ada, &old, json!({ "jobTitle": "Captain" }));
    scene.minutes(2).await;
    assert_eq!(item_of(&scene, &ada, "Zerlina"), old);
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn nobody_is_doubled_who_is_created_anew_while_another_worker_looks_at_the_old_item() {
    nobody_is_doubled_by_a_late_worker(async |scene, ada, old, id| {
        scene.delete(ada, old);
        scene.patch(ada, id, title("Admiral")).await;
    })
    .await;
}

#[tokio::test]
async fn nobody_is_doubled_who_is_moved_while_another_worker_looks_at_the_old_item() {
    nobody_is_doubled_by_a_late_worker(async |scene, ada, _, id| {
        let suppliers = scene.folder_id(ada, "Contacts/Suppliers");
        scene.patch(ada, id, json!({ "folder": suppliers })).await;
    })
    .await;
}

/// Two workers believe to have the mailbox for themselves. One reads an item that delta shows late, and the other one has its
/// contact go on with another item meanwhile, at whichever step of the first.
async fn nobody_is_doubled_by_a_late_worker(goes_on: impl AsyncFn(&Scene, &Person, &str, &str)) {
    let graph = GraphSettings {
        warts: Warts {
            lag_ms: 20_000,
            ..Warts::default()
        },
        ..GraphSettings::default()
    };
    let mut scene = Scene::with(graph, Settings::default()).await;
    let ada = scene.settled("Ada", 3, 2).await;
    let (mut steps, mut ended, mut looked_late) = (1, false, 0);
    while !ended {
        let name = format!("Zerlina {steps}");
        scene.create(&ada, None, json!({ "givenName": name }));
        scene.minutes(2).await;
        let old = item_of(&scene, &ada, &name);
        let id = scene.record(&ada, &old).await.id.to_string();
        scene.stack.bus.take();
        // The comparison reads it by its id.
        scene.edit(&ada, &old, json!({ "department": "Navy" }));
        scene.ask(&ada, "resync").await;
        let first = scene.stack.work.poll().unwrap();
        let answer = {
            let mut late = pin!(scene.stack.work_on(&first));
            let answer = live_for(steps, late.as_mut()).await;
            ended = answer.is_some();
            goes_on(&scene, &ada, &old, &id).await;
            scene.deliver_changes().await;
            scene.stack.work.lapse();
            let second = scene.stack.work.poll().unwrap();
            let done = scene.stack.work_on(&second).await;
            scene.stack.work.finish(second, Ok::<_, ()>(done));
            assert_ne!(item_of(&scene, &ada, &name), old, "step {steps}");
            let looks = scene.asked(Operation::GetContact);
            let answer = match answer {
                Some(answer) => answer,
                None => late.await,
            };
            looked_late += usize::from(scene.asked(Operation::GetContact) > looks);
            answer
        };
        scene.stack.work.finish(first, Ok::<_, ()>(answer));
        scene.minutes(10).await;
        drop(item_of(&scene, &ada, &name));
        scene.assert_arrived(&ada).await;
        // Not even for a while.
        let told = told(&scene);
        assert!(
            told.iter().all(|(_, whose)| *whose == id),
            "step {steps}: {told:?}"
        );
        steps += 1;
    }
    assert!(
        looked_late > 3,
        "{looked_late} late looks: the story has no point"
    );
    scene.assert_at_rest(&ada).await;
}
