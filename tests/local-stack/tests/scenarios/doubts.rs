//! What is in doubt is left alone: a folder that is not synced any more, a create nobody has heard of, a mailbox that is
//! gone. Nobody is doubled, nobody is lost, and nobody else has to wait.

use graph_client::ContactWrite;
use graph_sim::faults::{Fault, Rule};
use graph_sim::{Edit, Operation};
use serde_json::{Value, json};

use crate::scene::{Person, Scene};

/// Until a create in doubt is decided, and a worker that failed has been succeeded by another one.
const DECIDED_WITHIN: u64 = 15;

fn title(text: &str) -> Value {
    json!({ "contact": { "jobTitle": text } })
}

fn named(name: &str, folder: &str) -> Value {
    json!({ "externalId": name, "folder": folder, "contact": { "givenName": name } })
}

/// A mailbox of which two folders are synced; and the second one.
async fn of_two_folders(scene: &mut Scene) -> (Person, String) {
    let key = scene.user("Ada", 8, 2);
    let ada = scene.enrol_only(&key, &["Contacts", "Contacts/Suppliers"]).await;
    scene.minutes(3).await;
    let suppliers = scene.folder_id(&ada, "Contacts/Suppliers");
    for name in ["Lise", "Irene"] {
        scene.make(&ada, named(name, &suppliers)).await;
    }
    scene.minutes(3).await;
    (ada, suppliers)
}

fn count_in(scene: &Scene, person: &Person, folder: &str) -> usize {
    let contacts = scene.truth(person).contacts;
    contacts
        .values()
        .filter(|contact| contact["parentFolderId"] == folder)
        .count()
}

async fn assert_equal_in_scope(scene: &Scene, person: &Person, paths: &[&str]) {
    assert_eq!(
        scene.differences_in(person, |path| paths.contains(&path)).await,
        []
    );
}

fn id_of(records: &std::collections::BTreeMap<String, contact_store::Contact>, name: &str) -> String {
    let mut found = records
        .iter()
        .filter(|(_, it)| it.document.get("givenName") == Some(&json!(name)));
    let id = found.next().unwrap_or_else(|| panic!("no {name} here")).0.clone();
    assert!(found.next().is_none(), "more than one {name} here");
    id
}

async fn refusal(scene: &Scene, person: &Person, id: &str) -> Value {
    let (status, shown) = scene.shown(person, id).await;
    assert_eq!(
        (status, &shown["sync"]["state"]),
        (200, &json!("refused")),
        "{shown}"
    );
    shown["sync"]["refusal"].clone()
}

#[tokio::test]
async fn what_is_edited_in_a_folder_that_leaves_the_scope_waits_for_a_person_and_is_not_doubled() {
    for comes_back in [false, true] {
        let mut scene = Scene::new().await;
        let (ada, suppliers) = of_two_folders(&mut scene).await;
        let records = scene.records(&ada).await;
        let (lise, irene) = (id_of(&records, "Lise"), id_of(&records, "Irene"));
        let count = count_in(&scene, &ada, &suppliers);

        // The edits wait when it becomes known.
        scene.ask(&ada, "pause").await;
        let name = "Former suppliers".to_owned();
        scene.user_does(
            &ada,
            Edit::RenameFolder {
                id: suppliers.clone(),
                name,
            },
        );
        scene.patch(&ada, &lise, title("Admiral")).await;
        let joan = scene.make(&ada, named("Joan", &suppliers)).await;
        scene.minutes(2).await;
        scene.ask(&ada, "resume").await;
        scene.minutes(90).await;
        assert_eq!(
            count_in(&scene, &ada, &suppliers),
            count,
            "nobody is created there"
        );
        assert_eq!(scene.item_of(&ada, "Lise")["jobTitle"], Value::Null);
        for id in [&lise, &joan] {
            let refusal = refusal(&scene, &ada, id).await;
            assert_eq!(refusal["code"], "folderNotSynced", "{refusal}");
        }
        assert_eq!(scene.shown(&ada, &lise).await.1["contact"]["jobTitle"], "Admiral");
        assert_eq!(
            scene.shown(&ada, &irene).await.0,
            404,
            "who is not edited goes with the folder"
        );
        // A retry alone changes nothing, and neither does another edit.
        let (writes, log) = (scene.graph_writes(), scene.conflicts(&ada).await);
        scene.decide(&ada, &joan, "retry", None).await;
        scene.decide(&ada, &lise, "retry", None).await;
        scene.patch(&ada, &lise, title("Rear admiral")).await;
        scene.minutes(90).await;
        assert_eq!(scene.graph_writes(), writes);
        assert_eq!(scene.waiting(&ada, "refused").await.len(), 2);
        assert_eq!(scene.conflicts(&ada).await, log);

        if comes_back {
            let name = "Suppliers".to_owned();
            scene.user_does(
                &ada,
                Edit::RenameFolder {
                    id: suppliers.clone(),
                    name,
                },
            );
            scene.minutes(90).await;
            for id in [&lise, &joan] {
                scene.decide(&ada, id, "retry", None).await;
            }
            scene.minutes(5).await;
            assert_eq!(count_in(&scene, &ada, &suppliers), count + 1, "only Joan is new");
            assert_eq!(scene.item_of(&ada, "Joan")["parentFolderId"], json!(suppliers));
            assert_equal_in_scope(&scene, &ada, &["Contacts", "Contacts/Suppliers"]).await;
        } else {
            let default = scene.folder_id(&ada, "Contacts");
            for id in [&lise, &joan] {
                scene.patch(&ada, id, json!({ "folder": default })).await;
            }
            scene.minutes(90).await;
            assert_eq!(scene.item_of(&ada, "Joan")["parentFolderId"], json!(default));
            assert_eq!(
                count_in(&scene, &ada, &suppliers),
                count,
                "the user's folder stays as it is"
            );
            let titles = scene.in_outlook(&ada, "jobTitle");
            assert!(titles.contains(&"Rear admiral".to_owned()), "{titles:?}");
            assert_equal_in_scope(&scene, &ada, &["Contacts"]).await;
        }
        assert_eq!(
            scene.shown(&ada, &lise).await.1["contact"]["jobTitle"],
            "Rear admiral"
        );
        assert_eq!(scene.waits(&ada).await, 0);
        scene.assert_quiet();
    }
}

#[tokio::test]
async fn what_is_edited_in_a_folder_that_the_user_deletes_waits_for_a_person() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 8, 2).await;
    let suppliers = scene.folder_id(&ada, "Contacts/Suppliers");
    let lise = scene.make(&ada, named("Lise", &suppliers)).await;
    scene.minutes(3).await;
    scene.user_does(&ada, Edit::DeleteFolder { id: suppliers });
    scene.patch(&ada, &lise, title("Admiral")).await;
    scene.minutes(90).await;
    let names = scene.in_outlook(&ada, "givenName");
    assert!(
        !names.contains(&"Lise".to_owned()),
        "it is created nowhere: {names:?}"
    );
    refusal(&scene, &ada, &lise).await;
    let default = scene.folder_id(&ada, "Contacts");
    scene.patch(&ada, &lise, json!({ "folder": default })).await;
    scene.minutes(5).await;
    let item = scene.item_of(&ada, "Lise");
    assert_eq!(
        (&item["jobTitle"], &item["parentFolderId"]),
        (&json!("Admiral"), &json!(default))
    );
    scene.assert_at_rest(&ada).await;
}

/// A copy that somebody makes in Outlook of a contact that was born here: it bears the same stamp.
async fn copy(scene: &Scene, person: &Person, id: &str, folder: &str) {
    let create = ContactWrite::Create {
        folder: Some(folder.to_owned()),
        members: json!({ "givenName": "Hopper", "department": "Copies" })
            .as_object()
            .unwrap()
            .clone(),
        stamp: id.to_owned(),
    };
    let graph = scene.stack.worker.engine.graph.clone();
    let graph = graph.mailbox(&person.key.tenant, &person.key.user);
    assert!(graph.write_contacts(&[create]).await[0].is_ok());
}

#[tokio::test]
async fn a_copy_in_outlook_is_not_taken_for_the_contact_whose_move_is_in_doubt() {
    for committed in [true, false] {
        // The copy is made long before the move, or while it is in doubt.
        for is_old in [true, false] {
            let when = format!("carried out: {committed}, an old copy: {is_old}");
            let mut scene = Scene::new().await;
            let ada = scene.settled("Ada", 3, 2).await;
            let default = scene.folder_id(&ada, "Contacts");
            let suppliers = scene.folder_id(&ada, "Contacts/Suppliers");
            let id = scene.make(&ada, named("Hopper", &default)).await;
            scene.minutes(3).await;
            if is_old {
                copy(&scene, &ada, &id, &default).await;
                scene.minutes(3).await;
            }
            scene.world().add_fault(
                Rule::new(Fault::GatewayTimeout { committed })
                    .on(Operation::CreateContact)
                    .times(1),
            );
            scene.patch(&ada, &id, json!({ "folder": suppliers })).await;
            scene.seconds(20).await;
            if !is_old {
                copy(&scene, &ada, &id, &default).await;
            }
            // Somebody else's edit doesn't wait for it.
            let other = scene.make(&ada, named("Mary", &default)).await;
            scene.minutes(DECIDED_WITHIN).await;
            assert_eq!(
                scene.item_of(&ada, "Mary")["parentFolderId"],
                json!(default),
                "{when}"
            );
            assert_eq!(
                scene.shown(&ada, &other).await.1["sync"]["state"],
                "settled",
                "{when}"
            );
            let hoppers: Vec<Value> = {
                let contacts = scene.truth(&ada).contacts.into_values();
                contacts.filter(|it| it["givenName"] == "Hopper").collect()
            };
            let in_folder = |folder: &str| -> Vec<Value> {
                let there = hoppers.iter().filter(|it| it["parentFolderId"] == folder);
                there.map(|it| it["department"].clone()).collect()
            };
            assert_eq!(in_folder(&default), [json!("Copies")], "{when}");
            assert_eq!(in_folder(&suppliers), [Value::Null], "{when}");
            scene.assert_at_rest(&ada).await;
        }
    }
}

#[tokio::test]
async fn a_create_that_is_in_doubt_where_its_folder_is_gone_holds_nobody_up() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 2).await;
    let suppliers = scene.folder_id(&ada, "Contacts/Suppliers");
    let rule = Rule::new(Fault::GatewayTimeout { committed: false })
        .on(Operation::CreateContact)
        .times(1);
    scene.world().add_fault(rule);
    let joan = scene.make(&ada, named("Joan", &suppliers)).await;
    scene.seconds(20).await;
    // For good: Graph knows no such folder.
    let gone = Fault::Error {
        status: 404,
        code: "ErrorItemNotFound".to_owned(),
        committed: false,
    };
    scene
        .world()
        .add_fault(Rule::new(gone).on(Operation::ListContacts));
    scene.user_does(&ada, Edit::DeleteFolder { id: suppliers });
    let default = scene.folder_id(&ada, "Contacts");
    scene.make(&ada, named("Mary", &default)).await;
    scene.minutes(DECIDED_WITHIN).await;
    assert_eq!(scene.item_of(&ada, "Mary")["parentFolderId"], json!(default));
    refusal(&scene, &ada, &joan).await;
    scene.world().clear_faults();
    scene.patch(&ada, &joan, json!({ "folder": default })).await;
    scene.minutes(5).await;
    assert_eq!(scene.item_of(&ada, "Joan")["parentFolderId"], json!(default));
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_contact_that_graph_does_not_look_for_stays_in_doubt_and_holds_nobody_up() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 3, 0).await;
    let known = scene.truth(&ada).contacts.len();
    let rule = Rule::new(Fault::GatewayTimeout { committed: false })
        .on(Operation::CreateContact)
        .times(1);
    scene.world().add_fault(rule);
    let default = scene.folder_id(&ada, "Contacts");
    let joan = scene.make(&ada, named("Joan", &default)).await;
    let refused = Fault::Error {
        status: 400,
        code: "ErrorInvalidRequest".to_owned(),
        committed: false,
    };
    scene
        .world()
        .add_fault(Rule::new(refused).on(Operation::ListContacts));
    scene.seconds(20).await;
    scene.make(&ada, named("Mary", &default)).await;
    scene.minutes(5).await;
    assert_eq!(
        scene.truth(&ada).contacts.len(),
        known + 1,
        "Joan is not created again unseen"
    );
    scene.item_of(&ada, "Mary");
    scene.world().clear_faults();
    scene.minutes(DECIDED_WITHIN).await;
    assert_eq!(scene.truth(&ada).contacts.len(), known + 2);
    assert_eq!(scene.shown(&ada, &joan).await.1["sync"]["state"], "settled");
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn what_is_written_while_a_mailbox_is_removed_goes_with_it() {
    use axum::body::Body;
    use lambda_http::http::Request;
    use tower::ServiceExt;

    let (mut steps, mut late) = (2, 0);
    let mut ended = false;
    while !ended {
        let mut scene = Scene::new().await;
        let ada = scene.settled("Ada", 3, 0).await;
        let items: Vec<Value> = (0..40)
            .map(|number| json!({ "externalId": format!("x{number}"), "contact": { "givenName": format!("Many {number}") } }))
            .collect();
        let request = Request::builder()
            .method("POST")
            .uri(format!("/v1/mailboxes/{}/contacts:bulk", ada.id))
            .header("content-type", "application/json")
            .body(Body::from(json!({ "items": items }).to_string()));
        // The caller's request has come so far when the mailbox is removed, and goes on when it is gone.
        let mut writing = std::pin::pin!(scene.stack.api.clone().oneshot(request.unwrap()));
        ended = crate::crash::live_for(steps, writing.as_mut()).await.is_some();
        scene.remove(&ada).await;
        scene.minutes(3).await;
        assert_eq!(scene.items().await, 0, "cut at step {steps}");
        if !ended {
            let answer = writing.await.unwrap();
            late += usize::from(answer.status() == 200);
        }
        scene.minutes(3).await;
        assert_eq!(
            scene.items().await,
            0,
            "cut at step {steps}: contacts without a mailbox"
        );
        scene.assert_quiet();
        steps += 1 + steps / 4;
    }
    assert!(late > 3, "{late} late writers: the story has no point");
}
