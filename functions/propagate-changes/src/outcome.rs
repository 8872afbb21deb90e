//! What follows from a write: a push, events, and addresses for the index. Pure.
//!
//! Knows what a person can see of a contact and who has to be told. Must not know how anybody is told.

use std::collections::BTreeSet;

use contact_store::Contact;
use jiff::Timestamp;
use sync_core::ids::{ContactId, MailboxId};

use crate::change::{Change, Now};
use crate::event::{Because, Event};

/// What follows from one write.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The contact has an edit that sync-mailbox is to bring to Outlook, and doesn't know of.
    pub push: Option<(MailboxId, ContactId)>,
    /// What others are told.
    pub event: Option<Event>,
    /// What the index of addresses has to learn.
    pub emails: Option<Emails>,
}

/// How a contact's addresses have changed.
#[derive(Clone, PartialEq, Eq)]
pub struct Emails {
    /// Whose contact.
    pub mailbox: MailboxId,
    /// Which one.
    pub contact: ContactId,
    /// Addresses that it has no longer.
    pub removed: BTreeSet<String>,
    /// Addresses that it has now.
    pub added: BTreeSet<String>,
}

/// Leaves out the addresses.
impl std::fmt::Debug for Emails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emails")
            .field("contact", &self.contact)
            .field("removed", &self.removed.len())
            .field("added", &self.added.len())
            .finish_non_exhaustive()
    }
}

/// What follows from a change.
pub fn outcome(change: &Change) -> Outcome {
    match change {
        Change::Contact { old, new, at } => of_contact(old.as_deref(), new, *at),
        Change::Conflict(conflict) => Outcome {
            event: Some(Event::recorded(conflict)),
            ..Outcome::default()
        },
        Change::Mailbox { old, new, at } => Outcome {
            event: Event::of_mailbox(old.as_deref(), new.as_deref(), *at),
            ..Outcome::default()
        },
        Change::Nothing => Outcome::default(),
    }
}

fn of_contact(old: Option<&Contact>, new: &Now, at: Timestamp) -> Outcome {
    let now = match new {
        Now::Contact(contact) => Some(&**contact),
        Now::Merged | Now::Gone => None,
    };
    Outcome {
        push: now
            .filter(|now| is_to_be_pushed(old, now))
            .map(|now| (now.mailbox.clone(), now.id.clone())),
        event: event(old.filter(|old| visible(old)), new, at),
        emails: emails(old.filter(|old| visible(old)), now.filter(|now| visible(now))),
    }
}

/// A contact that is deleted here can't be seen, whether or not Outlook knows yet.
fn visible(contact: &Contact) -> bool {
    contact.deleted_at.is_none()
}

/// True where an edit is new, or is held no longer. The worker's own writes to a pending contact leave the count as it
/// is, so they don't come back as work.
fn is_to_be_pushed(old: Option<&Contact>, now: &Contact) -> bool {
    let edit = now.edit.as_ref().filter(|edit| edit.hold.is_none());
    let is_new_edit = edit.is_some_and(|edit| {
        let before = old.and_then(|old| old.edit.as_ref());
        before.is_none_or(|before| before.count != edit.count || before.hold.is_some())
    });
    let is_new_photo = now.pending_photo().is_some_and(|(_, edit)| {
        let before = old.and_then(|old| old.photo_edit.as_ref());
        before.is_none_or(|before| before.count != edit.count || before.refusal.is_some())
    });
    is_new_edit || is_new_photo
}

fn event(old: Option<&Contact>, new: &Now, at: Timestamp) -> Option<Event> {
    let unwritten = |old: &Contact, because| Event::deleted(old, old.version + 1, because, at);
    match new {
        Now::Contact(now) => match (old, Some(&**now).filter(|now| visible(now))) {
            (None, None) => None,
            (None, Some(now)) => Some(Event::created(now)),
            (Some(old), Some(now)) => (old.version != now.version).then(|| Event::updated(old, now)),
            (Some(_), None) => Some(Event::deleted(now, now.version, Because::Deleted, now.changed_at)),
        },
        Now::Merged => old.map(|old| unwritten(old, Because::Merged)),
        Now::Gone => old.map(|old| unwritten(old, Because::MailboxRemoved)),
    }
}

fn emails(old: Option<&Contact>, new: Option<&Contact>) -> Option<Emails> {
    let of = new.or(old)?;
    let addresses = |contact: Option<&Contact>| contact.map(Contact::email_addresses).unwrap_or_default();
    let (before, after) = (addresses(old), addresses(new));
    let emails = Emails {
        mailbox: of.mailbox.clone(),
        contact: of.id.clone(),
        removed: before.difference(&after).cloned().collect(),
        added: after.difference(&before).cloned().collect(),
    };
    (!emails.removed.is_empty() || !emails.added.is_empty()).then_some(emails)
}
