//! One write, and what follows from it.

use contact_store::{Contact, Phase, Photo, PhotoEdit, UnavailableReason};
use propagate_changes::{Change, Kind, Now, Outcome, outcome};
use serde_json::{Value, json};
use sync_core::ids::FolderId;
use sync_core::photo::PhotoHash;
use sync_core::record::{Hold, Refusal, Wish};

use crate::scene::{at, conflict, contact, edited, left, mailbox, mailbox_written, seen, written};

fn ada() -> Contact {
    let email = json!([{ "name": "Ada", "address": " Ada@Example.com " }]);
    contact(
        "ada",
        json!({ "givenName": "Ada", "jobTitle": "Analyst", "emailAddresses": email }),
    )
}

fn told(outcome: &Outcome) -> (Option<Kind>, bool) {
    (
        outcome.event.as_ref().map(|event| event.kind),
        outcome.push.is_some(),
    )
}

fn data(outcome: &Outcome) -> Value {
    outcome.event.as_ref().unwrap().detail()["data"].clone()
}

#[test]
fn what_is_seen_in_outlook_is_told_and_never_pushed_back() {
    let ada = ada();
    let renamed = seen(&ada, |it| {
        drop(it.document.insert("givenName".into(), json!("Augusta")));
    });
    let gone = seen(&ada, |it| it.deleted_at = Some(at("06:30:00")));
    for (old, new, expected) in [
        (None, &ada, Some(Kind::ContactCreated)),
        (Some(&ada), &renamed, Some(Kind::ContactUpdated)),
        (Some(&ada), &gone, Some(Kind::ContactDeleted)),
        (
            Some(&gone),
            &seen(&gone, |it| it.deleted_at = None),
            Some(Kind::ContactCreated),
        ),
        (Some(&gone), &seen(&gone, |_| {}), None),
        (None, &gone, None),
    ] {
        assert_eq!(told(&written(old, new)), (expected, false));
    }
}

#[test]
fn an_edit_is_told_and_pushed_and_its_confirmation_is_neither() {
    let ada = ada();
    let edit = edited(&ada, |it| {
        drop(it.document.insert("jobTitle".into(), json!("Countess")));
    });
    let outcome = written(Some(&ada), &edit);
    assert_eq!(told(&outcome), (Some(Kind::ContactUpdated), true));
    assert_eq!(outcome.push, Some((ada.mailbox.clone(), ada.id.clone())));

    let mut confirmed = edit.clone();
    (confirmed.edit, confirmed.rev) = (None, edit.rev + 1);
    assert_eq!(told(&written(Some(&edit), &confirmed)), (None, false));

    let created = edited(&ada, |it| it.outlook = None);
    assert_eq!(told(&written(None, &created)), (Some(Kind::ContactCreated), true));
    let second = edited(&edit, |_| {});
    assert_eq!(
        told(&written(Some(&edit), &second)),
        (Some(Kind::ContactUpdated), true)
    );
}

#[test]
fn the_workers_own_writes_to_a_pending_contact_are_no_new_work() {
    let pending = edited(&ada(), |_| {});
    let rebased = seen(&pending, |it| {
        drop(it.document.insert("surname".into(), json!("King")));
    });
    assert_eq!(
        told(&written(Some(&pending), &rebased)),
        (Some(Kind::ContactUpdated), false)
    );

    let refusal = Refusal {
        at: at("06:31:00"),
        status: Some(400),
        code: None,
        reason: None,
        request_id: None,
    };
    let held = {
        let mut held = pending.clone();
        held.edit.as_mut().unwrap().hold = Some(Hold::Refused(refusal));
        held
    };
    assert_eq!(told(&written(Some(&pending), &held)), (None, false));
    assert_eq!(told(&written(Some(&held), &held)), (None, false));
    // Somebody asks for another try.
    assert_eq!(told(&written(Some(&held), &pending)), (None, true));
}

#[test]
fn a_delete_through_the_api_is_told_once_although_outlook_learns_of_it_later() {
    let ada = ada();
    let deleted = edited(&ada, |it| {
        it.deleted_at = Some(at("06:30:00"));
        it.edit.as_mut().unwrap().wish = Wish::Delete;
    });
    let outcome = written(Some(&ada), &deleted);
    assert_eq!(told(&outcome), (Some(Kind::ContactDeleted), true));
    assert_eq!(data(&outcome)["because"], "deleted");
    assert_eq!(data(&outcome)["changedBy"], "platform");

    let mut tombstone = deleted.clone();
    (tombstone.edit, tombstone.rev) = (None, deleted.rev + 1);
    assert_eq!(told(&written(Some(&deleted), &tombstone)), (None, false));
    let over = left(&tombstone, Now::Gone);
    let nobody_is_told = Outcome {
        forget: over.forget.clone(),
        ..Outcome::default()
    };
    assert_eq!(over, nobody_is_told, "its time is over");
}

#[test]
fn a_contact_that_ends_without_being_deleted_is_told_with_the_reason() {
    let ada = ada();
    for (end, because) in [(Now::Merged, "merged"), (Now::Gone, "mailboxRemoved")] {
        let outcome = left(&ada, end);
        assert_eq!(told(&outcome), (Some(Kind::ContactDeleted), false));
        let data = data(&outcome);
        assert_eq!((&data["because"], &data["version"]), (&json!(because), &json!(2)));
        assert_eq!(outcome.emails.unwrap().removed.len(), 1, "it is found no longer");
    }
}

#[test]
fn an_update_names_what_has_changed() {
    let ada = ada();
    let moved = edited(&ada, |it| {
        it.folder = FolderId::new("suppliers");
        it.external_id = Some("crm-7".to_owned());
        it.document.insert("jobTitle".into(), Value::Null);
        it.document.insert("surname".into(), Value::Null);
        it.extras.insert("vCard".into(), json!(["X-A:1"]));
    });
    let data = data(&written(Some(&ada), &moved));
    assert_eq!(
        data["changed"],
        json!(["externalId", "folder", "jobTitle", "vCard"])
    );
    assert_eq!(
        data["changedMembers"],
        json!({ "jobTitle": null, "vCard": ["X-A:1"] })
    );
    assert_eq!(
        (&data["folder"], &data["previousFolder"]),
        (&json!("suppliers"), &json!("contacts"))
    );
    assert_eq!(data["contact"]["vCard"], json!(["X-A:1"]), "the whole contact");
}

#[test]
fn what_has_no_room_in_an_event_is_left_out_and_the_event_says_so() {
    let ada = ada();
    let long = |bytes: usize| json!("x".repeat(bytes));
    for (notes, has_members, has_contact) in
        [(10, true, true), (150_000, true, false), (250_000, false, false)]
    {
        let noted = seen(&ada, |it| {
            drop(it.document.insert("personalNotes".into(), long(notes)));
        });
        let outcome = written(Some(&ada), &noted);
        let data = data(&outcome);
        assert_eq!(data.get("changedMembers").is_some(), has_members, "{notes}");
        assert_eq!(data.get("contact").is_some(), has_contact, "{notes}");
        assert_eq!(data.get("omitted").is_some(), !has_contact, "{notes}");
        assert_eq!(data["changed"], json!(["personalNotes"]));
        assert!(outcome.event.unwrap().detail().to_string().len() < 256_000);
    }
}

#[test]
fn the_same_write_makes_the_same_event_and_two_writes_never_do() {
    let ada = ada();
    let edit = edited(&ada, |_| {});
    let id = |outcome: Outcome| outcome.event.unwrap().id;
    assert_eq!(id(written(Some(&ada), &edit)), id(written(Some(&ada), &edit)));
    assert_ne!(id(written(None, &ada)), id(written(Some(&ada), &edit)));
    assert_eq!(id(written(None, &ada)), format!("{}.1", ada.id));
}

#[test]
fn addresses_are_indexed_as_they_come_and_go_in_either_part_of_a_contact() {
    let ada = ada();
    let two = seen(&ada, |it| {
        drop(it.extras.insert(
            "emailAddresses".into(),
            json!([{ "address": "king@example.com" }]),
        ));
    });
    let added = written(Some(&ada), &two).emails.unwrap();
    assert_eq!(Vec::from_iter(added.added), ["king@example.com"]);
    assert!(added.removed.is_empty());
    let respelled = seen(&ada, |it| {
        drop(
            it.document
                .insert("emailAddresses".into(), json!([{ "address": "ADA@example.com" }])),
        );
    });
    assert_eq!(written(Some(&ada), &respelled).emails, None, "the same address");
    let gone = seen(&two, |it| it.deleted_at = Some(at("06:30:00")));
    let removed = written(Some(&two), &gone).emails.unwrap();
    assert_eq!(
        Vec::from_iter(removed.removed),
        ["ada@example.com", "king@example.com"]
    );
    assert_eq!(written(None, &contact("nobody", json!({}))).emails, None);
}

#[test]
fn a_conflict_is_told_without_the_values() {
    let outcome = outcome(&Change::Conflict(Box::new(conflict(&ada()))));
    assert_eq!(told(&outcome), (Some(Kind::ConflictRecorded), false));
    let text = outcome.event.unwrap().detail().to_string();
    assert!(text.contains("jobTitle") && !text.contains("Countess"), "{text}");
}

#[test]
fn a_mailbox_is_told_when_its_state_changes_and_not_at_each_look() {
    let live = mailbox(Phase::Live);
    let mut looked_at = live.clone();
    (looked_at.rev, looked_at.last_success_at) = (2, Some(at("06:00:00")));
    assert_eq!(mailbox_written(Some(&live), Some(&looked_at)), Outcome::default());

    let refused = mailbox(Phase::Unavailable {
        reason: UnavailableReason::AccessDenied,
        since: at("06:00:00"),
        retry_at: at("07:00:00"),
    });
    for (old, new, change, phase) in [
        (None, Some(&live), "enrolled", "live"),
        (Some(&live), Some(&refused), "changed", "unavailable"),
        (Some(&live), None, "removed", "live"),
    ] {
        let outcome = mailbox_written(old, new);
        assert_eq!(told(&outcome), (Some(Kind::MailboxChanged), false));
        let data = data(&outcome);
        assert_eq!((&data["change"], &data["phase"]), (&json!(change), &json!(phase)));
    }
}

/// The contact after somebody has set its photo through the API.
fn pictured(contact: &Contact) -> Contact {
    seen(contact, |it| {
        let count = it.photo_edit.as_ref().map_or(it.rev, |edit| edit.count) + 1;
        it.photo = Some(Photo {
            hash: PhotoHash::of(&count.to_be_bytes()),
            bytes: 8,
            version: it.version,
        });
        it.photo_edit = Some(PhotoEdit {
            base: None,
            replaced: Vec::new(),
            edited_at: at("06:30:00"),
            count,
            refusal: None,
        });
    })
}

#[test]
fn a_photo_is_told_and_pushed_and_its_confirmation_is_neither() {
    let ada = ada();
    let set = pictured(&ada);
    let outcome = written(Some(&ada), &set);
    assert_eq!(told(&outcome), (Some(Kind::ContactUpdated), true));
    let hash = set.photo.as_ref().map(|photo| photo.hash.to_string());
    let data = data(&outcome);
    assert_eq!(
        (&data["changed"], &data["photo"]),
        (&json!(["photo"]), &json!({ "hash": hash, "bytes": 8 }))
    );

    let mut confirmed = set.clone();
    (confirmed.photo_edit, confirmed.rev) = (None, set.rev + 1);
    assert_eq!(told(&written(Some(&set), &confirmed)), (None, false));

    let mut refused = set.clone();
    refused.photo_edit.as_mut().unwrap().refusal = Some(Refusal {
        at: at("06:31:00"),
        status: Some(400),
        code: None,
        reason: None,
        request_id: None,
    });
    assert_eq!(told(&written(Some(&set), &refused)), (None, false), "held");
    assert_eq!(told(&written(Some(&refused), &set)), (None, true), "tried again");
    let again = pictured(&set);
    assert_eq!(
        told(&written(Some(&set), &again)),
        (Some(Kind::ContactUpdated), true)
    );
}
