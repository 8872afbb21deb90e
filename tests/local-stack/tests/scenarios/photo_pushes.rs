//! Photos that are set here, to Outlook: what they cost, who gets his way, and what comes in between.

use graph_sim::Operation;
use graph_sim::faults::{Fault, Rule};
use serde_json::{Value, json};

use crate::crash::{live_for, work_for};
use crate::photos::{ARRIVES_WITHIN, hash, jpeg, pictured};
use crate::scene::Scene;

#[tokio::test]
async fn a_photo_set_here_reaches_outlook_once_and_its_echo_costs_nothing() {
    let mut scene = Scene::with_photos().await;
    let (ada, item, id) = pictured(&mut scene, 6).await;
    let (before, looks) = (scene.spent(&ada).await, scene.asked(Operation::Photo));
    let (status, answer) = scene.set_photo(&ada, &id, "new").await;
    assert_eq!((status, &answer["sync"]["state"]), (200, &json!("pending")));
    assert_eq!(scene.waiting(&ada, "pending").await, [id.as_str()]);
    assert_eq!(scene.photo_of(&ada, &id).await, Some(hash("new")), "here at once");
    scene.minutes(ARRIVES_WITHIN).await;
    assert_eq!(scene.photo_in_outlook(&ada, &item), Some(jpeg("new")));
    assert_eq!(scene.shown(&ada, &id).await.1["sync"]["state"], "settled");
    assert_eq!((scene.photo_puts(), scene.metric("PhotosWritten")), (1, 1));
    assert_eq!(scene.asked(Operation::Photo) - looks, 2, "a look and the write");
    let spent = scene.spent_since(&ada, before).await;
    assert_eq!(
        (spent.graph_writes, spent.revs, spent.versions, spent.events),
        (0, 2, 1, 1)
    );
    scene.assert_photos_kept(&ada).await;

    let before = scene.spent(&ada).await;
    let requests = scene.stack.aws.objects().requests();
    assert_eq!(scene.set_photo(&ada, &id, "new").await.0, 200);
    assert_eq!(
        scene.stack.aws.objects().requests(),
        requests,
        "it is there already"
    );
    scene.minutes(ARRIVES_WITHIN).await;
    assert_eq!(scene.spent_since(&ada, before).await.revs, 0);
    scene.assert_at_rest(&ada).await;
    assert_eq!(scene.photo_puts(), 1);
}

#[tokio::test]
async fn where_both_sides_have_set_a_photo_the_policy_decides_and_the_log_tells() {
    let mut scene = Scene::with_photos().await;
    let (ada, item, id) = pictured(&mut scene, 6).await;
    for (policy, winner) in [
        ("lastWriteWins", "platform"),
        ("platformWins", "platform"),
        ("outlookWins", "outlook"),
    ] {
        let before = scene.photo_of(&ada, &id).await.unwrap();
        scene.rule(&ada, json!({ "conflictPolicy": policy })).await;
        let (ours, theirs) = (format!("ours {policy}"), format!("theirs {policy}"));
        scene.user_sets_photo(&ada, &item, Some(&theirs));
        scene.set_photo(&ada, &id, &ours).await;
        scene.minutes(ARRIVES_WITHIN).await;
        let kept = if winner == "outlook" { &theirs } else { &ours };
        assert_eq!(scene.photo_in_outlook(&ada, &item), Some(jpeg(kept)), "{policy}");
        assert_eq!(scene.photo_of(&ada, &id).await, Some(hash(kept)), "{policy}");
        let conflict = scene.conflicts(&ada).await[0].clone();
        let path = format!(
            "/v1/mailboxes/{}/conflicts/{}",
            ada.id,
            conflict["id"].as_str().unwrap()
        );
        let told = scene.ask_api("GET", &path, &[], None).await.1;
        let clash = &told["clashes"][0];
        assert_eq!(
            (&clash["member"], &clash["winner"], &clash["base"]),
            (&json!("photo"), &json!(winner), &json!(before)),
            "{told}"
        );
        assert_eq!(
            (&clash["platform"], &clash["outlook"]),
            (&json!(hash(&ours)), &json!(hash(&theirs)))
        );
        let take = json!({ "take": "outlook" });
        let (status, _) = scene
            .ask_api("POST", &format!("{path}/settle"), &[], Some(take))
            .await;
        assert_ne!(status, 200, "a photo that has lost is not kept");
        scene.assert_photos_kept(&ada).await;
    }
    assert_eq!(scene.conflicts(&ada).await.len(), 3);
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_photo_waits_for_its_contact_and_moves_with_it() {
    let mut scene = Scene::with_photos().await;
    let (ada, _, _) = pictured(&mut scene, 6).await;
    let zelda = json!({ "contact": { "givenName": "Zelda", "displayName": "Zelda" } });
    let zelda = scene.make(&ada, zelda).await;
    assert_eq!(scene.set_photo(&ada, &zelda, "zelda").await.0, 200);
    scene.minutes(ARRIVES_WITHIN).await;
    let item = scene.item_of(&ada, "Zelda")["id"].as_str().unwrap().to_owned();
    assert_eq!(scene.photo_in_outlook(&ada, &item), Some(jpeg("zelda")));
    assert_eq!(scene.photo_puts(), 1);

    let suppliers = scene.folder_id(&ada, "Contacts/Suppliers");
    scene.patch(&ada, &zelda, json!({ "folder": suppliers })).await;
    scene.minutes(ARRIVES_WITHIN).await;
    let moved = scene.item_of(&ada, "Zelda")["id"].as_str().unwrap().to_owned();
    assert_ne!(moved, item, "a move is a create and a delete");
    assert_eq!(scene.photo_in_outlook(&ada, &moved), Some(jpeg("zelda")));
    assert_eq!(scene.photo_of(&ada, &zelda).await, Some(hash("zelda")));
    assert_eq!(scene.photo_puts(), 2);
    assert_eq!(scene.conflicts(&ada).await, Vec::<Value>::new());
    scene.assert_photos_kept(&ada).await;
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_photo_reaches_outlook_wherever_the_worker_died_and_a_conflict_is_logged_once() {
    let mut scene = Scene::with_photos().await;
    let (ada, item, id) = pictured(&mut scene, 4).await;
    let (mut steps, mut ended, mut conflicts) = (1, false, 0);
    while !ended {
        let photo = format!("died at step {steps}");
        if steps % 2 == 0 {
            scene.user_sets_photo(&ada, &item, Some(&format!("{photo} of theirs")));
            conflicts += 1;
        }
        scene.set_photo(&ada, &id, &photo).await;
        scene.deliver_changes().await;
        ended = work_for(&scene, steps).await;
        scene.minutes(5).await;
        assert_eq!(scene.photo_in_outlook(&ada, &item), Some(jpeg(&photo)));
        assert_eq!(scene.photo_of(&ada, &id).await, Some(hash(&photo)));
        assert_eq!(scene.conflicts(&ada).await.len(), conflicts, "{photo}");
        steps += 1;
    }
    assert!(steps > 8, "{steps} steps: the story has no point");
    // What a crash has left goes with the next photo.
    scene.set_photo(&ada, &id, "at last").await;
    scene.minutes(ARRIVES_WITHIN).await;
    scene.assert_photos_kept(&ada).await;
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_photo_that_is_set_while_another_is_under_way_follows_it_and_clashes_with_nobody() {
    let mut scene = Scene::with_photos().await;
    let (ada, item, id) = pictured(&mut scene, 4).await;
    scene.rule(&ada, json!({ "conflictPolicy": "outlookWins" })).await;
    let (mut steps, mut ended) = (1, false);
    while !ended {
        // At even steps the worker dies there.
        let (first, second) = (format!("first {steps}"), format!("second {steps}"));
        scene.set_photo(&ada, &id, &first).await;
        scene.deliver_changes().await;
        let batch = scene.stack.work.poll().unwrap();
        let answer = {
            let mut work = std::pin::pin!(scene.stack.work_on(&batch));
            let lived = live_for(steps, work.as_mut()).await;
            scene.set_photo(&ada, &id, &second).await;
            ended = lived.is_some();
            match lived {
                Some(answer) => Some(answer),
                None if steps % 2 == 0 => None,
                None => Some(work.await),
            }
        };
        if let Some(answer) = answer {
            scene.stack.work.finish(batch, Ok::<_, ()>(answer));
        }
        scene.minutes(5).await;
        assert_eq!(
            scene.photo_in_outlook(&ada, &item),
            Some(jpeg(&second)),
            "{second}"
        );
        assert_eq!(scene.photo_of(&ada, &id).await, Some(hash(&second)), "{second}");
        assert_eq!(scene.conflicts(&ada).await, Vec::<Value>::new(), "{second}");
        steps += 1;
    }
    assert!(steps > 8, "{steps} steps: the story has no point");
    scene.assert_at_rest(&ada).await;

    // Deleted in Outlook, the contact takes a photo with it that waits; the log tells.
    let throttled = Fault::Throttled {
        retry_after: Some(60),
    };
    let rule = Rule::new(throttled).on(Operation::Photo).times(1);
    scene.world().add_fault(rule);
    scene.set_photo(&ada, &id, "late").await;
    scene.seconds(20).await;
    scene.delete(&ada, &item);
    scene.minutes(ARRIVES_WITHIN).await;
    assert_eq!(scene.shown(&ada, &id).await.0, 404);
    let conflict = scene.conflicts(&ada).await[0].clone();
    assert_eq!(
        (
            &conflict["clashes"][0]["member"],
            &conflict["clashes"][0]["platform"]
        ),
        (&json!("photo"), &json!(hash("late")))
    );
    assert_eq!(scene.stack.aws.objects().names(), Vec::<String>::new());
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_refused_photo_is_held_and_a_person_tries_it_again_or_discards_it() {
    let mut scene = Scene::with_photos().await;
    let (ada, item, id) = pictured(&mut scene, 4).await;
    for what in ["retry", "discard"] {
        let refused = Fault::Error {
            status: 400,
            code: "ErrorInvalidImage".to_owned(),
            committed: false,
        };
        let rule = Rule::new(refused).on(Operation::Photo).after(1).times(1);
        scene.world().add_fault(rule);
        scene.set_photo(&ada, &id, what).await;
        scene.minutes(ARRIVES_WITHIN).await;
        let shown = scene.shown(&ada, &id).await.1;
        assert_eq!(
            (&shown["sync"]["state"], &shown["sync"]["refusal"]["code"]),
            (&json!("refused"), &json!("ErrorInvalidImage")),
            "{shown}"
        );
        assert_eq!(scene.waiting(&ada, "refused").await, [id.as_str()]);
        // It holds nobody up, its own contact included.
        scene
            .patch(&ada, &id, json!({ "contact": { "jobTitle": what } }))
            .await;
        scene.minutes(ARRIVES_WITHIN).await;
        assert_eq!(scene.truth(&ada).contacts[&item]["jobTitle"], what);
        scene.decide(&ada, &id, what, None).await;
        scene.minutes(ARRIVES_WITHIN).await;
        assert_eq!(scene.photo_in_outlook(&ada, &item), Some(jpeg("retry")));
        assert_eq!(scene.photo_of(&ada, &id).await, Some(hash("retry")));
        assert_eq!(scene.shown(&ada, &id).await.1["sync"]["state"], "settled");
    }
    // One that somebody has taken out of the bucket can't be sent: that is told, too.
    scene.set_photo(&ada, &id, "lost").await;
    let objects = scene.stack.aws.objects().clone();
    for name in objects
        .names()
        .iter()
        .filter(|name| name.ends_with(&hash("lost")))
    {
        objects.lose(name);
    }
    scene.minutes(ARRIVES_WITHIN).await;
    assert_eq!(
        scene.shown(&ada, &id).await.1["sync"]["refusal"]["code"],
        "photoMissing"
    );
    scene.errors.expect("is not kept any more");
    scene.set_photo(&ada, &id, "lost").await;
    scene.minutes(ARRIVES_WITHIN).await;
    assert_eq!(scene.photo_in_outlook(&ada, &item), Some(jpeg("lost")));
    scene.assert_photos_kept(&ada).await;
    scene.assert_at_rest(&ada).await;
}
