//! An edit's base beside the document: stored once what both have.
//!
//! Most of a pending contact is the same on both sides, and a note of 200 KB would not fit into an item twice. So the
//! stored base has only the members that differ, and the names of those that it lacks. Knows items, and nothing of what
//! their members mean.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::document::JSON;
use crate::items::{Item, s};
use crate::keys::attr;

type Members = HashMap<String, AttributeValue>;

/// Takes out of the base what the document has as well.
pub(crate) fn compact(item: &mut Item) {
    let Some(document) = members(item.get(attr::DOCUMENT)).cloned() else {
        return;
    };
    let Some(edit) = item.get_mut(attr::EDIT).and_then(members_mut) else {
        return;
    };
    let Some(base) = edit.get_mut(attr::BASE).and_then(members_mut) else {
        return;
    };
    if document.contains_key(JSON) || base.contains_key(JSON) {
        return;
    }
    let lacks = document.keys().filter(|name| !base.contains_key(*name));
    let lacks: BTreeSet<_> = lacks.collect();
    let lacks = lacks.into_iter().map(s).collect();
    base.retain(|name, value| document.get(name) != Some(value));
    edit.insert(attr::BASE_LACKS.to_owned(), AttributeValue::L(lacks));
}

/// The item as it was before.
pub(crate) fn restored(mut item: Item) -> Item {
    let document = members(item.get(attr::DOCUMENT)).cloned();
    let edit = item.get_mut(attr::EDIT).and_then(members_mut);
    let lacks = edit.and_then(|edit| Some((edit.remove(attr::BASE_LACKS)?, edit)));
    if let (Some((AttributeValue::L(lacks), edit)), Some(document)) = (lacks, document)
        && let Some(base) = edit.get_mut(attr::BASE).and_then(members_mut)
    {
        let lacks: BTreeSet<_> = lacks.iter().filter_map(|name| name.as_s().ok()).collect();
        for (name, value) in document {
            if !lacks.contains(&name) {
                base.entry(name).or_insert(value);
            }
        }
    }
    item
}

/// The members in which the document and the base of a compacted item differ; none where nothing is pending. `None`
/// where all may: the contact is in Outlook no longer or not yet, or its members can't be told apart.
pub(crate) fn differing(item: &Item) -> Option<BTreeSet<String>> {
    let Some(edit) = members(item.get(attr::EDIT)) else {
        return Some(BTreeSet::new());
    };
    let base = members(edit.get(attr::BASE))?.keys().cloned();
    let lacks = edit.get(attr::BASE_LACKS)?.as_l().ok()?.iter();
    let lacks = lacks.filter_map(|name| name.as_s().ok().cloned());
    Some(base.chain(lacks).collect())
}

/// True where a compacted base lacks a member that the document has.
pub(crate) fn lacks(item: &Item, name: &str) -> bool {
    let lacks = || members(item.get(attr::EDIT))?.get(attr::BASE_LACKS)?.as_l().ok();
    lacks().is_some_and(|lacks| {
        lacks
            .iter()
            .any(|lacking| lacking.as_s().is_ok_and(|text| text == name))
    })
}

/// Takes members out of a compacted base, in place of which the document has others, and remembers that it lacks them.
pub(crate) fn without(item: &mut Item, take: impl FnOnce(&mut Members, &Members) -> Vec<String>) {
    let Some(document) = members(item.get(attr::DOCUMENT)).cloned() else {
        return;
    };
    let Some(edit) = item.get_mut(attr::EDIT).and_then(members_mut) else {
        return;
    };
    let taken = edit.get_mut(attr::BASE).and_then(members_mut);
    let taken = taken.map(|base| take(base, &document)).unwrap_or_default();
    if let Some(AttributeValue::L(lacks)) = edit.get_mut(attr::BASE_LACKS) {
        lacks.extend(taken.iter().map(s));
    }
}

fn members(value: Option<&AttributeValue>) -> Option<&Members> {
    value?.as_m().ok()
}

pub(crate) fn members_mut(value: &mut AttributeValue) -> Option<&mut Members> {
    if let AttributeValue::M(members) = value {
        Some(members)
    } else {
        None
    }
}
