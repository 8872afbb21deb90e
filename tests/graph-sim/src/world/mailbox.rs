//! One mailbox: folders, contacts, the log of their changes. What Outlook itself does, whoever asks for it.
//!
//! Knows nothing of requests, rights or subscriptions: changes leave [`Event`]s behind, which the world turns into
//! notifications.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use fastrand::Rng;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::delta::SyncState;
use super::ids;
use super::settings::Warts;
use super::shape;

/// Names one mailbox: the tenant, and the object id of the user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MailboxKey {
    /// Id of the tenant, a GUID.
    pub tenant: String,
    /// Object id of the user, a GUID.
    pub user: String,
}

/// Whether Graph serves a mailbox (facts 8, 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It does.
    Live,
    /// No licence, inactive, or on-premises: 404 `MailboxNotEnabledForRESTAPI`.
    NotEnabled,
    /// The app may not: 403 `ErrorAccessDenied`.
    Denied,
    /// Over its quota: lists work, delta and writes fail with 403 `ErrorQuotaExceeded`.
    Full,
}

/// What happened to a contact, seen from one folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) folder: String,
    pub(crate) item: String,
    /// The classic id that the item has in this folder.
    pub(crate) alias: String,
    pub(crate) kind: ChangeKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ChangeKind {
    Created,
    Updated,
    Deleted,
}

#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) folder: String,
    /// How often it moved; its classic id depends on it.
    pub(crate) moves: u32,
    pub(crate) version: u64,
    /// Its place in lists.
    pub(crate) number: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
    pub(crate) members: Map<String, Value>,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) extensions: BTreeMap<String, Map<String, Value>>,
    pub(crate) photo: Option<Bytes>,
}

impl Item {
    pub(crate) fn change_key(&self) -> String {
        ids::change_key(&self.id, self.version)
    }

    pub(crate) fn etag(&self) -> String {
        format!("W/\"{}\"", self.change_key())
    }

    pub(crate) fn classic_id(&self) -> String {
        ids::classic(&self.id, self.moves)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) parent: String,
    /// In Deleted Items, or below such a one.
    pub(crate) deleted: bool,
    pub(crate) number: u64,
    pub(crate) log: Vec<Change>,
}

/// One line of a folder's log: an item was written, came or went.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
    pub(crate) item: String,
    /// The classic id that the item has in this folder.
    pub(crate) alias: String,
    /// The members that changed; `None` means all of them.
    pub(crate) members: Option<BTreeSet<String>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    pub(crate) key: MailboxKey,
    pub(crate) principal: String,
    pub(crate) name: String,
    pub(crate) health: Health,
    pub(crate) root: String,
    pub(crate) contacts_folder: String,
    pub(crate) deleted_folder: String,
    pub(crate) folders: BTreeMap<String, Folder>,
    pub(crate) items: BTreeMap<String, Item>,
    /// Where classic ids lead.
    pub(super) classic: BTreeMap<String, String>,
    /// Changes of folders themselves.
    pub(crate) folder_log: Vec<Change>,
    pub(crate) sync_states: BTreeMap<String, SyncState>,
    pub(crate) sync_state_age: VecDeque<String>,
    pub(crate) events: Vec<Event>,
    pub(crate) seq: u64,
    pub(crate) dice: Rng,
}

impl Mailbox {
    pub(crate) fn new(key: MailboxKey, principal: &str, name: &str, seed: u64) -> Self {
        let seeded = ids::opaque(&[&seed.to_string(), &key.tenant, &key.user]);
        let dice = seeded
            .bytes()
            .fold(seed, |sum, byte| sum.wrapping_mul(257).wrapping_add(byte.into()));
        let mut mailbox = Self {
            principal: principal.to_owned(),
            name: name.to_owned(),
            health: Health::Live,
            root: ids::folder(&seeded, 0),
            contacts_folder: ids::folder(&seeded, 1),
            deleted_folder: ids::folder(&seeded, 2),
            folders: BTreeMap::new(),
            items: BTreeMap::new(),
            classic: BTreeMap::new(),
            folder_log: Vec::new(),
            sync_states: BTreeMap::new(),
            sync_state_age: VecDeque::new(),
            events: Vec::new(),
            seq: 2,
            dice: Rng::with_seed(dice),
            key,
        };
        for (number, id, name) in [
            (1, mailbox.contacts_folder.clone(), "Contacts"),
            (2, mailbox.deleted_folder.clone(), "Deleted Items"),
        ] {
            let parent = mailbox.root.clone();
            let folder = Folder {
                id: id.clone(),
                name: name.to_owned(),
                parent,
                deleted: false,
                number,
                log: vec![],
            };
            mailbox.folders.insert(id, folder);
        }
        mailbox
    }

    pub(super) fn next(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// A source of ids that no other mailbox shares.
    pub(super) fn id_base(&self) -> String {
        ids::opaque(&[&self.root, &self.key.user])
    }

    /// A contact folder that is not deleted. Deleted Items isn't one.
    pub(crate) fn folder(&self, id: &str) -> Option<&Folder> {
        self.folders
            .get(id)
            .filter(|folder| !folder.deleted && folder.id != self.deleted_folder)
    }

    /// True for an item that lies in Deleted Items, by itself or with its folder.
    pub(crate) fn is_deleted(&self, item: &Item) -> bool {
        item.folder == self.deleted_folder
            || self.folders.get(&item.folder).is_none_or(|folder| folder.deleted)
    }

    /// The immutable id behind either form of id (facts 10).
    pub(crate) fn resolve<'a>(&'a self, id: &'a str) -> Option<&'a str> {
        let id = self.classic.get(id).map_or(id, String::as_str);
        self.items.contains_key(id).then_some(id)
    }

    /// The contacts of a folder in the order of lists.
    pub(crate) fn contacts_in(&self, folder: &str) -> Vec<&Item> {
        let mut items: Vec<&Item> = self.items.values().filter(|item| item.folder == folder).collect();
        items.sort_by_key(|item| item.number);
        items
    }

    fn log(
        &mut self,
        folder: &str,
        item: &str,
        alias: String,
        members: Option<BTreeSet<String>>,
        at: Timestamp,
    ) {
        let change = Change {
            seq: self.next(),
            at,
            item: item.to_owned(),
            alias,
            members,
        };
        if let Some(folder) = self.folders.get_mut(folder) {
            folder.log.push(change);
        }
    }

    fn happened(&mut self, folder: &str, item: &str, alias: String, kind: ChangeKind) {
        self.events.push(Event {
            folder: folder.to_owned(),
            item: item.to_owned(),
            alias,
            kind,
        });
    }

    /// Creates a contact and gives its immutable id.
    pub(crate) fn create(
        &mut self,
        folder: &str,
        written: Map<String, Value>,
        names: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> String {
        let number = self.next();
        let id = ids::immutable(&self.id_base(), number);
        let mut members = Map::new();
        shape::apply(&mut members, written, names);
        let item = Item {
            id: id.clone(),
            folder: folder.to_owned(),
            moves: 0,
            version: 1,
            number,
            created_at: now,
            modified_at: now,
            members,
            properties: BTreeMap::new(),
            extensions: BTreeMap::new(),
            photo: None,
        };
        let alias = item.classic_id();
        self.classic.insert(alias.clone(), id.clone());
        self.items.insert(id.clone(), item);
        self.log(folder, &id, alias.clone(), None, now);
        self.happened(folder, &id, alias, ChangeKind::Created);
        id
    }

    /// Writes members of a contact. Every write makes a new change key, also one that changes nothing.
    pub(crate) fn edit(
        &mut self,
        id: &str,
        written: Map<String, Value>,
        names: &BTreeMap<String, String>,
        now: Timestamp,
    ) {
        let Some(item) = self.items.get_mut(id) else {
            return;
        };
        let changed = shape::apply(&mut item.members, written, names);
        self.touch(id, changed, now);
    }

    /// A new version of a contact, in which `changed` differ.
    pub(crate) fn touch(&mut self, id: &str, changed: impl IntoIterator<Item = String>, now: Timestamp) {
        let Some(item) = self.items.get_mut(id) else {
            return;
        };
        item.version += 1;
        item.modified_at = now;
        let (folder, alias) = (item.folder.clone(), item.classic_id());
        self.log(
            &folder,
            id,
            alias.clone(),
            Some(changed.into_iter().collect()),
            now,
        );
        self.happened(&folder, id, alias, ChangeKind::Updated);
    }

    /// Moves a contact. Its immutable id stays, its classic one changes (facts 10); the source folder tells a
    /// removal, the target a new item (facts 4.2, 5.3).
    pub(crate) fn relocate(&mut self, id: &str, target: &str, warts: &Warts, now: Timestamp) {
        let Some(item) = self.items.get_mut(id) else {
            return;
        };
        let old = item.classic_id();
        let source = std::mem::replace(&mut item.folder, target.to_owned());
        item.moves += 1;
        item.version += 1;
        item.modified_at = now;
        let new = item.classic_id();
        self.classic.remove(&old);
        self.classic.insert(new.clone(), id.to_owned());
        self.depart(&source, id, old, warts, now);
        self.log(target, id, new.clone(), None, now);
        if target != self.deleted_folder {
            self.happened(target, id, new, ChangeKind::Created);
        }
    }

    /// Deletes a contact: softly it goes to Deleted Items, else it is gone (facts 2.5).
    pub(crate) fn delete(&mut self, id: &str, purge: bool, warts: &Warts, now: Timestamp) {
        if !purge {
            let target = self.deleted_folder.clone();
            self.relocate(id, &target, warts, now);
            return;
        }
        let Some(item) = self.items.remove(id) else { return };
        let alias = item.classic_id();
        self.classic.remove(&alias);
        self.depart(&item.folder, id, alias, warts, now);
    }

    fn depart(&mut self, folder: &str, id: &str, alias: String, warts: &Warts, now: Timestamp) {
        if self.dice.u8(0..100) >= warts.missing_deletes {
            self.log(folder, id, alias.clone(), None, now);
        }
        self.happened(folder, id, alias, ChangeKind::Deleted);
    }
}
