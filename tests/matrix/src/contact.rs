//! The contact that a cell is about: what it was, and whose values it may have.
//!
//! Knows Graph's names of the three members that are written. It must not know who wins.

use serde_json::{Map, Value, json};

use crate::{Act, Side};

/// Whose value a member has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// That which both had.
    Before,
    /// Outlook's.
    Outlook,
    /// The platform's.
    Platform,
    /// Both, joined by the deployment's function.
    Joined,
}

/// Where a contact lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// Where both had it.
    Before,
    /// Where it is moved to in Outlook.
    Outlook,
    /// Where the platform moves it to.
    Platform,
}

/// A contact that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The member that either side may write: the job title.
    pub title: Mark,
    /// The member that only Outlook writes: the department.
    pub department: Mark,
    /// The member that only the platform writes: the office.
    pub office: Mark,
    /// Where it lies.
    pub folder: Folder,
}

impl State {
    /// As both sides have it at first.
    pub const BEFORE: Self = Self {
        title: Mark::Before,
        department: Mark::Before,
        office: Mark::Before,
        folder: Folder::Before,
    };

    /// What an act makes of it.
    pub fn after(self, side: Side, act: Act) -> Option<Self> {
        let mark = match side {
            Side::Outlook => Mark::Outlook,
            Side::Platform => Mark::Platform,
        };
        Some(match (act, side) {
            (Act::Nothing | Act::Create, _) => self,
            (Act::EditSame, _) => Self { title: mark, ..self },
            (Act::EditOther, Side::Outlook) => Self {
                department: mark,
                ..self
            },
            (Act::EditOther, Side::Platform) => Self { office: mark, ..self },
            (Act::Delete, _) => return None,
            (Act::Move, Side::Outlook) => Self {
                folder: Folder::Outlook,
                ..self
            },
            (Act::Move, Side::Platform) => Self {
                folder: Folder::Platform,
                ..self
            },
        })
    }

    /// Its members, in Outlook's names, and as Outlook spells them.
    pub fn members(self, name: &str) -> Map<String, Value> {
        let mut members = person("Ada", name);
        members.extend(self.written());
        members
    }

    /// The members that are written.
    pub fn written(self) -> Map<String, Value> {
        let members = [
            ("jobTitle", title(self.title)),
            ("department", department(self.department)),
            ("officeLocation", office(self.office)),
        ];
        let members = members.into_iter();
        members
            .map(|(name, text)| (name.to_owned(), text.into()))
            .collect()
    }
}

/// What a side sends for an act that edits: the members that it changes.
pub fn edits(side: Side, act: Act) -> Map<String, Value> {
    let before = State::BEFORE.written();
    let after = State::BEFORE.after(side, act);
    let mut edits = after.map(State::written).unwrap_or_default();
    edits.retain(|name, value| before.get(name) != Some(value));
    edits
}

/// The members of a contact that a side makes while the contact `name` is there.
pub fn newcomer(side: Side, name: &str) -> Map<String, Value> {
    let given = match side {
        Side::Outlook => "Olga",
        Side::Platform => "Paul",
    };
    person(given, name)
}

/// A person whose derived names are given, so that Outlook has nothing to add.
fn person(given: &str, surname: &str) -> Map<String, Value> {
    let person = json!({
        "givenName": given,
        "surname": surname,
        "displayName": format!("{given} {surname}"),
        "fileAs": format!("{surname}, {given}"),
    });
    match person {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

/// The job title.
pub fn title(mark: Mark) -> &'static str {
    match mark {
        Mark::Before => "Analyst",
        Mark::Outlook => "Countess",
        Mark::Platform => "Programmer",
        Mark::Joined => "Programmer and Countess",
    }
}

fn department(mark: Mark) -> &'static str {
    match mark {
        Mark::Before => "Engines",
        Mark::Outlook => "Difference Engines",
        Mark::Platform | Mark::Joined => "nobody's department",
    }
}

fn office(mark: Mark) -> &'static str {
    match mark {
        Mark::Before => "London",
        Mark::Platform => "Turin",
        Mark::Outlook | Mark::Joined => "nobody's office",
    }
}
