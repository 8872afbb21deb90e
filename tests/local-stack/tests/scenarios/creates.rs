//! One create: whatever happens to the request, its answer or the worker, Outlook has each contact of the platform once.

use graph_client::ContactWrite;
use graph_sim::faults::{Fault, Rule};
use graph_sim::{Edit, Operation};
use serde_json::{Value, json};

use crate::crash::work_for;
use crate::scene::{Person, Scene};

/// Until a worker that has died is succeeded by another one, and a create in doubt is decided.
const DECIDED_WITHIN: u64 = 15;

fn form(name: &str) -> Value {
    json!({ "externalId": name, "contact": { "givenName": name, "jobTitle": "Countess" } })
}

/// Makes contacts with these names.
async fn make(scene: &Scene, person: &Person, names: &[String]) {
    for name in names {
        scene.make(person, form(name)).await;
    }
}

/// Each of the names is in Outlook once, beside those that were there before.
fn assert_once(scene: &Scene, person: &Person, before: &[String], names: &[String], when: &str) {
    let mut expected = [before, names].concat();
    expected.sort();
    assert_eq!(scene.in_outlook(person, "givenName"), expected, "{when}");
}

fn three(tag: &str) -> Vec<String> {
    ["Ada", "Grace", "Mary"]
        .map(|name| format!("{name} {tag}"))
        .to_vec()
}

#[tokio::test]
async fn a_create_is_carried_out_once_whatever_becomes_of_its_answer() {
    let faults = [
        Fault::GatewayTimeout { committed: true },
        Fault::GatewayTimeout { committed: false },
        Fault::Reset { committed: true },
        Fault::Reset { committed: false },
        Fault::Hang { committed: true },
        Fault::Hang { committed: false },
        Fault::Unavailable { retry_after: Some(2) },
        Fault::Unavailable { retry_after: None },
        Fault::Throttled {
            retry_after: Some(90),
        },
        Fault::Truncated,
        Fault::Error {
            status: 500,
            code: "ErrorInternalServerError".to_owned(),
            committed: true,
        },
        Fault::Error {
            status: 500,
            code: "ErrorInternalServerError".to_owned(),
            committed: false,
        },
    ];
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 3, 1).await;
    let mut known = scene.in_outlook(&ada, "givenName");
    // The whole batch, the first of its items, or each of them.
    for (operation, times) in [
        (Operation::Batch, 1),
        (Operation::CreateContact, 1),
        (Operation::CreateContact, 3),
    ] {
        for fault in &faults {
            let when = format!("{operation:?} {times} {fault:?}");
            let names = three(&when);
            make(&scene, &ada, &names).await;
            let rule = Rule::new(fault.clone()).on(operation).times(times);
            scene.world().add_fault(rule);
            scene.minutes(DECIDED_WITHIN).await;
            scene.world().clear_faults();
            assert_once(&scene, &ada, &known, &names, &when);
            scene.assert_arrived(&ada).await;
            known.extend(names);
        }
    }
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_create_is_carried_out_once_wherever_the_worker_died() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 3, 0).await;
    let mut known = scene.in_outlook(&ada, "givenName");
    let (mut steps, mut ended) = (1, false);
    let mut in_doubt = 0;
    while !ended {
        let when = format!("died at step {steps}");
        let names = three(&when);
        make(&scene, &ada, &names).await;
        scene.deliver_changes().await;
        ended = work_for(&scene, steps).await;
        let there = scene.truth(&ada).contacts.len() - known.len();
        in_doubt += u32::from(there > 0 && !ended);
        match steps % 3 {
            // The next round is a full one.
            0 => drop(scene.world().forget_sync_states(&ada.key, None)),
            1 => scene.stack.work.deliver_again(1),
            _ => {}
        }
        scene.minutes(DECIDED_WITHIN).await;
        assert_once(&scene, &ada, &known, &names, &when);
        scene.assert_arrived(&ada).await;
        known.extend(names);
        steps += 1;
    }
    println!("{steps} deaths, {in_doubt} of them with a create in doubt");
    assert!(
        steps > 8 && in_doubt > 3,
        "{steps} deaths: the story has no point"
    );
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn what_is_done_to_a_contact_after_the_worker_died_on_its_create_comes_to_it() {
    for deletes in [true, false] {
        let mut scene = Scene::new().await;
        let ada = scene.settled("Ada", 3, 0).await;
        let known = scene.in_outlook(&ada, "givenName");
        let (mut steps, mut ended) = (1, false);
        while !ended {
            let when = format!("died at step {steps}, deletes: {deletes}");
            let id = scene.make(&ada, form(&when)).await;
            scene.deliver_changes().await;
            ended = work_for(&scene, steps).await;
            if deletes {
                scene.erase(&ada, &id).await;
            } else {
                let patch = json!({ "contact": { "jobTitle": "Admiral", "emailAddresses": [{ "address": "a@x.example" }] } });
                scene.patch(&ada, &id, patch).await;
            }
            scene.minutes(DECIDED_WITHIN).await;
            if !deletes {
                assert_once(&scene, &ada, &known, std::slice::from_ref(&when), &when);
                let item = scene.item_of(&ada, &when);
                assert_eq!(item["jobTitle"], "Admiral", "{when}");
                assert_eq!(item["emailAddresses"].as_array().unwrap().len(), 1, "{when}");
                assert_eq!(scene.conflicts(&ada).await, Vec::<Value>::new(), "{when}");
                scene.erase(&ada, &id).await;
                scene.minutes(2).await;
            }
            assert_once(&scene, &ada, &known, &[], &when);
            scene.assert_arrived(&ada).await;
            steps += 1;
        }
        assert!(steps > 8, "{steps} deaths: the story has no point");
        scene.assert_at_rest(&ada).await;
    }
}

/// Outlook's times are whole seconds: an item that was changed in the second of its creation looks as it was created.
#[tokio::test]
async fn who_changes_an_item_in_the_second_of_its_creation_is_heard_wherever_the_worker_died() {
    for platform_too in [false, true] {
        let mut scene = Scene::new().await;
        let ada = scene.settled("Ada", 3, 0).await;
        let (mut steps, mut ended, mut met) = (1, false, 0);
        while !ended {
            let when = format!("died at step {steps}, platform too: {platform_too}");
            let id = scene.make(&ada, form(&when)).await;
            scene.deliver_changes().await;
            ended = work_for(&scene, steps).await;
            if platform_too {
                let patch = json!({ "contact": { "jobTitle": "Admiral" } });
                scene.patch(&ada, &id, patch).await;
            }
            let logged = scene.conflicts(&ada).await.len();
            let is_there = scene.in_outlook(&ada, "givenName").contains(&when);
            if is_there {
                met += 1;
                let item = scene.item_of(&ada, &when);
                let item = item["id"].as_str().unwrap().to_owned();
                scene.edit(&ada, &item, json!({ "jobTitle": "Mathematician" }));
            }
            scene.minutes(DECIDED_WITHIN).await;
            let title = scene.item_of(&ada, &when)["jobTitle"].clone();
            let conflicts = scene.conflicts(&ada).await;
            match (is_there, platform_too) {
                (true, true) => {
                    assert_eq!(conflicts.len(), logged + 1, "{when}");
                    let of_it = conflicts.iter().find(|conflict| conflict["contact"] == *id);
                    let text = of_it.unwrap().to_string();
                    assert!(
                        text.contains("Mathematician") && text.contains("Admiral"),
                        "{when}: {text}"
                    );
                }
                (true, false) => assert_eq!(title, "Mathematician", "{when}"),
                (false, true) => assert_eq!(title, "Admiral", "{when}"),
                (false, false) => assert_eq!(title, "Countess", "{when}"),
            }
            scene.assert_arrived(&ada).await;
            steps += 1;
        }
        assert!(met > 3, "{met} met: the story has no point");
        scene.assert_at_rest(&ada).await;
    }
}

#[tokio::test]
async fn a_contact_that_is_moved_after_the_worker_died_on_its_create_is_found_where_it_was() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 3, 2).await;
    let known = scene.in_outlook(&ada, "givenName");
    let folders = [
        scene.folder_id(&ada, "Contacts"),
        scene.folder_id(&ada, "Contacts/Suppliers"),
        scene.create_folder(&ada, None, "Customers"),
    ];
    scene.minutes(75).await;
    let (mut steps, mut ended) = (1, false);
    while !ended {
        // Made and moved at once, or made, at rest, moved and moved again.
        for moves in [1, 2] {
            let when = format!("died at step {steps}, moves: {moves}");
            let id = scene.make(&ada, form(&when)).await;
            for folder in &folders[1..moves] {
                scene.minutes(2).await;
                scene.patch(&ada, &id, json!({ "folder": folder })).await;
            }
            scene.deliver_changes().await;
            ended = work_for(&scene, steps).await;
            let target = &folders[moves];
            scene.patch(&ada, &id, json!({ "folder": target })).await;
            if steps % 2 == 0 {
                scene.world().forget_sync_states(&ada.key, None);
            }
            scene.minutes(DECIDED_WITHIN).await;
            assert_once(&scene, &ada, &known, std::slice::from_ref(&when), &when);
            assert_eq!(scene.item_of(&ada, &when)["parentFolderId"], *target, "{when}");
            scene.assert_arrived(&ada).await;
            assert_eq!(scene.conflicts(&ada).await, Vec::<Value>::new(), "{when}");
            scene.erase(&ada, &id).await;
            scene.minutes(2).await;
        }
        steps += 1;
    }
    assert!(steps > 8, "{steps} deaths: the story has no point");
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_create_that_comes_to_pass_after_its_answer_is_found() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 3, 0).await;
    let known = scene.in_outlook(&ada, "givenName");
    let rule = Rule::new(Fault::GatewayTimeout { committed: false })
        .on(Operation::CreateContact)
        .times(1);
    scene.world().add_fault(rule);
    let id = scene.make(&ada, form("Ada")).await;
    scene.seconds(40).await;
    assert_once(&scene, &ada, &known, &[], "its create was lost");
    // Only now does Graph carry out what it was asked for.
    let create = ContactWrite::Create {
        folder: Some(scene.folder_id(&ada, "Contacts")),
        members: json!({ "givenName": "Ada", "jobTitle": "Countess" })
            .as_object()
            .unwrap()
            .clone(),
        stamp: id.clone(),
    };
    let graph = scene.stack.worker.engine.graph.clone();
    let written = graph
        .mailbox(&ada.key.tenant, &ada.key.user)
        .write_contacts(&[create])
        .await;
    assert!(written[0].is_ok());
    scene.minutes(DECIDED_WITHIN).await;
    assert_once(&scene, &ada, &known, &["Ada".to_owned()], "it came to pass late");
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn two_workers_at_once_create_nobody_twice() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 3, 0).await;
    let mut known = scene.in_outlook(&ada, "givenName");
    for round in 0..24 {
        let when = format!("round {round}");
        let names = three(&when);
        make(&scene, &ada, &names).await;
        scene.deliver_changes().await;
        let first = scene.stack.work.poll().unwrap();
        scene.stack.work.lapse();
        let second = scene.stack.work.poll().unwrap();
        let late = async {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            scene.stack.work_on(&second).await
        };
        let (answer, late) = tokio::join!(scene.stack.work_on(&first), late);
        scene.stack.work.finish(first, Ok::<_, ()>(answer));
        scene.stack.work.finish(second, Ok::<_, ()>(late));
        scene.minutes(DECIDED_WITHIN).await;
        assert_once(&scene, &ada, &known, &names, &when);
        scene.assert_arrived(&ada).await;
        known.extend(names);
    }
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_move_in_doubt_leaves_nobody_twice_whoever_wants_the_contact_deleted_or_not() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 3, 2).await;
    let known = scene.in_outlook(&ada, "givenName");
    let target = scene.folder_id(&ada, "Contacts/Suppliers");
    let (mut steps, mut ended, mut kept) = (1, false, 0);
    while !ended {
        let when = format!("died at step {steps}");
        let id = scene.make(&ada, form("Hopper")).await;
        scene.minutes(2).await;
        let before = scene.item_of(&ada, "Hopper");
        let old = before["id"].as_str().unwrap();
        scene.patch(&ada, &id, json!({ "folder": target })).await;
        scene.deliver_changes().await;
        ended = work_for(&scene, steps).await;
        scene.stack.ambient.advance(std::time::Duration::from_secs(2));
        let title = format!("Title {steps}");
        let is_there = scene.truth(&ada).contacts.contains_key(old);
        if is_there {
            scene.edit(&ada, old, json!({ "jobTitle": title }));
        }
        scene.erase(&ada, &id).await;
        scene.minutes(DECIDED_WITHIN).await;
        let names = scene.in_outlook(&ada, "givenName");
        if names.len() > known.len() {
            assert_once(&scene, &ada, &known, &["Hopper".to_owned()], &when);
            kept += 1;
            assert_eq!(scene.item_of(&ada, "Hopper")["jobTitle"], title, "{when}");
            scene.assert_arrived(&ada).await;
            scene.erase(&ada, &id).await;
            scene.minutes(DECIDED_WITHIN).await;
        } else if is_there {
            let is_in_log =
                scene.conflicts(&ada).await.iter().any(|conflict| {
                    conflict["contact"] == json!(id) && conflict.to_string().contains(&title)
                });
            assert!(is_in_log, "{when}: the change is lost");
        }
        assert_once(&scene, &ada, &known, &[], &when);
        assert_eq!(scene.shown(&ada, &id).await.0, 404, "{when}");
        steps += 1;
    }
    println!("{steps} deaths, {kept} times kept");
    assert!(kept > 3, "{kept} kept: the story has no point");
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_move_keeps_the_contact_and_every_change_of_it_wherever_the_worker_died() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 3, 2).await;
    let known = scene.in_outlook(&ada, "givenName");
    let folders = [
        scene.folder_id(&ada, "Contacts"),
        scene.folder_id(&ada, "Contacts/Suppliers"),
    ];
    let id = scene.make(&ada, form("Hopper")).await;
    scene.minutes(2).await;
    let (mut steps, mut ended) = (1, false);
    let (mut merged, mut logged) = (0, 0);
    while !ended {
        let when = format!("died at step {steps}");
        let old = scene.records(&ada).await[&id]
            .outlook
            .clone()
            .unwrap()
            .id
            .to_string();
        let target = &folders[steps % 2];
        scene.patch(&ada, &id, json!({ "folder": target })).await;
        scene.deliver_changes().await;
        ended = work_for(&scene, steps).await;
        scene.stack.ambient.advance(std::time::Duration::from_secs(2));
        let is_there = scene.truth(&ada).contacts.contains_key(&old);
        let title = format!("Title {steps}");
        if is_there {
            scene.edit(&ada, &old, json!({ "jobTitle": title }));
        }
        if steps % 3 == 0 {
            scene.world().forget_sync_states(&ada.key, None);
        }
        scene.minutes(DECIDED_WITHIN).await;
        assert_once(&scene, &ada, &known, &["Hopper".to_owned()], &when);
        let item = scene.item_of(&ada, "Hopper");
        assert_eq!(item["parentFolderId"], *target, "{when}");
        let (status, shown) = scene.shown(&ada, &id).await;
        assert_eq!(
            (status, &shown["folder"]),
            (200, &json!(target)),
            "{when}: {shown}"
        );
        if is_there {
            let in_log = scene.conflicts(&ada).await.iter().any(|conflict| {
                conflict["contact"] == json!(id)
                    && conflict["clashes"][0]["outlook"]["jobTitle"] == json!(title)
            });
            assert!(
                in_log || item["jobTitle"] == json!(title),
                "{when}: the change is lost"
            );
            (merged, logged) = (merged + u32::from(!in_log), logged + u32::from(in_log));
        }
        scene.assert_arrived(&ada).await;
        steps += 1;
    }
    println!("{steps} deaths, {merged} changes merged, {logged} in the log");
    assert!(merged > 3 && logged > 3, "{steps} deaths: the story has no point");
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn what_a_person_does_at_once_with_the_new_item_of_a_move_holds_wherever_the_worker_died() {
    for moves_back in [false, true] {
        let mut scene = Scene::new().await;
        let ada = scene.settled("Ada", 3, 2).await;
        let known = scene.in_outlook(&ada, "givenName");
        let folders = [
            scene.folder_id(&ada, "Contacts"),
            scene.folder_id(&ada, "Contacts/Suppliers"),
        ];
        let id = scene.make(&ada, form("Hopper")).await;
        scene.minutes(2).await;
        let (mut steps, mut ended, mut met) = (1, false, 0);
        while !ended {
            let when = format!("died at step {steps}, moves back: {moves_back}");
            let before = scene.item_of(&ada, "Hopper");
            let source = before["parentFolderId"].as_str().unwrap();
            let target = folders.iter().find(|it| *it != source).unwrap();
            let change = json!({ "folder": target, "contact": { "jobTitle": format!("Admiral {steps}") } });
            scene.patch(&ada, &id, change).await;
            scene.deliver_changes().await;
            ended = work_for(&scene, steps).await;
            let title = format!("Title {steps}");
            let contacts = scene.truth(&ada).contacts;
            let new = contacts.iter().find(|(new, contact)| {
                *new != before["id"].as_str().unwrap() && contact["givenName"] == "Hopper"
            });
            if let Some((new, _)) = new {
                met += 1;
                if moves_back {
                    scene.move_to(&ada, new, Some(source));
                } else {
                    scene.edit(&ada, new, json!({ "jobTitle": title }));
                }
            }
            scene.minutes(DECIDED_WITHIN).await;
            assert_once(&scene, &ada, &known, &["Hopper".to_owned()], &when);
            if new.is_some() && !moves_back {
                assert_eq!(scene.item_of(&ada, "Hopper")["jobTitle"], title, "{when}");
            }
            scene.assert_arrived(&ada).await;
            steps += 1;
        }
        assert!(met > 3, "{met} met: the story has no point");
        scene.assert_at_rest(&ada).await;
    }
}

#[tokio::test]
async fn the_first_contact_of_an_empty_mailbox_finds_its_folder_wherever_the_worker_died() {
    let mut scene = Scene::new().await;
    let mut settled = 0;
    // After the first sync, and before it: an empty mailbox hides its default folder all the while.
    for is_live in [true, false] {
        let (mut steps, mut ended) = (1, false);
        while !ended {
            let when = format!("died at step {steps}, live: {is_live}");
            let key = scene.user(&format!("Ada{steps}{is_live}"), 0, 0);
            let ada = scene.enrol(&key).await;
            if is_live {
                scene.minutes(3).await;
                scene.assert_phase(&ada, "live").await;
            }
            let id = scene.make(&ada, form(&when)).await;
            let other = scene.make(&ada, form("Grace")).await;
            scene.deliver_changes().await;
            ended = work_for(&scene, steps).await;
            scene
                .patch(&ada, &other, json!({ "contact": { "jobTitle": "Admiral" } }))
                .await;
            scene.minutes(DECIDED_WITHIN).await;
            assert_once(&scene, &ada, &[], &["Grace".to_owned(), when.clone()], &when);
            assert_eq!(scene.item_of(&ada, "Grace")["jobTitle"], "Admiral", "{when}");
            let folder = scene.folder_id(&ada, "Contacts");
            assert_eq!(scene.shown(&ada, &id).await.1["folder"], folder, "{when}");
            assert_eq!(scene.conflicts(&ada).await, Vec::<Value>::new(), "{when}");
            scene.assert_arrived(&ada).await;
            if ended {
                scene.assert_at_rest(&ada).await;
                settled += 1;
            }
            steps += 1 + steps / 4;
        }
        assert!(steps > 8, "{steps} deaths: the story has no point");
    }
    assert_eq!(settled, 2);
}

#[tokio::test]
async fn the_first_contact_of_an_empty_mailbox_is_deleted_before_its_folder_is_noted() {
    let mut scene = Scene::new().await;
    let key = scene.user("Ada", 0, 0);
    let ada = scene.enrol(&key).await;
    scene.minutes(3).await;
    scene.make(&ada, form("Ada")).await;
    scene.deliver_changes().await;
    // What shows the default folder fails as soon as there is somebody in it.
    let fault = Fault::Error {
        status: 500,
        code: "ErrorInternalServerError".to_owned(),
        committed: false,
    };
    let rule = Rule::new(fault).on(Operation::ListContacts).after(1).times(1);
    scene.world().add_fault(rule);
    assert!(work_for(&scene, 1_000).await);
    assert_eq!(scene.in_outlook(&ada, "givenName"), ["Ada"]);
    assert!(
        scene.synced_folders(&ada).await.is_empty(),
        "the story has no point"
    );
    let id = scene.item_of(&ada, "Ada")["id"].as_str().unwrap().to_owned();
    let edit = Edit::DeleteContact { id, purge: true };
    let now = scene.stack.ambient.now();
    scene.world().edit(&key, edit, now).unwrap();
    scene.hours(2).await;
    scene.assert_equal(&ada).await;
    scene.assert_at_rest(&ada).await;
}
