//! What SQS does wrong.

use local_stack::aws::SendFault;

use crate::scene::Scene;

#[tokio::test]
async fn notifications_that_cannot_be_stored_are_refused_and_come_again() {
    for fault in [SendFault::Refused, SendFault::AnswerLost] {
        let mut scene = Scene::new().await;
        let ada = scene.settled("Ada", 6, 0).await;
        scene.stack.work.fail_sends(1, fault);
        scene.edit_one(&ada, "Countess");
        scene.seconds(5).await;
        scene.errors.expect("notifications were not stored");
        let unread = scene.world().unread();
        assert_eq!((unread.waiting, unread.lost), (1, 0), "Graph keeps it");
        scene.minutes(1).await;
        scene.assert_equal(&ada).await;
        assert_eq!(scene.metric("ContactsUpdated"), 1);
        scene.assert_settled(&ada).await;
    }
}

#[tokio::test]
async fn messages_that_are_delivered_twice_cost_no_second_write() {
    let mut scene = Scene::new().await;
    scene.stack.work.deliver_again(3);
    scene.stack.lifecycle.deliver_again(2);
    let ada = scene.settled("Ada", 12, 1).await;
    assert_eq!(scene.versions(&ada).await, 12);
    assert_eq!(scene.world().subscription_count(Some(&ada.key)), 2);
    scene.stack.work.deliver_again(2);
    scene.edit_one(&ada, "Countess");
    scene.minutes(5).await;
    assert_eq!(scene.versions(&ada).await, 13);
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_message_that_nobody_can_read_is_soon_a_dead_letter_and_its_mailbox_goes_on() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 0).await;
    let send = scene.stack.aws.sqs().send_message();
    let send = send
        .queue_url(scene.stack.work.url())
        .message_group_id(ada.id.as_str());
    let garbled = send
        .message_deduplication_id("garbled")
        .message_body("{\"job\":\"dance\"}");
    garbled.send().await.unwrap();
    scene.seconds(1).await;
    scene.edit_one(&ada, "Countess");
    scene.minutes(1).await;
    scene.errors.expect("can't be read");
    assert_eq!(scene.stack.work.dead_letters().len(), 1);
    scene.assert_equal(&ada).await;
}
