//! What a move leaves behind in Outlook: it goes, and nothing goes with it that somebody has changed there.

use graph_sim::Operation;
use graph_sim::faults::Rule;
use serde_json::{Value, json};

use crate::refused::{part, refusal, title};
use crate::scene::Scene;

#[tokio::test]
async fn what_is_changed_in_an_item_that_is_being_left_goes_with_the_contact() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 3, 2).await;
    let folders = [
        scene.folder_id(&ada, "Contacts"),
        scene.folder_id(&ada, "Contacts/Suppliers"),
    ];
    let id = scene
        .make(
            &ada,
            json!({ "contact": { "givenName": "Hopper", "jobTitle": "Countess" } }),
        )
        .await;
    scene.minutes(2).await;
    let (mut steps, mut ended, mut overlooked) = (1, false, 0);
    while !ended {
        let when = format!("changed at step {steps}");
        let old = scene.records(&ada).await[&id]
            .outlook
            .clone()
            .unwrap()
            .id
            .to_string();
        let target = &folders[steps % 2];
        let title = json!({ "folder": target, "contact": { "jobTitle": when } });
        scene.patch(&ada, &id, title).await;
        scene.deliver_changes().await;
        let Some(batch) = scene.stack.work.poll() else {
            panic!("{when}: no message");
        };
        let mut is_there = true;
        let answer = {
            let mut work = std::pin::pin!(scene.stack.work_on(&batch));
            let first = crate::crash::live_for(steps, work.as_mut()).await;
            ended = first.is_some();
            is_there &= scene.truth(&ada).contacts.contains_key(&old);
            if is_there {
                let members = json!({ "department": when, "businessPhones": [steps.to_string()] });
                scene.edit(&ada, &old, members);
                overlooked += 1;
            }
            // What comes next comes in a later second.
            scene.stack.ambient.advance(std::time::Duration::from_secs(2));
            match first {
                Some(answer) => answer,
                None => work.await,
            }
        };
        scene.stack.work.finish(batch, Ok::<_, ()>(answer));
        scene.minutes(5).await;
        let item = scene.item_of(&ada, "Hopper");
        assert_eq!(
            (&item["parentFolderId"], &item["jobTitle"]),
            (&json!(target), &json!(when))
        );
        if is_there {
            assert_eq!(item["department"], when, "the change is lost");
            assert_eq!(item["businessPhones"], json!([steps.to_string()]), "{when}");
        }
        assert_eq!(scene.conflicts(&ada).await, Vec::<Value>::new(), "{when}");
        scene.assert_arrived(&ada).await;
        steps += 1;
    }
    assert!(overlooked > 6, "{overlooked} changes: the story has no point");
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn an_item_that_a_move_leaves_for_good_stops_nobody_and_goes_when_it_can() {
    let faults = [
        (Operation::GetContact, "ErrorCorruptData", 500),
        (Operation::DeleteContact, "ErrorAccessDenied", 403),
        (Operation::DeleteContact, "ErrorQuotaExceeded", 507),
        (Operation::DeleteContact, "ErrorInvalidRequest", 400),
        (Operation::DeleteContact, "ErrorInternalServerError", 500),
    ];
    for (operation, code, status) in faults {
        let mut scene = Scene::new().await;
        let ada = scene.settled("Ada", 8, 1).await;
        let suppliers = scene.folder_id(&ada, "Contacts/Suppliers");
        let items = scene.contacts_in(&ada, "Contacts");
        let mut ids = Vec::new();
        for item in &items {
            ids.push(scene.record(&ada, item).await.id.to_string());
        }
        let rule = Rule::new(refusal(code, status))
            .on(operation)
            .with_target(part(&items[0]));
        scene.world().add_fault(rule);
        scene.patch(&ada, &ids[0], json!({ "folder": suppliers })).await;
        scene.minutes(3).await;
        assert!(scene.truth(&ada).contacts.contains_key(&items[0]), "{code}");
        // It is not in the way of others,
        scene.patch(&ada, &ids[1], title("Admiral")).await;
        scene
            .make(&ada, json!({ "contact": { "givenName": "Hopper" } }))
            .await;
        scene.minutes(3).await;
        assert_eq!(
            scene.truth(&ada).contacts[&items[1]]["jobTitle"],
            "Admiral",
            "{code}"
        );
        drop(scene.item_of(&ada, "Hopper"));
        // and goes when it can, even where the contact waits for a person by then.
        let now = scene.records(&ada).await[&ids[0]].outlook.clone().unwrap().id;
        let rule = Rule::new(refusal("ErrorInvalidProperty", 400))
            .on(Operation::UpdateContact)
            .with_target(part(now.as_str()));
        scene.world().add_fault(rule);
        scene.patch(&ada, &ids[0], title("Countess")).await;
        scene.minutes(3).await;
        scene.world().clear_faults();
        scene.minutes(75).await;
        assert!(!scene.truth(&ada).contacts.contains_key(&items[0]), "{code}");
        assert_eq!(
            scene.waiting(&ada, "refused").await,
            std::slice::from_ref(&ids[0]),
            "{code}"
        );
        scene.decide(&ada, &ids[0], "retry", None).await;
        scene.minutes(3).await;
        assert_eq!(
            scene.truth(&ada).contacts[now.as_str()]["jobTitle"],
            "Countess",
            "{code}"
        );
        scene.assert_at_rest(&ada).await;
    }
}
