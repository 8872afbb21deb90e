//! The store against a `DynamoDB` in this process, with the tables of the repository's template.
//!
//! One test or more for each access pattern, named after it; then what goes across them: races, sizes, schemas,
//! cursors, throttling.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a fixture that fails is a test that fails"
)]

mod aliases;
mod conflicts;
mod contacts;
mod cursors;
mod documents;
mod edits;
mod erase;
mod feed;
mod history;
mod images;
mod local;
mod lookups;
mod mailboxes;
mod pending;
mod photos;
mod plans;
mod schemas;
mod seen;
mod subscriptions;
mod tables;
mod throttling;

use contact_store::{
    Contact, Cursor, Folder, FolderScope, Mailbox, Phase, SeenPage, Store, Subscription, Timer, TimerKind,
};
use jiff::Timestamp;
use serde_json::json;
use sync_core::guard::Deletes;
use sync_core::ids::{ChangeKey, ContactId, FolderId, MailboxId, OutlookId, TenantId, UserId};
use sync_core::record::{Edit, OutlookItem, Side, Urgency, Wish};

/// The test's beginning plus so many seconds.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

fn mailbox_id(user: &str) -> MailboxId {
    MailboxId::derive(&TenantId::new("contoso.example"), &UserId::new(user))
}

fn mailbox(user: &str) -> Mailbox {
    Mailbox {
        id: mailbox_id(user),
        tenant: TenantId::new("contoso.example"),
        user: UserId::new(user),
        scope: FolderScope::Only(vec!["Contacts".into(), "Contacts/Suppliers".into()]),
        phase: Phase::Enrolled,
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
        enrolled_at: at(0),
        updated_at: at(0),
        rev: 0,
    }
}

async fn enrolled(store: &Store, user: &str) -> Mailbox {
    store.enrol(&mailbox(user), at(900)).await.unwrap();
    store.mailbox(&mailbox_id(user)).await.unwrap().unwrap()
}

fn folder(user: &str, name: &str) -> Folder {
    Folder {
        mailbox: mailbox_id(user),
        id: FolderId::new(name),
        name: name.to_owned(),
        parent: Some(FolderId::new("root")),
        is_default: false,
        in_scope: true,
        cursor: Cursor::Unstarted,
        contacts_seen: 0,
        comparison: None,
        rev: 0,
    }
}

fn subscription(user: &str, folder: &str, due_at: Timestamp) -> Subscription {
    Subscription {
        mailbox: mailbox_id(user),
        tenant: TenantId::new("contoso.example"),
        folder: FolderId::new(folder),
        resource: format!("users/{user}/contactFolders/{folder}/contacts"),
        id: None,
        signing_key: None,
        expires_at: None,
        due_at,
        attempts: 0,
        last_error: None,
        renewed_at: None,
        rev: 0,
    }
}

fn timer(user: &str, kind: TimerKind, due_at: Timestamp) -> Timer {
    Timer {
        mailbox: mailbox_id(user),
        kind,
        due_at,
    }
}

fn contact_id(user: &str, number: usize) -> ContactId {
    ContactId::derive(&mailbox_id(user), &OutlookId::new(format!("AAMk{number}")))
}

/// A contact in the folder `inbox`, changed in its number's second.
fn contact(user: &str, number: usize) -> Contact {
    let document = json!({ "displayName": format!("Contact {number}"), "nickName": null, "categories": [] });
    Contact {
        outlook: Some(item(number)),
        document: document.as_object().unwrap().clone(),
        created_at: Some(at(-60)),
        version: 1,
        rev: 1,
        ..Contact::blank(
            mailbox_id(user),
            contact_id(user, number),
            FolderId::new("inbox"),
            Side::Outlook,
            at(i64::try_from(number).unwrap()),
        )
    }
}

fn item(number: usize) -> OutlookItem {
    OutlookItem {
        id: OutlookId::new(format!("AAMk{number}")),
        change_key: ChangeKey::new(format!("EQAA{number}")),
    }
}

/// The contact with an edit of its display name that Outlook doesn't know of.
fn edited(contact: Contact, edited_at: Timestamp) -> Contact {
    let mut document = contact.document.clone();
    document.insert("displayName".into(), "Countess Lovelace".into());
    let edit = Edit {
        wish: Wish::Save,
        base: Some(contact.document.clone()),
        base_folder: Some(contact.folder.clone()),
        members: [("displayName".to_owned(), edited_at)].into(),
        earlier: [("displayName".to_owned(), vec![json!(null), json!("Ada King")])].into(),
        edited_at,
        count: 1,
        urgency: Urgency::Now,
        failed: None,
        hold: None,
    };
    Contact {
        document,
        edit: Some(edit),
        changed_at: edited_at,
        changed_by: Side::Platform,
        version: contact.version + 1,
        rev: contact.rev + 1,
        ..contact
    }
}

/// A contact that was born here, and that Outlook doesn't have yet.
fn born_here(user: &str, external: &str) -> Contact {
    let pending = edited(contact(user, 0), at(0));
    Contact {
        id: ContactId::of_external(&mailbox_id(user), external),
        outlook: None,
        external_id: Some(external.to_owned()),
        request_hash: Some("abc".into()),
        created_at: None,
        edit: pending.edit.map(|edit| Edit {
            base: None,
            base_folder: None,
            ..edit
        }),
        version: 1,
        rev: 1,
        ..pending
    }
}

fn tombstone_of(contact: &Contact, deleted_at: Timestamp) -> Contact {
    Contact {
        document: serde_json::Map::new(),
        changed_at: deleted_at,
        deleted_at: Some(deleted_at),
        version: contact.version + 1,
        rev: contact.rev + 1,
        ..contact.clone()
    }
}

fn seen_page(user: &str, generation: u64, page: u32, contacts: &[usize]) -> SeenPage {
    SeenPage {
        mailbox: mailbox_id(user),
        folder: FolderId::new("inbox"),
        generation,
        page,
        contacts: contacts.iter().map(|number| contact_id(user, *number)).collect(),
        expires_at: at(1_000_000),
    }
}
