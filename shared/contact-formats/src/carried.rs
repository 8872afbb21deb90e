//! What a format's own properties cannot say exactly, carried beside them as JSON.
//!
//! Must not know which format: it is handed the trip there and back as a function.

use crate::Document;
use crate::members::{DERIVED, alike};

/// The members of `document` that come back differently by themselves, as they are. A member that only the trip
/// brings up is null.
pub(crate) fn beside(document: &Document, back: &Document) -> Document {
    let differing = |name: &&String| !alike(name, document.get(*name), back.get(*name));
    let invented = back.keys().filter(|name| !document.contains_key(*name));
    document
        .keys()
        .chain(invented)
        .filter(|name| !DERIVED.contains(&name.as_str()))
        .filter(differing)
        .map(|name| (name.clone(), document.get(name).cloned().unwrap_or_default()))
        .collect()
}

/// What was read, with what was carried beside it. A carried member is believed only if it would have been said
/// just as it was read: otherwise somebody has changed it since.
pub(crate) fn believed(
    read: Document,
    carried: Document,
    there_and_back: impl Fn(&Document) -> Document,
) -> Document {
    let carried = carried
        .into_iter()
        .filter(|(name, _)| !DERIVED.contains(&name.as_str()));
    let carried: Document = carried.collect();
    if carried.is_empty() {
        return read;
    }
    let overlay = |names: &dyn Fn(&str) -> bool| {
        let mut document = read.clone();
        for (name, value) in carried.iter().filter(|(name, _)| names(name)) {
            if value.is_null() {
                document.remove(name);
            } else {
                document.insert(name.clone(), value.clone());
            }
        }
        document
    };
    let again = there_and_back(&overlay(&|_| true));
    overlay(&|name| alike(name, again.get(name), read.get(name)))
}
