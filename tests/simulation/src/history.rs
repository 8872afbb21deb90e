//! Who did what, and who was told that it was done: kept beside the bundle, and sharing nothing with it.
//!
//! Every value is written once, so that a value has one author. Beside what was written, an edit remembers what its
//! author saw in its place: a value may go only if somebody who saw it wrote over it. Must not know how anything is
//! synced.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The member by which a contact is known on both sides. Nobody edits it.
pub(crate) const MARK: &str = "assistantName";
/// The members that are edited: each one text.
pub(crate) const TEXTS: [&str; 5] = [
    "jobTitle",
    "department",
    "officeLocation",
    "manager",
    "profession",
];
/// A list that is edited element by element.
pub(crate) const LIST: &str = "categories";

/// Whether an edit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Its author was told that it was done.
    Done,
    /// Its author was told nothing, or that something went wrong: it may have been done, or be done later.
    Nothing,
    /// Its author was told that it was not done.
    Refused,
}

/// Whose edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    Outlook,
    Platform,
}

/// The values of a contact that was seen, those of all members together: no two members have one.
pub(crate) type Seen = BTreeSet<String>;

/// What became of the members that were edited.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// A contact with these values.
    Create(Vec<String>),
    /// New values, and those that its author saw in their places.
    Edit { wrote: Vec<String>, over: Seen },
    /// Another folder.
    Move,
    /// Out of the deleted items. `unborn`: when it was deleted, nobody had said yet that its create had been carried out.
    Restore { unborn: bool },
    /// Deleted, with what its author saw.
    Delete { seen: Seen },
    /// A person has decided a conflict, and what he may have written over with it: what there was by then in the members that
    /// he decided about, or all, where one side had deleted the contact. His values come from the log.
    Settle { seen: Seen },
}

/// One edit.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) author: Author,
    pub(crate) contact: usize,
    pub(crate) deed: Deed,
    pub(crate) told: Told,
}

/// A contact, whatever ids it has.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) mailbox: usize,
    pub(crate) mark: String,
}

/// All that was done.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) contacts: Vec<Known>,
    pub(crate) entries: Vec<Entry>,
    by_mark: BTreeMap<String, usize>,
    values: u64,
}

impl History {
    /// A value that nobody has written.
    pub(crate) fn value(&mut self) -> String {
        self.values += 1;
        format!("v{}", self.values)
    }

    /// A contact that nobody has made.
    pub(crate) fn contact(&mut self, mailbox: usize) -> usize {
        let number = self.contacts.len();
        let mark = format!("mark{number}");
        self.by_mark.insert(mark.clone(), number);
        self.contacts.push(Known { mailbox, mark });
        number
    }

    pub(crate) fn mark(&self, contact: usize) -> &str {
        &self.contacts[contact].mark
    }

    /// Whose document it is.
    pub(crate) fn whose(&self, document: &serde_json::Map<String, Value>) -> Option<usize> {
        self.by_mark.get(document.get(MARK)?.as_str()?).copied()
    }

    /// Gives the number of the entry, for [`History::tell`].
    pub(crate) fn enter(&mut self, author: Author, contact: usize, deed: Deed, told: Told) -> usize {
        self.entries.push(Entry {
            author,
            contact,
            deed,
            told,
        });
        self.entries.len() - 1
    }

    /// Its author is told.
    pub(crate) fn tell(&mut self, entry: usize, told: Told) {
        self.entries[entry].told = told;
    }

    /// While an edit is under way, its author may come to write over what is there now.
    pub(crate) fn see(
        &mut self,
        entry: usize,
        document: &serde_json::Map<String, Value>,
        members: &[String],
    ) {
        match &mut self.entries[entry].deed {
            Deed::Edit { over, .. } => over.extend(seen(document, Some(members))),
            Deed::Delete { seen: all } => all.extend(seen(document, None)),
            Deed::Settle { seen: all } => {
                let members = Some(members).filter(|members| !members.is_empty());
                all.extend(seen(document, members));
            }
            Deed::Create(_) | Deed::Move | Deed::Restore { .. } => {}
        }
    }
}

/// The values of these members, or of all that are edited.
pub(crate) fn seen(document: &serde_json::Map<String, Value>, members: Option<&[String]>) -> Seen {
    let mut seen = Seen::new();
    for name in TEXTS.iter().chain([&LIST]) {
        if members.is_some_and(|members| !members.iter().any(|member| member == name)) {
            continue;
        }
        match document.get(*name) {
            Some(Value::String(text)) => drop(seen.insert(text.clone())),
            Some(Value::Array(list)) => {
                seen.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            _ => {}
        }
    }
    seen
}
