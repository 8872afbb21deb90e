//! How large an item is, as `DynamoDB` counts it, and how a contact is made to fit.
//!
//! An item may have 400 KB: the UTF-8 bytes of its names and values, and a little for each list, map and element.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::items::Item;
use crate::keys::attr;

/// What an item may have.
pub(crate) const ITEM_LIMIT: usize = 400 * 1024;

/// What a contact may have without the names of what was left out. The rest is for those names, and for what
/// `DynamoDB`'s own count may differ.
const CONTACT_LIMIT: usize = 390 * 1024;

/// What the names of left-out members may have.
const NAMES_LIMIT: usize = 8 * 1024;

/// The last name in `omitted` where not all are named.
const AND_MORE: &str = "*";

pub(crate) fn of_item(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + of_value(value))
        .sum()
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

/// Leaves out the largest members of a contact's document until the item fits, and names them in `omitted`.
///
/// A contact of that size (a body of several hundred thousand characters) would otherwise stop its mailbox: the rest
/// of it is worth more than an error.
pub(crate) fn fit_contact(item: &mut Item) {
    let mut names = omitted_before(item);
    let mut excess = of_item(item).saturating_sub(CONTACT_LIMIT);
    if let Some(AttributeValue::M(document)) = item.get_mut(attr::DOCUMENT) {
        let mut members: Vec<_> = document
            .iter()
            .map(|(name, value)| (of_member(name, value), name.clone()))
            .collect();
        // The largest first; among equals by name, so that the same contact is always cut the same way.
        members.sort_by(|(size_a, name_a), (size_b, name_b)| size_b.cmp(size_a).then(name_a.cmp(name_b)));
        for (size, name) in members {
            if excess == 0 {
                break;
            }
            document.remove(&name);
            excess = excess.saturating_sub(size);
            names.push(name);
        }
    }
    if !names.is_empty() {
        item.insert(attr::OMITTED.to_owned(), AttributeValue::L(capped(names)));
    }
}

/// Takes out the names that the caller has brought: members that were left out of an earlier item and that the
/// document still lacks.
fn omitted_before(item: &mut Item) -> Vec<String> {
    let Some(AttributeValue::L(names)) = item.remove(attr::OMITTED) else {
        return Vec::new();
    };
    let document = item.get(attr::DOCUMENT).and_then(|document| document.as_m().ok());
    names
        .into_iter()
        .filter_map(|name| name.as_s().ok().cloned())
        .filter(|name| !document.is_some_and(|document| document.contains_key(name)))
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
