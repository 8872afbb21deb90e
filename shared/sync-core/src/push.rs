//! What a pending edit asks of Outlook, and what Outlook's answer to it means.
//!
//! Knows the form in which Outlook takes members: whole values, the display name always with them (facts 1.2, 2.3). It
//! has no requests in it: a [`Step`] says what, and the shell knows how. Must not know of retries and batches.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::bugs::{Bug, bug};
use crate::edit::{Current, Edited, save};
use crate::members::{DISPLAY_NAME, MADE_OF_NAMES, NAME_PARTS, differing, holds, is_blank, kind, same, wire};
use crate::merge::{Clash, Ours, Theirs, Winner, merge, settle};
use crate::rebase::{
    FOLDER, Rebased, anew, conclude, folder, forgotten, left_behind, onto, onto_base, ours, theirs,
};
use crate::record::{Edit, Pending, Policy, Rules, Shown, Urgency, Wish};
use crate::shape::whole;
use crate::sighting::Document;

/// The next thing to do in Outlook about a pending contact.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Outlook does not have it: create it in its folder with these members, and with the stamp. If it may have been
    /// tried before, look the stamp up first.
    Create(Document),
    /// Send these members, and no others, of the item that is there.
    Update(Document),
    /// It is to be in another folder: create it there with these members and the stamp, then delete the old item.
    /// What Graph has no documented member for does not come along.
    Move(Document),
    /// Delete the item.
    Delete,
    /// Outlook has it as it is here: nothing to send.
    Agreed,
    /// It waits for a person.
    Held,
}

/// What a pending contact asks for.
pub fn step(pending: Pending<'_>) -> Step {
    let edit = pending.edit;
    match (edit.wish, &edit.base) {
        _ if edit.hold.is_some() => Step::Held,
        (Wish::Delete | Wish::Erase, Some(_)) => Step::Delete,
        (Wish::Delete | Wish::Erase, None) => Step::Agreed,
        (Wish::Save, None) => Step::Create(all(pending.document)),
        (Wish::Save, Some(_)) if is_moved(pending) => Step::Move(all(pending.document)),
        (Wish::Save, Some(base)) => {
            let names = differing(pending.document, base);
            if names.is_empty() {
                Step::Agreed
            } else {
                Step::Update(changes(pending.document, names))
            }
        }
    }
}

fn is_moved(pending: Pending<'_>) -> bool {
    pending
        .edit
        .base_folder
        .as_ref()
        .is_some_and(|base| base != pending.folder)
}

/// Every member that Outlook takes and that is set.
fn all(document: &Document) -> Document {
    document
        .iter()
        .filter(|(name, value)| kind(name).is_writable() && !is_blank(name, Some(value)))
        .map(|(name, value)| (name.clone(), wire(name, Some(value))))
        .collect()
}

/// The named members as they are to become, and the display name, which Outlook would write anew. That is left to it
/// where a part of the name changes and there is no display name: a contact without one can't be found by people.
fn changes(document: &Document, mut names: BTreeSet<String>) -> Document {
    names.insert(DISPLAY_NAME.to_owned());
    let is_renamed = NAME_PARTS.iter().any(|part| names.contains(*part));
    let is_left =
        |name: &str| is_renamed && MADE_OF_NAMES.contains(&name) && is_blank(name, document.get(name));
    names.retain(|name| !is_left(name));
    names
        .into_iter()
        .map(|name| {
            let value = wire(&name, document.get(&name));
            (name, value)
        })
        .collect()
}

/// What Outlook has carried out: the contact as it was when the step was taken, and the step.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// The contact then.
    pub pending: Pending<'a>,
    /// A create, an update or a move.
    pub step: &'a Step,
}

/// Outlook has saved what was sent, and has answered with the contact. `now` is the contact as it is now.
///
/// Nothing edited in the meantime: both agree, in Outlook's spelling. Else what was edited in the meantime is laid over
/// Outlook's answer and stays pending. What was sent can't clash, since its answer is our own write; what was not sent
/// may have been changed in Outlook, and is merged by the policy. Should Outlook have dropped something that was sent,
/// that is a clash which Outlook has won. `answers`: a custom policy's, by member; without any, `policy` decides.
pub fn after(
    sent: Sent<'_>,
    now: Pending<'_>,
    answer: Shown<'_>,
    policy: Policy,
    answers: &BTreeMap<String, Value>,
) -> Rebased {
    if now.edit.wish == Wish::Erase {
        return forgotten(now.edit, answer.folder);
    }
    let (extras, left) = left_behind(sent.pending, now.extras, answer);
    let now = Pending {
        extras: &extras,
        ..now
    };
    let mut rebased = if now.edit.count == sent.pending.edit.count || bug(Bug::EditCleared) {
        Rebased {
            document: answer.document.clone(),
            extras: extras.clone(),
            folder: answer.folder.clone(),
            edit: None,
            clashes: Vec::new(),
        }
    } else {
        match now.edit.wish {
            Wish::Save => replay(sent, now, answer, policy, answers),
            Wish::Delete | Wish::Erase => Rebased {
                document: answer.document.clone(),
                extras: extras.clone(),
                folder: answer.folder.clone(),
                edit: Some(onto_base(now.edit, answer)),
                clashes: Vec::new(),
            },
        }
    };
    rebased.clashes.extend(dropped(sent, now, answer));
    rebased.clashes.extend(left);
    rebased
}

/// The answer to what was sent was lost, and the item has been read instead; by then somebody in Outlook may have
/// changed it. After a create or a move it is the new item, found by its stamp; whoever finds none goes on with what he
/// had. Wherever it shows that Outlook has carried it out, what was sent is the base of all that came after.
/// If it doesn't, this is a sighting like any other ([`onto`]).
pub fn read_instead(
    sent: Sent<'_>,
    now: Pending<'_>,
    found: Shown<'_>,
    rules: Rules,
    answers: &BTreeMap<String, Value>,
) -> Rebased {
    if !is_carried_out(sent, found) || now.edit.wish == Wish::Erase {
        return onto(now, found, rules, answers);
    }
    let edit = Edit {
        base: Some(sent.pending.document.clone()),
        base_folder: Some(sent.pending.folder.clone()),
        members: edits_since(sent, now),
        ..now.edit.clone()
    };
    let (extras, left) = left_behind(sent.pending, now.extras, found);
    let now = Pending {
        extras: &extras,
        edit: &edit,
        ..now
    };
    let mut rebased = onto(now, found, rules, answers);
    rebased.clashes.extend(left);
    rebased
}

/// The item that a contact has left was changed by somebody in Outlook after it was looked at: what he did is laid over
/// the contact as it is now, as if it had been seen before the move. Gives what is to be written, if anything, and what
/// the policy had to decide.
///
/// `base`: the item when it was looked at. `edits`: the members that were edited here, before or after. Members that
/// Graph doesn't know stay as they are: they have not come along.
pub fn overlooked(
    base: &Document,
    edits: &BTreeMap<String, Timestamp>,
    now: Current<'_>,
    found: Shown<'_>,
    policy: Policy,
) -> (Option<Edited>, Vec<Clash>) {
    let writable = |document: &Document| -> Document {
        let members = document.iter().filter(|(name, _)| kind(name).is_writable());
        members
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    let (base, ours, theirs) = (writable(base), writable(now.document), writable(found.document));
    let ours = Ours {
        document: &ours,
        edits,
        edited_at: now.edit.map_or(Timestamp::MIN, |edit| edit.edited_at),
    };
    let theirs = Theirs {
        document: &theirs,
        modified_at: found.modified_at,
    };
    let merged = merge(Some(&base), ours, theirs, policy);
    let changed = differing(&merged.document, now.document);
    if changed.is_empty() {
        return (None, merged.clashes);
    }
    let mut document = now.document.clone();
    for name in changed {
        match merged.document.get(&name) {
            Some(value) => drop(document.insert(name, value.clone())),
            None => drop(document.remove(&name)),
        }
    }
    let wanted = whole(&document, now.extras);
    let at = found.modified_at.unwrap_or(Timestamp::MIN);
    let at = now.edit.map_or(at, |edit| edit.edited_at.max(at));
    let edited = save(now, wanted, now.folder, at, Urgency::Now);
    (edited, merged.clashes)
}

/// Everything that was changed is there as it was sent. One member alone is no proof, although Graph saves an item wholly or not
/// at all: another worker may have written what the same edit was before, or somebody in Outlook the same.
fn is_carried_out(sent: Sent<'_>, found: Shown<'_>) -> bool {
    let nothing = Document::new();
    let base = sent.pending.edit.base.as_ref().unwrap_or(&nothing);
    match sent.step {
        Step::Create(_) | Step::Move(_) => true,
        Step::Update(members) => {
            let found = |name: &str| found.document.get(name);
            let mut changed = members
                .iter()
                .filter(|(name, value)| !same(name, Some(value), base.get(*name)));
            changed.clone().next().is_some()
                && changed.all(|(name, value)| same(name, Some(value), found(name)))
        }
        Step::Delete | Step::Agreed | Step::Held => false,
    }
}

/// The members that were edited after the step was taken.
fn edits_since(sent: Sent<'_>, now: Pending<'_>) -> BTreeMap<String, Timestamp> {
    let before = sent.pending.document;
    let is_since = |name: &str| match name {
        FOLDER => sent.pending.folder != now.folder,
        name => !same(name, before.get(name), now.document.get(name)),
    };
    let edits = now.edit.members.iter().filter(|(name, _)| is_since(name));
    edits.map(|(name, at)| (name.clone(), *at)).collect()
}

/// Outlook has deleted the contact as it was asked to. `None`: bury it. An edit: it was wanted again in the meantime,
/// and is to be created anew by this edit.
pub fn after_delete(edit: &Edit) -> Option<Edit> {
    match edit.wish {
        Wish::Delete | Wish::Erase => None,
        Wish::Save => Some(anew(edit)),
    }
}

/// Lays what was edited since the step over Outlook's answer.
fn replay(
    sent: Sent<'_>,
    now: Pending<'_>,
    answer: Shown<'_>,
    policy: Policy,
    answers: &BTreeMap<String, Value>,
) -> Rebased {
    let base = Some(sent.pending.document);
    let since = edits_since(sent, now);
    let ours = Ours {
        edits: &since,
        ..ours(now)
    };
    let own = merge(base, ours, theirs(answer), Policy::PlatformWins);
    let mut merged = merge(base, ours, theirs(answer), policy);
    merged.clashes.retain(|clash| {
        let is_own = was_sent(sent.step, &clash.member);
        if is_own && let Some(value) = own.document.get(&clash.member) {
            merged.document.insert(clash.member.clone(), value.clone());
        }
        !is_own
    });
    let folder = folder(Some(sent.pending.folder), now, answer, policy);
    conclude(now, answer, settle(merged, answers), folder)
}

/// Whether what Outlook has of a member now is its answer to us. A create decides all members, those that it leaves
/// out too.
fn was_sent(step: &Step, member: &str) -> bool {
    match step {
        Step::Create(_) | Step::Move(_) => true,
        Step::Update(members) => members.contains_key(member),
        Step::Delete | Step::Agreed | Step::Held => false,
    }
}

/// The sent members that Outlook's answer doesn't have, and that nobody has edited since.
fn dropped(sent: Sent<'_>, now: Pending<'_>, answer: Shown<'_>) -> Vec<Clash> {
    let (Step::Create(members) | Step::Update(members) | Step::Move(members)) = sent.step else {
        return Vec::new();
    };
    members
        .iter()
        .filter(|(name, value)| !holds(name, Some(value), answer.document.get(*name)))
        .filter(|(name, value)| same(name, Some(value), now.document.get(*name)))
        .map(|(name, value)| Clash {
            member: name.clone(),
            base: sent
                .pending
                .edit
                .base
                .as_ref()
                .and_then(|base| base.get(name))
                .cloned(),
            ours: Some(value.clone()),
            theirs: answer.document.get(name).cloned(),
            winner: Winner::Outlook,
            kept: answer.document.get(name).cloned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ids::FolderId;
    use crate::record::{DeletionPolicy, Hold};

    fn document(value: &Value) -> Document {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn only_what_was_edited_is_sent_and_the_display_name_with_it() {
        let (folder, now) = (FolderId::new("f"), Timestamp::from_second(100).unwrap());
        let held = document(&json!({
            "displayName": "Ada", "surname": "Byron", "businessPhones": ["1"], "shoeSize": 5,
            "emailAddresses": [{"address": "ada@x"}], "primaryEmailAddress": {"address": "ada@x"},
        }));
        let table = [
            (
                json!({"surname": "Lovelace"}),
                json!({"displayName": "Ada", "surname": "Lovelace"}),
            ),
            (
                json!({"surname": null}),
                json!({"displayName": "Ada", "surname": null}),
            ),
            (json!({"displayName": null}), json!({"displayName": null})),
            (
                json!({"displayName": null, "surname": "Lovelace"}),
                json!({"surname": "Lovelace"}),
            ),
            (
                json!({"businessPhones": ["1", "2", "3"]}),
                json!({"displayName": "Ada", "businessPhones": ["1", "2"]}),
            ),
            (
                json!({"emailAddresses": []}),
                json!({"displayName": "Ada", "emailAddresses": []}),
            ),
        ];
        for (change, sent) in table {
            let mut wanted = held.clone();
            wanted.extend(document(&change));
            let current = Current {
                rev: 0,
                document: &held,
                extras: &Document::new(),
                folder: &folder,
                edit: None,
            };
            let edited = save(current, wanted, &folder, now, Urgency::Now).unwrap();
            let edit = edited.edit.clone().unwrap();
            let pending = |edit| Pending {
                document: &edited.document,
                extras: &edited.extras,
                folder: &edited.folder,
                edit,
            };
            assert_eq!(step(pending(&edit)), Step::Update(document(&sent)), "{change}");
            let reviewed = Edit {
                hold: Some(Hold::Review {
                    candidates: Vec::new(),
                }),
                ..edit.clone()
            };
            assert_eq!(step(pending(&reviewed)), Step::Held);
        }
    }

    #[test]
    fn what_another_worker_has_written_of_the_edit_is_not_taken_for_what_was_sent() {
        let (folder, at) = (FolderId::new("f"), |second| {
            Timestamp::from_second(second).unwrap()
        });
        let before = document(&json!({ "categories": ["a"] }));
        let nothing = Document::new();
        let mut edited: Option<Edited> = None;
        for (second, members) in [
            (1, json!({ "categories": ["a", "b"], "profession": "Poet" })),
            (2, json!({ "categories": ["a", "b", "c"], "profession": "Poet" })),
        ] {
            let current = Current {
                document: edited.as_ref().map_or(&before, |it| &it.document),
                extras: &nothing,
                folder: &folder,
                edit: edited.as_ref().and_then(|it| it.edit.as_ref()),
                rev: 3,
            };
            edited = save(current, document(&members), &folder, at(second), Urgency::Now);
        }
        let edited = edited.unwrap();
        let pending = Pending {
            document: &edited.document,
            extras: &edited.extras,
            folder: &edited.folder,
            edit: edited.edit.as_ref().unwrap(),
        };
        let step = step(pending);
        let sent = Sent { pending, step: &step };
        // Ours was refused: this is what the other worker sent, a second earlier.
        let found = document(&json!({ "categories": ["a", "b"], "profession": "Poet" }));
        let found = Shown {
            document: &found,
            folder: &folder,
            modified_at: Some(at(2)),
        };
        let rules = Rules {
            conflict: Policy::OutlookWins,
            deletion: DeletionPolicy::EditWins,
        };
        let rebased = read_instead(sent, pending, found, rules, &BTreeMap::new());
        assert_eq!(rebased.document["categories"], json!(["a", "b", "c"]));
        assert_eq!(
            rebased.edit.unwrap().members.into_keys().collect::<Vec<_>>(),
            ["categories"]
        );
        assert_eq!(rebased.clashes, []);
    }

    #[test]
    fn what_outlook_drops_of_what_was_sent_is_a_clash_that_it_has_won() {
        let (folder, now) = (FolderId::new("f"), Timestamp::from_second(100).unwrap());
        let wanted =
            document(&json!({"surname": "Byron", "emailAddresses": [{"address": "ada", "name": "Ada"}]}));
        let edited = crate::edit::create(wanted, &folder, false, 0, now, Urgency::Now);
        let pending = Pending {
            document: &edited.document,
            extras: &edited.extras,
            folder: &edited.folder,
            edit: edited.edit.as_ref().unwrap(),
        };
        let step = step(pending);
        let sent = Sent { pending, step: &step };
        let answer = document(
            &json!({"surname": "Byron", "displayName": "Byron", "emailAddresses": [{"name": "Ada"}]}),
        );
        let shown = Shown {
            document: &answer,
            folder: &folder,
            modified_at: None,
        };
        let rebased = after(sent, pending, shown, Policy::PlatformWins, &BTreeMap::new());
        assert_eq!((rebased.document, rebased.edit), (answer.clone(), None));
        let clashes: Vec<_> = rebased
            .clashes
            .iter()
            .map(|clash| (clash.member.as_str(), clash.winner))
            .collect();
        assert_eq!(clashes, [("emailAddresses", Winner::Outlook)]);
    }

    #[test]
    fn what_was_overlooked_in_an_item_is_laid_over_the_contact_that_has_left_it() {
        let (folder, at) = (FolderId::new("f"), |second| {
            Timestamp::from_second(second).unwrap()
        });
        let base = document(&json!({ "jobTitle": "Analyst", "surname": "Byron", "businessPhones": ["1"] }));
        // The title was edited here at 100, and so was the contact sent; the second phone is the mirror's alone.
        let now = document(&json!({ "jobTitle": "Countess", "surname": "Byron", "businessPhones": ["1"] }));
        let extras = document(&json!({ "businessPhones": ["3"] }));
        let edits = BTreeMap::from([("jobTitle".to_owned(), at(100))]);
        let current = Current {
            document: &now,
            extras: &extras,
            folder: &folder,
            edit: None,
            rev: 4,
        };
        // What they have, when; what it becomes, if anything; and what has clashed.
        let table = [
            (json!({}), 105, None, 0),
            (
                json!({ "surname": "King" }),
                105,
                Some(("surname", json!("King"))),
                0,
            ),
            (
                json!({ "jobTitle": "Admiral" }),
                105,
                Some(("jobTitle", json!("Admiral"))),
                1,
            ),
            (json!({ "jobTitle": "Admiral" }), 95, None, 1),
            (json!({ "shoeSize": 5 }), 105, None, 0),
            (
                json!({ "businessPhones": ["1", "2"] }),
                105,
                Some(("businessPhones", json!(["1", "2"]))),
                0,
            ),
        ];
        for (change, modified_at, becomes, clashes) in table {
            let mut theirs = base.clone();
            theirs.extend(document(&change));
            let found = Shown {
                document: &theirs,
                folder: &folder,
                modified_at: Some(at(modified_at)),
            };
            let (edited, log) = overlooked(&base, &edits, current, found, Policy::LastWriteWins);
            assert_eq!(log.len(), clashes, "{change}");
            let expected = becomes.map(|(name, value)| {
                let mut document = now.clone();
                document.insert(name.to_owned(), value);
                document
            });
            if let Some(edited) = &edited {
                let edit = edited.edit.as_ref().unwrap();
                assert_eq!((&edit.base, edit.count), (&Some(now.clone()), 5), "{change}");
                assert_eq!(edited.extras, extras, "{change}");
            }
            assert_eq!(edited.map(|edited| edited.document), expected, "{change}");
        }
    }
}
