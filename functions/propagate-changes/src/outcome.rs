//! What follows from a write: a push, events, addresses for the index, and a version for the history. Pure.
//!
//! Knows what a person can see of a contact, who has to be told, and what has to be remembered or forgotten. Must not know
//! how that is done.

use std::collections::BTreeSet;

use contact_store::{Contact, Version};
use jiff::{SignedDuration, Timestamp};
use sync_core::ids::{ContactId, MailboxId};

use crate::change::{Change, Now};
use crate::event::{Because, Event};

/// A stream tells the time of a removal to the second or the minute: what was replaced a moment later by its clock was
/// replaced before it.
const ROUNDING: SignedDuration = SignedDuration::from_mins(1);

/// What follows from one write.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The contact has an edit that sync-mailbox is to bring to Outlook, and doesn't know of.
    pub push: Option<(MailboxId, ContactId)>,
    /// What others are told.
    pub event: Option<Event>,
    /// That a person has been erased: what others are told beside that the contact is gone.
    pub erased: Option<Event>,
    /// What the index of addresses has to learn.
    pub emails: Option<Emails>,
    /// What the contact was until now.
    pub version: Option<Version>,
    /// Whose history nobody is to have any more.
    pub forget: Option<Forget>,
}

/// Whose history is to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forget {
    /// That of a contact: it was erased, or its item is gone.
    Contact(MailboxId, ContactId),
    /// That of a mailbox that was removed, as far as it was replaced until then.
    Mailbox(MailboxId, Timestamp),
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
            forget: old.as_deref().filter(|_| new.is_none()).map(|old| {
                let until = at.saturating_add(ROUNDING).unwrap_or(*at);
                Forget::Mailbox(old.id.clone(), until)
            }),
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
        erased: now
            .filter(|now| now.is_erased() && is_changed(old, now))
            .map(|now| Event::erased(old, now)),
        emails: emails(old.filter(|old| visible(old)), now.filter(|now| visible(now))),
        version: old.and_then(|old| version(old, new, at)),
        forget: forget(old, new),
    }
}

fn is_changed(old: Option<&Contact>, now: &Contact) -> bool {
    old.is_none_or(|old| old.version != now.version)
}

/// What the contact was, where somebody can see that it is something else. What is erased was nothing.
fn version(old: &Contact, new: &Now, at: Timestamp) -> Option<Version> {
    match new {
        Now::Contact(now) if now.is_erased() || !is_changed(Some(old), now) => None,
        Now::Contact(now) => Some(Version::of(old, now.changed_at)),
        Now::Merged => Some(Version::of(old, at)),
        Now::Gone => None,
    }
}

/// The stream has the changes of a contact in their order: after this one there is none from before it.
fn forget(old: Option<&Contact>, new: &Now) -> Option<Forget> {
    let of = |contact: &Contact| Forget::Contact(contact.mailbox.clone(), contact.id.clone());
    match new {
        Now::Contact(now) => (now.is_erased() && is_changed(old, now)).then(|| of(now)),
        Now::Merged => None,
        Now::Gone => old.map(of),
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
