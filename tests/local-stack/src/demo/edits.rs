//! What the people do in Outlook, and how the mirror looks once it has followed.
//!
//! Knows the simulator's users. Chance comes from the scene's seed, so that the same seed makes the same edits.

use std::collections::BTreeSet;
use std::fmt::{self, Display};

use ambient::Ambient;
use contact_store::Contact;
use fastrand::Rng;
use graph_sim::{Edit, EditError, World};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sync_core::ids::{ContactId, MailboxId, OutlookId};

use super::cast::{Card, Person, Place};

const GIVEN: [&str; 8] = [
    "Alma", "Bilal", "Clara", "Deniz", "Edda", "Farah", "Georg", "Hedda",
];
const FAMILY: [&str; 8] = [
    "Acheampong",
    "Berg",
    "Costa",
    "Diallo",
    "Endo",
    "Ferrari",
    "Gruber",
    "Hansen",
];

/// A kind of edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Created,
    Edited,
    Moved,
    /// Moved into a folder that is new as well.
    Filed,
    Deleted,
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Created => "created",
            Self::Edited => "edited",
            Self::Moved => "moved",
            Self::Filed => "filed",
            Self::Deleted => "deleted",
        })
    }
}

/// An edit that was made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) at: Timestamp,
    pub(super) who: String,
    pub(super) mailbox: MailboxId,
    pub(super) contact: ContactId,
    pub(super) kind: Kind,
    /// In words.
    pub(super) what: String,
    /// Nobody was told: all of its notifications were lost.
    pub(super) unheard: bool,
    expected: Expected,
    outlook_id: String,
}

/// What the mirror shows then.
#[derive(Clone, Debug)]
enum Expected {
    In { folder: String },
    With { member: &'static str, value: Value },
    Gone,
}

impl Made {
    /// Whether the mirror shows it.
    pub(super) fn is_shown_by(&self, mirrored: Option<&Contact>) -> bool {
        let living = mirrored.filter(|contact| contact.deleted_at.is_none());
        match (&self.expected, living) {
            (Expected::Gone, living) => living.is_none(),
            (Expected::In { folder }, Some(contact)) => contact.folder.as_str() == folder,
            (Expected::With { member, value }, Some(contact)) => contact.document.get(*member) == Some(value),
            (Expected::In { .. } | Expected::With { .. }, None) => false,
        }
    }
}

/// Chooses edits and makes them.
pub(super) struct Players {
    ambient: Ambient,
    dice: Rng,
    number: u64,
    busy: BTreeSet<String>,
}

impl Players {
    pub(super) fn new(ambient: Ambient, seed: u64) -> Self {
        Self {
            ambient,
            dice: Rng::with_seed(seed),
            number: 0,
            busy: BTreeSet::new(),
        }
    }

    /// Somebody does something. A contact whose last edit has not arrived yet is left alone: the mirror may skip
    /// versions, and then nobody could tell when it showed one.
    pub(super) fn act(&mut self, people: &mut [Person], world: &mut World) -> Result<Made, EditError> {
        self.number += 1;
        let person = self.dice.usize(0..people.len());
        let person = &mut people[person];
        let before = world.unread();
        let at = self.ambient.now();
        let mut made = match (self.dice.u8(0..100), self.idle(person)) {
            (0..20, _) | (_, None) => self.create(person, world, at)?,
            (20..70, Some(card)) => self.edit(person, &person.contacts[card], world, at)?,
            (70..84, Some(card)) if person.folders.len() > 1 => self.relocate(person, card, world, at)?,
            (70..87, Some(card)) => self.file(person, card, world, at)?,
            (_, Some(card)) => self.delete(person, card, world, at)?,
        };
        let after = world.unread();
        made.unheard = after.lost > before.lost && after.waiting == before.waiting;
        self.busy.insert(made.outlook_id.clone());
        Ok(made)
    }

    /// The edit has arrived.
    pub(super) fn done(&mut self, made: &Made) {
        self.busy.remove(&made.outlook_id);
    }

    /// A contact that nothing is expected of.
    fn idle(&mut self, person: &Person) -> Option<usize> {
        let count = person.contacts.len();
        let first = self.dice.usize(0..count.max(1));
        let mut places = (first..count).chain(0..first);
        places.find(|place| !self.busy.contains(&person.contacts[*place].outlook_id))
    }

    fn create(&mut self, person: &mut Person, world: &mut World, at: Timestamp) -> Result<Made, EditError> {
        let (given, family) = (self.one_of(&GIVEN), self.one_of(&FAMILY));
        let name = format!("{given} {family}");
        let place = person.folders[self.dice.usize(0..person.folders.len())].clone();
        let address = format!("person{}@new.example", self.number);
        let members = members(json!({
            "givenName": given,
            "surname": family,
            "displayName": name,
            "emailAddresses": [{ "name": name, "address": address }],
        }));
        let folder = Some(place.id.clone());
        let outlook_id = world.edit(&person.key, Edit::CreateContact { folder, members }, at)?;
        let card = Card {
            outlook_id,
            name,
            folder: place.id.clone(),
        };
        person.contacts.push(card.clone());
        let what = format!("{} in {}", card.name, place.name);
        Ok(made(
            person,
            &card,
            Kind::Created,
            what,
            Expected::In { folder: place.id },
            at,
        ))
    }

    fn edit(
        &mut self,
        person: &Person,
        card: &Card,
        world: &mut World,
        at: Timestamp,
    ) -> Result<Made, EditError> {
        let number = self.number;
        let (member, value) = match self.dice.u8(0..3) {
            0 => ("mobilePhone", format!("+49 171 {number:07}")),
            1 => ("officeLocation", format!("Room {number}")),
            _ => ("personalNotes", format!("Called back, note {number}")),
        };
        let value = Value::from(value);
        let edit = Edit::EditContact {
            id: card.outlook_id.clone(),
            members: members(json!({ member: value })),
        };
        world.edit(&person.key, edit, at)?;
        let what = format!("{}: {member}", card.name);
        Ok(made(
            person,
            card,
            Kind::Edited,
            what,
            Expected::With { member, value },
            at,
        ))
    }

    fn relocate(
        &mut self,
        person: &mut Person,
        card: usize,
        world: &mut World,
        at: Timestamp,
    ) -> Result<Made, EditError> {
        let here = &person.contacts[card].folder;
        let others: Vec<&Place> = person.folders.iter().filter(|place| place.id != *here).collect();
        let place = others[self.dice.usize(0..others.len())].clone();
        let what = format!("{} to {}", person.contacts[card].name, place.name);
        shift(person, card, place, Kind::Moved, what, world, at)
    }

    fn file(
        &mut self,
        person: &mut Person,
        card: usize,
        world: &mut World,
        at: Timestamp,
    ) -> Result<Made, EditError> {
        let name = format!("Fair {}", self.number);
        let folder = Edit::CreateFolder {
            parent: None,
            name: name.clone(),
        };
        let place = Place {
            id: world.edit(&person.key, folder, at)?,
            name,
        };
        person.folders.push(place.clone());
        let what = format!("{} in the new folder {}", person.contacts[card].name, place.name);
        shift(person, card, place, Kind::Filed, what, world, at)
    }

    fn delete(
        &mut self,
        person: &mut Person,
        card: usize,
        world: &mut World,
        at: Timestamp,
    ) -> Result<Made, EditError> {
        let card = person.contacts.swap_remove(card);
        let edit = Edit::DeleteContact {
            id: card.outlook_id.clone(),
            purge: self.dice.bool(),
        };
        world.edit(&person.key, edit, at)?;
        Ok(made(
            person,
            &card,
            Kind::Deleted,
            card.name.clone(),
            Expected::Gone,
            at,
        ))
    }

    fn one_of(&mut self, names: &[&'static str]) -> &'static str {
        names[self.dice.usize(0..names.len())]
    }
}

fn shift(
    person: &mut Person,
    card: usize,
    place: Place,
    kind: Kind,
    what: String,
    world: &mut World,
    at: Timestamp,
) -> Result<Made, EditError> {
    let card = &mut person.contacts[card];
    let edit = Edit::MoveContact {
        id: card.outlook_id.clone(),
        folder: Some(place.id.clone()),
    };
    world.edit(&person.key, edit, at)?;
    card.folder.clone_from(&place.id);
    let card = card.clone();
    Ok(made(
        person,
        &card,
        kind,
        what,
        Expected::In { folder: place.id },
        at,
    ))
}

fn made(person: &Person, card: &Card, kind: Kind, what: String, expected: Expected, at: Timestamp) -> Made {
    Made {
        at,
        who: person.name.clone(),
        mailbox: person.id.clone(),
        contact: ContactId::derive(&person.id, &OutlookId::new(card.outlook_id.clone())),
        kind,
        what,
        unheard: false,
        expected,
        outlook_id: card.outlook_id.clone(),
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
