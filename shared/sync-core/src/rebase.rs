//! A contact with a pending edit meets what Outlook shows, or turns out to be gone from Outlook.
//!
//! Total functions. Whatever Outlook has done is taken in at once and becomes the edit's new base, so what stays pending
//! is only what Outlook lacks. Nothing is lost on the way: where one side's change gives way, the [`Clash`] has it.
//! Must not know how the contact came to be seen, nor how edits are carried out ([`crate::push`]).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::edit::{Edited, remember};
use crate::ids::FolderId;
use crate::members::{Kind, alike, differing, kind, same};
use crate::merge::{Change, Clash, Merged, Ours, Theirs, Three, Winner, merge, settle, winner};
use crate::record::{DeletionPolicy, Edit, Hold, Pending, Policy, Rules, Shown, Side, Urgency, Wish};
use crate::shape::{Shape, split, whole};
use crate::sighting::Document;

/// The name in clashes and edits under which a contact's folder goes, as if it were a member.
pub const FOLDER: &str = "folder";

/// The name in clashes of the contact's being there. The values are whole documents; none: deleted.
pub const DELETED: &str = "(deleted)";

/// What the contact has become.
#[derive(Clone, Debug, PartialEq)]
pub struct Rebased {
    /// The members that Outlook can hold.
    pub document: Document,
    /// What only the mirror keeps.
    pub extras: Document,
    /// Its folder.
    pub folder: FolderId,
    /// What is still to be done in Outlook. `None`: both sides agree, and the document is Outlook's. If the edit was a
    /// delete, and there is none now or one that saves, then the contact lives again.
    pub edit: Option<Edit>,
    /// What the policies decided, for the conflict log.
    pub clashes: Vec<Clash>,
}

/// Nothing was to be decided.
impl From<Edited> for Rebased {
    fn from(edited: Edited) -> Self {
        Self {
            document: edited.document,
            extras: edited.extras,
            folder: edited.folder,
            edit: edited.edit,
            clashes: Vec::new(),
        }
    }
}

/// A pending contact meets what Outlook shows.
///
/// `answers` are a custom policy's: values by member. Without any, clashes are decided by the rules, and the caller
/// who has a custom policy asks it about [`Rebased::clashes`], then calls again with its answers. The folder and a
/// delete are always decided by the rules.
pub fn onto(
    pending: Pending<'_>,
    shown: Shown<'_>,
    rules: Rules,
    answers: &BTreeMap<String, Value>,
) -> Rebased {
    match pending.edit.wish {
        Wish::Save => {
            let base = pending.edit.base.as_ref();
            let merged = merge(base, ours(pending), theirs(shown), rules.conflict);
            let folder = folder(pending.edit.base_folder.as_ref(), pending, shown, rules.conflict);
            let (extras, left) = left_behind(pending, pending.extras, shown);
            let pending = Pending {
                extras: &extras,
                ..pending
            };
            let mut rebased = conclude(pending, shown, settle(merged, answers), folder);
            rebased.clashes.extend(left);
            rebased
        }
        Wish::Delete => delete(pending, shown, rules),
        Wish::Erase => forgotten(pending.edit, shown.folder),
    }
}

/// What comes of [`onto`] where the contact was perhaps created as another item, and this is the one that it has left then.
/// Until that is known the edit stays, as one that was taken back where nothing is left of it; and what members have been
/// is kept, since the create may have sent that.
pub fn in_doubt(pending: Pending<'_>, shown: Shown<'_>, rebased: Rebased) -> Rebased {
    let at = shown.modified_at.unwrap_or(pending.edit.edited_at);
    let taken_back = || Edit {
        wish: Wish::Save,
        // Whoever looks for the other item looks in every folder.
        members: BTreeMap::from([(FOLDER.to_owned(), at.max(pending.edit.edited_at))]),
        count: pending.edit.count + 1,
        failed: None,
        hold: None,
        ..onto_base(pending.edit, shown)
    };
    let mut edit = rebased.edit.unwrap_or_else(taken_back);
    edit.earlier.clone_from(&pending.edit.earlier);
    let changed = differing(pending.document, &rebased.document);
    remember(&mut edit.earlier, &changed, pending.document);
    Rebased {
        edit: Some(edit),
        ..rebased
    }
}

/// A contact that is to be forgotten, wherever Outlook has it: nothing that it shows is taken in.
pub(crate) fn forgotten(edit: &Edit, folder: &FolderId) -> Rebased {
    Rebased {
        document: Document::new(),
        extras: Document::new(),
        folder: folder.clone(),
        edit: Some(Edit {
            base: Some(Document::new()),
            base_folder: Some(folder.clone()),
            ..edit.clone()
        }),
        clashes: Vec::new(),
    }
}

/// What becomes of a pending contact that Outlook no longer has.
#[derive(Clone, Debug, PartialEq)]
pub enum Bereaved {
    /// Both sides are rid of it. The clash: an edit has given way to the delete.
    Gone(Option<Clash>),
    /// The edit has won: Outlook gets the contact anew, by this edit.
    Recreate(Box<Edit>, Clash),
    /// It has never been in Outlook, so nothing is missing.
    Unborn,
}

/// A pending contact is certainly gone from Outlook.
pub fn bereaved(pending: Pending<'_>, rules: Rules) -> Bereaved {
    let edit = pending.edit;
    let Some(base) = &edit.base else {
        return match edit.wish {
            Wish::Save => Bereaved::Unborn,
            Wish::Delete | Wish::Erase => Bereaved::Gone(None),
        };
    };
    let is_moved = edit
        .base_folder
        .as_ref()
        .is_some_and(|base| base != pending.folder);
    match edit.wish {
        Wish::Delete | Wish::Erase => Bereaved::Gone(None),
        Wish::Save if !is_moved && differing(base, pending.document).is_empty() => Bereaved::Gone(None),
        Wish::Save => {
            // Outlook tells no time of a delete. It was seen after the edit was made, so it counts as the later one.
            let by_policy = match rules.conflict {
                Policy::LastWriteWins | Policy::OutlookWins => Side::Outlook,
                Policy::PlatformWins => Side::Platform,
            };
            let side = match rules.deletion {
                DeletionPolicy::EditWins => Side::Platform,
                DeletionPolicy::DeleteWins => Side::Outlook,
                DeletionPolicy::ByPolicy => by_policy,
            };
            let ours = whole(pending.document, pending.extras);
            let clash = deletion(Some(base.clone()), Some(ours), None, side);
            match side {
                Side::Outlook => Bereaved::Gone(Some(clash)),
                Side::Platform => Bereaved::Recreate(Box::new(anew(edit)), clash),
            }
        }
    }
}

/// The same edit of a contact that is not in Outlook.
pub(crate) fn anew(edit: &Edit) -> Edit {
    Edit {
        base: None,
        base_folder: None,
        ..edit.clone()
    }
}

/// What a contact waits by that is gone from Outlook, and that is not to be deleted here before somebody has said so:
/// if it is refused that it was deleted, Outlook gets it anew. `rev` is its record's.
pub fn withheld(edit: Option<&Edit>, rev: u64, hold: Hold, at: Timestamp) -> Edit {
    let whole = || Edit {
        wish: Wish::Save,
        base: None,
        base_folder: None,
        members: BTreeMap::new(),
        earlier: BTreeMap::new(),
        edited_at: at,
        count: rev + 1,
        urgency: Urgency::Backfill,
        failed: None,
        hold: None,
    };
    Edit {
        hold: Some(hold),
        ..edit.map_or_else(whole, anew)
    }
}

pub(crate) fn ours(pending: Pending<'_>) -> Ours<'_> {
    Ours {
        document: pending.document,
        edits: &pending.edit.members,
        edited_at: pending.edit.edited_at,
    }
}

pub(crate) fn theirs(shown: Shown<'_>) -> Theirs<'_> {
    Theirs {
        document: shown.document,
        modified_at: shown.modified_at,
    }
}

/// The folder is one more value to be merged. Where there is no base, the platform's counts only if it was chosen.
pub(crate) fn folder(
    base: Option<&FolderId>,
    pending: Pending<'_>,
    shown: Shown<'_>,
    policy: Policy,
) -> (FolderId, Option<Clash>) {
    let chosen_at = pending.edit.members.get(FOLDER).copied();
    let three = Three {
        base,
        ours: (base.is_some() || chosen_at.is_some()).then_some(pending.folder),
        theirs: Some(shown.folder),
        is_edited: chosen_at.is_some(),
    };
    match three.weigh(|one, other| one == other) {
        Change::Theirs => (shown.folder.clone(), None),
        Change::Ours => (pending.folder.clone(), None),
        Change::Both => {
            let edited_at = chosen_at.unwrap_or(pending.edit.edited_at);
            let side = winner(policy, edited_at, shown.modified_at);
            let kept = match side {
                Side::Outlook => shown.folder,
                Side::Platform => pending.folder,
            };
            let value = |folder: &FolderId| Value::String(folder.as_str().to_owned());
            let clash = Clash {
                member: FOLDER.to_owned(),
                base: base.map(value),
                ours: Some(value(pending.folder)),
                theirs: Some(value(shown.folder)),
                winner: side.into(),
                kept: Some(value(kept)),
            };
            (kept.clone(), Some(clash))
        }
    }
}

/// What a move leaves behind, since Graph has no documented member for it, lives on in the extras. Nobody has to know
/// whether the move has been carried out: it was wanted, if only for a moment, and the members are not there.
///
/// The clashes are of those that the extras have had a value for already, which covered Outlook's.
pub(crate) fn left_behind(
    before: Pending<'_>,
    extras: &Document,
    shown: Shown<'_>,
) -> (Document, Vec<Clash>) {
    let (mut extras, mut clashes) = (extras.clone(), Vec::new());
    let left = before.edit.base_folder.as_ref();
    if left.is_none_or(|left| left == before.folder) && !before.edit.members.contains_key(FOLDER) {
        return (extras, clashes);
    }
    let is_left = |name: &String| kind(name) == Kind::Unknown && !shown.document.contains_key(name);
    for (name, value) in before.document.iter().filter(|(name, _)| is_left(name)) {
        let kept = extras.entry(name).or_insert_with(|| value.clone());
        if kept != value {
            clashes.push(Clash {
                member: name.clone(),
                base: None,
                ours: Some(kept.clone()),
                theirs: Some(value.clone()),
                winner: Winner::Platform,
                kept: Some(kept.clone()),
            });
        }
    }
    (extras, clashes)
}

/// What is merged is parted again by what Outlook holds, and only what Outlook lacks stays pending. Room that somebody
/// has made in Outlook is not filled from the extras: he would see what he has never seen before.
pub(crate) fn conclude(
    pending: Pending<'_>,
    shown: Shown<'_>,
    merged: Merged,
    (folder, clash): (FolderId, Option<Clash>),
) -> Rebased {
    let Shape { document, extras } = split(merged.document, shown.document);
    let extras = whole(&extras, pending.extras);
    let lacking = differing(&document, shown.document);
    let is_moved = folder != *shown.folder;
    let mut clashes = merged.clashes;
    clashes.extend(clash);
    if lacking.is_empty() && !is_moved {
        return Rebased {
            document: shown.document.clone(),
            extras,
            folder,
            edit: None,
            clashes,
        };
    }
    let mut edit = onto_base(pending.edit, shown);
    edit.members
        .retain(|name, _| lacking.contains(name) || (is_moved && name == FOLDER));
    Rebased {
        document,
        extras,
        folder,
        edit: Some(edit),
        clashes,
    }
}

/// The same edit, now of what Outlook shows. What was missing there, and held for that, is missing no longer.
pub(crate) fn onto_base(edit: &Edit, shown: Shown<'_>) -> Edit {
    let is_back = edit.wish == Wish::Save && matches!(edit.hold, Some(Hold::Guarded { .. }));
    Edit {
        base: Some(shown.document.clone()),
        base_folder: Some(shown.folder.clone()),
        earlier: BTreeMap::new(),
        hold: edit.hold.clone().filter(|_| !is_back),
        ..edit.clone()
    }
}

/// A pending delete meets what Outlook shows. Whoever has changed the contact in Outlook since the base may not have
/// wanted it deleted. What Outlook shows as it was wanted here is no such change: an edit has been carried out, before
/// the delete, and its answer was lost.
fn delete(pending: Pending<'_>, shown: Shown<'_>, rules: Rules) -> Rebased {
    let edit = pending.edit;
    let is_foreign = match (&edit.base, &edit.base_folder) {
        (Some(base), Some(folder)) => {
            let is_edited = base.keys().chain(shown.document.keys()).any(|name| {
                let shown = shown.document.get(name);
                kind(name) != Kind::Derived
                    && !same(name, base.get(name), shown)
                    && !same(name, pending.document.get(name), shown)
            });
            is_edited || (folder != shown.folder && pending.folder != shown.folder)
        }
        (None, _) | (_, None) => !alike(pending.document, shown.document),
    };
    // Without a base, nobody knows that it was changed by anybody but us: it is logged, and deleted all the same.
    let side = if is_foreign && edit.base.is_some() {
        match rules.deletion {
            DeletionPolicy::EditWins => Side::Outlook,
            DeletionPolicy::DeleteWins => Side::Platform,
            DeletionPolicy::ByPolicy => winner(rules.conflict, edit.edited_at, shown.modified_at),
        }
    } else {
        Side::Platform
    };
    let clash = is_foreign.then(|| {
        let theirs = Some(shown.document.clone());
        deletion(edit.base.clone(), None, theirs, side)
    });
    Rebased {
        document: shown.document.clone(),
        extras: pending.extras.clone(),
        folder: shown.folder.clone(),
        edit: match side {
            Side::Outlook => None,
            Side::Platform => Some(onto_base(edit, shown)),
        },
        clashes: clash.into_iter().collect(),
    }
}

/// The clash of a delete with an edit: one of the two has no document.
fn deletion(base: Option<Document>, ours: Option<Document>, theirs: Option<Document>, side: Side) -> Clash {
    let kept = match side {
        Side::Outlook => &theirs,
        Side::Platform => &ours,
    };
    Clash {
        member: DELETED.to_owned(),
        kept: kept.clone().map(Value::Object),
        base: base.map(Value::Object),
        ours: ours.map(Value::Object),
        theirs: theirs.map(Value::Object),
        winner: side.into(),
    }
}

#[cfg(test)]
mod matrix;
