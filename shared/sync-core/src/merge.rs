//! Two sides have changed one contact: the three-way merge of its members.
//!
//! Knows what Outlook had when both sides last agreed, what the platform wants and what Outlook has. A member that one
//! side has changed is that side's. One that both have changed to different values is a [`Clash`]: somebody wins, and
//! both values are handed back, so that nothing is lost. Must not know of deletes, folders and pushes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::members::{Key, Kind, element, elements, kind, same};
use crate::record::{Policy, Side};
use crate::sighting::Document;

/// What the platform wants.
#[derive(Clone, Copy, Debug)]
pub struct Ours<'a> {
    /// The members that Outlook can hold.
    pub document: &'a Document,
    /// When each was last edited here. One that is named counts as changed even where it is as it was.
    pub edits: &'a BTreeMap<String, Timestamp>,
    /// When the contact was last edited here, for members without a time of their own.
    pub edited_at: Timestamp,
}

/// What Outlook has.
#[derive(Clone, Copy, Debug)]
pub struct Theirs<'a> {
    /// Its members.
    pub document: &'a Document,
    /// Outlook's time of its last change.
    pub modified_at: Option<Timestamp>,
}

/// The outcome of a merge.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The members. A list may have become longer than Outlook takes: see [`crate::shape::split`].
    pub document: Document,
    /// What was decided by the policy, in order of the members' names.
    pub clashes: Vec<Clash>,
}

/// A member that both sides have changed to different values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clash {
    /// Its name. [`crate::rebase::FOLDER`] and [`crate::rebase::DELETED`] stand for the contact's folder and its being there.
    pub member: String,
    /// What both sides last agreed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Value>,
    /// What the platform wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ours: Option<Value>,
    /// What Outlook had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theirs: Option<Value>,
    /// Who won.
    pub winner: Winner,
    /// What the member has become. Of a list that may be more than the winner's elements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Value>,
}

/// Who won a clash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Winner {
    /// Outlook.
    Outlook,
    /// The platform.
    Platform,
    /// The deployment's own policy, or a person.
    Custom,
}

impl From<Side> for Winner {
    fn from(side: Side) -> Self {
        match side {
            Side::Outlook => Self::Outlook,
            Side::Platform => Self::Platform,
        }
    }
}

/// Who wins where the platform edited at one time, and Outlook at the other. Outlook's times are whole seconds; in the
/// same second it wins, and where it gives no time.
pub fn winner(policy: Policy, edited_at: Timestamp, modified_at: Option<Timestamp>) -> Side {
    match policy {
        Policy::OutlookWins => Side::Outlook,
        Policy::PlatformWins => Side::Platform,
        Policy::LastWriteWins => match modified_at {
            Some(modified_at) if edited_at.as_second() > modified_at.as_second() => Side::Platform,
            Some(_) | None => Side::Outlook,
        },
    }
}

/// Merges what the platform wants with what Outlook has.
///
/// Without a base (two contacts are found to be one) a member that only one side has is that side's, lists are united,
/// and different values clash. Where both sides mean the same, Outlook's spelling is taken.
pub fn merge(base: Option<&Document>, ours: Ours<'_>, theirs: Theirs<'_>, policy: Policy) -> Merged {
    let names: BTreeSet<&String> = ours.document.keys().chain(theirs.document.keys()).collect();
    let mut merged = Merged {
        document: Document::new(),
        clashes: Vec::new(),
    };
    for name in names {
        let three = Three {
            base: base.and_then(|base| base.get(name)),
            ours: ours.document.get(name),
            theirs: theirs.document.get(name),
            is_edited: ours.edits.contains_key(name),
        };
        let edited_at = ours.edits.get(name).copied().unwrap_or(ours.edited_at);
        let side = winner(policy, edited_at, theirs.modified_at);
        let (kept, has_clashed) = member(name, three, side);
        if has_clashed {
            merged.clashes.push(Clash {
                member: name.clone(),
                base: three.base.cloned(),
                ours: three.ours.cloned(),
                theirs: three.theirs.cloned(),
                winner: side.into(),
                kept: kept.clone(),
            });
        }
        if let Some(kept) = kept {
            merged.document.insert(name.clone(), kept);
        }
    }
    merged
}

/// Lets a custom policy's answers decide the clashes that they name; the other clashes stay as they were decided.
pub fn settle(mut merged: Merged, answers: &BTreeMap<String, Value>) -> Merged {
    for clash in &mut merged.clashes {
        if let Some(answer) = answers.get(&clash.member) {
            clash.winner = Winner::Custom;
            clash.kept = Some(answer.clone());
            merged.document.insert(clash.member.clone(), answer.clone());
        }
    }
    merged
}

/// The three versions of a value. Where no common one is known there is no base, as if it had not been set then: who has
/// none now has not changed it.
#[derive(Clone, Copy)]
pub(crate) struct Three<T> {
    pub(crate) base: Option<T>,
    pub(crate) ours: Option<T>,
    pub(crate) theirs: Option<T>,
    /// Ours has certainly been edited, even if it is the base's again. It may have been on its way to Outlook in
    /// between.
    pub(crate) is_edited: bool,
}

/// What three versions of a value come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Outlook's holds: only it has changed, or both mean the same.
    Theirs,
    /// Only the platform's has changed.
    Ours,
    /// Both have.
    Both,
}

impl<T: Copy> Three<T> {
    pub(crate) fn weigh(self, same: impl Fn(Option<T>, Option<T>) -> bool) -> Change {
        let is_edited = self.is_edited || !same(self.base, self.ours);
        if !is_edited || same(self.ours, self.theirs) {
            Change::Theirs
        } else if same(self.base, self.theirs) {
            Change::Ours
        } else {
            Change::Both
        }
    }
}

/// One member: what it becomes, and whether the policy had to say.
fn member(name: &str, three: Three<&Value>, side: Side) -> (Option<Value>, bool) {
    if kind(name) == Kind::Derived {
        return (three.theirs.cloned(), false);
    }
    match three.weigh(|one, other| same(name, one, other)) {
        Change::Theirs => (three.theirs.cloned(), false),
        Change::Ours => (three.ours.cloned(), false),
        Change::Both => match lists(name, three, side) {
            Some((list, has_clashed)) if same(name, Some(&list), three.theirs) => {
                (three.theirs.cloned(), has_clashed)
            }
            Some((list, has_clashed)) => (Some(list), has_clashed),
            None => (pick(side, three.ours, three.theirs).cloned(), true),
        },
    }
}

fn pick<T>(side: Side, ours: T, theirs: T) -> T {
    match side {
        Side::Outlook => theirs,
        Side::Platform => ours,
    }
}

/// A list that both sides have changed, by element. `None` if it has to be taken as one value.
fn lists<'a>(name: &str, three: Three<&'a Value>, side: Side) -> Option<(Value, bool)> {
    // A list that is as it was at first says nothing by its elements about what was taken back.
    if !kind(name).is_list() || same(name, three.base, three.ours) {
        return None;
    }
    let ours = elements(name, three.ours)?;
    let theirs = elements(name, three.theirs)?;
    let base = elements(name, three.base)?;
    let mut kept: BTreeMap<&Key, Value> = BTreeMap::new();
    let mut has_clashed = false;
    for key in ours.iter().chain(&theirs).map(|(key, _)| key) {
        let find = |list: &Elements<'a>| {
            list.iter()
                .find(|(other, _)| other == key)
                .map(|(_, value)| *value)
        };
        let of_key = Three {
            base: find(&base),
            ours: find(&ours),
            theirs: find(&theirs),
            is_edited: false,
        };
        let (value, clashed) = one_element(name, of_key, side);
        has_clashed |= clashed;
        kept.extend(value.map(|value| (key, value)));
    }
    let (order, clashed) = order(&base, &ours, &theirs, side, |key| kept.contains_key(key));
    let list = order
        .into_iter()
        .filter_map(|key| kept.get(key).cloned())
        .collect();
    Some((list, has_clashed || clashed))
}

/// One element: who has added it keeps it, who has removed it is rid of it. Only an e-mail address can clash, by its
/// name, since elements of other lists are nothing but their own text.
fn one_element(list: &str, three: Three<&Value>, side: Side) -> (Option<Value>, bool) {
    let meaning = |value: Option<&Value>| value.map(|value| element(list, value));
    if let (Some(ours), Some(theirs)) = (three.ours, three.theirs) {
        let names = [three.base, Some(ours), Some(theirs)]
            .map(|value| meaning(value).and_then(|value| value.get("name").cloned()));
        let change = Three {
            base: names[0].as_ref(),
            ours: names[1].as_ref(),
            theirs: names[2].as_ref(),
            is_edited: false,
        }
        .weigh(|one, other| one == other);
        return match change {
            Change::Theirs => (Some(theirs.clone()), false),
            Change::Ours => (Some(renamed(theirs, ours)), false),
            Change::Both => (Some(pick(side, renamed(theirs, ours), theirs.clone())), true),
        };
    }
    match three.weigh(|one, other| meaning(one) == meaning(other)) {
        Change::Theirs => (three.theirs.cloned(), false),
        Change::Ours => (three.ours.cloned(), false),
        Change::Both => (pick(side, three.ours, three.theirs).cloned(), true),
    }
}

/// Outlook's e-mail address with the platform's name.
fn renamed(theirs: &Value, ours: &Value) -> Value {
    let mut parts: Map<_, _> = theirs.as_object().cloned().unwrap_or_default();
    match ours.get("name") {
        Some(name) => parts.insert("name".to_owned(), name.clone()),
        None => parts.remove("name"),
    };
    Value::Object(parts)
}

type Elements<'a> = [(Key, &'a Value)];

/// The order of a merged list. Who alone has changed the order of what is common decides it; where both have, they
/// clash. What the other side has added stands before what it stood before there, else at the end.
fn order<'a>(
    base: &Elements<'_>,
    ours: &'a Elements<'_>,
    theirs: &'a Elements<'_>,
    side: Side,
    is_kept: impl Fn(&Key) -> bool,
) -> (Vec<&'a Key>, bool) {
    let has = |list: &Elements<'_>, key: &Key| list.iter().any(|(other, _)| other == key);
    let common = |list: &Elements<'_>| -> Vec<Key> {
        let keys = list.iter().map(|(key, _)| key);
        let is_common = |key: &&Key| has(base, key) && has(ours, key) && has(theirs, key);
        keys.filter(is_common).cloned().collect()
    };
    let (of_base, of_ours, of_theirs) = (common(base), common(ours), common(theirs));
    let (side, has_clashed) = if of_ours == of_theirs || of_ours == of_base {
        (Side::Outlook, false)
    } else if of_theirs == of_base {
        (Side::Platform, false)
    } else {
        (side, true)
    };
    let (first, second) = pick(side, (ours, theirs), (theirs, ours));
    let kept = |list: &'a Elements<'_>| list.iter().map(|(key, _)| key).filter(|key| is_kept(key));
    let mut order: Vec<&Key> = kept(first).collect();
    let mut at = order.len();
    for key in kept(second).rev() {
        match order.iter().position(|other| *other == key) {
            Some(found) => at = found,
            None => order.insert(at, key),
        }
    }
    (order, has_clashed)
}
