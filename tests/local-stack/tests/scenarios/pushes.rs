//! Edits on their way to Outlook: what each of them costs, and what comes in between.

use graph_sim::Operation;
use graph_sim::faults::{Fault, Rule};
use serde_json::{Value, json};

use crate::crash::work_for;
use crate::platform::Spent;
use crate::scene::{Person, Scene};

/// Time for an edit, its echo, and the look after it.
const SETTLED_WITHIN: u64 = 4;

async fn id_of(scene: &Scene, person: &Person, outlook_id: &str) -> String {
    scene.record(person, outlook_id).await.id.to_string()
}

/// The first contact of the default folder: its id in Outlook, and here.
async fn first_of(scene: &Scene, person: &Person) -> (String, String) {
    let item = scene.contacts_in(person, "Contacts")[0].clone();
    let id = id_of(scene, person, &item).await;
    (item, id)
}

fn title(text: &str) -> Value {
    json!({ "contact": { "jobTitle": text } })
}

#[tokio::test]
async fn an_edit_costs_one_write_on_the_other_side_and_its_echo_nothing() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 2).await;
    let (item, id) = first_of(&scene, &ada).await;
    let suppliers = scene.folder_id(&ada, "Contacts/Suppliers");
    // The edit itself, and its confirmation.
    let saved = Spent {
        graph_writes: 1,
        revs: 2,
        versions: 1,
        events: 1,
    };

    let before = scene.spent(&ada).await;
    scene.patch(&ada, &id, title("Countess")).await;
    scene.minutes(SETTLED_WITHIN).await;
    assert_eq!(scene.truth(&ada).contacts[&item]["jobTitle"], "Countess");
    assert_eq!(scene.spent_since(&ada, before).await, saved, "an edit here");

    let before = scene.spent(&ada).await;
    let grace = scene
        .make(
            &ada,
            json!({ "contact": { "givenName": "Grace", "displayName": "Grace" } }),
        )
        .await;
    scene.minutes(SETTLED_WITHIN).await;
    assert_eq!(
        scene.spent_since(&ada, before).await.graph_writes,
        1,
        "a create here"
    );
    assert_eq!(scene.spent_since(&ada, before).await.revs, 2, "a create here");
    println!("a create: {:?}", scene.spent_since(&ada, before).await);

    // A move is a create and a delete; and to forget the old item.
    let before = scene.spent(&ada).await;
    scene.patch(&ada, &grace, json!({ "folder": suppliers })).await;
    scene.minutes(SETTLED_WITHIN).await;
    let moved = Spent {
        graph_writes: 2,
        revs: 3,
        ..saved
    };
    assert_eq!(scene.spent_since(&ada, before).await, moved, "a move here");

    let before = scene.spent(&ada).await;
    scene.erase(&ada, &grace).await;
    scene.minutes(SETTLED_WITHIN).await;
    assert_eq!(scene.spent_since(&ada, before).await, saved, "a delete here");

    let before = scene.spent(&ada).await;
    scene.edit(&ada, &item, json!({ "jobTitle": "Admiral" }));
    scene.minutes(SETTLED_WITHIN).await;
    let heard = Spent {
        graph_writes: 0,
        revs: 1,
        ..saved
    };
    assert_eq!(scene.spent_since(&ada, before).await, heard, "an edit in Outlook");

    // What Outlook can't hold stays here, and costs nobody anything.
    let before = scene.spent(&ada).await;
    let phones = json!({ "contact": { "businessPhones": ["1", "2", "3"] } });
    scene.patch(&ada, &id, phones).await;
    scene.minutes(SETTLED_WITHIN).await;
    let first = scene.spent_since(&ada, before).await;
    let before = scene.spent(&ada).await;
    let phones = json!({ "contact": { "businessPhones": ["1", "2", "4"] } });
    scene.patch(&ada, &id, phones).await;
    scene.minutes(SETTLED_WITHIN).await;
    println!(
        "with phones for Outlook: {first:?}; without: {:?}",
        scene.spent_since(&ada, before).await
    );
    assert_eq!(scene.spent_since(&ada, before).await.graph_writes, 0);
    assert_eq!(
        scene.shown(&ada, &id).await.1["contact"]["businessPhones"],
        json!(["1", "2", "4"])
    );
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn what_is_edited_while_a_push_is_under_way_is_pushed_after_it() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 1).await;
    let (item, id) = first_of(&scene, &ada).await;
    let (mut steps, mut ended) = (1, false);
    while !ended {
        let when = format!("edited at step {steps}");
        scene.patch(&ada, &id, title(&when)).await;
        scene.deliver_changes().await;
        // The worker has been so far with the first edit when the second one is made; then it goes on.
        let Some(batch) = scene.stack.work.poll() else {
            panic!("{when}: no message");
        };
        let (answer, lived) = {
            let mut work = std::pin::pin!(scene.stack.work_on(&batch));
            let first = crate::crash::live_for(steps, work.as_mut()).await;
            let lived = first.is_some();
            let patch = json!({ "contact": { "jobTitle": format!("{when}, again"), "department": when } });
            scene.patch(&ada, &id, patch).await;
            let answer = match first {
                Some(answer) => answer,
                None => work.await,
            };
            (answer, lived)
        };
        ended = lived;
        scene.stack.work.finish(batch, Ok::<_, ()>(answer));
        scene.minutes(3).await;
        let now = &scene.truth(&ada).contacts[&item];
        assert_eq!(now["jobTitle"], format!("{when}, again"));
        assert_eq!(now["department"], when);
        scene.assert_arrived(&ada).await;
        assert_eq!(scene.conflicts(&ada).await, Vec::<Value>::new(), "{when}");
        steps += 1;
    }
    assert!(steps > 6, "{steps} steps: the story has no point");
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn an_update_and_a_delete_are_carried_out_wherever_the_worker_died() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 120, 1).await;
    let (mut steps, mut ended) = (1, false);
    while !ended {
        let when = format!("died at step {steps}");
        let items = scene.contacts_in(&ada, "Contacts");
        let edited = id_of(&scene, &ada, &items[0]).await;
        let deleted = id_of(&scene, &ada, &items[1]).await;
        scene.patch(&ada, &edited, title(&when)).await;
        scene.erase(&ada, &deleted).await;
        scene.deliver_changes().await;
        ended = work_for(&scene, steps).await;
        // Meanwhile somebody edits the same contact in Outlook, elsewhere.
        scene.edit(&ada, &items[0], json!({ "department": when }));
        scene.minutes(10).await;
        let truth = scene.truth(&ada).contacts;
        assert_eq!(
            (&truth[&items[0]]["jobTitle"], &truth[&items[0]]["department"]),
            (&json!(when), &json!(when))
        );
        assert!(!truth.contains_key(&items[1]), "{when}");
        scene.assert_arrived(&ada).await;
        assert_eq!(scene.conflicts(&ada).await, Vec::<Value>::new(), "{when}");
        steps += 1;
    }
    assert!(steps > 6, "{steps} deaths: the story has no point");
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn an_edit_of_a_contact_that_outlook_has_deleted_meanwhile_goes_by_the_policy() {
    for (policy, lives) in [("editWins", true), ("deleteWins", false), ("byPolicy", false)] {
        for purges in [true, false] {
            let mut scene = Scene::new().await;
            let ada = scene.settled("Ada", 4, 0).await;
            scene.rule(&ada, json!({ "deletionPolicy": policy })).await;
            let (item, id) = first_of(&scene, &ada).await;
            let count = scene.truth(&ada).contacts.len();
            if purges {
                scene.purge(&ada, &item);
            } else {
                scene.delete(&ada, &item);
            }
            scene.patch(&ada, &id, title("Countess")).await;
            scene.minutes(SETTLED_WITHIN).await;
            let now = scene.truth(&ada).contacts.len();
            assert_eq!(now, if lives { count } else { count - 1 }, "{policy}");
            let (status, shown) = scene.shown(&ada, &id).await;
            if lives {
                assert_eq!((status, &shown["contact"]["jobTitle"]), (200, &json!("Countess")));
            } else {
                assert_eq!(status, 404, "{shown}");
            }
            let log = scene.conflicts(&ada).await;
            assert_eq!(log.len(), 1, "{policy}: {log:?}");
            assert_eq!(log[0]["clashes"][0]["platform"]["jobTitle"], "Countess");
            scene.assert_at_rest(&ada).await;
        }
    }
}

#[tokio::test]
async fn an_edit_whose_message_is_lost_arrives_with_the_poll() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 4, 0).await;
    let (item, id) = first_of(&scene, &ada).await;
    scene.patch(&ada, &id, title("Countess")).await;
    scene
        .make(&ada, json!({ "contact": { "givenName": "Grace" } }))
        .await;
    // The stream's records go nowhere.
    let batch = scene.stack.contact_changes.poll().unwrap().unwrap();
    let answer = aws_lambda_events::event::streams::DynamoDbEventResponse::default();
    scene.stack.contact_changes.finish(batch, Ok::<_, ()>(answer));
    scene.minutes(1).await;
    assert_eq!(scene.waits(&ada).await, 2);
    scene.minutes(80).await;
    assert_eq!(scene.truth(&ada).contacts[&item]["jobTitle"], "Countess");
    assert!(scene.in_outlook(&ada, "givenName").contains(&"Grace".to_owned()));
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn edits_wait_while_a_mailbox_is_paused_and_go_with_one_that_is_removed() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 4, 0).await;
    let (item, id) = first_of(&scene, &ada).await;
    scene.ask(&ada, "pause").await;
    let writes = scene.graph_writes();
    scene.patch(&ada, &id, title("Countess")).await;
    scene
        .make(&ada, json!({ "contact": { "givenName": "Grace" } }))
        .await;
    scene.edit(&ada, &item, json!({ "department": "Engines" }));
    scene.minutes(120).await;
    assert_eq!((scene.graph_writes(), scene.waits(&ada).await), (writes, 2));
    scene.ask(&ada, "resume").await;
    scene.minutes(SETTLED_WITHIN).await;
    let now = scene.truth(&ada).contacts[&item].clone();
    assert_eq!(
        (&now["jobTitle"], &now["department"]),
        (&json!("Countess"), &json!("Engines"))
    );
    scene.assert_at_rest(&ada).await;

    scene.ask(&ada, "pause").await;
    scene.patch(&ada, &id, title("Admiral")).await;
    scene
        .make(&ada, json!({ "contact": { "givenName": "Mary" } }))
        .await;
    scene.minutes(2).await;
    let truth = scene.truth(&ada);
    scene.remove(&ada).await;
    scene.minutes(5).await;
    assert!(truth == scene.truth(&ada));
    assert_eq!(scene.items().await, 0);
    scene.assert_quiet();
}

#[tokio::test]
async fn contacts_go_to_the_folder_that_they_were_made_for() {
    let mut scene = Scene::new().await;
    // Never listed: nobody knows the default folder's id yet.
    let key = scene.user("Ada", 0, 2);
    let ada = scene.enrol(&key).await;
    let grace = scene
        .make(&ada, json!({ "contact": { "givenName": "Grace" } }))
        .await;
    scene.minutes(3).await;
    assert_eq!(scene.contacts_in(&ada, "Contacts").len(), 1);
    let suppliers = scene.folder_id(&ada, "Contacts/Suppliers");
    let mary = json!({ "folder": suppliers, "contact": { "givenName": "Mary" } });
    let mary = scene.make(&ada, mary).await;
    scene.minutes(3).await;
    assert_eq!(scene.contacts_in(&ada, "Contacts/Suppliers").len(), 1);
    scene.assert_arrived(&ada).await;
    assert_eq!(scene.shown(&ada, &mary).await.1["folder"], suppliers);
    // Across, both ways.
    let default = scene.folder_id(&ada, "Contacts");
    scene.patch(&ada, &mary, json!({ "folder": default })).await;
    scene.patch(&ada, &grace, json!({ "folder": suppliers })).await;
    scene.minutes(3).await;
    assert_eq!(scene.item_of(&ada, "Mary")["parentFolderId"], default);
    assert_eq!(scene.item_of(&ada, "Grace")["parentFolderId"], suppliers);
    // Where the folder is gone, the contact waits for somebody to name another one.
    let user = graph_sim::Edit::DeleteFolder {
        id: suppliers.clone(),
    };
    let joan = json!({ "folder": suppliers, "contact": { "givenName": "Joan" } });
    let joan = scene.make(&ada, joan).await;
    scene.user_does(&ada, user);
    scene.minutes(90).await;
    assert_eq!(scene.waiting(&ada, "refused").await, std::slice::from_ref(&joan));
    scene.patch(&ada, &joan, json!({ "folder": default })).await;
    scene.minutes(SETTLED_WITHIN).await;
    assert_eq!(scene.item_of(&ada, "Joan")["parentFolderId"], default);
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn throttled_edits_come_when_they_are_told_to_and_single_ones_before_the_many() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 4, 0).await;
    let (item, id) = first_of(&scene, &ada).await;
    let rule = Rule::new(Fault::Throttled {
        retry_after: Some(60),
    })
    .on(Operation::CreateContact)
    .after(130)
    .times(3);
    scene.world().add_fault(rule);
    let item_of = |number: usize| json!({ "externalId": format!("x{number}"), "contact": { "givenName": format!("Many {number}") } });
    scene.bulk(&ada, (0..400).map(item_of).collect()).await;
    let asked_at = scene.now();
    scene.seconds(20).await;
    let waits = scene.waits(&ada).await;
    assert!(
        (200..400).contains(&waits),
        "{waits} wait: the story has no point"
    );
    scene.patch(&ada, &id, title("Countess")).await;
    // Nobody asks before the time.
    scene.seconds(25).await;
    assert_eq!(scene.waits(&ada).await, waits + 1);
    scene.minutes(5).await;
    let later: Vec<_> = {
        let world = scene.world();
        let writes = world.requests().filter(|entry| {
            entry.at >= asked_at && entry.batched && entry.method != "GET" && entry.fault.is_none()
        });
        writes.map(|entry| (entry.at, entry.operation)).collect()
    };
    let single = later
        .iter()
        .position(|(_, operation)| *operation == Operation::UpdateContact)
        .unwrap();
    let many = later
        .iter()
        .filter(|(_, operation)| *operation == Operation::CreateContact)
        .count();
    println!("{many} creates, the single edit after {single}");
    assert!(single <= 160, "the single edit came after {single} creates");
    assert_eq!(many, 400);
    assert_eq!(scene.truth(&ada).contacts[&item]["jobTitle"], "Countess");
    scene.minutes(2).await;
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn an_edit_is_not_undone_by_an_earlier_one_whose_answer_was_lost() {
    let faults = [
        Fault::GatewayTimeout { committed: true },
        Fault::Reset { committed: true },
        Fault::Error {
            status: 500,
            code: "ErrorInternalServerError".to_owned(),
            committed: true,
        },
    ];
    for fault in faults {
        let mut scene = Scene::new().await;
        let ada = scene.settled("Ada", 4, 0).await;
        let (item, id) = first_of(&scene, &ada).await;
        let (mut steps, mut ended) = (1, false);
        while !ended {
            let when = format!("{fault:?}, edited at step {steps}");
            let rule = Rule::new(fault.clone()).on(Operation::UpdateContact).times(1);
            scene.world().add_fault(rule);
            scene.patch(&ada, &id, title(&format!("{steps}, first"))).await;
            scene.deliver_changes().await;
            let Some(batch) = scene.stack.work.poll() else {
                panic!("{when}: no message");
            };
            let answer = {
                let mut work = std::pin::pin!(scene.stack.work_on(&batch));
                let first = crate::crash::live_for(steps, work.as_mut()).await;
                ended = first.is_some();
                scene.patch(&ada, &id, title(&when)).await;
                // Outlook carries out the first one in a later second.
                scene.stack.ambient.advance(std::time::Duration::from_secs(2));
                match first {
                    Some(answer) => answer,
                    None => work.await,
                }
            };
            scene.stack.work.finish(batch, Ok::<_, ()>(answer));
            scene.minutes(5).await;
            assert_eq!(scene.truth(&ada).contacts[&item]["jobTitle"], when);
            assert_eq!(scene.conflicts(&ada).await, Vec::<Value>::new(), "{when}");
            scene.assert_arrived(&ada).await;
            steps += 1;
        }
        assert!(steps > 6, "{steps} steps: the story has no point");
        scene.world().clear_faults();
        scene.assert_at_rest(&ada).await;
    }
}

#[tokio::test]
async fn a_conflict_function_that_hangs_is_asked_once_in_a_run() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 0).await;
    scene.rule(&ada, json!({ "conflictPolicy": "custom" })).await;
    let arn = scene.stack.aws.functions().put("hangs", |_| {
        std::thread::sleep(std::time::Duration::from_millis(300));
        None
    });
    let lambda = scene.stack.aws.lambda();
    let patience = std::time::Duration::from_millis(100);
    scene.stack.worker.engine.arbiter = Some(sync_engine::Arbiter::new(lambda, arn, patience));
    let mirror = scene.mirror(&ada).await;
    for contact in mirror.values() {
        let item = contact.outlook.clone().unwrap().id;
        scene.edit(&ada, item.as_str(), json!({ "jobTitle": "Countess" }));
        scene.patch(&ada, contact.id.as_str(), title("Admiral")).await;
    }
    scene.minutes(SETTLED_WITHIN).await;
    // The fallback has decided: the platform was later, or in the same second.
    assert_eq!(scene.conflicts(&ada).await.len(), mirror.len());
    assert_eq!(scene.stack.aws.functions().asked().len(), 1);
    assert_eq!(scene.metric("ConflictFunctionFailures"), mirror.len() as u64);
    scene.assert_at_rest(&ada).await;
}
