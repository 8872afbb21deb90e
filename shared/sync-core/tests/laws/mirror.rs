//! The mirror's record of the one contact.

use sync_core::edit::{Current, Edited};
use sync_core::ids::FolderId;
use sync_core::record::{Edit, Pending};
use sync_core::shape::whole;
use sync_core::sighting::Document;

/// The contact in the mirror.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) document: Document,
    pub(crate) extras: Document,
    pub(crate) folder: FolderId,
    pub(crate) edit: Option<Edit>,
    /// The version of the item in Outlook that it has last seen.
    pub(crate) seen: u64,
}

impl Record {
    pub(crate) fn whole(&self) -> Document {
        whole(&self.document, &self.extras)
    }

    /// What Outlook had when the mirror last looked.
    pub(crate) fn last_seen(&self) -> Document {
        let edit = self.edit.as_ref();
        edit.map_or_else(
            || self.document.clone(),
            |edit| edit.base.clone().unwrap_or_default(),
        )
    }

    pub(crate) fn pending<'a>(&'a self, edit: &'a Edit) -> Pending<'a> {
        Pending {
            document: &self.document,
            extras: &self.extras,
            folder: &self.folder,
            edit,
        }
    }

    pub(crate) fn current(&self) -> Current<'_> {
        Current {
            document: &self.document,
            extras: &self.extras,
            folder: &self.folder,
            edit: self.edit.as_ref(),
            rev: 0,
        }
    }

    pub(crate) fn of(edited: Edited, seen: u64) -> Self {
        Self {
            document: edited.document,
            extras: edited.extras,
            folder: edited.folder,
            edit: edited.edit,
            seen,
        }
    }
}
