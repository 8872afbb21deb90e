//! The items of the table `contacts`: contacts, aliases of them, and the conflict log.
//!
//! Knows which attributes the indexes and TTL need, and how an item is made to fit. Knows no calls.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use sync_core::ids::{ConflictId, ContactId, MailboxId};

use crate::conflict::Conflict;
use crate::contact::Contact;
use crate::error::StoreError;
use crate::items::{
    Item, SCHEMA, Table, contact_key, limited, n, read, s, schema, seconds_after, text, written,
};
use crate::keys::{ChangedKey, FolderKey, attr};
use crate::pending::pending_key;
use crate::state::Mailbox;
use crate::{base, size};

/// A contact's item at this revision. A deleted contact is in no folder; a tombstone goes when `retention` has passed, but
/// for one that leads to a twin: it stays, as an alias does.
pub(crate) fn contact_item(contact: &Contact, rev: u64, retention: Duration) -> Result<Item, StoreError> {
    let key = contact_key(&contact.mailbox, &contact.id);
    let mut item = written(Table::Contacts, contact, &key)?;
    let changed = ChangedKey {
        at: contact.changed_at,
        contact: contact.id.clone(),
    };
    let mut set = |name: &str, value| drop(item.insert(name.to_owned(), value));
    set(attr::REV, n(rev));
    set(attr::CHANGED_KEY, s(changed));
    if let Some(pending) = pending_key(contact) {
        set(attr::PENDING_KEY, s(pending));
    }
    match contact.deleted_at {
        Some(at) if contact.is_tombstone() && contact.twins.is_empty() => {
            set(attr::TTL, n(seconds_after(at, retention)));
        }
        Some(_) => {}
        None => {
            let folder = FolderKey::of(&contact.folder).within(&contact.mailbox);
            set(attr::FOLDER_KEY, s(folder));
        }
    }
    base::compact(&mut item);
    size::fit_contact(&mut item);
    limited(Table::Contacts, item)
}

/// The item at `alias` that leads to `contact`.
pub(crate) fn alias_item(mailbox: &MailboxId, alias: &ContactId, contact: &ContactId) -> Item {
    let mut item = contact_key(mailbox, alias);
    item.insert(attr::SCHEMA.to_owned(), n(SCHEMA));
    item.insert(attr::ALIAS_OF.to_owned(), s(contact));
    item
}

/// Where an alias leads; `None` for what is no alias.
pub(crate) fn alias_of(item: &Item) -> Option<ContactId> {
    text(item, attr::ALIAS_OF).parse().ok()
}

pub(crate) fn conflict_key(mailbox: &MailboxId, conflict: &ConflictId) -> Item {
    Item::from([
        (attr::MAILBOX_ID.to_owned(), s(mailbox)),
        (attr::CONTACT_ID.to_owned(), s(conflict)),
    ])
}

/// A conflict's item, which goes when `retention` has passed.
pub(crate) fn conflict_item(conflict: &Conflict, retention: Duration) -> Result<Item, StoreError> {
    let key = conflict_key(&conflict.mailbox, &conflict.id);
    let mut item = written(Table::Contacts, conflict, &key)?;
    item.insert(attr::TTL.to_owned(), n(seconds_after(conflict.at, retention)));
    size::fit_conflict(&mut item);
    limited(Table::Contacts, item)
}

/// What an item of the table `contacts` is.
#[derive(Clone, Debug, PartialEq)]
pub enum Image {
    /// A contact or a tombstone.
    Contact(Box<Contact>),
    /// An id that leads to a contact.
    Alias,
    /// A conflict that was decided.
    Conflict(Box<Conflict>),
}

/// Reads an image of the stream of the table `contacts`.
#[expect(clippy::implicit_hasher, reason = "the SDK's items have this one")]
pub fn contact_of_image(image: HashMap<String, AttributeValue>) -> Result<Image, StoreError> {
    if image.contains_key(attr::ALIAS_OF) && schema(&image).is_some_and(|schema| schema <= SCHEMA) {
        Ok(Image::Alias)
    } else if text(&image, attr::CONTACT_ID).starts_with(ConflictId::PREFIX) {
        read(Table::Contacts, image).map(|conflict| Image::Conflict(Box::new(conflict)))
    } else {
        read(Table::Contacts, image).map(|contact| Image::Contact(Box::new(contact)))
    }
}

/// Reads an image of the stream of the table `state`, whose sort key is `MAILBOX`.
#[expect(clippy::implicit_hasher, reason = "the SDK's items have this one")]
pub fn mailbox_of_image(image: HashMap<String, AttributeValue>) -> Result<Mailbox, StoreError> {
    read(Table::State, image)
}
