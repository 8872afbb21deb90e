//! Outlook refuses an edit, or all of them: that is told, and stops nobody else.

use contact_store::Expected;
use graph_sim::faults::{Fault, Rule};
use graph_sim::{Health, Operation};
use serde_json::{Value, json};

use crate::scene::Scene;

/// A part of an id that is written in paths as it is.
pub(crate) fn part(id: &str) -> &str {
    id.trim_end_matches('=')
        .rsplit(['-', '_', '+', '/'])
        .next()
        .unwrap_or(id)
}

pub(crate) fn refusal(code: &str, status: u16) -> Fault {
    Fault::Error {
        status,
        code: code.to_owned(),
        committed: false,
    }
}

#[tokio::test]
async fn a_refused_edit_is_held_with_graphs_reason_and_the_mailbox_goes_on() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 0).await;
    let items = scene.contacts_in(&ada, "Contacts");
    let mut ids = Vec::new();
    for item in &items {
        ids.push(scene.record(&ada, item).await.id.to_string());
    }
    let rule = Rule::new(refusal("ErrorInvalidProperty", 400))
        .on(Operation::UpdateContact)
        .with_target(part(&items[0]));
    scene.world().add_fault(rule);
    let rule = Rule::new(refusal("ErrorInvalidProperty", 400))
        .on(Operation::DeleteContact)
        .with_target(part(&items[1]));
    scene.world().add_fault(rule);

    scene
        .patch(&ada, &ids[0], json!({ "contact": { "jobTitle": "Countess" } }))
        .await;
    scene.erase(&ada, &ids[1]).await;
    for id in &ids[2..5] {
        scene
            .patch(&ada, id, json!({ "contact": { "jobTitle": "Admiral" } }))
            .await;
    }
    scene.minutes(3).await;
    for item in &items[2..5] {
        assert_eq!(scene.truth(&ada).contacts[item]["jobTitle"], "Admiral");
    }
    let shown = scene.shown(&ada, &ids[0]).await.1;
    assert_eq!(
        (&shown["sync"]["state"], &shown["contact"]["jobTitle"]),
        (&json!("refused"), &json!("Countess"))
    );
    let refusal = &shown["sync"]["refusal"];
    assert_eq!(
        (&refusal["status"], &refusal["code"]),
        (&json!(400), &json!("ErrorInvalidProperty")),
        "{refusal}"
    );
    assert_eq!(refusal["reason"], "A fault was asked for.");
    let mut held = scene.waiting(&ada, "refused").await;
    held.sort();
    let mut expected = vec![ids[0].clone(), ids[1].clone()];
    expected.sort();
    assert_eq!(held, expected);
    let state = scene.state(&ada).await;
    assert_eq!(
        (&state["phase"], &state["pending"]["held"]),
        (&json!("live"), &json!(2))
    );

    // It is not tried by itself, and what happens in Outlook is taken in all the same.
    let writes = scene.graph_writes();
    scene.edit(&ada, &items[0], json!({ "department": "Engines" }));
    scene.minutes(130).await;
    assert_eq!(scene.graph_writes(), writes);
    assert_eq!(
        scene.shown(&ada, &ids[0]).await.1["contact"]["department"],
        "Engines"
    );
    // Again, in vain;
    scene.decide(&ada, &ids[0], "retry", None).await;
    scene.minutes(2).await;
    assert_eq!(scene.waiting(&ada, "refused").await.len(), 2);
    // and again, when it is possible.
    scene.world().clear_faults();
    scene.decide(&ada, &ids[0], "retry", None).await;
    scene.decide(&ada, &ids[1], "discard", None).await;
    scene.minutes(4).await;
    let truth = scene.truth(&ada).contacts;
    assert_eq!(truth[&items[0]]["jobTitle"], "Countess");
    assert!(truth.contains_key(&items[1]));
    assert_eq!(scene.shown(&ada, &ids[1]).await.0, 200);
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_contact_that_graph_itself_refuses_is_mended_by_another_edit() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 4, 0).await;
    let item = scene.contacts_in(&ada, "Contacts")[0].clone();
    let id = scene.record(&ada, &item).await.id.to_string();
    let rule = Rule::new(refusal("ErrorInvalidRequest", 400))
        .on(Operation::CreateContact)
        .times(1);
    scene.world().add_fault(rule);
    let grace = scene
        .make(
            &ada,
            json!({ "contact": { "givenName": "Hopper", "personalNotes": "Long ago." } }),
        )
        .await;
    scene
        .patch(&ada, &id, json!({ "contact": { "jobTitle": "Countess" } }))
        .await;
    scene.minutes(3).await;
    assert_eq!(scene.waiting(&ada, "refused").await, std::slice::from_ref(&grace));
    assert_eq!(scene.truth(&ada).contacts[&item]["jobTitle"], "Countess");
    scene
        .patch(&ada, &grace, json!({ "contact": { "personalNotes": "short" } }))
        .await;
    scene.minutes(4).await;
    assert_eq!(scene.item_of(&ada, "Hopper")["personalNotes"], "short");
    // Or it is given up: then it has never been.
    let rule = Rule::new(refusal("ErrorInvalidRequest", 400))
        .on(Operation::CreateContact)
        .times(1);
    scene.world().add_fault(rule);
    let mary = scene
        .make(&ada, json!({ "contact": { "givenName": "Mary" } }))
        .await;
    scene.minutes(3).await;
    scene.decide(&ada, &mary, "discard", None).await;
    scene.minutes(2).await;
    assert_eq!(scene.shown(&ada, &mary).await.0, 404);
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn without_the_permission_to_write_edits_wait_and_reading_goes_on() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 4, 0).await;
    let items = scene.contacts_in(&ada, "Contacts");
    let id = scene.record(&ada, &items[0]).await.id.to_string();
    for operation in [
        Operation::CreateContact,
        Operation::UpdateContact,
        Operation::DeleteContact,
    ] {
        let rule = Rule::new(refusal("ErrorAccessDenied", 403)).on(operation);
        scene.world().add_fault(rule);
    }
    scene
        .patch(&ada, &id, json!({ "contact": { "jobTitle": "Countess" } }))
        .await;
    scene
        .make(&ada, json!({ "contact": { "givenName": "Hopper" } }))
        .await;
    scene.minutes(3).await;
    scene.edit(&ada, &items[1], json!({ "jobTitle": "Admiral" }));
    scene.edit(&ada, &items[0], json!({ "department": "Engines" }));
    scene.minutes(3).await;
    assert_eq!(
        scene.record(&ada, &items[1]).await.document["jobTitle"],
        "Admiral"
    );
    assert_eq!(
        scene.record(&ada, &items[0]).await.document["department"],
        "Engines"
    );
    let state = scene.state(&ada).await;
    assert_eq!(
        (&state["phase"], &state["lastError"]["code"]),
        (&json!("live"), &json!("ErrorAccessDenied")),
        "{state}"
    );
    assert_eq!(scene.waits(&ada).await, 2);
    assert_eq!(scene.waiting(&ada, "refused").await, Vec::<String>::new());
    scene.hours(5).await;
    assert_eq!(scene.waits(&ada).await, 2);
    scene.world().clear_faults();
    scene.minutes(75).await;
    assert_eq!(scene.truth(&ada).contacts[&items[0]]["jobTitle"], "Countess");
    assert!(scene.in_outlook(&ada, "givenName").contains(&"Hopper".to_owned()));
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_full_mailbox_gets_its_edits_when_there_is_room() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 4, 0).await;
    let items = scene.contacts_in(&ada, "Contacts");
    let id = scene.record(&ada, &items[0]).await.id.to_string();
    scene.world().set_health(&ada.key, Health::Full);
    scene
        .patch(&ada, &id, json!({ "contact": { "jobTitle": "Countess" } }))
        .await;
    scene
        .make(&ada, json!({ "contact": { "givenName": "Hopper" } }))
        .await;
    scene.minutes(3).await;
    scene.edit(&ada, &items[0], json!({ "department": "Engines" }));
    scene.hours(3).await;
    assert_eq!(
        scene.record(&ada, &items[0]).await.document["department"],
        "Engines"
    );
    let state = scene.state(&ada).await;
    assert_eq!(
        (&state["phase"], &state["lastError"]["code"]),
        (&json!("live"), &json!("ErrorQuotaExceeded")),
        "{state}"
    );
    assert_eq!(scene.waits(&ada).await, 2);
    scene.world().set_health(&ada.key, Health::Live);
    scene.minutes(75).await;
    assert_eq!(scene.truth(&ada).contacts[&items[0]]["jobTitle"], "Countess");
    assert!(scene.in_outlook(&ada, "givenName").contains(&"Hopper".to_owned()));
    scene.assert_at_rest(&ada).await;
}

pub(crate) fn title(text: &str) -> Value {
    json!({ "contact": { "jobTitle": text } })
}

#[tokio::test]
async fn an_edit_that_always_fails_stops_nobody_and_is_refused_in_the_end() {
    for operation in [
        Operation::UpdateContact,
        Operation::DeleteContact,
        Operation::CreateContact,
    ] {
        let mut scene = Scene::new().await;
        let ada = scene.settled("Ada", 8, 0).await;
        let items = scene.contacts_in(&ada, "Contacts");
        let mut ids = Vec::new();
        for item in &items {
            ids.push(scene.record(&ada, item).await.id.to_string());
        }
        let fault = Rule::new(refusal("ErrorInternalServerError", 500)).on(operation);
        let is_create = operation == Operation::CreateContact;
        let fault = if is_create {
            fault
        } else {
            fault.with_target(part(&items[0]))
        };
        scene.world().add_fault(fault);
        let poison = if is_create {
            scene
                .make(&ada, json!({ "contact": { "givenName": "Hopper" } }))
                .await
        } else if operation == Operation::DeleteContact {
            scene.erase(&ada, &ids[0]).await;
            ids[0].clone()
        } else {
            scene.patch(&ada, &ids[0], title("Countess")).await;
            ids[0].clone()
        };
        scene.seconds(1).await;
        for id in &ids[1..5] {
            scene.patch(&ada, id, title("Admiral")).await;
        }
        scene.erase(&ada, &ids[5]).await;
        if !is_create {
            scene
                .make(&ada, json!({ "contact": { "givenName": "Grace" } }))
                .await;
        }
        scene.minutes(3).await;
        let truth = scene.truth(&ada).contacts;
        for item in &items[1..5] {
            assert_eq!(truth[item]["jobTitle"], "Admiral", "{operation:?}");
        }
        assert!(!truth.contains_key(&items[5]), "{operation:?}");
        let names = scene.in_outlook(&ada, "givenName");
        assert_eq!(names.contains(&"Grace".to_owned()), !is_create, "{operation:?}");
        assert_eq!(scene.waits(&ada).await, 1, "{operation:?}");
        assert_eq!(scene.waiting(&ada, "refused").await, Vec::<String>::new());
        // It may pass: only after hours is it refused, with what Graph has said.
        scene.hours(12).await;
        assert_eq!(
            scene.waiting(&ada, "refused").await,
            std::slice::from_ref(&poison)
        );
        let held = scene.records(&ada).await.remove(&poison).unwrap();
        let writes = scene.graph_writes();
        scene.hours(3).await;
        assert_eq!(scene.graph_writes(), writes, "{held:?}");
        // Somebody asks for it once more.
        scene.world().clear_faults();
        scene.decide(&ada, &poison, "retry", None).await;
        scene.minutes(3).await;
        let now = scene.truth(&ada).contacts;
        if is_create {
            scene.item_of(&ada, "Hopper");
        } else if operation == Operation::DeleteContact {
            assert!(!now.contains_key(&items[0]));
        } else {
            assert_eq!(now[&items[0]]["jobTitle"], "Countess");
        }
        scene.assert_at_rest(&ada).await;
    }
}

#[tokio::test]
async fn what_outlook_refuses_of_one_contact_or_one_kind_stops_no_other() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 8, 0).await;
    let items = scene.contacts_in(&ada, "Contacts");
    let mut ids = Vec::new();
    for item in &items {
        ids.push(scene.record(&ada, item).await.id.to_string());
    }
    // One contact is out of reach, and the mailbox is out of named properties: nobody can be created (facts 1.3).
    let rule = Rule::new(refusal("ErrorAccessDenied", 403))
        .on(Operation::UpdateContact)
        .with_target(part(&items[0]));
    scene.world().add_fault(rule);
    let rule = Rule::new(refusal("ErrorQuotaExceeded", 507)).on(Operation::CreateContact);
    scene.world().add_fault(rule);
    scene
        .make(&ada, json!({ "contact": { "givenName": "Hopper" } }))
        .await;
    scene.seconds(1).await;
    scene.patch(&ada, &ids[0], title("Countess")).await;
    scene.seconds(1).await;
    for id in &ids[1..5] {
        scene.patch(&ada, id, title("Admiral")).await;
    }
    scene.erase(&ada, &ids[5]).await;
    scene.minutes(3).await;
    let truth = scene.truth(&ada).contacts;
    for item in &items[1..5] {
        assert_eq!(truth[item]["jobTitle"], "Admiral");
    }
    assert!(!truth.contains_key(&items[5]));
    assert_eq!(scene.waits(&ada).await, 2);
    let state = scene.state(&ada).await;
    assert_eq!(state["phase"], "live");
    assert!(!state["lastError"].is_null(), "{state}");
    scene.world().clear_faults();
    scene.minutes(75).await;
    assert_eq!(scene.truth(&ada).contacts[&items[0]]["jobTitle"], "Countess");
    drop(scene.item_of(&ada, "Hopper"));
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_full_mailbox_still_deletes() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 4, 0).await;
    let items = scene.contacts_in(&ada, "Contacts");
    let id = scene.record(&ada, &items[0]).await.id.to_string();
    scene.world().set_health(&ada.key, Health::Full);
    scene
        .make(&ada, json!({ "contact": { "givenName": "Hopper" } }))
        .await;
    scene.seconds(1).await;
    scene.erase(&ada, &id).await;
    scene.minutes(3).await;
    assert!(!scene.truth(&ada).contacts.contains_key(&items[0]));
    scene.world().set_health(&ada.key, Health::Live);
    scene.minutes(75).await;
    drop(scene.item_of(&ada, "Hopper"));
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_contact_as_large_as_can_be_is_held_like_any_other() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 4, 0).await;
    let items = scene.contacts_in(&ada, "Contacts");
    let mut ids = Vec::new();
    for item in &items {
        ids.push(scene.record(&ada, item).await.id.to_string());
    }
    scene.ask(&ada, "pause").await;
    scene.minutes(1).await;
    scene.patch(&ada, &ids[0], title("Countess")).await;
    // What only the mirror keeps is never left out for its size.
    let (mut fits, mut does_not) = (300_000, 420_000);
    while does_not - fits > 1 {
        let length = usize::midpoint(fits, does_not);
        let mut large = scene.records(&ada).await.remove(&ids[0]).unwrap();
        large.extras.insert("vCard".to_owned(), "x".repeat(length).into());
        let put = scene.stack.store.put_contact(&large, Expected::Rev(large.rev));
        *(if put.await.is_ok() {
            &mut fits
        } else {
            &mut does_not
        }) = length;
    }
    assert!(fits > 395_000, "{fits}: the story has no point");
    let rule = Rule::new(refusal("ErrorInvalidProperty", 400))
        .on(Operation::UpdateContact)
        .with_target(part(&items[0]));
    scene.world().add_fault(rule);
    for id in &ids[1..] {
        scene.patch(&ada, id, title("Admiral")).await;
    }
    scene.ask(&ada, "resume").await;
    scene.minutes(4).await;
    assert_eq!(
        scene.waiting(&ada, "refused").await,
        std::slice::from_ref(&ids[0])
    );
    for item in &items[1..] {
        assert_eq!(scene.truth(&ada).contacts[item]["jobTitle"], "Admiral");
    }
    assert_eq!(scene.waits(&ada).await, 1);
    scene.world().clear_faults();
    scene.decide(&ada, &ids[0], "discard", None).await;
    scene.minutes(3).await;
    assert_eq!(scene.waits(&ada).await, 0);
}
