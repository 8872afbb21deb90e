//! How large an item is, as `DynamoDB` counts it, and how a contact is made to fit.
//!
//! An item may have 400 KB: the UTF-8 bytes of its names and values, and a little for each list, map and element.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::base;
use crate::document::JSON;
use crate::items::Item;
use crate::keys::attr;

/// What an item may have.
const ITEM_LIMIT: usize = 400 * 1024;

/// What a contact may have without the names of what was left out. The rest is for those names, and for what
/// `DynamoDB`'s own count may differ.
const CONTACT_LIMIT: usize = 390 * 1024;

/// What is kept free of [`ITEM_LIMIT`] in a contact with an edit, so that there is always room to say of it that Outlook
/// refuses it.
const HOLD_RESERVE: usize = 1024;

/// What the names of left-out members may have.
const NAMES_LIMIT: usize = 8 * 1024;

/// The last name in `omitted` where not all are named.
const AND_MORE: &str = "*";

pub(crate) fn of_item(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + of_value(value))
        .sum()
}

/// What this item may have.
pub(crate) fn limit_of(item: &Item) -> usize {
    match item.get(attr::EDIT) {
        Some(AttributeValue::M(edit)) if !edit.contains_key("hold") => ITEM_LIMIT - HOLD_RESERVE,
        Some(_) | None => ITEM_LIMIT,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's enum is open")]
fn of_value(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => of_number(number),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(|number| of_number(number)).sum(),
        AttributeValue::Bs(all) => all.iter().map(|bytes| bytes.as_ref().len()).sum(),
        AttributeValue::L(values) => 3 + values.iter().map(|value| 1 + of_value(value)).sum::<usize>(),
        AttributeValue::M(members) => {
            3 + members
                .iter()
                .map(|(name, value)| of_member(name, value))
                .sum::<usize>()
        }
        _ => 1, // Bool, Null, and what DynamoDB may add one day
    }
}

fn of_member(name: &str, value: &AttributeValue) -> usize {
    name.len() + 1 + of_value(value)
}

/// Two digits to a byte, and one or two more. Never less than what `DynamoDB` counts.
fn of_number(number: &str) -> usize {
    number.len().div_ceil(2) + 2
}

/// What is left out of the base alone is named with this before it.
pub(crate) const OF_BASE: &str = "base.";

/// Leaves out members of a contact until the item fits, and names them in `omitted`.
///
/// A contact of that size (a body of several hundred thousand characters) would otherwise stop its mailbox: the rest
/// of it is worth more than an error. First go the largest members that both sides have alike: what is missing on both
/// sides is neither sent nor taken for deleted. Then what Outlook had where the platform has something else: without
/// it, an edit looks like a conflict at worst. Never what the platform has edited, never its extras, which nobody else
/// has, and never what it has deleted, since the edit would be forgotten.
pub(crate) fn fit_contact(item: &mut Item) {
    let mut names = omitted_before(item);
    let mut excess = of_item(item).saturating_sub(CONTACT_LIMIT);
    if excess > 0
        && let Some(AttributeValue::M(edit)) = item.get_mut(attr::EDIT)
    {
        // Without it, a create whose answer was lost looks like a conflict at worst.
        edit.remove("earlier");
        excess = of_item(item).saturating_sub(CONTACT_LIMIT);
    }
    if excess > 0 {
        let edited = base::differing(item);
        let alike = |name: &str| match &edited {
            Some(edited) => edited.is_empty() || !(name == JSON || edited.contains(name)),
            None => false,
        };
        if let Some(document) = item.get_mut(attr::DOCUMENT).and_then(base::members_mut) {
            names.extend(shrink(document, &mut excess, alike, |size, _| size));
        }
        base::without(item, |base, replaced| {
            // The name moves to the list of those that the base lacks.
            let frees = |size: usize, name: &str| size.saturating_sub(1 + name.len());
            let left_out = shrink(base, &mut excess, |name| replaced.contains_key(name), frees);
            names.extend(left_out.iter().map(|name| format!("{OF_BASE}{name}")));
            left_out
        });
    }
    if !names.is_empty() {
        item.insert(attr::OMITTED.to_owned(), AttributeValue::L(capped(names)));
    }
}

/// Takes out the largest of these members, each of which `frees` so much of its size, until there is no excess; and
/// names them.
fn shrink(
    members: &mut HashMap<String, AttributeValue>,
    excess: &mut usize,
    may_go: impl Fn(&str) -> bool,
    frees: impl Fn(usize, &str) -> usize,
) -> Vec<String> {
    let mut sizes: Vec<_> = members
        .iter()
        .filter(|(name, _)| may_go(name))
        .map(|(name, value)| (of_member(name, value), name.clone()))
        .collect();
    // The largest first; among equals by name, so that the same contact is always cut the same way.
    sizes.sort_by(|(size_a, name_a), (size_b, name_b)| size_b.cmp(size_a).then(name_a.cmp(name_b)));
    let mut gone = Vec::new();
    for (size, name) in sizes {
        if *excess == 0 {
            break;
        }
        members.remove(&name);
        *excess = excess.saturating_sub(frees(size, &name));
        gone.push(name);
    }
    gone
}

/// Takes out the names that the caller has brought: members that were left out of an earlier item and that the
/// document, or the base, still lacks.
fn omitted_before(item: &mut Item) -> Vec<String> {
    let Some(AttributeValue::L(names)) = item.remove(attr::OMITTED) else {
        return Vec::new();
    };
    let has = |name: &str| {
        item.get(attr::DOCUMENT)
            .and_then(|document| document.as_m().ok())
            .is_some_and(|document| document.contains_key(name))
    };
    let missing = |name: &String| match name.strip_prefix(OF_BASE) {
        Some(of_base) if base::lacks(item, of_base) => Some(name.clone()),
        // The base has become the document, or the edit is over.
        Some(of_base) => Some(of_base.to_owned()).filter(|of_base| !has(of_base)),
        None => Some(name.clone()).filter(|name| !has(name)),
    };
    names
        .iter()
        .filter_map(|name| name.as_s().ok())
        .filter_map(missing)
        .collect()
}

/// As many names as may be listed; the list itself must not make the item too large.
fn capped(names: Vec<String>) -> Vec<AttributeValue> {
    let mut room = NAMES_LIMIT;
    let mut listed = Vec::new();
    for name in names {
        match room.checked_sub(name.len() + 1) {
            Some(rest) if name != AND_MORE => room = rest,
            Some(_) | None => {
                listed.push(AttributeValue::S(AND_MORE.to_owned()));
                break;
            }
        }
        listed.push(AttributeValue::S(name));
    }
    listed
}

/// What a conflict may have together with its three documents: it is written in one transaction with its contact, which
/// takes 4 MB in all, and a log is not worth more.
const CONFLICT_LIMIT: usize = 300 * 1024;

/// What stands in a conflict's `omitted` for its three documents.
const DOCUMENTS: &str = "documents";

/// Leaves out the three documents of a conflict that is too large; then, of the largest clashes, all values.
pub(crate) fn fit_conflict(item: &mut Item) {
    if of_item(item) <= CONFLICT_LIMIT {
        return;
    }
    let mut names = vec![DOCUMENTS.to_owned()];
    for document in ["base", "ours", "theirs"] {
        item.remove(document);
    }
    let mut excess = of_item(item).saturating_sub(CONFLICT_LIMIT);
    if let Some(AttributeValue::L(clashes)) = item.get_mut("clashes") {
        let mut clashes: Vec<_> = clashes.iter_mut().map(|clash| (of_value(clash), clash)).collect();
        clashes.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
        for (size, clash) in clashes {
            let AttributeValue::M(clash) = clash else { continue };
            if excess == 0 {
                break;
            }
            clash.retain(|name, _| name == "member" || name == "winner");
            names.extend(clash.get("member").and_then(|name| name.as_s().ok().cloned()));
            excess = excess.saturating_sub(size);
        }
    }
    item.insert(attr::OMITTED.to_owned(), AttributeValue::L(capped(names)));
}
