//! Who has edited what: every edit that was acknowledged, until a later one of the same supersedes it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::Value;
use sync_core::members::{DISPLAY_NAME, Kind, holds, kind, same};
use sync_core::merge::Clash;
use sync_core::rebase::DELETED;
use sync_core::record::Side;
use sync_core::sighting::Document;

use crate::contacts::{elements, only};

/// The last edit of each thing.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<Thing, Entry>,
}

#[derive(Debug)]
struct Entry {
    side: Side,
    /// None: it was taken away.
    values: Vec<Value>,
    /// The other side has had it before it.
    is_known: bool,
}

impl Entry {
    fn is_in(&self, (member, text): &Thing, document: &Document) -> bool {
        let list = |value: &Value| {
            if text.is_some() {
                only(value)
            } else {
                value.clone()
            }
        };
        let is_there = |value: &Value| holds(member, Some(&list(value)), document.get(member));
        let found = things(member, document.get(member));
        let is_absent = || !found.contains_key(&(member.clone(), text.clone()));
        self.values.iter().all(is_there) && (!self.values.is_empty() || is_absent())
    }
}

/// What can be edited: a member, or what has the same text in a list.
type Thing = (String, Option<String>);

impl Ledger {
    /// A side has changed the contact, as that side sees it. What it has put back to what Outlook had when both last
    /// met is not written down: nobody can tell that from its not having been touched. But of the platform it is known
    /// which members it has edited.
    pub(crate) fn edited(&mut self, side: Side, before: &Document, after: &Document, last_seen: &Document) {
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names.into_iter().filter(|name| kind(name) != Kind::Derived) {
            let (before, after) = (things(name, before.get(name)), things(name, after.get(name)));
            let at_first = things(name, last_seen.get(name));
            let keys: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
            for key in keys {
                let of = |things: &BTreeMap<Thing, Vec<Value>>| things.get(&key).cloned().unwrap_or_default();
                let (before, after) = (of(&before), of(&after));
                let as_member = |values: &[Value]| match &key.1 {
                    None => values.first().cloned(),
                    Some(_) => Some(Value::Array(values.to_vec())),
                };
                if !same(name, as_member(&before).as_ref(), as_member(&after).as_ref()) {
                    let is_back = same(
                        name,
                        as_member(&of(&at_first)).as_ref(),
                        as_member(&after).as_ref(),
                    );
                    if is_back && (side == Side::Outlook || key.1.is_some()) {
                        self.entries.remove(&key);
                    } else {
                        let entry = Entry {
                            side,
                            values: after,
                            is_known: false,
                        };
                        self.entries.insert(key, entry);
                    }
                }
            }
        }
        self.entries.remove(&(DELETED.to_owned(), None));
    }

    /// The mirror has taken in what Outlook has; and if nothing is pending, Outlook has all that the mirror has.
    pub(crate) fn met(&mut self, is_pending: bool) {
        for entry in self.entries.values_mut() {
            entry.is_known |= entry.side == Side::Outlook || !is_pending;
        }
    }

    /// A side has deleted the contact, which supersedes its own edits, and those of the other's that it has seen, or
    /// had made as well in what it has deleted.
    pub(crate) fn deleted(&mut self, side: Side, what: &Document) {
        self.entries
            .retain(|thing, entry| entry.side != side && !entry.is_known && !entry.is_in(thing, what));
    }

    /// Outlook has changed a contact that is to be deleted to what was wanted here before the delete: nobody can tell
    /// that from an edit's having been carried out.
    pub(crate) fn made_as_well(&mut self, what: &Document) {
        let is_news =
            |thing: &Thing, entry: &mut Entry| entry.side != Side::Outlook || !entry.is_in(thing, what);
        self.entries.retain(is_news);
    }

    /// The platform has edited a list that a write has perhaps brought to Outlook whose worker has died. What is seen
    /// there then can't be told from somebody's edit, and what is merged is the edit's elements with the write's: the
    /// one limit of keeping no note of what was sent.
    pub(crate) fn doubted(&mut self) {
        let is_sure = |(_, text): &Thing, entry: &mut Entry| {
            entry.side == Side::Outlook || entry.is_known || text.is_none()
        };
        self.entries.retain(is_sure);
    }

    /// The contact is gone, and with it what only the mirror kept.
    pub(crate) fn buried(&mut self) {
        self.entries.clear();
    }

    /// Every edit is to be seen in the contact (the whole, or Outlook's part, of which the other may cover a member that
    /// Graph doesn't document), or in a clash.
    pub(crate) fn holds(&self, contact: &[Document], clashes: &[Clash]) -> Result<(), TestCaseError> {
        for (thing, entry) in &self.entries {
            let ((member, text), Entry { side, values, .. }) = (thing, entry);
            if member == DISPLAY_NAME && values.is_empty() {
                continue; // where there is none, Outlook writes one
            }
            let in_document = |document: &Document| entry.is_in(thing, document);
            let in_clash = |clash: &Clash| {
                let value = match side {
                    Side::Outlook => &clash.theirs,
                    Side::Platform => &clash.ours,
                };
                if clash.member == DELETED {
                    return value.as_ref().and_then(Value::as_object).is_some_and(in_document);
                }
                let value = value.iter().map(|value| (clash.member.clone(), value.clone()));
                clash.member == *member && in_document(&value.collect())
            };
            let is_kept = contact.iter().any(in_document) || clashes.iter().any(in_clash);
            prop_assert!(
                is_kept,
                "{side:?} set {member} {text:?} to {values:?}: it is not in {contact:?} nor {clashes:?}"
            );
        }
        Ok(())
    }
}

/// The things of a member: itself, or its elements by text.
fn things(name: &str, value: Option<&Value>) -> BTreeMap<Thing, Vec<Value>> {
    let mut things: BTreeMap<Thing, Vec<Value>> = BTreeMap::new();
    if !kind(name).is_list() {
        let value = value.filter(|value| !sync_core::members::is_blank(name, Some(value)));
        things.extend(value.map(|value| ((name.to_owned(), None), vec![value.clone()])));
        return things;
    }
    for element in elements(value) {
        let text = text(element);
        if !text.is_empty() {
            things
                .entry((name.to_owned(), Some(text)))
                .or_default()
                .push(element.clone());
        }
    }
    things
}

/// What an element of a list is known by.
pub(crate) fn text(element: &Value) -> String {
    let text = element.get("address").unwrap_or(element);
    text.as_str().unwrap_or_default().trim().to_lowercase()
}
