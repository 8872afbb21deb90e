//! Contacts, mailboxes and conflicts for the stories.

use contact_store::{Cause, Conflict, ConflictPolicy, Contact, FolderScope, Mailbox, Phase, Why};
use jiff::Timestamp;
use propagate_changes::{Change, Now, Outcome, outcome};
use serde_json::{Map, Value, json};
use sync_core::guard::Deletes;
use sync_core::ids::{ChangeKey, ConflictId, ContactId, FolderId, MailboxId, OutlookId, TenantId, UserId};
use sync_core::merge::{Clash, Winner};
use sync_core::record::{Edit, OutlookItem, Side, Urgency, Wish};

/// A moment of the day on which the stories happen.
pub(crate) fn at(time: &str) -> Timestamp {
    format!("2026-11-23T{time}Z").parse().unwrap()
}

pub(crate) fn mailbox_id() -> MailboxId {
    MailboxId::derive(&TenantId::new("contoso.example"), &UserId::new("ada"))
}

/// A contact that Outlook has, with these members.
pub(crate) fn contact(name: &str, members: Value) -> Contact {
    let outlook = OutlookId::new(name);
    let id = ContactId::derive(&mailbox_id(), &outlook);
    Contact {
        outlook: Some(OutlookItem {
            id: outlook,
            change_key: ChangeKey::new("key"),
        }),
        document: object(members),
        version: 1,
        rev: 1,
        ..Contact::blank(
            mailbox_id(),
            id,
            FolderId::new("contacts"),
            Side::Outlook,
            at("06:00:00"),
        )
    }
}

pub(crate) fn object(members: Value) -> Map<String, Value> {
    serde_json::from_value(members).unwrap()
}

/// The contact after somebody has changed it through the API.
pub(crate) fn edited(contact: &Contact, change: impl FnOnce(&mut Contact)) -> Contact {
    let mut edited = contact.clone();
    let count = contact.edit.as_ref().map_or(0, |edit| edit.count);
    edited.edit = Some(Edit {
        wish: Wish::Save,
        base: Some(contact.base().clone()),
        base_folder: Some(contact.folder.clone()),
        members: std::collections::BTreeMap::new(),
        earlier: std::collections::BTreeMap::new(),
        edited_at: at("06:30:00"),
        count: count + 1,
        urgency: Urgency::Now,
        failed: None,
        hold: None,
    });
    edited.changed_by = Side::Platform;
    next(&mut edited);
    change(&mut edited);
    edited
}

/// The contact after Outlook has shown another state of it.
pub(crate) fn seen(contact: &Contact, change: impl FnOnce(&mut Contact)) -> Contact {
    let mut seen = contact.clone();
    seen.changed_by = Side::Outlook;
    next(&mut seen);
    change(&mut seen);
    seen
}

/// Somebody has asked for it to be forgotten.
pub(crate) fn erase(contact: &mut Contact) {
    contact.deleted_at = Some(at("06:30:00"));
    contact.document = Map::new();
    contact.extras = Map::new();
    contact.external_id = None;
    contact.cause = Some(Cause::of(Why::Erased));
}

fn next(contact: &mut Contact) {
    contact.version += 1;
    contact.rev += 1;
    contact.changed_at = at("06:30:00");
}

pub(crate) fn mailbox(phase: Phase) -> Mailbox {
    Mailbox {
        id: mailbox_id(),
        tenant: TenantId::new("contoso.example"),
        user: UserId::new("ada@contoso.example"),
        scope: FolderScope::All,
        phase,
        folder_link: None,
        folders_listed_at: None,
        last_success_at: None,
        last_error: None,
        comparison: None,
        policy: None,
        deletion: None,
        creating: None,
        linked_at: None,
        deletes: Deletes::default(),
        enrolled_at: at("05:00:00"),
        updated_at: at("05:00:00"),
        rev: 1,
    }
}

pub(crate) fn conflict(contact: &Contact) -> Conflict {
    Conflict {
        mailbox: contact.mailbox.clone(),
        id: ConflictId::of(at("06:30:00"), &contact.id),
        contact: contact.id.clone(),
        at: at("06:30:00"),
        version: contact.version,
        policy: ConflictPolicy::LastWriteWins,
        clashes: vec![Clash {
            member: "jobTitle".to_owned(),
            base: Some(json!("Analyst")),
            ours: Some(json!("Countess")),
            theirs: Some(json!("Poet")),
            winner: Winner::Outlook,
            kept: Some(json!("Poet")),
        }],
        base: None,
        ours: None,
        theirs: None,
        omitted: Vec::new(),
        settled: None,
    }
}

/// What follows from a contact's being written.
pub(crate) fn written(old: Option<&Contact>, new: &Contact) -> Outcome {
    outcome(&Change::Contact {
        old: old.cloned().map(Box::new),
        new: Now::Contact(Box::new(new.clone())),
        at: at("06:30:01"),
    })
}

/// What follows from a contact's not being there any more.
pub(crate) fn left(old: &Contact, new: Now) -> Outcome {
    outcome(&Change::Contact {
        old: Some(Box::new(old.clone())),
        new,
        at: at("06:40:00"),
    })
}

/// What follows from a mailbox's being written.
pub(crate) fn mailbox_written(old: Option<&Mailbox>, new: Option<&Mailbox>) -> Outcome {
    outcome(&Change::Mailbox {
        old: old.cloned().map(Box::new),
        new: new.cloned().map(Box::new),
        at: at("06:40:00"),
    })
}
