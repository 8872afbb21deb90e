//! What becomes of a contact that is to be as it was.
//!
//! Pure: the contact as it is and a version of it in, the contact as it is to be out. It must not know requests, nor which
//! version is wanted. A restore is an edit of the platform's like any other: Outlook gets it as it gets the others.

use std::collections::BTreeSet;

use contact_store::{Contact, Version};
use sync_core::record::Wish;
use sync_core::sighting::Document;

use crate::asked::Folders;
use crate::edit::{Occasion, Wanted, delete, replace, revive, shown};
use crate::explain::differing;

/// What is to be done about a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// It was deleted, and comes back.
    Create,
    /// It gets what it had.
    Update,
    /// It was not there, and goes.
    Delete,
    /// It was not there, and stays.
    KeepNewer,
}

/// What a contact was at a moment, as far as it is known.
#[derive(Clone, Debug)]
pub(crate) enum Was {
    /// This.
    Version(Box<Version>),
    /// It was not there.
    Nothing,
    /// The history does not have it: it comes a second after the change, and it may have been switched off.
    Unknown,
}

/// What a restore makes of a contact.
#[derive(Debug)]
pub(crate) enum Comeback {
    /// It is as it was.
    Unchanged,
    /// It was not there, and is let be.
    Newer,
    /// It becomes this.
    Becomes(Action, Box<Contact>),
    /// It can't be as it was, and this is why.
    Impossible(&'static str),
}

/// What is done about contacts that were not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Newer {
    Keep,
    Delete,
}

/// The contact as it was.
pub(crate) fn comeback(
    present: &Contact,
    was: &Was,
    newer: Newer,
    folders: &Folders,
    on: Occasion,
) -> Comeback {
    let is_deleted = present.deleted_at.is_some();
    if present.edit.as_ref().is_some_and(|edit| edit.wish == Wish::Erase) {
        return Comeback::Impossible("it is being erased");
    }
    let was = match was {
        Was::Version(was) if !was.deleted => was,
        Was::Version(_) | Was::Nothing => {
            return match newer {
                _ if is_deleted => Comeback::Unchanged,
                Newer::Keep => Comeback::Newer,
                Newer::Delete => Comeback::Becomes(Action::Delete, Box::new(delete(present, on))),
            };
        }
        Was::Unknown => {
            return Comeback::Impossible("what it was is not known, or not yet: try again in a while");
        }
    };
    if was.is_incomplete() {
        return Comeback::Impossible("that version was too large to be kept");
    }
    let wanted = wanted(present, was, folders);
    if is_deleted {
        // A repetition of the request that once created it must go on finding it.
        let request = present.request_hash.clone().unwrap_or_default();
        return Comeback::Becomes(Action::Create, Box::new(revive(present, wanted, request, on)));
    }
    replace(present, wanted, on).map_or(Comeback::Unchanged, |contact| {
        Comeback::Becomes(Action::Update, Box::new(contact))
    })
}

fn wanted(present: &Contact, was: &Version, folders: &Folders) -> Wanted {
    let mut members: Document = was.members.clone();
    // What was too large to be kept stays as it is: nobody knows what it was.
    let now = shown(present);
    for name in &was.omitted {
        if let (Some(value), false) = (now.get(name), members.contains_key(name)) {
            members.insert(name.clone(), value.clone());
        }
    }
    let folder = folders.home_of(&was.folder).clone();
    Wanted {
        whole: members,
        folder_chosen: folder == was.folder,
        folder,
        external_id: was.external_id.clone(),
    }
}

/// The names of what a restore changes. A photo is none of them: it is not kept.
pub(crate) fn changes(present: &Contact, becomes: &Contact) -> BTreeSet<String> {
    let at = becomes.changed_at;
    differing(&Version::of(present, at), &Version::of(becomes, at))
}
