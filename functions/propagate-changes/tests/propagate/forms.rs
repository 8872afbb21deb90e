//! The events are what `docs/events` says: each is held against its schema, and each schema against its example.

use contact_store::{ConflictPolicy, FolderScope, Phase, Photo, UnavailableReason};
use jsonschema::Validator;
use propagate_changes::{Change, Event, Kind, Now, outcome};
use serde_json::{Value, json};
use sync_core::ids::FolderId;
use sync_core::photo::PhotoHash;
use sync_core::record::DeletionPolicy;

use crate::scene::{at, conflict, contact, edited, erase, left, mailbox, mailbox_written, seen, written};

const KINDS: [Kind; 6] = [
    Kind::ContactCreated,
    Kind::ContactUpdated,
    Kind::ContactDeleted,
    Kind::ContactErased,
    Kind::ConflictRecorded,
    Kind::MailboxChanged,
];

fn schema(kind: Kind) -> Value {
    let path = format!(
        "{}/../../docs/events/{}.v1.json",
        env!("CARGO_MANIFEST_DIR"),
        kind.name()
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The schema, and what it doesn't say of itself: that there is nothing else. Events are held against it so that a
/// member can't be sent and not be described.
fn validator(kind: Kind) -> Validator {
    let mut schema = schema(kind);
    schema["additionalProperties"] = json!(false);
    schema["properties"]["data"]["additionalProperties"] = json!(false);
    jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap()
}

fn check(kind: Kind, detail: &Value) {
    let validator = validator(kind);
    let errors: Vec<_> = validator
        .iter_errors(detail)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{kind:?}: {errors:#?}\n{detail:#}");
}

/// Every event that there can be, with few members and with many.
fn events() -> Vec<Event> {
    let plain = contact("ada", json!({ "givenName": "Ada" }));
    let full = edited(&plain, |it| {
        it.outlook = None;
        it.external_id = Some("crm-7".to_owned());
        it.folder = FolderId::new("suppliers");
        it.document.insert("jobTitle".into(), json!("Countess"));
        it.extras.insert("vCard".into(), json!(["X-A:1"]));
        it.photo = Some(Photo {
            hash: PhotoHash::of(b"jpeg"),
            bytes: 4,
            version: 2,
        });
    });
    let huge = seen(&plain, |it| {
        drop(
            it.document
                .insert("personalNotes".into(), json!("é".repeat(150_000))),
        );
        drop(it.document.insert("n".repeat(9_000), json!(1)));
    });
    let gone = seen(&plain, |it| it.deleted_at = Some(at("06:30:00")));
    let erased = seen(&full, erase);
    let again = seen(&gone, erase);
    let refused = mailbox(Phase::Unavailable {
        reason: UnavailableReason::BadCredential,
        since: at("06:00:00"),
        retry_at: at("07:00:00"),
    });
    let mut strict = mailbox(Phase::Paused);
    strict.scope = FolderScope::Only(vec!["Contacts/Suppliers".to_owned()]);
    strict.policy = Some(ConflictPolicy::Custom);
    strict.deletion = Some(DeletionPolicy::ByPolicy);
    let outcomes = [
        written(None, &plain),
        written(None, &full),
        written(None, &huge),
        written(Some(&plain), &full),
        written(Some(&full), &plain),
        written(Some(&plain), &huge),
        written(Some(&plain), &gone),
        written(Some(&full), &erased),
        written(Some(&gone), &again),
        left(&plain, Now::Merged),
        left(&full, Now::Gone),
        outcome(&Change::Conflict(Box::new(conflict(&plain)))),
        mailbox_written(None, Some(&strict)),
        mailbox_written(Some(&strict), Some(&refused)),
        mailbox_written(Some(&refused), None),
    ];
    outcomes
        .into_iter()
        .flat_map(|outcome| [outcome.event, outcome.erased])
        .flatten()
        .collect()
}

#[test]
fn each_event_is_as_its_schema_says() {
    let events = events();
    for event in &events {
        check(event.kind, &event.detail());
        let size = event.detail().to_string().len();
        assert!(size < 250_000, "{event:?} has {size} bytes");
    }
    for kind in KINDS {
        assert!(events.iter().any(|event| event.kind == kind), "{kind:?}");
    }
}

#[test]
fn each_schema_is_named_by_its_events_and_has_an_example_that_fits() {
    for kind in KINDS {
        let schema = schema(kind);
        assert_eq!(schema["$id"], schema["properties"]["dataschema"]["const"]);
        let examples = schema["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{kind:?}");
        for example in examples {
            check(kind, example);
        }
    }
}

#[test]
fn no_event_shows_a_contact_in_a_log() {
    for event in events() {
        let shown = format!("{event:?}");
        assert!(!shown.contains("Countess") && !shown.contains("Ada"), "{shown}");
    }
}
