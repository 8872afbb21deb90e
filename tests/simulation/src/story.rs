//! What the event bus was told in the course of time, against what was done: also what was made good again in the end must
//! not have been told.
//!
//! Knows events and the history. Of how a contact became what it is it knows nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::checks::{DEAD, GONE, of, require};
use crate::history::{Author, Deed, History, Told};

/// What was told of a contact, by version: whether it was a delete.
type Story = BTreeMap<u64, bool>;

/// Nobody is told dead whom nobody has deleted, and nobody comes back for whom there is no reason. `logged`: contacts of whom
/// the conflict log says that a delete has met an edit.
pub(crate) fn plausible<'e>(
    events: impl Iterator<Item = (&'e str, &'e Value)>,
    history: &History,
    logged: &BTreeSet<usize>,
) -> anyhow::Result<()> {
    let mut stories = BTreeMap::<&str, (Option<usize>, Story)>::new();
    for (kind, data) in events {
        let (Some(id), Some(version)) = (data["contactId"].as_str(), data["version"].as_u64()) else {
            continue;
        };
        // Merged is not deleted, and what goes with its mailbox neither.
        if !kind.starts_with("contact.") || (kind == "contact.deleted" && data["because"] != "deleted") {
            continue;
        }
        let (whose, story) = stories.entry(id).or_default();
        *whose = whose.or_else(|| history.whose(data["contact"].as_object()?));
        story.insert(version, kind == "contact.deleted");
    }
    for (id, (whose, story)) in stories {
        let Some(contact) = whose else { continue };
        let did = |test: fn(Author, &Deed) -> bool| {
            let mut entries = of(history, contact);
            entries.any(|entry| entry.told != Told::Refused && test(entry.author, &entry.deed))
        };
        let tell = || {
            let entries: Vec<_> = of(history, contact).collect();
            format!("{id} of {contact}: {story:?}, {entries:?}")
        };
        let settled = did(|_, deed| matches!(deed, Deed::Settle { .. }));
        let deleted = did(|_, deed| matches!(deed, Deed::Delete { .. }));
        require(DEAD, deleted || settled || story.values().all(|dead| !dead), tell)?;
        let told: Vec<bool> = story.values().copied().collect();
        let is_back = told.windows(2).any(|pair| pair == [true, false]);
        let restored = did(|_, deed| matches!(deed, Deed::Restore));
        // A delete that meets a move at the same moment may give way without an entry.
        let moved = did(|author, deed| author == Author::Platform && matches!(deed, Deed::Move));
        let reasons = settled || restored || moved || logged.contains(&contact);
        require(GONE, !is_back || reasons, tell)?;
    }
    Ok(())
}
