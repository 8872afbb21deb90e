//! Photos of contacts, from Outlook: what is read, what it costs, and what is left of it. And the words for photos.

use std::time::Duration;

use axum::body::Body;
use graph_sim::faults::{Fault, Rule};
use graph_sim::{Edit, Operation, Settings as GraphSettings};
use lambda_http::http::Request;
use local_stack::Photos;
use serde_json::{Value, json};
use sync_core::photo::PhotoHash;
use sync_engine::Settings;
use tower::ServiceExt;

use crate::crash::work_for;
use crate::scene::{Person, Scene};

/// Time for a photo to arrive on the other side.
pub(crate) const ARRIVES_WITHIN: u64 = 3;

/// A photo of its own: the beginning of a JPEG, and some text.
pub(crate) fn jpeg(text: &str) -> Vec<u8> {
    [&[0xff, 0xd8, 0xff, 0xe0], text.as_bytes()].concat()
}

pub(crate) fn hash(text: &str) -> String {
    PhotoHash::of(&jpeg(text)).into()
}

/// A mailbox in sync whose first contact, and it alone, has a photo: its id in Outlook, and here.
pub(crate) async fn pictured(scene: &mut Scene, contacts: usize) -> (Person, String, String) {
    let key = scene.user("Ada", contacts, 1);
    let ada = scene.enrol(&key).await;
    scene.minutes(ARRIVES_WITHIN).await;
    let item = scene.contacts_in(&ada, "Contacts")[0].clone();
    let id = scene.record(&ada, &item).await.id.to_string();
    scene.user_sets_photo(&ada, &item, Some("old"));
    scene.ask(&ada, "resync").await;
    scene.minutes(ARRIVES_WITHIN).await;
    assert_eq!(scene.photo_of(&ada, &id).await, Some(hash("old")));
    (ada, item, id)
}

impl Scene {
    pub(crate) async fn with_photos() -> Self {
        Self::start(GraphSettings::default(), Settings::default(), Photos::On).await
    }

    pub(crate) fn user_sets_photo(&self, person: &Person, item: &str, photo: Option<&str>) {
        let photo = photo.map(|text| data_encoding::BASE64.encode(&jpeg(text)));
        let id = item.to_owned();
        self.user_does(person, Edit::SetPhoto { id, photo });
    }

    /// What Outlook has.
    pub(crate) fn photo_in_outlook(&self, person: &Person, item: &str) -> Option<Vec<u8>> {
        self.world().photo(&person.key, item).map(|photo| photo.to_vec())
    }

    /// The platform sets a photo.
    pub(crate) async fn set_photo(&self, person: &Person, id: &str, photo: &str) -> (u16, Value) {
        let path = format!("/v1/mailboxes/{}/contacts/{id}/photo", person.id);
        let request = Request::put(path)
            .header("content-type", "image/jpeg")
            .header("if-match", "*");
        let request = request.body(Body::from(jpeg(photo))).unwrap();
        let answer = self.stack.api.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX)
            .await
            .unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// The photo as the API gives it.
    pub(crate) async fn get_photo(&self, person: &Person, id: &str) -> (u16, Vec<u8>) {
        let path = format!("/v1/mailboxes/{}/contacts/{id}/photo", person.id);
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = self.stack.api.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX)
            .await
            .unwrap();
        (status, bytes.to_vec())
    }

    /// The hash of the contact's photo that the API tells of; the bytes behind it are those.
    pub(crate) async fn photo_of(&self, person: &Person, id: &str) -> Option<String> {
        let shown = self.shown(person, id).await.1;
        let hash = shown["photo"]["hash"].as_str().map(str::to_owned);
        let (status, bytes) = self.get_photo(person, id).await;
        match &hash {
            Some(hash) => assert_eq!((status, PhotoHash::of(&bytes).as_str()), (200, hash.as_str())),
            None => assert_eq!(status, 404),
        }
        hash
    }

    /// Each photo that a record names is kept, and no other.
    pub(crate) async fn assert_photos_kept(&self, person: &Person) {
        let records = self.records(person).await.into_values();
        let named: Vec<String> = records
            .filter_map(|it| {
                let photo = it.photo?;
                Some(format!(
                    "{}/{}/{}-{}",
                    person.id, it.id, photo.version, photo.hash
                ))
            })
            .collect();
        let mut kept = self.stack.aws.objects().names();
        kept.retain(|name| name.starts_with(person.id.as_str()));
        assert_eq!(kept, named);
    }

    /// Requests to Graph that write a photo.
    pub(crate) fn photo_puts(&self) -> usize {
        let world = self.world();
        let puts = world
            .requests()
            .filter(|it| it.operation == Operation::Photo && it.method == "PUT");
        puts.count()
    }
}

#[tokio::test]
async fn the_first_sync_reads_all_photos_and_a_change_that_of_its_contact() {
    let mut scene = Scene::with_photos().await;
    let key = scene.user("Ada", 30, 1);
    let ada = Person {
        key: key.clone(),
        id: scene.enrol(&key).await.id,
    };
    let items: Vec<String> = scene.truth(&ada).contacts.into_keys().collect();
    for item in &items[..25] {
        scene.user_sets_photo(&ada, item, Some(item));
    }
    scene.minutes(ARRIVES_WITHIN).await;
    scene.assert_equal(&ada).await;
    assert_eq!(scene.asked(Operation::Photo), 30, "each was looked at once");
    for (at, item) in items.iter().enumerate() {
        let record = scene.record(&ada, item).await;
        let photo = record.photo.map(|photo| photo.hash.to_string());
        assert_eq!(photo, (at < 25).then(|| hash(item)));
    }
    scene.assert_photos_kept(&ada).await;

    let id = scene.record(&ada, &items[0]).await.id.to_string();
    let before = scene.spent(&ada).await;
    scene.user_sets_photo(&ada, &items[0], Some("another"));
    scene.edit(&ada, &items[0], json!({ "jobTitle": "Countess" }));
    scene.minutes(ARRIVES_WITHIN).await;
    assert_eq!(scene.photo_of(&ada, &id).await, Some(hash("another")));
    assert_eq!(scene.asked(Operation::Photo), 31);
    let spent = scene.spent_since(&ada, before).await;
    assert_eq!(
        (spent.revs, spent.versions, spent.events),
        (2, 2, 2),
        "title and photo"
    );
    let events = scene.stack.bus.events();
    let data = &events.last().unwrap().detail["data"];
    assert_eq!(
        (&data["changed"], &data["photo"]["hash"], &data["changedBy"]),
        (&json!(["photo"]), &json!(hash("another")), &json!("outlook"))
    );
    scene.assert_photos_kept(&ada).await;
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_photo_that_graph_tells_nobody_of_is_found_with_the_next_comparison() {
    let mut scene = Scene::with_photos().await;
    let (ada, item, id) = pictured(&mut scene, 6).await;
    scene.user_sets_photo(&ada, &item, Some("new"));
    scene.minutes(90).await;
    assert_eq!(
        scene.photo_of(&ada, &id).await,
        Some(hash("old")),
        "nobody said so"
    );
    scene.hours(30).await;
    assert_eq!(scene.photo_of(&ada, &id).await, Some(hash("new")));
    scene.user_sets_photo(&ada, &item, None);
    scene.hours(30).await;
    assert_eq!(
        scene.photo_of(&ada, &id).await,
        None,
        "taken away there, gone here"
    );
    scene.assert_photos_kept(&ada).await;
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_deleted_contact_and_a_removed_mailbox_leave_no_photo() {
    let mut scene = Scene::with_photos().await;
    let (ada, item, id) = pictured(&mut scene, 6).await;
    let others: Vec<String> = scene.contacts_in(&ada, "Contacts").split_off(1);
    let other = scene.record(&ada, &others[0]).await.id.to_string();
    scene.set_photo(&ada, &other, "other").await;
    scene.minutes(ARRIVES_WITHIN).await;
    assert_eq!(scene.stack.aws.objects().names().len(), 2);
    scene.delete(&ada, &item);
    scene.erase(&ada, &other).await;
    scene.minutes(ARRIVES_WITHIN).await;
    assert_eq!(scene.stack.aws.objects().names(), Vec::<String>::new());
    assert_eq!(scene.shown(&ada, &id).await.0, 404);
    scene.assert_at_rest(&ada).await;

    // Back from Deleted Items, with the photo that it has there.
    scene.move_to(&ada, &item, None);
    scene.minutes(ARRIVES_WITHIN).await;
    assert_eq!(scene.photo_of(&ada, &id).await, Some(hash("old")));
    scene.assert_photos_kept(&ada).await;
    scene.remove(&ada).await;
    scene.minutes(ARRIVES_WITHIN).await;
    assert_eq!(scene.stack.aws.objects().names(), Vec::<String>::new());
    assert_eq!(scene.items().await, 0);
    scene.assert_quiet();
}

#[tokio::test]
async fn a_throttled_sweep_goes_on_when_graph_says_so_and_edits_get_through_a_long_one() {
    let mut scene = Scene::with_photos().await;
    let key = scene.user("Ada", 450, 0);
    let ada = scene.enrol(&key).await;
    let throttled = Fault::Throttled {
        retry_after: Some(300),
    };
    scene
        .world()
        .add_fault(Rule::new(throttled).on(Operation::Photo).after(250).times(6));
    scene.minutes(2).await;
    let item = scene.contacts_in(&ada, "Contacts")[449].clone();
    scene.user_sets_photo(&ada, &item, Some("late"));
    let id = scene.record(&ada, &item).await.id.to_string();
    scene.minutes(40).await;
    assert_eq!(scene.photo_of(&ada, &id).await, Some(hash("late")));
    assert!(scene.metric("GraphThrottled") >= 1);
    assert!(scene.metric("Continuations") >= 2, "200 photos a message");
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_photo_is_read_once_wherever_the_worker_died() {
    let mut scene = Scene::with_photos().await;
    let (ada, item, id) = pictured(&mut scene, 4).await;
    let (mut steps, mut ended) = (1, false);
    while !ended {
        let photo = format!("died at step {steps}");
        let versions = scene.versions(&ada).await;
        scene.user_sets_photo(&ada, &item, Some(&photo));
        let sweep = job_queue::WorkJob::PhotoSweep {
            mailbox: ada.id.clone(),
            after: None,
        };
        let work = &scene.stack.worker.engine.work;
        work.send(&[sweep], &photo.replace(' ', "-")).await.unwrap();
        ended = work_for(&scene, steps).await;
        scene.minutes(5).await;
        assert_eq!(scene.photo_of(&ada, &id).await, Some(hash(&photo)));
        assert_eq!(scene.versions(&ada).await - versions, 1, "{photo}");
        steps += 1;
    }
    assert!(steps > 8, "{steps} steps: the story has no point");
    // What a crash has left goes with the next photo.
    scene.user_sets_photo(&ada, &item, Some("at last"));
    scene.ask(&ada, "resync").await;
    scene.minutes(ARRIVES_WITHIN).await;
    scene.assert_photos_kept(&ada).await;
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn while_the_bucket_fails_photos_wait_and_contacts_go_on() {
    let mut scene = Scene::with_photos().await;
    let (ada, item, id) = pictured(&mut scene, 4).await;
    scene.stack.aws.objects().refuse(true);
    let (status, _) = scene.set_photo(&ada, &id, "new").await;
    assert_eq!(status, 503, "the platform is told to come again");
    scene.user_sets_photo(&ada, &item, Some("newer"));
    scene.edit(&ada, &item, json!({ "jobTitle": "Countess" }));
    scene.minutes(1).await;
    scene.assert_equal(&ada).await;
    scene.stack.aws.objects().refuse(false);
    scene.stack.run_for(Duration::from_mins(30)).await.unwrap();
    assert_eq!(scene.photo_of(&ada, &id).await, Some(hash("newer")));
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn without_the_parameter_nobody_asks_for_photos() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 1).await;
    let item = scene.contacts_in(&ada, "Contacts")[0].clone();
    scene.user_sets_photo(&ada, &item, Some("old"));
    scene.edit(&ada, &item, json!({ "jobTitle": "Countess" }));
    scene.hours(25).await;
    scene.delete(&ada, &item);
    scene.minutes(ARRIVES_WITHIN).await;
    assert_eq!(scene.asked(Operation::Photo), 0);
    let other = scene.contacts_in(&ada, "Contacts")[0].clone();
    let id = scene.record(&ada, &other).await.id.to_string();
    let (status, answer) = scene.set_photo(&ada, &id, "new").await;
    assert_eq!(
        (status, answer["type"].as_str().unwrap()),
        (404, "tag:outlook-contact-sync,2026:photos-off")
    );
    assert_eq!(scene.get_photo(&ada, &id).await.0, 404);
    scene.remove(&ada).await;
    scene.minutes(ARRIVES_WITHIN).await;
    assert_eq!(scene.stack.aws.objects().requests(), 0);
}
