//! Very many notifications for one mailbox, and edits under the worker's hands.

use graph_sim::Settings as GraphSettings;
use graph_sim::faults::{NoticeFault, NoticeRule};
use serde_json::json;
use sync_engine::Settings;

use crate::scene::Scene;

#[tokio::test]
async fn ten_thousand_notifications_are_answered_by_few_rounds_and_nothing_is_lost() {
    const EDITS: usize = 5_000;
    // Each edit is told twice. Graph puts many items into one POST when they are many.
    let graph = GraphSettings {
        items_per_post: 100,
        ..GraphSettings::default()
    };
    let mut scene = Scene::with(graph, Settings::default()).await;
    let ada = scene.settled("Ada", 50, 1).await;
    let grace = scene.settled("Grace", 5, 0).await;
    scene
        .world()
        .add_notice_fault(NoticeRule::new(NoticeFault::Doubled));
    let ids: Vec<String> = scene.truth(&ada).contacts.into_keys().collect();
    let (rounds, before) = (scene.delta_requests(&ada), scene.versions(&ada).await);
    let delivered = scene.world().unread().delivered;
    for number in 0..EDITS {
        scene.edit(
            &ada,
            &ids[number % ids.len()],
            json!({ "jobTitle": format!("Title {number}") }),
        );
        // They come over a minute, in waves, while the worker is at it.
        if number % 500 == 499 {
            scene.seconds(6).await;
        }
    }
    // In the middle of it another mailbox is served as if nothing were.
    let id = scene.contacts_in(&grace, "Contacts")[0].clone();
    scene.edit(&grace, &id, json!({ "jobTitle": "Admiral" }));
    scene.seconds(10).await;
    scene.assert_equal(&grace).await;
    scene.assert_equal(&ada).await;

    assert!(scene.world().unread().delivered - delivered > 10_000);
    let rounds = scene.delta_requests(&ada) - rounds;
    assert!(rounds <= 60, "{rounds} delta requests for 10,000 notifications");
    let written = scene.versions(&ada).await - before;
    assert!(
        written <= 10 * 50,
        "{written} writes: one for each contact and wave at most"
    );
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn an_edit_that_comes_while_its_mailbox_is_being_worked_on_is_not_lost() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 8, 0).await;
    let ids = scene.contacts_in(&ada, "Contacts");
    for moment in 0..60 {
        scene.edit(&ada, &ids[0], json!({ "jobTitle": format!("Before {moment}") }));
        scene.stack.transport.deliver_due().await;
        let batch = scene.stack.work.poll().expect("the hint is there");
        // The worker and the user, step by step; the user acts at another step each time.
        let user = async {
            for _ in 0..moment {
                tokio::task::yield_now().await;
            }
            scene.edit(
                &ada,
                &ids[1],
                json!({ "jobTitle": format!("Meanwhile {moment}") }),
            );
            scene.stack.transport.deliver_due().await;
        };
        let (answer, ()) = tokio::join!(scene.stack.work_on(&batch), user);
        scene.stack.work.finish(batch, Ok::<_, ()>(answer));
        scene.seconds(2).await;
        assert_eq!(
            scene.differences(&ada).await,
            [],
            "the user's edit came at step {moment}"
        );
    }
    scene.assert_settled(&ada).await;
}
