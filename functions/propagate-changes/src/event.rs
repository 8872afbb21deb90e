//! The events' forms, as `docs/events` describes them to those who receive them.
//!
//! Knows names, ids and sizes. When there is an event is `outcome.rs`'s to say.

use std::collections::BTreeSet;

use contact_store::{Conflict, ConflictPolicy, Contact, FolderScope, Mailbox, Phase, UnavailableReason};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sync_core::members::same;
use sync_core::merge::Winner;
use sync_core::photo::{PHOTO, PhotoHash};
use sync_core::record::{DeletionPolicy, Side};
use sync_core::shape::whole;

use crate::bus::SOURCE;

/// An event has 256 KB at most. What is left of them, beside contact and members, takes far less than 56 KB.
const CONTENT_BYTES: usize = 200_000;
/// Names of members take no more than this: they may be as long as somebody likes.
const NAMES_BYTES: usize = 8_000;

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A contact can be seen that could not be seen before.
    ContactCreated,
    /// A contact has changed.
    ContactUpdated,
    /// A contact can't be seen any more.
    ContactDeleted,
    /// A person is to be forgotten.
    ContactErased,
    /// Both sides had changed the same, and a policy has decided.
    ConflictRecorded,
    /// A mailbox was enrolled, changed or removed.
    MailboxChanged,
}

impl Kind {
    /// Its name: `EventBridge`'s `detail-type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ContactCreated => "contact.created",
            Self::ContactUpdated => "contact.updated",
            Self::ContactDeleted => "contact.deleted",
            Self::ContactErased => "contact.erased",
            Self::ConflictRecorded => "conflict.recorded",
            Self::MailboxChanged => "mailbox.changed",
        }
    }

    /// The URN of its schema: `$id` of a file in `docs/events`.
    fn schema(self) -> String {
        format!("urn:{SOURCE}:events:{}:v1", self.name())
    }
}

/// Why a contact can't be seen any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Because {
    /// Somebody has deleted it.
    Deleted,
    /// It is another contact, which goes on.
    Merged,
    /// Its mailbox is mirrored no longer.
    MailboxRemoved,
}

/// Something that others may want to know.
#[derive(Clone, PartialEq)]
pub struct Event {
    /// What has happened.
    pub kind: Kind,
    /// The same each time that it is sent; no other event has it.
    pub id: String,
    /// About what: the id of a contact, a conflict or a mailbox.
    pub subject: String,
    /// When it happened.
    pub time: Timestamp,
    /// What is told of it.
    pub data: Map<String, Value>,
}

/// Leaves out what a person wrote.
impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event")
            .field("kind", &self.kind)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Event {
    /// The event on the wire: `EventBridge`'s `detail`, in the form of a `CloudEvent`.
    pub fn detail(&self) -> Value {
        json!({
            "specversion": "1.0",
            "id": self.id,
            "type": format!("{SOURCE}.{}.v1", self.kind.name()),
            "source": SOURCE,
            "subject": self.subject,
            "time": self.time.to_string(),
            "datacontenttype": "application/json",
            "dataschema": self.kind.schema(),
            "data": self.data,
        })
    }

    /// A contact that is seen for the first time, or again.
    pub(crate) fn created(contact: &Contact) -> Self {
        let mut event = Self::of_contact(Kind::ContactCreated, contact, contact.version, contact.changed_at);
        event.name_photo(contact);
        event.fill(None, whole(&contact.document, &contact.extras));
        event
    }

    /// A contact that has changed.
    pub(crate) fn updated(old: &Contact, new: &Contact) -> Self {
        let mut event = Self::of_contact(Kind::ContactUpdated, new, new.version, new.changed_at);
        let before = whole(&old.document, &old.extras);
        let after = whole(&new.document, &new.extras);
        let members = changed_members(&before, &after);
        let mut names: BTreeSet<&str> = members.keys().map(String::as_str).collect();
        if old.folder != new.folder {
            names.insert("folder");
            event.set("previousFolder", old.folder.as_str().into());
        }
        if old.external_id != new.external_id {
            names.insert("externalId");
        }
        if hash(old) != hash(new) {
            names.insert(PHOTO);
        }
        event.set("changed", fitting(&names).into());
        event.name_photo(new);
        event.fill(Some(members), after);
        event
    }

    /// A contact that can't be seen any more. `version` and `at` are given, since nobody may have written them.
    pub(crate) fn deleted(contact: &Contact, version: u64, because: Because, at: Timestamp) -> Self {
        let mut event = Self::of_contact(Kind::ContactDeleted, contact, version, at);
        let (word, by) = match because {
            Because::Deleted => ("deleted", contact.changed_by),
            Because::Merged => ("merged", Side::Platform),
            Because::MailboxRemoved => ("mailboxRemoved", Side::Platform),
        };
        event.set("because", word.into());
        event.set("changedBy", side(by));
        event
    }

    /// A contact that somebody has asked to be forgotten. Whoever knows it by the caller's own id is told that for the last
    /// time.
    pub(crate) fn erased(old: Option<&Contact>, now: &Contact) -> Self {
        let mut event = Self {
            kind: Kind::ContactErased,
            // The deletion of the same version is told beside it.
            id: format!("{}.{}.erased", now.id, now.version),
            subject: now.id.to_string(),
            time: now.changed_at,
            data: Map::new(),
        };
        event.set("mailbox", now.mailbox.as_str().into());
        event.set("contactId", now.id.as_str().into());
        event.set("version", now.version.into());
        if let Some(id) = old.and_then(|old| old.external_id.as_deref()) {
            event.set("externalId", id.into());
        }
        event
    }

    /// A conflict that was decided. The values are in the API's answer, not in the event.
    pub(crate) fn recorded(conflict: &Conflict) -> Self {
        let clashes = conflict.clashes.iter();
        let clashes: Vec<_> = clashes
            .map(|clash| json!({ "member": clash.member, "winner": winner(clash.winner) }))
            .collect();
        let mut event = Self {
            kind: Kind::ConflictRecorded,
            id: conflict.id.to_string(),
            subject: conflict.id.to_string(),
            time: conflict.at,
            data: Map::new(),
        };
        event.set("mailbox", conflict.mailbox.as_str().into());
        event.set("conflict", conflict.id.as_str().into());
        event.set("contactId", conflict.contact.as_str().into());
        event.set("version", conflict.version.into());
        event.set("policy", policy(conflict.policy));
        event.set("clashes", clashes.into());
        event
    }

    /// A mailbox that was enrolled (no `old`), changed, or removed (no `new`).
    pub(crate) fn of_mailbox(old: Option<&Mailbox>, new: Option<&Mailbox>, at: Timestamp) -> Option<Self> {
        let (change, mailbox, time) = match (old, new) {
            (None, None) => return None,
            (None, Some(new)) => ("enrolled", new, new.updated_at),
            (Some(old), Some(new)) if shown(old) == shown(new) => return None,
            (Some(_), Some(new)) => ("changed", new, new.updated_at),
            (Some(old), None) => ("removed", old, at),
        };
        let mut event = Self {
            kind: Kind::MailboxChanged,
            // A mailbox that is enrolled anew begins its revisions anew.
            id: format!(
                "{}.{}.{}.{change}",
                mailbox.id,
                mailbox.enrolled_at.as_millisecond(),
                mailbox.rev
            ),
            subject: mailbox.id.to_string(),
            time,
            data: shown(mailbox),
        };
        event.set("mailbox", mailbox.id.as_str().into());
        event.set("change", change.into());
        Some(event)
    }

    fn of_contact(kind: Kind, contact: &Contact, version: u64, time: Timestamp) -> Self {
        let mut event = Self {
            kind,
            id: format!("{}.{version}", contact.id),
            subject: contact.id.to_string(),
            time,
            data: Map::new(),
        };
        event.set("mailbox", contact.mailbox.as_str().into());
        event.set("contactId", contact.id.as_str().into());
        event.set("version", version.into());
        event.set("changedBy", side(contact.changed_by));
        event.set("folder", contact.folder.as_str().into());
        if let Some(id) = &contact.external_id {
            event.set("externalId", id.as_str().into());
        }
        if let Some(outlook) = &contact.outlook {
            event.set("outlookId", outlook.id.as_str().into());
        }
        event
    }

    fn name_photo(&mut self, contact: &Contact) {
        if let Some(photo) = &contact.photo {
            self.set(PHOTO, json!({ "hash": photo.hash, "bytes": photo.bytes }));
        }
    }

    /// The contact itself, and what has changed of it, as far as there is room: the changes first.
    fn fill(&mut self, members: Option<Map<String, Value>>, contact: Map<String, Value>) {
        let mut room = CONTENT_BYTES;
        let contents = [("changedMembers", members), ("contact", Some(contact))];
        for (name, content) in contents {
            let Some(content) = content.map(Value::Object) else {
                continue;
            };
            match room.checked_sub(content.to_string().len()) {
                Some(left) => {
                    room = left;
                    self.set(name, content);
                }
                None => self.set("omitted", true.into()),
            }
        }
    }

    fn set(&mut self, name: &str, value: Value) {
        self.data.insert(name.to_owned(), value);
    }
}

fn hash(contact: &Contact) -> Option<&PhotoHash> {
    contact.photo.as_ref().map(|photo| &photo.hash)
}

/// The members that mean something else, with their new values; `null` for what is gone. Another spelling of nothing is
/// no change.
fn changed_members(before: &Map<String, Value>, after: &Map<String, Value>) -> Map<String, Value> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let value = |of: &Map<String, Value>, name: &String| of.get(name).cloned().unwrap_or_default();
    names
        .into_iter()
        .filter(|name| !same(name, before.get(*name), after.get(*name)))
        .map(|name| (name.clone(), value(after, name)))
        .collect()
}

/// As many of the names as there is room for, and `*` for the others.
fn fitting(names: &BTreeSet<&str>) -> Vec<String> {
    let mut bytes = 0;
    let fits = names.iter().take_while(|name| {
        bytes += name.len();
        bytes <= NAMES_BYTES
    });
    let mut fitting: Vec<_> = fits.map(|name| (*name).to_owned()).collect();
    if fitting.len() < names.len() {
        fitting.push("*".to_owned());
    }
    fitting
}

/// What of a mailbox is told. The rest of its record changes with every look at it.
fn shown(mailbox: &Mailbox) -> Map<String, Value> {
    let mut shown = Map::new();
    let mut set = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
    set("tenant", mailbox.tenant.as_str().into());
    set("user", mailbox.user.as_str().into());
    set("phase", phase(&mailbox.phase).into());
    if let Phase::Unavailable { reason, .. } = &mailbox.phase {
        set("unavailable", unavailable(*reason).into());
    }
    if let FolderScope::Only(folders) = &mailbox.scope {
        // Thousands of folders are nothing that an event has to name.
        let bytes: usize = folders.iter().map(String::len).sum();
        let fits = bytes < CONTENT_BYTES / 2;
        set("folders", if fits { json!(folders) } else { json!(["*"]) });
    }
    if let Some(of_mailbox) = mailbox.policy {
        set("conflictPolicy", policy(of_mailbox));
    }
    if let Some(deletion) = mailbox.deletion {
        set("deletionPolicy", deletion_policy(deletion).into());
    }
    shown
}

fn phase(phase: &Phase) -> &'static str {
    match phase {
        Phase::Enrolled => "enrolled",
        Phase::Syncing => "syncing",
        Phase::Live => "live",
        Phase::Paused => "paused",
        Phase::Unavailable { .. } => "unavailable",
        Phase::Removing => "removing",
    }
}

fn unavailable(reason: UnavailableReason) -> &'static str {
    match reason {
        UnavailableReason::MailboxNotEnabled => "mailboxNotEnabled",
        UnavailableReason::UserNotFound => "userNotFound",
        UnavailableReason::AccessDenied => "accessDenied",
        UnavailableReason::BadCredential => "badCredential",
        UnavailableReason::TenantNotFound => "tenantNotFound",
    }
}

fn side(side: Side) -> Value {
    match side {
        Side::Outlook => "outlook".into(),
        Side::Platform => "platform".into(),
    }
}

fn winner(winner: Winner) -> &'static str {
    match winner {
        Winner::Outlook => "outlook",
        Winner::Platform => "platform",
        Winner::Custom => "custom",
    }
}

fn policy(policy: ConflictPolicy) -> Value {
    match policy {
        ConflictPolicy::LastWriteWins => "lastWriteWins".into(),
        ConflictPolicy::OutlookWins => "outlookWins".into(),
        ConflictPolicy::PlatformWins => "platformWins".into(),
        ConflictPolicy::Custom => "custom".into(),
    }
}

fn deletion_policy(policy: DeletionPolicy) -> &'static str {
    match policy {
        DeletionPolicy::EditWins => "editWins",
        DeletionPolicy::DeleteWins => "deleteWins",
        DeletionPolicy::ByPolicy => "byPolicy",
    }
}
