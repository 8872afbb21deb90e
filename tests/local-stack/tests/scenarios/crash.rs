//! The worker dies in the middle of its work, at any point: it goes on where it was, nothing is lost, nothing doubled.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use contact_store::Expected;
use graph_sim::faults::{NoticeFault, NoticeRule};
use graph_sim::{MailboxKey, Operation};
use serde_json::json;
use sync_core::ids::ChangeKey;

use crate::scene::{Person, Scene, assert_no_dead_letters, outlook};

/// Runs a function for so many steps. `None`: it has died before it came to its end.
pub(crate) async fn live_for<F: Future>(steps: usize, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut left = steps;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

/// Runs the worker on the next batch for so many steps, and then it is dead. True where it came to its end before.
pub(crate) async fn work_for(scene: &Scene, steps: usize) -> bool {
    let batch = scene.stack.work.poll().unwrap();
    let answer = live_for(steps, scene.stack.work_on(&batch)).await;
    let lived = answer.is_some();
    if let Some(answer) = answer {
        scene.stack.work.finish(batch, Ok::<_, ()>(answer));
    }
    lived
}

fn delta_requests(scene: &Scene, key: &MailboxKey) -> u64 {
    let counts = scene.world().counts(Some(key));
    counts.get(&Operation::ContactDelta).copied().unwrap_or_default()
}

#[tokio::test]
async fn a_first_sync_goes_on_at_the_page_wherever_the_worker_died() {
    const CONTACTS: usize = 30;
    /// Seven folders' pages of five, at the most, and the looks after the first sync.
    const PAGES: u64 = 12;
    let mut scene = Scene::new().await;
    scene.stack.set_page_size(5);
    let mut steps = 1;
    let mut ended = false;
    let mut people: Vec<Person> = Vec::new();
    while !ended {
        let key = scene.user(&format!("Ada{steps}"), CONTACTS, 1);
        let person = scene.enrol(&key).await;
        ended = work_for(&scene, steps).await;
        // The message comes back by itself when its visibility ends.
        scene.minutes(5).await;
        assert_eq!(scene.differences(&person).await, [], "died at step {steps}");
        assert_eq!(
            scene.versions(&person).await,
            CONTACTS as u64,
            "died at step {steps}"
        );
        let asked = delta_requests(&scene, &key);
        assert!(asked <= PAGES, "died at step {steps}: {asked} delta requests");
        scene.assert_phase(&person, "live").await;
        people.push(person);
        steps += 1 + steps / 6;
    }
    assert!(
        people.len() > 10,
        "{} deaths: the story has no point",
        people.len()
    );
    assert_no_dead_letters(&scene.stack.work);
    scene.assert_settled(&people[0]).await;
}

#[tokio::test]
async fn a_first_sync_survives_a_worker_that_dies_again_and_again() {
    let mut scene = Scene::new().await;
    scene.stack.set_page_size(5);
    let key = scene.user("Ada", 60, 2);
    let ada = scene.enrol(&key).await;
    // Each life is long enough for some pages, and ends somewhere in the middle.
    let mut deaths = 0;
    for life in 0..6 {
        if scene.stack.work.depth().visible == 0 || work_for(&scene, 30 + life).await {
            break;
        }
        deaths += 1;
        scene.stack.work.lapse();
    }
    assert!(deaths >= 3, "{deaths} deaths");
    let seen = scene.state(&ada).await["progress"]["contactsSeen"].as_u64();
    assert!(seen > Some(0), "nothing of it was kept");
    scene.minutes(5).await;
    assert_eq!(scene.versions(&ada).await, 60);
    let asked = scene.delta_requests(&ada);
    assert!(
        asked <= 16 + deaths + 6,
        "{asked} delta requests for 16 pages and {deaths} deaths"
    );
    assert_no_dead_letters(&scene.stack.work);
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_round_of_edits_is_done_once_wherever_the_worker_died() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 60, 1).await;
    let target = scene.folder_id(&ada, "Contacts/Suppliers");
    let mut steps = 1;
    let mut ended = false;
    let mut deaths = 0;
    while !ended {
        let ids = scene.contacts_in(&ada, "Contacts");
        let versions = scene.versions(&ada).await;
        scene.edit(&ada, &ids[0], json!({ "jobTitle": format!("Title {steps}") }));
        scene.create(&ada, None, json!({ "givenName": format!("Newcomer {steps}") }));
        scene.delete(&ada, &ids[1]);
        scene.move_to(&ada, &ids[2], Some(&target));
        scene.stack.transport.deliver_due().await;
        ended = work_for(&scene, steps).await;
        scene.minutes(5).await;
        assert_eq!(scene.differences(&ada).await, [], "died at step {steps}");
        assert_eq!(
            scene.versions(&ada).await - versions,
            4,
            "died at step {steps}: a change was written twice"
        );
        deaths += 1;
        steps += 1 + steps / 10;
    }
    assert!(deaths > 10, "{deaths} deaths: the story has no point");
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_full_round_after_a_dead_link_buries_nobody_wrongly_wherever_the_worker_died() {
    let mut scene = Scene::new().await;
    scene.stack.set_page_size(5);
    let ada = scene.settled("Ada", 24, 0).await;
    let (mut steps, mut ended) = (1, false);
    while !ended {
        let ids = scene.contacts_in(&ada, "Contacts");
        let versions = scene.versions(&ada).await;
        scene.world().forget_sync_states(&ada.key, None);
        scene
            .world()
            .add_notice_fault(NoticeRule::new(NoticeFault::Lost).times(1));
        scene.purge(&ada, &ids[0]);
        scene.create(&ada, None, json!({ "givenName": format!("Newcomer {steps}") }));
        scene.stack.transport.deliver_due().await;
        ended = work_for(&scene, steps).await;
        scene.minutes(5).await;
        assert_eq!(scene.differences(&ada).await, [], "died at step {steps}");
        assert_eq!(scene.versions(&ada).await - versions, 2, "died at step {steps}");
        steps += 1 + steps / 8;
    }
    assert!(steps > 20, "the last step was {steps}: the story has no point");
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_comparison_repairs_once_wherever_the_worker_died() {
    let mut scene = Scene::new().await;
    scene.stack.set_page_size(5);
    let ada = scene.settled("Ada", 24, 1).await;
    let (mut steps, mut ended) = (1, false);
    while !ended {
        let record = scene.mirror(&ada).await.into_values().next().unwrap();
        let mut drifted = record.clone();
        outlook(&mut drifted).change_key = ChangeKey::new("drifted");
        drifted.document.clear();
        scene
            .stack
            .store
            .put_contact(&drifted, Expected::Rev(record.rev))
            .await
            .unwrap();
        scene.ask(&ada, "resync").await;
        ended = work_for(&scene, steps).await;
        scene.minutes(5).await;
        assert_eq!(scene.differences(&ada).await, [], "died at step {steps}");
        let repaired = scene
            .record(&ada, record.outlook.as_ref().unwrap().id.as_str())
            .await;
        assert_eq!(repaired.version, record.version + 1, "died at step {steps}");
        let state = scene.state(&ada).await;
        assert!(
            state["lastComparison"]["finishedAt"].is_string(),
            "died at step {steps}: {state}"
        );
        steps += 1 + steps / 8;
    }
    assert!(steps > 20, "the last step was {steps}: the story has no point");
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_removal_is_completed_wherever_the_worker_died() {
    let mut scene = Scene::new().await;
    let (mut steps, mut ended) = (1, false);
    while !ended {
        let ada = scene.settled(&format!("Ada{steps}"), 5, 1).await;
        scene.remove(&ada).await;
        ended = work_for(&scene, steps).await;
        scene.minutes(5).await;
        assert_eq!(scene.items().await, 0, "died at step {steps}");
        assert_eq!(scene.world().subscription_count(None), 0, "died at step {steps}");
        steps += 1;
    }
    assert!(steps > 5, "the last step was {steps}: the story has no point");
    scene.assert_quiet();
}

#[tokio::test]
async fn two_workers_that_believe_to_have_the_mailbox_for_themselves_do_no_harm() {
    let mut scene = Scene::new().await;
    scene.stack.set_page_size(5);
    let key = scene.user("Ada", 40, 2);
    let ada = scene.enrol(&key).await;
    let mut rounds = 0;
    // The first sync, and then rounds of edits: the message comes back while its worker still works.
    while rounds < 12 {
        let first = scene.stack.work.poll().unwrap();
        scene.stack.work.lapse();
        let second = scene.stack.work.poll().unwrap();
        let late = async {
            for _ in 0..rounds {
                tokio::task::yield_now().await;
            }
            scene.stack.work_on(&second).await
        };
        let (answer, late) = tokio::join!(scene.stack.work_on(&first), late);
        scene.stack.work.finish(first, Ok::<_, ()>(answer));
        scene.stack.work.finish(second, Ok::<_, ()>(late));
        scene.minutes(5).await;
        assert_eq!(scene.differences(&ada).await, [], "in round {rounds}");
        let contacts: BTreeMap<_, _> = scene.mirror(&ada).await;
        let doubled = contacts.values().filter(|contact| contact.version > rounds + 1);
        assert_eq!(
            doubled.count(),
            0,
            "in round {rounds}: a change was written twice"
        );

        rounds += 1;
        let ids = scene.contacts_in(&ada, "Contacts");
        for id in &ids[..6] {
            scene.edit(&ada, id, json!({ "jobTitle": format!("Title {rounds}") }));
        }
        scene.delete(&ada, &ids[6]);
        scene.stack.transport.deliver_due().await;
    }
    scene.minutes(5).await;
    assert_eq!(scene.world().subscription_count(Some(&ada.key)), 3);
    scene.assert_settled(&ada).await;
}
