//! What a caller sends of a contact, and whether it is valid for this mailbox and this contact.
//!
//! Knows the form of a contact in requests, JSON Merge Patch (RFC 7396) over it, and what a folder may be. Pure. It
//! must not know which request it was.

use std::collections::BTreeSet;

use contact_store::{Contact, FolderScope, MailboxState};
use serde::Serialize;
use serde_json::{Map, Value};
use sync_core::folders::{DEFAULT_FOLDER, Scope, UNLISTED_DEFAULT, in_scope};
use sync_core::ids::FolderId;
use sync_core::members::{MADE_OF_NAMES, NAME_PARTS, same};
use sync_core::sighting::Document;
use utoipa::ToSchema;

use crate::contact_forms::OutlookContact;
use crate::edit::{Wanted, shown};
use crate::failure::Failure;
use crate::problem::{FieldError, Kind, Problem};
use crate::read::{Members, pointer};
use crate::valid;

/// Characters of an external id.
const LONGEST_EXTERNAL_ID: usize = 256;

/// A contact as it is to be.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewContact)]
pub(crate) struct AskedForm {
    /// The id of the folder that it is to lie in: one of the mailbox's synced folders. Absent: the default folder, or
    /// the one that it lies in.
    #[schema(nullable = false)]
    folder: Option<String>,
    /// The caller's own id of it, at most 256 characters. Once given it can't be changed.
    #[schema(nullable = false, min_length = 1, max_length = 256)]
    external_id: Option<String>,
    /// All its members. What is absent, null or empty is not set. Lists may be longer than Outlook can hold, and
    /// members that it doesn't know are kept.
    #[schema(value_type = OutlookContact)]
    contact: Document,
}

/// The contact that a request asks for, as far as it can be read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) folder: Option<FolderId>,
    pub(crate) external_id: Option<String>,
    pub(crate) contact: Document,
}

impl Asked {
    /// These members, in the folder where they belong.
    pub(crate) fn of(contact: Document) -> Self {
        Self {
            folder: None,
            external_id: None,
            contact,
        }
    }

    /// Reads an [`AskedForm`].
    pub(crate) fn read(body: Map<String, Value>, errors: &mut Vec<FieldError>) -> Self {
        let mut members = Members::new(body, "", errors);
        let asked = Self::members(&mut members);
        members.finish();
        asked
    }

    /// The members of an [`AskedForm`] among others.
    pub(crate) fn members(members: &mut Members<'_>) -> Self {
        Self {
            folder: members.optional_text("folder", folder),
            external_id: members.optional_text("externalId", external_id),
            contact: members.document("contact"),
        }
    }

    /// Reads a merge patch of a contact.
    pub(crate) fn patched(
        present: &Contact,
        patch: Map<String, Value>,
        errors: &mut Vec<FieldError>,
    ) -> Self {
        for name in ["folder", "externalId", "contact"] {
            if patch.get(name) == Some(&Value::Null) {
                errors.push(FieldError::at(pointer("", name), "can't be taken away"));
            }
        }
        let mut target = Map::from_iter([("contact".to_owned(), Value::Object(shown(present)))]);
        merge_patch(&mut target, patch);
        target
            .entry("contact")
            .or_insert_with(|| Value::Object(Map::new()));
        Self::read(target, errors)
    }

    /// A whole contact in the place of this one. The names that Outlook makes of others stay, where none is named and
    /// the others stay: who sends the same contact twice has not changed it.
    pub(crate) fn in_place_of(mut self, present: &Contact) -> Self {
        let before = shown(present);
        let stays = |name: &&str| same(name, before.get(*name), self.contact.get(*name));
        if NAME_PARTS.iter().all(stays) {
            for name in MADE_OF_NAMES {
                if let (false, Some(made)) = (self.contact.contains_key(name), before.get(name)) {
                    self.contact.insert(name.to_owned(), made.clone());
                }
            }
        }
        self
    }

    /// The contact that is wanted, if it is valid. `at`: where in the body it is.
    pub(crate) fn wanted(
        self,
        present: Option<&Contact>,
        folders: &Folders,
        at: &str,
        errors: &mut Vec<FieldError>,
    ) -> Result<Wanted, Failure> {
        let before = present.map(shown).unwrap_or_default();
        valid::check(&self.contact, &before, &pointer(at, "contact"), errors);
        let has = present.and_then(|present| present.external_id.as_ref());
        if let (Some(has), Some(asked)) = (has, &self.external_id)
            && has != asked
        {
            errors.push(FieldError::at(pointer(at, "externalId"), "can't be changed"));
        }
        let lies_in = present.map(|present| &present.folder);
        let folder = match folders.choose(self.folder.as_ref(), lies_in) {
            Ok(folder) => folder.clone(),
            Err(NoFolder::Unlisted) if errors.is_empty() => return Err(Kind::FoldersUnknown.into()),
            Err(why) => {
                errors.push(FieldError::at(pointer(at, "folder"), why.detail()));
                FolderId::new("")
            }
        };
        if !errors.is_empty() {
            return Err(Problem::invalid(std::mem::take(errors)).into());
        }
        Ok(Wanted {
            whole: self.contact,
            folder,
            folder_chosen: self.folder.is_some(),
            external_id: self.external_id,
        })
    }
}

fn folder(text: &str) -> Result<FolderId, &'static str> {
    if text.is_empty() {
        Err("must not be empty")
    } else {
        Ok(FolderId::new(text))
    }
}

pub(crate) fn external_id(text: &str) -> Result<String, &'static str> {
    let length = text.chars().count();
    if (1..=LONGEST_EXTERNAL_ID).contains(&length) && !text.contains(char::is_control) && text.trim() == text
    {
        Ok(text.to_owned())
    } else {
        Err("must have 1 to 256 characters, and no space around them")
    }
}

/// RFC 7396, for an object.
fn merge_patch(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, change) in patch {
        match change {
            Value::Null => drop(target.remove(&name)),
            Value::Object(inner) => {
                let entry = target.entry(name).or_insert(Value::Null);
                let mut object = match entry.take() {
                    Value::Object(object) => object,
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                        Map::new()
                    }
                };
                merge_patch(&mut object, inner);
                *entry = Value::Object(object);
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                target.insert(name, change);
            }
        }
    }
}

/// Where contacts of a mailbox can lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folders {
    synced: BTreeSet<FolderId>,
    default: Option<FolderId>,
    are_listed: bool,
}

/// Why there is no folder for a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoFolder {
    Unlisted,
    NotSynced,
    DefaultNotSynced,
}

impl NoFolder {
    fn detail(self) -> &'static str {
        match self {
            Self::Unlisted => "can't be chosen before the mailbox's folders are known",
            Self::NotSynced => "must be the id of one of the mailbox's synced folders",
            Self::DefaultNotSynced => "is required: the default folder is not synced",
        }
    }
}

impl Folders {
    pub(crate) fn of(state: &MailboxState) -> Self {
        let synced = state.folders.iter().filter(|folder| folder.in_scope);
        let default = match state.folders.iter().find(|folder| folder.is_default) {
            Some(folder) => folder.in_scope.then(|| folder.id.clone()),
            // Not listed yet, or hidden, as an empty one may be (facts 3).
            None => includes_default(&state.mailbox.scope).then(|| FolderId::new(UNLISTED_DEFAULT)),
        };
        Self {
            synced: synced.map(|folder| folder.id.clone()).collect(),
            default,
            are_listed: !state.folders.is_empty(),
        }
    }

    /// The folder that a contact comes back to: its own, or the default folder where that is not synced any more.
    pub(crate) fn home_of<'f>(&'f self, folder: &'f FolderId) -> &'f FolderId {
        let own = self.synced.get(folder);
        own.or(self.default.as_ref()).unwrap_or(folder)
    }

    /// The folder for a contact that lies in one, or in none yet.
    fn choose<'f>(
        &'f self,
        asked: Option<&'f FolderId>,
        lies_in: Option<&'f FolderId>,
    ) -> Result<&'f FolderId, NoFolder> {
        match (asked, lies_in) {
            (None, Some(lies_in)) => Ok(lies_in),
            (Some(asked), Some(lies_in)) if asked == lies_in => Ok(lies_in),
            (Some(asked), _) if self.synced.contains(asked) => Ok(asked),
            (Some(_), _) if self.are_listed => Err(NoFolder::NotSynced),
            (Some(_), _) => Err(NoFolder::Unlisted),
            (None, None) => self.default.as_ref().ok_or(if self.are_listed {
                NoFolder::DefaultNotSynced
            } else {
                NoFolder::Unlisted
            }),
        }
    }

    /// Whether a contact can be put there.
    pub(crate) fn has(&self, folder: &FolderId) -> bool {
        self.synced.contains(folder)
    }
}

fn includes_default(scope: &FolderScope) -> bool {
    let scope = match scope {
        FolderScope::All => Scope::All,
        FolderScope::Only(include) => Scope::Only(include),
    };
    in_scope(&scope, &FolderId::new(UNLISTED_DEFAULT), DEFAULT_FOLDER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The examples of RFC 7396, appendix A, whose target and patch are objects.
    #[test]
    fn a_merge_patch_does_what_the_rfc_says() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ] {
            let (Value::Object(mut target), Value::Object(patch)) = (target, patch) else {
                unreachable!()
            };
            merge_patch(&mut target, patch);
            assert_eq!(Value::Object(target), result);
        }
    }

    #[test]
    fn a_contact_stays_where_it_is_or_goes_to_a_synced_folder_or_to_the_default_one() {
        let folder = |text: &str| FolderId::new(text);
        let (top, friends, skype) = (folder("top"), folder("friends"), folder("skype"));
        let listed = Folders {
            synced: [top.clone(), friends.clone()].into(),
            default: Some(top.clone()),
            are_listed: true,
        };
        let partly = Folders {
            synced: [friends.clone()].into(),
            default: None,
            are_listed: true,
        };
        let stand_in = folder(UNLISTED_DEFAULT);
        let unlisted = Folders {
            synced: BTreeSet::new(),
            default: Some(stand_in.clone()),
            are_listed: false,
        };
        for (folders, asked, lies_in, chosen) in [
            (&listed, None, None, Ok(&top)),
            (&listed, Some(&friends), None, Ok(&friends)),
            (&listed, Some(&friends), Some(&top), Ok(&friends)),
            (&listed, None, Some(&skype), Ok(&skype)),
            (&listed, Some(&skype), Some(&skype), Ok(&skype)),
            (&listed, Some(&skype), Some(&top), Err(NoFolder::NotSynced)),
            (&partly, None, None, Err(NoFolder::DefaultNotSynced)),
            (&partly, Some(&friends), None, Ok(&friends)),
            (&unlisted, None, None, Ok(&stand_in)),
            (&unlisted, Some(&top), None, Err(NoFolder::Unlisted)),
        ] {
            assert_eq!(
                folders.choose(asked, lies_in),
                chosen,
                "{folders:?} {asked:?} {lies_in:?}"
            );
        }
    }
}
