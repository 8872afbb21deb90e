//! What the event bus was told in the course of time, against what was done: also what was made good again in the end must
//! not have been told.
//!
//! Knows events and the history. Of how a contact became what it is it knows nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::checks::{DEAD, GONE, of, require};
use crate::history::{self, Author, Deed, History};

/// What was told of a contact, by version.
type Story = BTreeMap<u64, Told>;

/// What an event says.
#[derive(Debug)]
struct Told {
    dead: bool,
    by_platform: bool,
}

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
        let told = Told {
            dead: kind == "contact.deleted",
            by_platform: data["changedBy"] == "platform",
        };
        story.insert(version, told);
    }
    for (id, (whose, story)) in stories {
        let Some(contact) = whose else { continue };
        let did = |test: fn(Author, &Deed) -> bool| {
            let mut entries = of(history, contact);
            entries.any(|entry| entry.told != history::Told::Refused && test(entry.author, &entry.deed))
        };
        let tell = || {
            let entries: Vec<_> = of(history, contact).collect();
            format!("{id} of {contact}: {story:?}, {entries:?}")
        };
        let settled = did(|_, deed| matches!(deed, Deed::Settle { .. }));
        let deleted = did(|_, deed| matches!(deed, Deed::Delete { .. }));
        require(
            DEAD,
            deleted || settled || story.values().all(|told| !told.dead),
            tell,
        )?;
        // Who makes a contact once more wants it back: a program that was not told repeats what it has asked.
        let mut entries = of(history, contact).skip_while(|entry| !matches!(entry.deed, Deed::Delete { .. }));
        let made_again = entries.any(|entry| {
            entry.author == Author::Platform
                && entry.told != history::Told::Refused
                && matches!(entry.deed, Deed::Create(_))
        });
        let told: Vec<&Told> = story.values().collect();
        let is_back = told.windows(2).any(|pair| {
            let is_made = made_again && pair[1].by_platform;
            pair[0].dead && !pair[1].dead && !is_made
        });
        let restored = did(|_, deed| matches!(deed, Deed::Restore { .. }));
        // A delete that meets a move at the same moment may give way without an entry.
        let moved = did(|author, deed| author == Author::Platform && matches!(deed, Deed::Move));
        let reasons = settled || restored || moved || logged.contains(&contact);
        require(GONE, !is_back || reasons, tell)?;
    }
    Ok(())
}
