//! An edit: what somebody does to a contact, and how the other side looks once it has followed.
//!
//! Knows both sides as anybody may read them. Must not make edits: that is `players`.

use std::fmt::{self, Display};

use contact_store::Contact;
use graph_sim::{MailboxKey, World};
use jiff::Timestamp;
use serde_json::Value;
use sync_core::ids::{ContactId, MailboxId};
use sync_core::record::Side;

use super::cast::{Card, Place};

/// A kind of edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Created,
    Edited,
    Moved,
    /// Moved into a folder that is new as well.
    Filed,
    Deleted,
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Created => "created",
            Self::Edited => "edited",
            Self::Moved => "moved",
            Self::Filed => "filed",
            Self::Deleted => "deleted",
        })
    }
}

/// What somebody is about to do.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Create {
        given: &'static str,
        family: &'static str,
        address: String,
        place: Place,
    },
    Edit {
        card: Card,
        member: &'static str,
        value: Value,
    },
    Move {
        card: Card,
        place: Place,
    },
    /// A move into a folder that has to be made first. The API makes no folders.
    File {
        card: Card,
        name: String,
    },
    Delete {
        card: Card,
        purge: bool,
    },
}

impl Deed {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Create { .. } => Kind::Created,
            Self::Edit { .. } => Kind::Edited,
            Self::Move { .. } => Kind::Moved,
            Self::File { .. } => Kind::Filed,
            Self::Delete { .. } => Kind::Deleted,
        }
    }

    /// In words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Create {
                given, family, place, ..
            } => format!("{given} {family} in {}", place.name),
            Self::Edit { card, member, .. } => format!("{}: {member}", card.name),
            Self::Move { card, place } => format!("{} to {}", card.name, place.name),
            Self::File { card, name } => format!("{} in the new folder {name}", card.name),
            Self::Delete { card, .. } => card.name.clone(),
        }
    }
}

/// An edit that was made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    /// When it was begun.
    pub(super) at: Timestamp,
    /// Who has made it; the other one has to follow.
    pub(super) by: Side,
    /// Whose mailbox it is.
    pub(super) whose: String,
    pub(super) key: MailboxKey,
    pub(super) mailbox: MailboxId,
    pub(super) contact: ContactId,
    pub(super) kind: Kind,
    /// In words.
    pub(super) what: String,
    /// Nobody was told: all of its notifications were lost.
    pub(super) unheard: bool,
    /// The folder that was made for it.
    pub(super) new_place: Option<Place>,
    pub(super) expected: Expected,
}

/// What the other side shows then.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    In { folder: String },
    With { member: &'static str, value: Value },
    Gone,
}

impl Made {
    /// Whether the other side shows it.
    pub(super) fn has_arrived(&self, mirrored: Option<&Contact>, outlook: &World) -> bool {
        match self.by {
            Side::Outlook => self.is_in_the_mirror(mirrored),
            Side::Platform => self.is_in_outlook(mirrored, outlook),
        }
    }

    /// Whether nothing more comes of it: the mirror knows that Outlook has it.
    pub(super) fn is_settled(mirrored: Option<&Contact>) -> bool {
        mirrored.is_none_or(|contact| contact.edit.is_none() && contact.superseded.is_empty())
    }

    fn is_in_the_mirror(&self, mirrored: Option<&Contact>) -> bool {
        let living = mirrored.filter(|contact| contact.deleted_at.is_none());
        match (&self.expected, living) {
            (Expected::Gone, living) => living.is_none(),
            (Expected::In { folder }, Some(contact)) => contact.folder.as_str() == folder,
            (Expected::With { member, value }, Some(contact)) => contact.document.get(*member) == Some(value),
            (Expected::In { .. } | Expected::With { .. }, None) => false,
        }
    }

    /// The mirror is asked for the item's id alone, which a create and a move in Outlook have only just made.
    fn is_in_outlook(&self, mirrored: Option<&Contact>, outlook: &World) -> bool {
        let item = mirrored.and_then(|contact| contact.outlook.as_ref());
        let shown = item.and_then(|item| outlook.contact(&self.key, item.id.as_str()));
        match (&self.expected, shown) {
            (Expected::Gone, shown) => shown.is_none(),
            (Expected::In { folder }, Some(contact)) => contact["parentFolderId"] == folder.as_str(),
            (Expected::With { member, value }, Some(contact)) => contact[*member] == *value,
            (Expected::In { .. } | Expected::With { .. }, None) => false,
        }
    }
}
