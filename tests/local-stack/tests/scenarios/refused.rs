//! Outlook refuses an edit, or all of them: that is told, and stops nobody else.

use graph_sim::faults::{Fault, Rule};
use graph_sim::{Health, Operation};
use serde_json::json;

use crate::scene::Scene;

/// A part of an id that is written in paths as it is.
fn part(id: &str) -> &str {
    id.trim_end_matches('=')
        .rsplit(['-', '_', '+', '/'])
        .next()
        .unwrap_or(id)
}

fn refusal(code: &str, status: u16) -> Fault {
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
