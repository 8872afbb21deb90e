//! What the mailbox's user does in Outlook: create, edit, delete, move, restore; folders likewise.
//!
//! No API of Graph moves a contact (facts 2.6), so here is the one place where contacts move.

use bytes::Bytes;
use data_encoding::BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::World;
use super::mailbox::{Mailbox, MailboxKey};

/// One thing that a user does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Edit {
    /// A new contact. Members that Graph's clients can't write are kept as they are.
    CreateContact {
        /// The folder's id; `None`: the default folder.
        #[serde(default)]
        folder: Option<String>,
        /// Its members.
        members: Map<String, Value>,
    },
    /// Other values for some members; null clears.
    EditContact {
        /// The contact's id.
        id: String,
        /// What changes.
        members: Map<String, Value>,
    },
    /// Deletes a contact: to Deleted Items, or for good.
    DeleteContact {
        /// The contact's id.
        id: String,
        /// For good.
        #[serde(default)]
        purge: bool,
    },
    /// Moves a contact; from Deleted Items that is a restore.
    MoveContact {
        /// The contact's id.
        id: String,
        /// The target folder's id; `None`: the default folder.
        #[serde(default)]
        folder: Option<String>,
    },
    /// Another photo for a contact. Whether subscribers are told is unverified (facts 1.5); here they are not.
    SetPhoto {
        /// The contact's id.
        id: String,
        /// The JPEG in base64; `None`: no photo any more.
        #[serde(default)]
        photo: Option<String>,
    },
    /// A new folder.
    CreateFolder {
        /// The parent's id; `None`: the default folder.
        #[serde(default)]
        parent: Option<String>,
        /// Its name.
        name: String,
    },
    /// Another name for a folder.
    RenameFolder {
        /// The folder's id.
        id: String,
        /// The new name.
        name: String,
    },
    /// Moves a folder with everything in it below another one.
    MoveFolder {
        /// The folder's id.
        id: String,
        /// The new parent's id; `None`: the default folder.
        #[serde(default)]
        parent: Option<String>,
    },
    /// Deletes a folder with everything in it.
    DeleteFolder {
        /// The folder's id.
        id: String,
    },
}

/// Why an edit can't be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The tenant or the user isn't there.
    #[error("no such mailbox")]
    NoMailbox,
    /// The contact isn't there.
    #[error("no such contact")]
    NoContact,
    /// The folder isn't there, is deleted, or is the default folder where that can't be.
    #[error("no such folder")]
    NoFolder,
    /// The photo is not in base64.
    #[error("no photo in base64")]
    NoPhoto,
    /// The parent has a folder of that name.
    #[error("a folder of that name is there")]
    FolderExists,
}

impl World {
    /// Does one edit at `now` and tells the subscribers. Gives the immutable id of the contact, or the id of the
    /// folder, that it was about.
    pub fn edit(&mut self, key: &MailboxKey, edit: Edit, now: Timestamp) -> Result<String, EditError> {
        let names = self.directory.names(&key.tenant);
        let warts = self.settings.warts;
        let mailbox = self.directory.mailbox_mut(key).ok_or(EditError::NoMailbox)?;
        let id = match edit {
            Edit::CreateContact { folder, members } => {
                let folder = folder_or_default(mailbox, folder.as_deref())?;
                mailbox.create(&folder, members, &names, now)
            }
            Edit::EditContact { id, members } => {
                let id = contact(mailbox, &id)?;
                mailbox.edit(&id, members, &names, now);
                id
            }
            Edit::DeleteContact { id, purge } => {
                let id = contact(mailbox, &id)?;
                mailbox.delete(&id, purge, &warts, now);
                id
            }
            Edit::MoveContact { id, folder } => {
                let folder = folder_or_default(mailbox, folder.as_deref())?;
                let id = contact(mailbox, &id)?;
                mailbox.relocate(&id, &folder, &warts, now);
                id
            }
            Edit::SetPhoto { id, photo } => {
                let id = contact(mailbox, &id)?;
                let photo = photo.map(|text| BASE64.decode(text.as_bytes()).map(Bytes::from));
                let photo = photo.transpose().map_err(|_| EditError::NoPhoto)?;
                if let Some(item) = mailbox.items.get_mut(&id) {
                    item.photo = photo;
                }
                id
            }
            Edit::CreateFolder { parent, name } => {
                let parent = folder_or_default(mailbox, parent.as_deref())?;
                mailbox
                    .create_folder(&parent, &name, now)
                    .ok_or(EditError::FolderExists)?
            }
            Edit::RenameFolder { id, name } => {
                own_folder(mailbox, &id)?;
                mailbox
                    .rename_folder(&id, &name, now)
                    .map_err(|_| EditError::FolderExists)?;
                id
            }
            Edit::MoveFolder { id, parent } => {
                own_folder(mailbox, &id)?;
                let parent = folder_or_default(mailbox, parent.as_deref())?;
                if mailbox.family(&id).contains(&parent) {
                    return Err(EditError::NoFolder);
                }
                if let Some(folder) = mailbox.folders.get_mut(&id) {
                    folder.parent = parent;
                }
                mailbox.folder_changed(&id, now);
                id
            }
            Edit::DeleteFolder { id } => {
                own_folder(mailbox, &id)?;
                mailbox.delete_folder(&id, false, now);
                id
            }
        };
        self.publish(key, now);
        Ok(id)
    }

    /// The user makes a contact. Gives its immutable id.
    pub fn user_creates_contact(
        &mut self,
        key: &MailboxKey,
        folder: Option<&str>,
        members: Value,
        now: Timestamp,
    ) -> Result<String, EditError> {
        let edit = Edit::CreateContact {
            folder: folder.map(str::to_owned),
            members: object(members),
        };
        self.edit(key, edit, now)
    }

    /// The user changes members of a contact.
    pub fn user_edits_contact(
        &mut self,
        key: &MailboxKey,
        id: &str,
        members: Value,
        now: Timestamp,
    ) -> Result<(), EditError> {
        self.edit(
            key,
            Edit::EditContact {
                id: id.to_owned(),
                members: object(members),
            },
            now,
        )
        .map(|_| ())
    }

    /// The user deletes a contact; `purge` skips Deleted Items.
    pub fn user_deletes_contact(
        &mut self,
        key: &MailboxKey,
        id: &str,
        purge: bool,
        now: Timestamp,
    ) -> Result<(), EditError> {
        self.edit(
            key,
            Edit::DeleteContact {
                id: id.to_owned(),
                purge,
            },
            now,
        )
        .map(|_| ())
    }

    /// The user moves a contact, or takes it back from Deleted Items.
    pub fn user_moves_contact(
        &mut self,
        key: &MailboxKey,
        id: &str,
        folder: Option<&str>,
        now: Timestamp,
    ) -> Result<(), EditError> {
        let edit = Edit::MoveContact {
            id: id.to_owned(),
            folder: folder.map(str::to_owned),
        };
        self.edit(key, edit, now).map(|_| ())
    }

    /// The user makes a folder. Gives its id.
    pub fn user_creates_folder(
        &mut self,
        key: &MailboxKey,
        parent: Option<&str>,
        name: &str,
        now: Timestamp,
    ) -> Result<String, EditError> {
        self.edit(
            key,
            Edit::CreateFolder {
                parent: parent.map(str::to_owned),
                name: name.to_owned(),
            },
            now,
        )
    }

    /// The user renames a folder.
    pub fn user_renames_folder(
        &mut self,
        key: &MailboxKey,
        id: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<(), EditError> {
        self.edit(
            key,
            Edit::RenameFolder {
                id: id.to_owned(),
                name: name.to_owned(),
            },
            now,
        )
        .map(|_| ())
    }

    /// The user deletes a folder with everything in it.
    pub fn user_deletes_folder(
        &mut self,
        key: &MailboxKey,
        id: &str,
        now: Timestamp,
    ) -> Result<(), EditError> {
        self.edit(key, Edit::DeleteFolder { id: id.to_owned() }, now)
            .map(|_| ())
    }
}

fn object(members: Value) -> Map<String, Value> {
    match members {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

fn folder_or_default(mailbox: &Mailbox, id: Option<&str>) -> Result<String, EditError> {
    let id = id.unwrap_or(&mailbox.contacts_folder);
    mailbox
        .folder(id)
        .map(|folder| folder.id.clone())
        .ok_or(EditError::NoFolder)
}

fn own_folder(mailbox: &Mailbox, id: &str) -> Result<(), EditError> {
    let found = mailbox
        .folder(id)
        .filter(|folder| folder.id != mailbox.contacts_folder);
    found.map(|_| ()).ok_or(EditError::NoFolder)
}

fn contact(mailbox: &Mailbox, id: &str) -> Result<String, EditError> {
    mailbox.resolve(id).map(str::to_owned).ok_or(EditError::NoContact)
}
