//! An edit is made here: what it makes of the contact's record.
//!
//! Knows how a new edit joins one that is pending. Must not know who asks, nor whether he may.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::bugs::{Bug, bug};
use crate::ids::FolderId;
use crate::members::{differing, kind};
use crate::rebase::FOLDER;
use crate::record::{Edit, Hold, Urgency, Wish};
use crate::shape::{Shape, split, whole};
use crate::sighting::Document;

/// A contact as it is before the edit.
#[derive(Clone, Copy, Debug)]
pub struct Current<'a> {
    /// The members that Outlook can hold.
    pub document: &'a Document,
    /// What only the mirror keeps.
    pub extras: &'a Document,
    /// Its folder.
    pub folder: &'a FolderId,
    /// What is pending. `None`: the contact is in Outlook just so.
    pub edit: Option<&'a Edit>,
    /// How often the record was written. Edits are counted on from there, so that whoever has pushed an earlier edit
    /// never takes a later one for it.
    pub rev: u64,
}

/// A contact as it is after the edit.
#[derive(Clone, Debug, PartialEq)]
pub struct Edited {
    /// The members that Outlook can hold.
    pub document: Document,
    /// What only the mirror keeps.
    pub extras: Document,
    /// Its folder.
    pub folder: FolderId,
    /// What is pending now. `None`: nothing that concerns Outlook was edited.
    pub edit: Option<Edit>,
}

/// A contact is made here; `rev` is that of its tombstone, if there is one. Its folder counts as chosen only if somebody
/// has named it: where the contact turns out to be in Outlook already, in another folder, it stays in that one
/// otherwise.
pub fn create(
    wanted: Document,
    folder: &FolderId,
    is_chosen: bool,
    rev: u64,
    at: Timestamp,
    urgency: Urgency,
) -> Edited {
    let nothing = Document::new();
    let Shape { document, extras } = split(wanted, &nothing);
    let mut members = differing(&document, &nothing);
    members.extend(is_chosen.then(|| FOLDER.to_owned()));
    let members = members.into_iter().map(|name| (name, at)).collect();
    Edited {
        document,
        extras,
        folder: folder.clone(),
        edit: Some(Edit {
            wish: Wish::Save,
            base: None,
            base_folder: None,
            members,
            earlier: BTreeMap::new(),
            edited_at: at,
            count: rev + 1,
            urgency,
            failed: None,
            hold: None,
        }),
    }
}

/// A contact is to be as `wanted`, the whole of it, and in this folder. `None`: it is so already, and nothing is to be
/// written.
///
/// An edit that is taken back stays pending all the same: it may be on its way to Outlook at this moment.
pub fn save(
    current: Current<'_>,
    wanted: Document,
    folder: &FolderId,
    at: Timestamp,
    urgency: Urgency,
) -> Option<Edited> {
    let base = current
        .edit
        .map_or(Some(current.document), |edit| edit.base.as_ref());
    let nothing = Document::new();
    let before = whole(current.document, current.extras);
    let is_left = |name: &String| kind(name).is_list() && wanted.get(name) == before.get(name);
    let left: Vec<String> = before.keys().filter(|name| is_left(name)).cloned().collect();
    let Shape {
        mut document,
        mut extras,
    } = split(wanted, base.unwrap_or(&nothing));
    // A list that isn't edited stays in its two parts, even if Outlook has room for more of it by now.
    for name in left {
        for (part, current) in [(&mut document, current.document), (&mut extras, current.extras)] {
            part.remove(&name);
            part.extend(current.get(&name).map(|value| (name.clone(), value.clone())));
        }
    }
    let is_doomed = current.edit.is_some_and(|edit| edit.wish.is_farewell());
    let is_moved = folder != current.folder;
    if !is_doomed && !is_moved && document == *current.document && extras == *current.extras {
        return None;
    }
    let mut changed = differing(&document, current.document);
    if is_moved {
        changed.insert(FOLDER.to_owned());
    }
    let edit = if changed.is_empty() && !is_doomed {
        current.edit.cloned()
    } else {
        let mut edit = next(current, Wish::Save, at, urgency);
        // It may be on its way to being created, there or in another folder.
        let is_on_its_way = edit
            .base_folder
            .as_ref()
            .is_none_or(|from| from != current.folder);
        if is_on_its_way {
            remember(&mut edit.earlier, &changed, current.document);
        }
        edit.members.extend(changed.into_iter().map(|name| (name, at)));
        Some(edit)
    };
    Some(Edited {
        document,
        extras,
        folder: folder.clone(),
        edit,
    })
}

/// A contact is to be deleted, whatever it has waited for. `None`: that is wanted already, and not held.
///
/// Its members stay until Outlook has confirmed: somebody may have changed them there. One that was never seen in
/// Outlook may be there all the same, if the answer to its creation was lost: the worker finds out.
pub fn delete(current: Current<'_>, at: Timestamp, urgency: Urgency) -> Option<Edited> {
    if current
        .edit
        .is_some_and(|edit| edit.wish.is_farewell() && edit.hold.is_none())
    {
        return None;
    }
    Some(Edited {
        document: current.document.clone(),
        extras: current.extras.clone(),
        folder: current.folder.clone(),
        edit: Some(next(current, Wish::Delete, at, urgency)),
    })
}

/// A contact is to be forgotten, whatever it has waited for: nothing is left of its members, here and in what is kept of
/// Outlook's. Where it lies in Outlook stays known until it is gone from there. `None`: Outlook does not have it, or has
/// been told before.
pub fn erase(current: Current<'_>, is_in_outlook: bool, at: Timestamp) -> Option<Edited> {
    let is_told = |edit: &Edit| edit.wish == Wish::Erase && edit.hold.is_none();
    if current.edit.is_some_and(is_told) || (current.edit.is_none() && !is_in_outlook) {
        return None;
    }
    let edit = next(current, Wish::Erase, at, Urgency::Now);
    Some(Edited {
        document: Document::new(),
        extras: Document::new(),
        folder: current.folder.clone(),
        edit: Some(Edit {
            base: edit.base.map(|_| Document::new()),
            members: BTreeMap::new(),
            earlier: BTreeMap::new(),
            ..edit
        }),
    })
}

/// Keeps what these members are about to have been. Not all of it: a contact must not grow by being edited.
pub(crate) fn remember(
    earlier: &mut BTreeMap<String, Vec<Value>>,
    changed: &BTreeSet<String>,
    document: &Document,
) {
    const OF_EACH: usize = 4;
    for name in changed.iter().filter(|name| *name != FOLDER) {
        let values = earlier.entry(name.clone()).or_default();
        values.push(document.get(name).cloned().unwrap_or_default());
        if values.len() > OF_EACH {
            values.remove(0);
        }
    }
}

/// The pending edit with one more: a refusal was of what it was before, a review is still to be had if it is to be saved.
fn next(current: Current<'_>, wish: Wish, at: Timestamp, urgency: Urgency) -> Edit {
    let Some(edit) = current.edit else {
        return Edit {
            wish,
            base: Some(current.document.clone()),
            base_folder: Some(current.folder.clone()),
            members: BTreeMap::new(),
            earlier: BTreeMap::new(),
            edited_at: at,
            count: current.rev + 1,
            urgency,
            failed: None,
            hold: None,
        };
    };
    let base = edit.base.as_ref();
    Edit {
        wish,
        base: base
            .map(|base| {
                if bug(Bug::BaseNotKept) {
                    current.document
                } else {
                    base
                }
            })
            .cloned(),
        edited_at: at,
        count: edit.count + 1,
        urgency: urgency.min(edit.urgency),
        failed: None,
        hold: match (wish, &edit.hold) {
            (Wish::Save, Some(Hold::Review { candidates })) => Some(Hold::Review {
                candidates: candidates.clone(),
            }),
            (Wish::Save | Wish::Delete | Wish::Erase, _) => None,
        },
        ..edit.clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::push::{Sent, Step, after, after_delete, read_instead, step};
    use crate::rebase::{Bereaved, bereaved, onto};
    use crate::record::{DeletionPolicy, Pending, Policy, Rules, Shown};

    fn document(value: &serde_json::Value) -> Document {
        value.as_object().unwrap().clone()
    }

    fn pending(edited: &Edited) -> Pending<'_> {
        Pending {
            document: &edited.document,
            extras: &edited.extras,
            folder: &edited.folder,
            edit: edited.edit.as_ref().unwrap(),
        }
    }

    #[test]
    fn an_erasure_keeps_nothing_whatever_outlook_shows_and_whoever_decides() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let (folder, elsewhere) = (FolderId::new("f"), FolderId::new("g"));
        let (had, extras) = (
            document(&json!({ "surname": "Byron" })),
            document(&json!({ "vCard": ["X"] })),
        );
        let settled = Current {
            document: &had,
            extras: &extras,
            folder: &folder,
            edit: None,
            rev: 4,
        };
        let changed = save(
            settled,
            document(&json!({ "surname": "King" })),
            &folder,
            at(1),
            Urgency::Now,
        )
        .unwrap();
        let waiting = Current {
            document: &changed.document,
            extras: &changed.extras,
            edit: changed.edit.as_ref(),
            ..settled
        };
        let theirs = document(&json!({ "surname": "Lovelace", "jobTitle": "Countess" }));
        let seen = Shown {
            document: &theirs,
            folder: &elsewhere,
            modified_at: Some(at(9)),
        };
        let nobody = BTreeMap::new();
        for current in [settled, waiting] {
            let erased = erase(current, true, at(5)).unwrap();
            assert!(erased.document.is_empty() && erased.extras.is_empty());
            let edit = erased.edit.as_ref().unwrap();
            assert_eq!(edit.base, Some(Document::new()));
            assert!(edit.members.is_empty());
            assert_eq!(step(pending(&erased)), Step::Delete);
            assert_eq!(after_delete(edit), None);
            for deletion in [
                DeletionPolicy::EditWins,
                DeletionPolicy::DeleteWins,
                DeletionPolicy::ByPolicy,
            ] {
                let rules = Rules {
                    conflict: Policy::OutlookWins,
                    deletion,
                };
                assert_eq!(bereaved(pending(&erased), rules), Bereaved::Gone(None));
                // It was sent before, and is answered now; or what came of it is read.
                let sent = Step::Update(document(&json!({ "surname": "King" })));
                let sent = Sent {
                    pending: pending(&changed),
                    step: &sent,
                };
                for rebased in [
                    onto(pending(&erased), seen, rules, &nobody),
                    after(sent, pending(&erased), seen, rules.conflict, &nobody),
                    read_instead(sent, pending(&erased), seen, rules, &nobody),
                ] {
                    assert!(
                        rebased.document.is_empty()
                            && rebased.extras.is_empty()
                            && rebased.clashes.is_empty()
                    );
                    let edit = rebased.edit.as_ref().unwrap();
                    assert_eq!((edit.wish, &edit.base), (Wish::Erase, &Some(Document::new())));
                    assert_eq!(edit.base_folder.as_ref(), Some(&elsewhere));
                }
            }
            // Told once, it is not told again; and it is no delete that could be made anew.
            let again = Current {
                document: &erased.document,
                extras: &erased.extras,
                folder: &erased.folder,
                edit: erased.edit.as_ref(),
                rev: 5,
            };
            assert_eq!(erase(again, true, at(6)), None);
            assert_eq!(delete(again, at(6), Urgency::Now), None);
        }
        assert_eq!(
            erase(settled, false, at(5)),
            None,
            "a tombstone has nothing to be told"
        );
        let unborn = create(had.clone(), &folder, false, 0, at(1), Urgency::Now);
        let unborn = Current {
            edit: unborn.edit.as_ref(),
            ..settled
        };
        let erased = erase(unborn, false, at(5)).unwrap();
        assert_eq!(step(pending(&erased)), Step::Agreed, "Outlook has never had it");
    }
}
