//! What is kept of a contact when it changes, and what is forgotten.

use contact_store::{Contact, Phase};
use propagate_changes::{Forget, Now};
use serde_json::json;

use crate::scene::{at, contact, edited, erase, left, mailbox, mailbox_id, mailbox_written, seen, written};

fn ada() -> Contact {
    contact("ada", json!({ "givenName": "Ada", "jobTitle": "Analyst" }))
}

#[test]
fn a_version_is_kept_when_another_can_be_seen_and_only_then() {
    let ada = ada();
    let renamed = seen(&ada, |it| {
        drop(it.document.insert("givenName".into(), json!("Augusta")));
    });
    let edit = edited(&ada, |it| {
        drop(it.document.insert("jobTitle".into(), json!("Countess")));
    });
    let mut confirmed = edit.clone();
    (confirmed.edit, confirmed.rev) = (None, edit.rev + 1);
    let gone = seen(&ada, |it| it.deleted_at = Some(at("06:30:00")));
    let back = seen(&gone, |it| it.deleted_at = None);
    for (old, new, kept) in [
        (None, &ada, None),
        (Some(&ada), &renamed, Some(&ada)),
        (Some(&ada), &edit, Some(&ada)),
        (Some(&edit), &confirmed, None),
        (Some(&ada), &gone, Some(&ada)),
        (Some(&gone), &back, Some(&gone)),
    ] {
        let outcome = written(old, new);
        assert_eq!(outcome.forget, None);
        let version = outcome.version;
        assert_eq!(version.as_ref().map(|it| it.version), kept.map(|it| it.version));
        if let (Some(version), Some(kept)) = (version, kept) {
            assert_eq!((version.since, version.until), (kept.changed_at, new.changed_at));
            assert_eq!(version.deleted, kept.deleted_at.is_some());
        }
    }
    // It has become another one: nobody has written a version after it.
    let merged = left(&ada, Now::Merged);
    assert_eq!(merged.version.unwrap().until, at("06:40:00"));
}

#[test]
fn of_who_is_erased_or_gone_nothing_is_kept() {
    let ada = ada();
    let erased = seen(&ada, erase);
    let outcome = written(Some(&ada), &erased);
    let of_ada = Some(Forget::Contact(mailbox_id(), ada.id.clone()));
    assert_eq!((outcome.version, outcome.forget), (None, of_ada.clone()));
    let told = outcome.erased.unwrap().detail();
    assert_eq!(told["data"]["contactId"], ada.id.as_str());
    assert!(!told.to_string().contains("Analyst"));
    // That Outlook has deleted it is a write of the same version.
    let mut buried = erased.clone();
    buried.rev += 1;
    let outcome = written(Some(&erased), &buried);
    assert_eq!(
        (outcome.version, outcome.forget, outcome.erased),
        (None, None, None)
    );
    // Somebody new under the same id has a life of his own.
    let again = seen(&erased, |it| (it.deleted_at, it.cause) = (None, None));
    let outcome = written(Some(&erased), &again);
    assert_eq!((outcome.forget, outcome.erased), (None, None));
    assert!(outcome.version.unwrap().members.is_empty());

    let outcome = left(&ada, Now::Gone);
    assert_eq!((outcome.version, outcome.forget), (None, of_ada));
    let removed = mailbox_written(Some(&mailbox(Phase::Removing)), None);
    let Some(Forget::Mailbox(of, until)) = removed.forget else {
        panic!("the mailbox's history stays");
    };
    assert!(of == mailbox_id() && until >= at("06:40:00"));
    let paused = mailbox_written(Some(&mailbox(Phase::Live)), Some(&mailbox(Phase::Paused)));
    assert_eq!(paused.forget, None);
}
