//! Tenants side by side.

use graph_sim::Operation;
use graph_sim::faults::{Fault, Rule};
use serde_json::json;

use crate::scene::{Scene, TENANT};

const OTHER: &str = "7d1b6c52-0b1e-4c55-9a55-51f4e7a9d902";

#[tokio::test]
async fn two_tenants_live_side_by_side_and_the_trouble_of_one_is_not_the_others() {
    let mut scene = Scene::new().await;
    // The same user name in both.
    let here = scene.user_of(TENANT, "Ada", 12, 1);
    let there = scene.user_of(OTHER, "Ada", 9, 0);
    let (here, there) = (scene.enrol(&here).await, scene.enrol(&there).await);
    assert_ne!(here.id, there.id);
    scene.minutes(3).await;
    scene.assert_equal(&here).await;
    scene.assert_equal(&there).await;
    assert_eq!(scene.asked(Operation::Token), 2, "one token for each tenant");

    let ids = [&here, &there].map(|person| scene.contacts_in(person, "Contacts")[0].clone());
    scene.edit(&here, &ids[0], json!({ "jobTitle": "Here" }));
    scene.edit(&there, &ids[1], json!({ "jobTitle": "There" }));
    scene.seconds(5).await;
    assert_eq!(scene.record(&here, &ids[0]).await.document["jobTitle"], "Here");
    assert_eq!(scene.record(&there, &ids[1]).await.document["jobTitle"], "There");

    // A token opens its own tenant only: the simulator would have found nobody under the other's.
    let refused = scene
        .world()
        .requests()
        .filter(|entry| entry.status != Some(200) && entry.status != Some(201))
        .count();
    assert_eq!(refused, 0);

    scene.world().remove_tenant(OTHER);
    scene.world().expire_tokens();
    scene.hours(3).await;
    let state = scene.state(&there).await;
    assert_eq!(state["unavailable"]["reason"], "tenantNotFound", "{state}");
    scene.edit(&here, &ids[0], json!({ "jobTitle": "Still here" }));
    scene.seconds(5).await;
    scene.assert_settled(&here).await;
}

#[tokio::test]
async fn a_batch_may_hold_messages_of_several_mailboxes_and_the_trouble_of_one_is_not_the_others() {
    let mut scene = Scene::new().await;
    let mut people = Vec::new();
    for name in ["Ada", "Grace", "Hedy"] {
        people.push(scene.settled(name, 6, 0).await);
    }
    let busy = Fault::Throttled {
        retry_after: Some(120),
    };
    scene
        .world()
        .add_fault(Rule::new(busy).for_user(&people[1].key.user).times(1));
    for person in &people {
        let id = scene.contacts_in(person, "Contacts")[0].clone();
        scene.edit(person, &id, json!({ "jobTitle": "Countess" }));
    }
    scene.stack.transport.deliver_due().await;
    let batch = scene.stack.work.poll_mixed().unwrap();
    assert_eq!(batch.event.records.len(), 3);
    let answer = scene.stack.work_on(&batch).await;
    assert_eq!(
        answer.batch_item_failures.len(),
        1,
        "the one that is throttled comes again"
    );
    scene.stack.work.finish(batch, Ok::<_, ()>(answer));
    scene.assert_equal(&people[0]).await;
    scene.assert_equal(&people[2]).await;
    assert_eq!(scene.differences(&people[1]).await.len(), 1);
    scene.minutes(3).await;
    scene.assert_equal(&people[1]).await;
    scene.assert_quiet();
}
