//! Contact folders: what Outlook does with them, and the API (facts 3).
//!
//! The default folder is the parent of the top ones and is itself in no list.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::answers::Refusal;
use super::contacts::ListPage;
use super::ids;
use super::mailbox::{Change, Folder, Mailbox};
use super::query::{DEFAULT_PAGE, MAX_TOP, Query};

/// A folder in JSON.
pub(crate) fn show(folder: &Folder) -> Value {
    json!({ "id": folder.id, "displayName": folder.name, "parentFolderId": folder.parent })
}

/// The mailbox is over its quota (facts 4.3, 8).
pub(crate) fn full() -> Refusal {
    Refusal::new(
        403,
        "ErrorQuotaExceeded",
        "Cannot save changes made to an item to store.",
    )
}

fn exists() -> Refusal {
    Refusal::new(
        409,
        "ErrorFolderExists",
        "A folder with the specified name already exists.",
    )
}

fn distinguished() -> Refusal {
    Refusal::new(
        400,
        "ErrorDeleteDistinguishedFolder",
        "Distinguished folders cannot be deleted.",
    )
}

impl Mailbox {
    /// Child folders in the order of lists.
    pub(crate) fn children_of(&self, parent: &str) -> Vec<&Folder> {
        let mut children: Vec<&Folder> = self.folders.values().filter(|it| it.parent == parent).collect();
        children.sort_by_key(|folder| folder.number);
        children
    }

    /// A folder and everything below it.
    pub(crate) fn family(&self, top: &str) -> BTreeSet<String> {
        let mut family = BTreeSet::from([top.to_owned()]);
        let mut waiting = vec![top.to_owned()];
        while let Some(parent) = waiting.pop() {
            for folder in self.folders.values().filter(|folder| folder.parent == parent) {
                if family.insert(folder.id.clone()) {
                    waiting.push(folder.id.clone());
                }
            }
        }
        family
    }

    /// Creates a folder; `None` where its parent has one of that name.
    pub(crate) fn create_folder(&mut self, parent: &str, name: &str, now: Timestamp) -> Option<String> {
        if self
            .children_of(parent)
            .iter()
            .any(|folder| folder.name.eq_ignore_ascii_case(name))
        {
            return None;
        }
        let number = self.next();
        let id = ids::folder(&self.id_base(), number);
        let folder = Folder {
            id: id.clone(),
            name: name.to_owned(),
            parent: parent.to_owned(),
            deleted: false,
            number,
            log: vec![],
        };
        self.folders.insert(id.clone(), folder);
        self.folder_changed(&id, now);
        Some(id)
    }

    /// Writes a line into the log of folders.
    pub(crate) fn folder_changed(&mut self, id: &str, at: Timestamp) {
        let change = Change {
            seq: self.next(),
            at,
            item: id.to_owned(),
            alias: id.to_owned(),
            members: None,
        };
        self.folder_log.push(change);
    }

    /// Deletes a folder with everything below it. It goes to Deleted Items as a whole: its contacts keep their
    /// folder and tell no change of their own (inferred). `purge` takes the contacts away for good.
    pub(crate) fn delete_folder(&mut self, id: &str, purge: bool, now: Timestamp) {
        for member in self.family(id) {
            if let Some(folder) = self.folders.get_mut(&member) {
                folder.deleted = true;
            }
            if purge {
                self.items.retain(|_, item| item.folder != member);
                let items = &self.items;
                self.classic.retain(|_, item| items.contains_key(item));
            }
            self.folder_changed(&member, now);
        }
        if let Some(folder) = self.folders.get_mut(id) {
            folder.parent.clone_from(&self.deleted_folder);
        }
    }

    /// The folder that a path names: its last id, or the default folder where it names none (facts 3).
    pub(crate) fn path_folder(&self, ids: &[String]) -> Result<String, Refusal> {
        let Some(id) = ids.last() else {
            return Ok(self.contacts_folder.clone());
        };
        if ids.iter().any(|id| !ids::plausible(id)) {
            return Err(Refusal::malformed_id());
        }
        self.folder(id)
            .map(|folder| folder.id.clone())
            .ok_or_else(Refusal::item_not_found)
    }

    pub(crate) fn list_folders(&self, parent: &str, query: &Query, page: Option<usize>) -> ListPage {
        let folders = self.children_of(parent);
        let size = query.top.or(page).unwrap_or(DEFAULT_PAGE).min(MAX_TOP);
        let rows = folders
            .iter()
            .skip(query.skip)
            .take(size)
            .map(|folder| show(folder))
            .collect();
        let end = query.skip + size;
        ListPage {
            rows,
            total: folders.len(),
            next: (end < folders.len() && size > 0).then_some(end),
        }
    }

    pub(crate) fn post_folder(
        &mut self,
        parent: &str,
        body: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        self.room()?;
        let name = name_in(body)?;
        self.create_folder(parent, name, now).ok_or_else(exists)
    }

    pub(crate) fn patch_folder(
        &mut self,
        id: &str,
        body: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let name = name_in(body)?;
        self.rename_folder(id, name, now)
    }

    pub(crate) fn rename_folder(&mut self, id: &str, name: &str, now: Timestamp) -> Result<(), Refusal> {
        let parent = self
            .folder(id)
            .map(|folder| folder.parent.clone())
            .ok_or_else(Refusal::item_not_found)?;
        if self
            .children_of(&parent)
            .iter()
            .any(|it| it.id != id && it.name.eq_ignore_ascii_case(name))
        {
            return Err(exists());
        }
        if let Some(folder) = self.folders.get_mut(id) {
            name.clone_into(&mut folder.name);
        }
        self.folder_changed(id, now);
        Ok(())
    }

    pub(crate) fn remove_folder(&mut self, id: &str, purge: bool, now: Timestamp) -> Result<(), Refusal> {
        if id == self.contacts_folder {
            return Err(distinguished());
        }
        self.delete_folder(id, purge, now);
        Ok(())
    }
}

fn name_in(body: &Map<String, Value>) -> Result<&str, Refusal> {
    if let Some(name) = body
        .keys()
        .find(|name| !name.starts_with('@') && !["displayName", "parentFolderId"].contains(&name.as_str()))
    {
        return Err(Refusal::bad_body(format!(
            "The property '{name}' does not exist on type 'microsoft.graph.contactFolder'."
        )));
    }
    let name = body
        .get("displayName")
        .and_then(Value::as_str)
        .map(str::trim)
        .filter(|name| !name.is_empty());
    name.ok_or_else(|| Refusal::new(400, "ErrorInvalidRequest", "The folder display name is missing."))
}
