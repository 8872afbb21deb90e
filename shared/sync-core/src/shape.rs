//! The two parts of a contact: what Outlook can hold, and what only the mirror keeps.
//!
//! Knows how many elements Outlook's lists take, and that it takes no members that Graph doesn't know. Whoever uses
//! the API sees the whole and never the parts. Must not know what is pending.

use serde_json::Value;

use crate::members::{self, Kind, cap, elements, holds, kind};
use crate::sighting::Document;

/// A contact in its two parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// The members in the form that Outlook can have them in.
    pub document: Document,
    /// By the same names: further elements of lists, and members that Graph doesn't know.
    pub extras: Document,
}

/// Parts a contact, as somebody wants it, by what Outlook holds of it now (nothing: an empty document).
///
/// - Of a list that is too long for Outlook, the elements that it has already stay there, and of the others the first
///   ones fill it up.
/// - Derived members are Outlook's: `whole`'s are ignored.
/// - Members that Graph doesn't know are Outlook's too, where it has shown them. They stay in the document; another
///   value for one lies in the extras and covers it.
pub fn split(whole: Document, held: &Document) -> Shape {
    let mut shape = Shape {
        document: held
            .iter()
            .filter(|(name, _)| !kind(name).is_writable())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        extras: Document::new(),
    };
    for (name, value) in whole {
        match kind(&name) {
            Kind::Text | Kind::Date | Kind::Address => {
                shape.document.insert(name, value);
            }
            Kind::Texts | Kind::Emails => {
                let (fits, rest) = fit(&name, value, held.get(&name));
                if let Some(rest) = rest {
                    shape.extras.insert(name.clone(), rest);
                }
                shape.document.insert(name, fits);
            }
            Kind::Unknown => {
                if held.get(&name) != Some(&value) {
                    shape.extras.insert(name, value);
                }
            }
            Kind::Derived => {}
        }
    }
    shape
}

/// The contact as a whole: the inverse of [`split`]. A list that was too long comes back with Outlook's elements first.
/// An extra element that Outlook has come to hold by itself is there once.
pub fn whole(document: &Document, extras: &Document) -> Document {
    let mut whole = document.clone();
    for (name, extra) in extras {
        match (whole.get_mut(name), extra) {
            (Some(Value::Array(list)), Value::Array(more)) if kind(name).is_list() => {
                let held = Value::Array(list.clone());
                let is_new =
                    |one: &&Value| !holds(name, Some(&Value::Array(vec![(*one).clone()])), Some(&held));
                list.extend(more.iter().filter(is_new).cloned());
            }
            (_, extra) => {
                whole.insert(name.clone(), extra.clone());
            }
        }
    }
    whole
}

/// What of a list fits Outlook, and the rest. A list that fits is left as it is.
fn fit(name: &str, list: Value, held: Option<&Value>) -> (Value, Option<Value>) {
    let (Some(cap), Some(all)) = (cap(name), elements(name, Some(&list))) else {
        return (list, None);
    };
    if list.as_array().is_none_or(|list| list.len() <= cap) {
        return (list, None);
    }
    let held = members::elements(name, held).unwrap_or_default();
    let is_held = |key| held.iter().any(|(other, _)| other == key);
    let mut chosen = vec![false; all.len()];
    let mut room = cap;
    for of_held in [true, false] {
        for (chosen, (key, _)) in chosen.iter_mut().zip(&all) {
            if room > 0 && !*chosen && is_held(key) == of_held {
                *chosen = true;
                room -= 1;
            }
        }
    }
    let pick = |wanted: bool| -> Vec<Value> {
        let marked = all.iter().zip(&chosen);
        marked
            .filter(|(_, chosen)| **chosen == wanted)
            .map(|((_, value), _)| (*value).clone())
            .collect()
    };
    let rest = pick(false);
    let rest = (!rest.is_empty()).then_some(Value::Array(rest));
    (Value::Array(pick(true)), rest)
}
