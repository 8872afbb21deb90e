//! A person decides a conflict otherwise than the policy did.
//!
//! Pure: the conflict, the contact as it is now and the choice in; what the contact is to be out. Only the members in
//! conflict are touched: what was edited since stays.

use contact_store::{Conflict, Contact};
use serde_json::{Map, Value};
use sync_core::ids::FolderId;
use sync_core::photo::PHOTO;
use sync_core::rebase::{DELETED, FOLDER};
use sync_core::record::Side;
use sync_core::shape::whole;
use sync_core::sighting::Document;

use crate::asked::Folders;
use crate::edit::{Wanted, shown};
use crate::problem::{FieldError, Problem};
use crate::read::pointer;
use crate::valid;

/// Whose values a person takes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Choice {
    /// One side's.
    Side(Side),
    /// These, by member.
    Values(Map<String, Value>),
}

/// What the contact is to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// Deleted.
    Gone,
    /// Like this. If it is deleted, it lives again.
    Like(Wanted),
    /// It was deleted meanwhile, and the conflict was not about that.
    Deleted,
}

/// What the contact is to be after `choice`.
pub(crate) fn outcome(
    conflict: &Conflict,
    choice: &Choice,
    present: &Contact,
    folders: &Folders,
) -> Result<Outcome, Problem> {
    let mut wanted = Wanted {
        whole: shown(present),
        folder: present.folder.clone(),
        folder_chosen: false,
        external_id: None,
    };
    let mut errors = Vec::new();
    let mut lives = present.deleted_at.is_none();
    match choice {
        Choice::Side(side) => {
            let mut document = present.document.clone();
            for clash in &conflict.clashes {
                let value = match side {
                    Side::Outlook => clash.theirs.as_ref(),
                    Side::Platform => clash.ours.as_ref(),
                };
                let name = clash.member.as_str();
                if conflict.omitted.contains(&clash.member) {
                    let detail =
                        format!("the values of {name} were too large to be kept: give values instead");
                    errors.push(FieldError::at("/take", detail));
                    continue;
                }
                match (name, value) {
                    (DELETED, None) => return Ok(Outcome::Gone),
                    (DELETED, Some(Value::Object(members))) if !lives => {
                        lives = true;
                        document.clone_from(members);
                    }
                    (FOLDER, Some(Value::String(folder))) => {
                        choose(&mut wanted, folder, folders, "/take", &mut errors);
                    }
                    (PHOTO, _) => {
                        let detail = "a photo that has lost is not kept: set the photo instead";
                        errors.push(FieldError::at("/take", detail));
                    }
                    // It lives: what was edited since is not undone.
                    (DELETED, Some(_)) | (FOLDER, _) => {}
                    (name, Some(value)) => {
                        document.insert(name.to_owned(), value.clone());
                    }
                    (name, None) => drop(document.remove(name)),
                }
            }
            // What Outlook can't hold of a list was in no conflict.
            wanted.whole = whole(&document, &present.extras);
        }
        Choice::Values(values) => {
            let mut members = Document::new();
            for (name, value) in values {
                let at = pointer("/values", name);
                let is_in_conflict = conflict.clashes.iter().any(|clash| clash.member == *name);
                match (name.as_str(), value) {
                    (name, _) if name == DELETED || name == PHOTO || !is_in_conflict => {
                        errors.push(FieldError::at(at, "is no member that was in conflict"));
                    }
                    (FOLDER, Value::String(folder)) => choose(&mut wanted, folder, folders, &at, &mut errors),
                    (FOLDER, _) => errors.push(FieldError::at(at, "must be a text")),
                    (name, value) => drop(members.insert(name.to_owned(), value.clone())),
                }
            }
            valid::check(&members, &wanted.whole, "/values", &mut errors);
            wanted.whole.extend(members);
        }
    }
    if !errors.is_empty() {
        Err(Problem::invalid(errors))
    } else if lives {
        Ok(Outcome::Like(wanted))
    } else {
        Ok(Outcome::Deleted)
    }
}

fn choose(wanted: &mut Wanted, folder: &str, folders: &Folders, at: &str, errors: &mut Vec<FieldError>) {
    let folder = FolderId::new(folder);
    if folder == wanted.folder {
        return;
    }
    if folders.has(&folder) {
        wanted.folder = folder;
        wanted.folder_chosen = true;
    } else {
        errors.push(FieldError::at(
            at,
            "the folder is none of the mailbox's synced folders",
        ));
    }
}
