//! What is true, for tests to compare with: the contents of a mailbox, the log, what was left undone.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::World;
use super::call::Operation;
use super::contacts::{View, show};
use super::mailbox::MailboxKey;
use super::notify::Unread;
use crate::journal::{Entry, Exchange};

/// The contents of a mailbox, deleted things left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Folders by id, the default folder among them.
    pub folders: BTreeMap<String, FolderTruth>,
    /// Contacts by immutable id, as a GET with immutable ids shows them.
    pub contacts: BTreeMap<String, Value>,
}

/// A folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderTruth {
    /// Its display name.
    pub name: String,
    /// The id of its parent; for the default folder that of a folder which isn't listed.
    pub parent: String,
    /// Names from the default folder on: `Contacts/Suppliers`.
    pub path: String,
    /// The default folder.
    pub is_default: bool,
}

/// Why a world isn't quiet at the end of a test.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("notifications are left over: {0:?}")]
pub struct NotQuiet(pub Unread);

impl World {
    /// The truth about a mailbox; `None` where there is none.
    pub fn snapshot(&self, key: &MailboxKey) -> Option<Snapshot> {
        let mailbox = self.directory.mailbox(key)?;
        let mut truth = Snapshot::default();
        let mut waiting = vec![(mailbox.contacts_folder.clone(), "Contacts".to_owned())];
        while let Some((id, path)) = waiting.pop() {
            for child in mailbox.children_of(&id) {
                waiting.push((child.id.clone(), format!("{path}/{}", child.name)));
            }
            if let Some(folder) = mailbox.folder(&id) {
                let is_default = id == mailbox.contacts_folder;
                let known = FolderTruth {
                    name: folder.name.clone(),
                    parent: folder.parent.clone(),
                    path,
                    is_default,
                };
                truth.folders.insert(id, known);
            }
        }
        let view = View {
            immutable: true,
            select: None,
            expand: &[],
        };
        let present = mailbox
            .items
            .values()
            .filter(|item| truth.folders.contains_key(&item.folder));
        truth.contacts = present
            .map(|item| (item.id.clone(), Value::Object(show(item, &view))))
            .collect();
        Some(truth)
    }

    /// One contact, as a GET with immutable ids shows it; `None` where it is deleted or was never there.
    pub fn contact(&self, key: &MailboxKey, id: &str) -> Option<Value> {
        let mailbox = self.directory.mailbox(key)?;
        let item = mailbox.items.get(id)?;
        let view = View {
            immutable: true,
            select: None,
            expand: &[],
        };
        (!mailbox.is_deleted(item)).then(|| Value::Object(show(item, &view)))
    }

    /// A contact's photo; `None` where it has none.
    pub fn photo(&self, key: &MailboxKey, id: &str) -> Option<Bytes> {
        let item = self.directory.mailbox(key)?.items.get(id)?;
        item.photo.clone()
    }

    /// The request log, oldest first; only the latest entries are kept.
    pub fn requests(&self) -> impl Iterator<Item = &Entry> {
        self.journal.entries.iter()
    }

    /// How often each operation was asked for, of one mailbox or of all together. Items of batches count.
    pub fn counts(&self, key: Option<&MailboxKey>) -> BTreeMap<Operation, u64> {
        let mut counts = BTreeMap::new();
        for ((mailbox, operation), count) in &self.journal.counts {
            if key.is_none() || mailbox.as_ref() == key {
                *counts.entry(*operation).or_default() += count;
            }
        }
        counts
    }

    /// Recorded exchanges, where the settings say so.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.journal.exchanges
    }

    /// Hands the recorded exchanges out and forgets them.
    pub fn take_exchanges(&mut self) -> Vec<Exchange> {
        std::mem::take(&mut self.journal.exchanges)
    }

    /// What a careful client wouldn't do, each kind once.
    pub fn complaints(&self) -> &[String] {
        &self.journal.complaints
    }

    /// Fails where notifications wait or are under way: a test that ends so has not seen everything.
    pub fn quiet(&self) -> Result<(), NotQuiet> {
        let unread = self.unread();
        if unread.waiting + unread.in_flight == 0 {
            Ok(())
        } else {
            Err(NotQuiet(unread))
        }
    }

    pub(super) fn complain(&mut self, rude: bool, what: &str) {
        if rude && !self.journal.complaints.iter().any(|it| it == what) {
            self.journal.complaints.push(what.to_owned());
        }
    }
}
