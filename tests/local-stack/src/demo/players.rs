//! Who edits what: the people in Outlook and the platform through the API, in turns that chance decides.
//!
//! Knows the simulator's users and the API. Chance comes from the scene's seed, so that the same seed makes the same
//! edits.

use std::collections::BTreeSet;

use ambient::Ambient;
use contact_store::Contact;
use fastrand::Rng;
use graph_sim::{Edit, EditError, World};
use local_stack::LocalStack;
use serde_json::{Map, Value, json};
use sync_core::ids::{ContactId, OutlookId};
use sync_core::record::Side;

use super::cast::{Card, Person, Place};
use super::edits::{Deed, Expected, Made};
use super::platform::Platform;

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

/// Chooses edits and makes them.
pub(super) struct Players {
    ambient: Ambient,
    dice: Rng,
    number: u64,
    busy: BTreeSet<ContactId>,
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

    /// Somebody does something. A contact whose last edit has not arrived yet is left alone: either side may skip
    /// versions, and then nobody could tell when it showed one.
    pub(super) async fn act(
        &mut self,
        people: &mut [Person],
        stack: &LocalStack,
        platform: &Platform,
    ) -> anyhow::Result<Made> {
        self.number += 1;
        let by = if self.dice.bool() {
            Side::Outlook
        } else {
            Side::Platform
        };
        let person = self.dice.usize(0..people.len());
        let person = &mut people[person];
        let deed = self.choose(person, by);
        let at = self.ambient.now();
        let mut made = Made {
            at,
            by,
            whose: person.name.clone(),
            key: person.key.clone(),
            mailbox: person.id.clone(),
            contact: ContactId::derive(&person.id, &OutlookId::new("")),
            kind: deed.kind(),
            what: deed.words(),
            unheard: false,
            new_place: None,
            expected: expected(&deed),
        };
        match by {
            Side::Outlook => {
                let mut world = stack.world();
                let before = world.unread();
                in_outlook(person, &deed, &mut world, &mut made)?;
                let after = world.unread();
                made.unheard = after.lost > before.lost && after.waiting == before.waiting;
            }
            Side::Platform => made.contact = platform.act(&person.id, &deed).await?,
        }
        remember(person, deed, &made);
        self.busy.insert(made.contact.clone());
        Ok(made)
    }

    /// The edit has arrived, and both sides agree. A create or a move by the platform has given the contact another id
    /// in Outlook.
    pub(super) fn done(&mut self, made: &Made, mirrored: Option<&Contact>, people: &mut [Person]) {
        self.busy.remove(&made.contact);
        let Some(person) = people.iter_mut().find(|person| person.id == made.mailbox) else {
            return;
        };
        person.folders.extend(made.new_place.clone());
        let card = person.contacts.iter_mut().find(|card| card.id == made.contact);
        let item = mirrored.and_then(|contact| contact.outlook.as_ref());
        if let (Some(card), Some(item)) = (card, item) {
            card.outlook_id = item.id.to_string();
        }
    }

    fn choose(&mut self, person: &Person, by: Side) -> Deed {
        match (self.dice.u8(0..100), self.idle(person), by) {
            (0..20, _, _) | (_, None, _) => self.create(person),
            (20..70, Some(card), _) => self.edit(card),
            (70..84, Some(card), _) | (84..87, Some(card), Side::Platform) if person.folders.len() > 1 => {
                let others = person.folders.iter().filter(|place| place.id != card.folder);
                let others: Vec<&Place> = others.collect();
                let place = others[self.dice.usize(0..others.len())].clone();
                Deed::Move { card, place }
            }
            (70..87, Some(card), Side::Outlook) => Deed::File {
                name: format!("Fair {}", self.number),
                card,
            },
            (_, Some(card), _) => Deed::Delete {
                purge: self.dice.bool(),
                card,
            },
        }
    }

    /// A contact that nothing is expected of.
    fn idle(&mut self, person: &Person) -> Option<Card> {
        let count = person.contacts.len();
        let first = self.dice.usize(0..count.max(1));
        let mut cards = person.contacts[first.min(count)..]
            .iter()
            .chain(&person.contacts[..first.min(count)]);
        cards.find(|card| !self.busy.contains(&card.id)).cloned()
    }

    fn create(&mut self, person: &Person) -> Deed {
        Deed::Create {
            given: GIVEN[self.dice.usize(0..GIVEN.len())],
            family: FAMILY[self.dice.usize(0..FAMILY.len())],
            address: format!("person{}@new.example", self.number),
            place: person.folders[self.dice.usize(0..person.folders.len())].clone(),
        }
    }

    fn edit(&mut self, card: Card) -> Deed {
        let number = self.number;
        let (member, value) = match self.dice.u8(0..3) {
            0 => ("mobilePhone", format!("+49 171 {number:07}")),
            1 => ("officeLocation", format!("Room {number}")),
            _ => ("personalNotes", format!("Called back, note {number}")),
        };
        Deed::Edit {
            card,
            member,
            value: Value::from(value),
        }
    }
}

/// What the other side shows then. A folder that is yet to be made gets its id later.
fn expected(deed: &Deed) -> Expected {
    match deed {
        Deed::Create { place, .. } | Deed::Move { place, .. } => Expected::In {
            folder: place.id.clone(),
        },
        Deed::File { .. } => Expected::In {
            folder: String::new(),
        },
        Deed::Edit { member, value, .. } => Expected::With {
            member,
            value: value.clone(),
        },
        Deed::Delete { .. } => Expected::Gone,
    }
}

/// Does it as the mailbox's user, and notes which contact it was.
fn in_outlook(person: &Person, deed: &Deed, world: &mut World, made: &mut Made) -> Result<(), EditError> {
    let at = made.at;
    made.contact = match deed {
        Deed::Create {
            given,
            family,
            address,
            place,
        } => {
            let name = format!("{given} {family}");
            let members = members(json!({
                "givenName": given,
                "surname": family,
                "displayName": name,
                "emailAddresses": [{ "name": name, "address": address }],
            }));
            let folder = Some(place.id.clone());
            let id = world.edit(&person.key, Edit::CreateContact { folder, members }, at)?;
            ContactId::derive(&person.id, &OutlookId::new(id))
        }
        Deed::Edit { card, member, value } => {
            let members = members(json!({ *member: value }));
            let id = card.outlook_id.clone();
            world.edit(&person.key, Edit::EditContact { id, members }, at)?;
            card.id.clone()
        }
        Deed::Move { card, place } => {
            let (id, folder) = (card.outlook_id.clone(), Some(place.id.clone()));
            world.edit(&person.key, Edit::MoveContact { id, folder }, at)?;
            card.id.clone()
        }
        Deed::File { card, name } => {
            let (parent, name) = (None, name.clone());
            let folder = Edit::CreateFolder {
                parent,
                name: name.clone(),
            };
            let folder = world.edit(&person.key, folder, at)?;
            made.new_place = Some(Place {
                id: folder.clone(),
                name,
            });
            made.expected = Expected::In {
                folder: folder.clone(),
            };
            let (id, folder) = (card.outlook_id.clone(), Some(folder));
            world.edit(&person.key, Edit::MoveContact { id, folder }, at)?;
            card.id.clone()
        }
        Deed::Delete { card, purge } => {
            let (id, purge) = (card.outlook_id.clone(), *purge);
            world.edit(&person.key, Edit::DeleteContact { id, purge }, at)?;
            card.id.clone()
        }
    };
    Ok(())
}

/// What the demo knows to be in the mailbox from now on.
fn remember(person: &mut Person, deed: Deed, made: &Made) {
    match (deed, &made.expected) {
        (
            Deed::Create {
                given, family, place, ..
            },
            _,
        ) => person.contacts.push(Card {
            id: made.contact.clone(),
            // Filled in when it has arrived: until then it is left alone.
            outlook_id: String::new(),
            name: format!("{given} {family}"),
            folder: place.id,
        }),
        (Deed::Move { card, .. } | Deed::File { card, .. }, Expected::In { folder }) => {
            if let Some(card) = person.contacts.iter_mut().find(|known| known.id == card.id) {
                card.folder.clone_from(folder);
            }
        }
        (Deed::Delete { card, .. }, _) => person.contacts.retain(|known| known.id != card.id),
        (Deed::Edit { .. } | Deed::Move { .. } | Deed::File { .. }, _) => {}
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
