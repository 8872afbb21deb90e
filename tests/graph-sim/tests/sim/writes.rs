//! Many writes at once, as the client makes them: what Outlook makes of them, and what lost answers leave behind.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambient::Ambient;
use bytes::Bytes;
use graph_client::{
    Cloud, Contact, ContactWrite, Credential, Endpoints, ErrorKind, FixedCredential, GraphClient, GraphError,
    MailboxClient, StampSearch, Written,
};
use graph_sim::faults::{Fault, Rule};
use graph_sim::{Limits, MailboxKey, Operation, Settings, SimTransport, Snapshot, World};
use serde_json::{Map, Value, json};

use crate::scene::{APP, SECRET, TENANT, USER};

/// A world with one mailbox, and a client of it.
struct Stage {
    world: Arc<Mutex<World>>,
    ambient: Ambient,
    client: GraphClient<SimTransport>,
    key: MailboxKey,
    /// The default folder.
    folder: String,
}

impl Stage {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let mut world = World::new(settings);
        world.add_app(APP, SECRET);
        world.consent(TENANT, APP);
        let key = world.add_mailbox(TENANT, USER, "ada@contoso.example", "Ada Lovelace");
        let truth = world.snapshot(&key).unwrap();
        let (folder, _) = truth
            .folders
            .into_iter()
            .find(|(_, folder)| folder.is_default)
            .unwrap();
        let world = Arc::new(Mutex::new(world));
        let ambient = Ambient::simulated("2026-11-23T08:00:00Z".parse().unwrap(), 1);
        let credential = Credential::ClientSecret {
            client_id: APP.to_owned(),
            secret: SECRET.into(),
        };
        let client = GraphClient::new(
            SimTransport::new(Arc::clone(&world), ambient.clone()),
            Endpoints::from_cloud(Cloud::Global),
            Arc::new(FixedCredential(credential)),
            ambient.clone(),
            http::HeaderValue::from_static("writes/1"),
        );
        Self {
            world,
            ambient,
            client,
            key,
            folder,
        }
    }

    fn mailbox(&self) -> MailboxClient<'_, SimTransport> {
        self.client.mailbox(TENANT, USER)
    }

    fn fault(&self, rule: Rule) {
        self.world.lock().unwrap().add_fault(rule);
    }

    fn truth(&self) -> Snapshot {
        self.world.lock().unwrap().snapshot(&self.key).unwrap()
    }

    fn create(&self, stamp: &str, members: &Value) -> ContactWrite {
        ContactWrite::Create {
            folder: Some(self.folder.clone()),
            members: object(members),
            stamp: stamp.to_owned(),
        }
    }

    async fn write(&self, writes: &[ContactWrite]) -> Vec<Result<Written, GraphError>> {
        self.mailbox().write_contacts(writes).await
    }

    /// Makes a contact for a story to begin with.
    async fn made(&self, members: &Value) -> Contact {
        saved(self.write(&[self.create("s", members)]).await.remove(0))
    }

    async fn found(&self, stamp: &str) -> Vec<Contact> {
        let search = StampSearch {
            folder: Some(&self.folder),
            stamp,
        };
        self.mailbox()
            .contacts_by_stamp(&[search])
            .await
            .remove(0)
            .unwrap()
    }
}

fn object(members: &Value) -> Map<String, Value> {
    members.as_object().unwrap().clone()
}

fn update(contact: &Contact, members: &Value) -> ContactWrite {
    ContactWrite::Update {
        id: contact.id.clone(),
        if_match: contact.change_key.clone(),
        members: object(members),
    }
}

fn delete(contact: &Contact) -> ContactWrite {
    ContactWrite::Delete {
        id: contact.id.clone(),
        if_match: contact.change_key.clone(),
    }
}

fn saved(outcome: Result<Written, GraphError>) -> Contact {
    match outcome.unwrap() {
        Written::Saved(contact) => contact,
        Written::Deleted => panic!("it was deleted"),
    }
}

#[tokio::test]
async fn a_contact_is_created_updated_and_deleted_and_each_answer_shows_it_as_outlook_has_it() {
    let stage = Stage::new();
    let created = stage
        .made(&json!({ "givenName": "Ada", "surname": "King",
            "emailAddresses": [{ "address": "ada@contoso.example", "name": "mum" }] }))
        .await;
    assert_eq!(created.members["displayName"], "Ada King", "made by Outlook");
    assert_eq!(
        created.members["emailAddresses"][0]["name"], "Ada Lovelace",
        "the org's name for it"
    );
    assert_eq!(created.parent_folder_id.as_ref(), Some(&stage.folder));

    let updated = update(
        &created,
        &json!({ "displayName": "The Countess", "surname": "Lovelace" }),
    );
    let updated = saved(stage.write(&[updated]).await.remove(0));
    assert_eq!(updated.members["displayName"], "The Countess");
    assert_ne!(updated.change_key, created.change_key);
    let again = saved(
        stage
            .write(&[update(&updated, &json!({ "surname": "King" }))])
            .await
            .remove(0),
    );
    assert_eq!(
        again.members["displayName"], "Ada King",
        "who doesn't send it loses it"
    );

    assert_eq!(
        stage.write(&[delete(&again)]).await.remove(0).unwrap(),
        Written::Deleted
    );
    assert!(stage.truth().contacts.is_empty());
    let in_bin = stage.mailbox().contact(&created.id).await.unwrap().unwrap();
    assert_ne!(
        in_bin.parent_folder_id, created.parent_folder_id,
        "it lies in Deleted Items"
    );
    assert_eq!(stage.world.lock().unwrap().complaints(), &[] as &[String]);
}

#[tokio::test]
async fn a_stale_change_key_is_refused_unless_the_mailbox_does_not_look_at_it() {
    for enforced in [true, false] {
        let stage = Stage::with(Settings {
            if_match_enforced: enforced,
            ..Settings::default()
        });
        let first = stage.made(&json!({ "displayName": "Ada" })).await;
        let second = stage.made(&json!({ "displayName": "Bob" })).await;
        let title = json!({ "displayName": "Ada", "title": "Dr" });
        for contact in [&first, &second] {
            saved(stage.write(&[update(contact, &title)]).await.remove(0));
        }
        for outcome in stage.write(&[update(&first, &title), delete(&second)]).await {
            assert_eq!(outcome.is_ok(), !enforced);
            let kind = outcome.err().map(|error| error.kind());
            assert_eq!(kind, enforced.then_some(ErrorKind::Conflict));
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_a_contact_that_its_stamp_finds() {
    // The batch as a whole, or one of its items; its answer is an error, late, cut or never there.
    let whole = [
        Fault::GatewayTimeout { committed: true },
        Fault::Reset { committed: true },
        Fault::Hang { committed: true },
        Fault::Truncated,
    ]
    .map(|fault| Rule::new(fault).on(Operation::Batch).times(1));
    let slow = Rule::new(Fault::Slow { millis: 90_000 })
        .on(Operation::Batch)
        .times(1);
    let item = [
        Fault::GatewayTimeout { committed: true },
        Fault::Hang { committed: true },
        Fault::Error {
            status: 500,
            code: "ErrorInternalServerError".to_owned(),
            committed: true,
        },
    ]
    .map(|fault| Rule::new(fault).on(Operation::CreateContact).times(1));
    for rule in whole.into_iter().chain([slow]).chain(item) {
        let stage = Stage::new();
        stage.fault(rule.clone());
        let create = stage.create("con_Lost", &json!({ "displayName": "Ada" }));
        let error = stage.write(&[create]).await.remove(0).unwrap_err();
        assert!(
            error.may_have_happened() && error.kind() == ErrorKind::Transient,
            "{rule:?}"
        );
        assert_eq!(stage.truth().contacts.len(), 1, "once: {rule:?}");

        let found = stage.found("con_Lost").await;
        let stamps: Vec<_> = found.iter().map(|contact| contact.stamp.as_deref()).collect();
        assert_eq!(stamps, [Some("con_Lost")]);
        assert_eq!(
            stage.found("CON_LOST").await.len(),
            1,
            "values are compared without case"
        );
        assert_eq!(stage.found("con_other").await.len(), 0);
        let read = stage
            .mailbox()
            .contacts(&[&found[0].id])
            .await
            .remove(0)
            .unwrap()
            .unwrap();
        assert_eq!(read, found[0], "a read by id shows it too");
    }
}

#[tokio::test]
async fn what_was_certainly_not_carried_out_says_so() {
    let stage = Stage::new();
    let phones = stage.create("a", &json!({ "businessPhones": ["1", "2", "3"] }));
    let emails: Vec<Value> = (0..4)
        .map(|n| json!({ "address": format!("{n}@b.example") }))
        .collect();
    let emails = stage.create("b", &json!({ "emailAddresses": emails }));
    let unknown = stage.create("c", &json!({ "shoeSize": 43 }));
    let read_only = stage.create("d", &json!({ "changeKey": "K" }));
    let nowhere = ContactWrite::Create {
        folder: Some(stage.folder.replace('A', "B")),
        members: Map::new(),
        stamp: "e".to_owned(),
    };
    let outcomes = stage.write(&[phones, emails, unknown, read_only, nowhere]).await;
    let errors: Vec<GraphError> = outcomes.into_iter().map(Result::unwrap_err).collect();
    assert!(
        errors
            .iter()
            .all(|error| !error.may_have_happened() && !error.not_sent())
    );
    let reasons: Vec<&str> = errors.iter().filter_map(GraphError::reason).collect();
    assert_eq!(
        reasons[..2],
        [
            "The multi value property BusinessPhones has 3 entries, that exceeds the max allowed value of 2",
            "The multi value property EmailAddresses has 4 entries, that exceeds the max allowed value of 3",
        ]
    );
    assert!(
        errors[..4]
            .iter()
            .all(|error| error.kind() == ErrorKind::Permanent)
    );
    assert!(matches!(
        errors[4].kind(),
        ErrorKind::FolderNotFound | ErrorKind::Permanent
    ));
    assert!(stage.truth().contacts.is_empty());
}

#[tokio::test]
async fn throttled_creates_come_again_and_none_comes_twice() {
    let stage = Stage::new();
    let creates: Vec<ContactWrite> = (0..50)
        .map(|n| stage.create(&format!("con_{n}"), &json!({ "displayName": format!("N{n}") })))
        .collect();
    stage.fault(
        Rule::new(Fault::Throttled { retry_after: Some(2) })
            .on(Operation::CreateContact)
            .percent(20)
            .times(12),
    );
    let outcomes = stage.write(&creates).await;
    assert!(outcomes.into_iter().all(|outcome| outcome.is_ok()));
    assert_eq!(stage.truth().contacts.len(), 50);
    let counts = stage.world.lock().unwrap().counts(Some(&stage.key));
    assert_eq!(
        counts[&Operation::CreateContact],
        62,
        "each 429 and each success counts"
    );
}

#[tokio::test]
async fn the_limit_of_a_mailbox_is_met_to_the_item_and_the_rest_waits() {
    let stage = Stage::with(Settings {
        limits: Limits {
            mailbox_requests: 30,
            ..Limits::default()
        },
        ..Settings::default()
    });
    let creates: Vec<ContactWrite> = (0..70)
        .map(|n| stage.create(&format!("con_{n}"), &json!({ "displayName": format!("N{n}") })))
        .collect();
    let start = stage.ambient.now();
    let outcomes = stage.write(&creates).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 30);
    assert_eq!(stage.truth().contacts.len(), 30);
    let until = ambient::add(start, Duration::from_mins(10));
    let errors: Vec<&GraphError> = outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().err())
        .collect();
    assert!(errors.iter().all(|error| !error.may_have_happened()));
    assert_eq!(errors[0].kind(), ErrorKind::Throttled { until });
    assert_eq!(
        errors.iter().filter(|error| error.not_sent()).count(),
        30,
        "the last two requests"
    );
    let counts = stage.world.lock().unwrap().counts(None);
    assert_eq!(
        (counts[&Operation::Batch], counts[&Operation::CreateContact]),
        (2, 40)
    );
}

#[tokio::test]
async fn a_batch_of_twenty_fills_the_mailbox_and_never_more_than_that() {
    let stage = Stage::new();
    let creates: Vec<ContactWrite> = (0..20)
        .map(|n| stage.create(&format!("con_{n}"), &json!({ "displayName": format!("N{n}") })))
        .collect();
    let outcomes = stage.write(&creates).await;
    assert!(
        outcomes.iter().all(Result::is_ok),
        "alone it has the four places that it needs"
    );
    let limits = Limits {
        mailbox_concurrency: 3,
        ..Limits::default()
    };
    stage.world.lock().unwrap().settings_mut().limits = limits;
    let more = stage.create("con_20", &json!({ "displayName": "More" }));
    let more = [more.clone(), more.clone(), more.clone(), more];
    let outcomes = stage.write(&more).await;
    assert!(
        outcomes.iter().all(Result::is_ok),
        "the one without a place came again"
    );
    assert_eq!(
        stage.found("con_20").await.len(),
        4,
        "a stamp may be there more than once"
    );
}

#[tokio::test]
async fn a_photo_goes_there_and_back() {
    let stage = Stage::new();
    let contact = stage.made(&json!({ "displayName": "Ada" })).await;
    let mailbox = stage.mailbox();
    assert_eq!(mailbox.photo(&contact.id).await.unwrap(), None);
    let jpeg = Bytes::from_static(b"\xff\xd8\xff\xe0");
    mailbox.put_photo(&contact.id, jpeg.clone()).await.unwrap();
    assert_eq!(mailbox.photo(&contact.id).await.unwrap(), Some(jpeg));
    let nobody = contact.id.replace("AAkALgAA", "AAkALgBB");
    assert_eq!(mailbox.photo(&nobody).await.unwrap(), None);
    let error = mailbox
        .put_photo(&nobody, Bytes::from_static(b"x"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
