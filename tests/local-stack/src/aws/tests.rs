//! The local AWS as the functions see it: through the real SDK clients, on a clock that jumps.

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse};
use aws_sdk_dynamodb::types::{AttributeValue, StreamViewType};
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use jiff::Timestamp;

use super::*;

struct Scene {
    aws: LocalAws,
    ambient: Ambient,
    work: LocalQueue,
}

impl Scene {
    async fn new() -> Self {
        let start: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
        let ambient = Ambient::simulated(start, 1);
        let aws = LocalAws::start(ambient.clone()).await.unwrap();
        let work = aws.queue(WORK_QUEUE).unwrap();
        Self { aws, ambient, work }
    }

    async fn send(&self, group: &str, body: &str) -> Result<(), aws_sdk_sqs::Error> {
        let send = self.aws.sqs().send_message().queue_url(self.work.url());
        send.message_group_id(group)
            .message_deduplication_id(body)
            .message_body(body)
            .send()
            .await?;
        Ok(())
    }

    /// What the next invocation would get; the batch stays in flight.
    fn poll(&self) -> Option<(Batch, Vec<String>)> {
        let batch = self.work.poll()?;
        let bodies = batch
            .event
            .records
            .iter()
            .filter_map(|record| record.body.clone())
            .collect();
        Some((batch, bodies))
    }

    fn jump(&self) {
        let next = self.work.next_visible_at().expect("the queue is not empty");
        self.ambient
            .advance((next - self.ambient.now()).try_into().unwrap_or_default());
    }
}

/// What a function answers; its error has nothing to say.
type Answer = Result<SqsBatchResponse, ()>;

fn failing(ids: &[&str]) -> SqsBatchResponse {
    let mut answer = SqsBatchResponse::default();
    for id in ids {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = (*id).to_owned();
        answer.batch_item_failures.push(failure);
    }
    answer
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

#[tokio::test]
async fn the_tables_are_those_of_the_template_and_two_accounts_side_by_side_share_nothing() {
    let (one, other) = (Scene::new().await, Scene::new().await);
    let described = one
        .aws
        .dynamodb()
        .describe_table()
        .table_name(CONTACTS_TABLE)
        .send()
        .await
        .unwrap();
    let table = described.table.unwrap();
    let stream = table
        .stream_specification
        .as_ref()
        .and_then(|stream| stream.stream_view_type.clone());
    assert_eq!(stream, Some(StreamViewType::NewAndOldImages));
    let mut indexes: Vec<_> = table
        .global_secondary_indexes()
        .iter()
        .filter_map(|index| index.index_name())
        .collect();
    indexes.sort_unstable();
    assert_eq!(indexes, ["by-change", "by-folder", "by-pending"]);

    let key = [("mailbox_id".to_owned(), text("m")), ("sk".to_owned(), text("s"))];
    let put = one
        .aws
        .dynamodb()
        .put_item()
        .table_name(STATE_TABLE)
        .set_item(Some(key.clone().into()));
    put.send().await.unwrap();
    let get = |scene: &Scene| {
        scene
            .aws
            .dynamodb()
            .get_item()
            .table_name(STATE_TABLE)
            .set_key(Some(key.clone().into()))
            .send()
    };
    assert!(get(&one).await.unwrap().item.is_some());
    assert!(get(&other).await.unwrap().item.is_none());
}

#[tokio::test]
async fn items_live_by_the_clock_of_the_stack() {
    let scene = Scene::new().await;
    let ends = scene.ambient.now().as_second() + 60;
    let item = [
        ("mailbox_id".to_owned(), text("m")),
        ("sk".to_owned(), text("s")),
        ("ttl".to_owned(), AttributeValue::N(ends.to_string())),
    ];
    let put = scene
        .aws
        .dynamodb()
        .put_item()
        .table_name(STATE_TABLE)
        .set_item(Some(item.into()));
    put.send().await.unwrap();
    assert_eq!(scene.aws.sweep_expired().unwrap(), 0);
    scene.ambient.advance(Duration::from_secs(61));
    assert_eq!(scene.aws.sweep_expired().unwrap(), 1);
}

#[tokio::test]
async fn a_batch_holds_one_group_and_only_its_failed_messages_come_back() {
    let scene = Scene::new().await;
    for (group, body) in [
        ("anna", "a1"),
        ("ben", "b1"),
        ("anna", "a2"),
        ("anna", "a2"),
        ("anna", "a3"),
    ] {
        scene.send(group, body).await.unwrap();
    }
    let (anna, bodies) = scene.poll().unwrap();
    assert_eq!(bodies, ["a1", "a2", "a3"], "the second a2 is a duplicate");
    let record = &anna.event.records[1];
    assert_eq!(record.attributes["MessageGroupId"], "anna");
    assert_eq!(record.attributes["ApproximateReceiveCount"], "1");
    assert_eq!(
        record.event_source_arn.as_deref(),
        Some(scene.work.arn().as_str())
    );
    let (ben, bodies) = scene.poll().unwrap();
    assert_eq!(
        bodies,
        ["b1"],
        "another group is served while the first is at work"
    );
    assert!(scene.poll().is_none());

    // a2 asks for two minutes, as a throttled round does.
    let (failed, receipt) = (
        record.message_id.clone().unwrap(),
        record.receipt_handle.clone().unwrap(),
    );
    let hide = scene
        .aws
        .sqs()
        .change_message_visibility()
        .queue_url(scene.work.url());
    hide.receipt_handle(receipt)
        .visibility_timeout(120)
        .send()
        .await
        .unwrap();
    assert_eq!(
        scene.work.finish(anna, Answer::Ok(failing(&[&failed]))),
        Finished { deleted: 2, kept: 1 }
    );
    assert_eq!(
        scene.work.finish(ben, Answer::Ok(failing(&[]))),
        Finished { deleted: 1, kept: 0 }
    );

    let before = scene.ambient.now();
    scene.jump();
    assert_eq!((scene.ambient.now() - before).get_seconds(), 120);
    let (again, bodies) = scene.poll().unwrap();
    assert_eq!(bodies, ["a2"]);
    assert_eq!(again.event.records[0].attributes["ApproximateReceiveCount"], "2");
    scene.work.finish(again, Answer::Ok(failing(&[])));
    assert_eq!(scene.work.depth(), Depth::default());
}

#[tokio::test]
async fn an_error_or_an_answer_about_a_strange_message_fails_the_whole_batch() {
    let scene = Scene::new().await;
    scene.send("anna", "a1").await.unwrap();
    for answer in [
        Answer::Err(()),
        Ok(failing(&["no such message"])),
        Ok(failing(&[""])),
    ] {
        let (batch, _) = scene.poll().unwrap();
        assert_eq!(scene.work.finish(batch, answer), Finished { deleted: 0, kept: 1 });
        assert!(scene.poll().is_none(), "in flight until its visibility timeout");
        scene.jump();
    }
}

#[tokio::test]
async fn a_message_that_always_fails_ends_as_a_dead_letter_and_frees_its_group() {
    let scene = Scene::new().await;
    scene.send("anna", "poison").await.unwrap();
    let mut receipts = 0;
    while scene.work.depth().total() > 0 {
        scene.jump();
        if let Some((batch, _)) = scene.poll() {
            receipts += 1;
            scene.work.finish(batch, Answer::Err(()));
        }
    }
    assert_eq!(Some(receipts), scene.work.settings().max_receive_count);
    let letters = scene.work.dead_letters();
    assert_eq!((letters.len(), letters[0].body.as_str()), (1, "poison"));
    assert_eq!(letters[0].group.as_deref(), Some("anna"));

    scene.send("anna", "next").await.unwrap();
    assert_eq!(scene.poll().unwrap().1, ["next"]);
}

#[tokio::test]
async fn a_batch_may_be_delivered_twice_and_a_slow_function_may_lose_its_hold() {
    let scene = Scene::new().await;
    scene.send("anna", "a1").await.unwrap();
    scene.work.deliver_again(1);
    let (batch, _) = scene.poll().unwrap();
    scene.work.finish(batch, Answer::Ok(failing(&[])));

    let (slow, bodies) = scene.poll().expect("delivered again");
    assert_eq!(bodies, ["a1"]);
    scene.work.lapse();
    let (second, _) = scene.poll().expect("two functions at work on one group");
    assert_eq!(
        scene.work.finish(slow, Answer::Ok(failing(&[]))),
        Finished { deleted: 0, kept: 1 }
    );
    assert_eq!(
        scene.work.finish(second, Answer::Ok(failing(&[]))),
        Finished { deleted: 1, kept: 0 }
    );
}

#[tokio::test]
async fn sends_fail_when_a_test_says_so_and_a_lost_answer_has_been_stored() {
    let scene = Scene::new().await;
    scene.work.fail_sends(1, SendFault::Refused);
    scene.work.fail_sends(1, SendFault::AnswerLost);
    let code = |sent: Result<(), aws_sdk_sqs::Error>| sent.unwrap_err().code().map(str::to_owned);
    assert_eq!(
        code(scene.send("anna", "refused").await).as_deref(),
        Some("InternalFailure")
    );
    assert_eq!(
        code(scene.send("anna", "stored").await).as_deref(),
        Some("InternalFailure")
    );
    scene.send("anna", "stored").await.unwrap();
    assert_eq!(scene.poll().unwrap().1, ["stored"]);

    scene.work.fail_entries(1);
    let entry = |id: &str| {
        let entry = SendMessageBatchRequestEntry::builder().id(id).message_body(id);
        entry
            .message_group_id("ben")
            .message_deduplication_id(id)
            .build()
            .unwrap()
    };
    let batch = scene.aws.sqs().send_message_batch().queue_url(scene.work.url());
    let sent = batch
        .entries(entry("first"))
        .entries(entry("second"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (sent.failed()[0].id(), sent.failed()[0].code()),
        ("first", "InternalError")
    );
    assert_eq!(sent.successful()[0].id(), "second");
    assert_eq!(scene.poll().unwrap().1, ["second"]);
}

#[tokio::test]
async fn a_plain_sqs_client_receives_deletes_and_reads_the_depth() {
    let scene = Scene::new().await;
    let lifecycle = scene.aws.queue(LIFECYCLE_QUEUE).unwrap();
    let sqs = scene.aws.sqs();
    sqs.send_message()
        .queue_url(lifecycle.url())
        .message_body("event")
        .send()
        .await
        .unwrap();
    let receive = sqs
        .receive_message()
        .queue_url(lifecycle.url())
        .max_number_of_messages(10);
    let received = receive.wait_time_seconds(20).send().await.unwrap();
    let [message] = received.messages() else {
        panic!("one message: {received:?}")
    };
    assert_eq!(message.body(), Some("event"));

    let depth = async || {
        let ask = sqs.get_queue_attributes().queue_url(lifecycle.url());
        let name = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        ask.attribute_names(name.clone())
            .send()
            .await
            .unwrap()
            .attributes
            .unwrap()[&name]
            .clone()
    };
    assert_eq!(depth().await, "1");
    let delete = sqs.delete_message().queue_url(lifecycle.url());
    delete
        .receipt_handle(message.receipt_handle().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(depth().await, "0");

    let lost = sqs
        .send_message()
        .queue_url(format!("{}-typo", lifecycle.url()))
        .message_body("x")
        .send()
        .await;
    assert!(lost.unwrap_err().into_service_error().is_queue_does_not_exist());
    let attribute = aws_sdk_sqs::types::MessageAttributeValue::builder()
        .data_type("String")
        .string_value("x");
    let send = sqs.send_message().queue_url(lifecycle.url()).message_body("x");
    let unmodelled = send
        .message_attributes("trace", attribute.build().unwrap())
        .send()
        .await;
    assert!(unmodelled.is_err(), "what the model would lose it refuses");
}

#[tokio::test]
async fn a_secret_is_rotated_under_its_readers() {
    let scene = Scene::new().await;
    let arn = scene.aws.secrets().put("graph", "old");
    let read = |stage: Option<&str>| {
        let client = scene.aws.secrets_manager();
        let get = client
            .get_secret_value()
            .secret_id(&arn)
            .set_version_stage(stage.map(str::to_owned));
        async move { get.send().await.unwrap().secret_string }
    };
    assert_eq!(read(None).await.as_deref(), Some("old"));
    scene.aws.secrets().put("graph", "new");
    assert_eq!(read(None).await.as_deref(), Some("new"));
    assert_eq!(read(Some("AWSPREVIOUS")).await.as_deref(), Some("old"));
    assert_eq!(scene.aws.secrets().reads("graph"), 3);

    let missing = scene
        .aws
        .secrets_manager()
        .get_secret_value()
        .secret_id("nobody")
        .send()
        .await;
    assert!(
        missing
            .unwrap_err()
            .into_service_error()
            .is_resource_not_found_exception()
    );
}

#[tokio::test]
async fn nothing_is_left_running_when_it_has_stopped() {
    let scene = Scene::new().await;
    scene.send("anna", "a1").await.unwrap();
    let (_, authority) = scene.work.url().split_once("//").unwrap();
    let address = authority.split('/').next().unwrap().to_owned();
    assert!(tokio::net::TcpStream::connect(&address).await.is_ok());
    let sqs = scene.aws.sqs();
    scene.aws.stop().await;
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
    assert!(
        sqs.send_message()
            .queue_url(scene.work.url())
            .message_body("x")
            .send()
            .await
            .is_err()
    );
}
