//! The forms of folders in answers.
//!
//! Knows how what is stored is shown; links are nobody's business. It must not decide anything.

use contact_store::{Cursor, Folder};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A contact folder.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Folder)]
pub(crate) struct FolderForm {
    /// Its id in Outlook.
    id: String,
    /// Its display name.
    name: String,
    /// The id of the folder that it lies in; absent at the top.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    parent: Option<String>,
    /// True for the folder that Outlook calls Contacts.
    is_default: bool,
    /// True where its contacts are synced.
    in_scope: bool,
    /// How far its contacts have been read.
    state: FolderState,
    /// Contacts seen in the current or last full reading.
    contacts_seen: u64,
    /// When its contacts were last up to date; absent while they are being read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    synced_at: Option<Timestamp>,
}

/// How far a folder's contacts have been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum FolderState {
    /// Not begun.
    Unstarted,
    /// All of them are being read.
    Reading,
    /// Read to the end; changes follow.
    Synced,
}

pub(crate) fn state(cursor: &Cursor) -> FolderState {
    match cursor {
        Cursor::Unstarted => FolderState::Unstarted,
        Cursor::Round { full: true, .. } => FolderState::Reading,
        Cursor::Round { full: false, .. } | Cursor::Settled { .. } => FolderState::Synced,
    }
}

impl From<Folder> for FolderForm {
    fn from(of: Folder) -> Self {
        let synced_at = match of.cursor {
            Cursor::Settled {
                round_finished_at, ..
            } => Some(round_finished_at),
            Cursor::Unstarted | Cursor::Round { .. } => None,
        };
        Self {
            id: of.id.to_string(),
            state: state(&of.cursor),
            name: of.name,
            parent: of.parent.map(|parent| parent.to_string()),
            is_default: of.is_default,
            in_scope: of.in_scope,
            contacts_seen: of.contacts_seen,
            synced_at,
        }
    }
}
