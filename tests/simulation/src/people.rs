//! What people do in Outlook: all of it counts, since Outlook itself is where they do it.
//!
//! Knows the simulator's edits, and what a person sees before he makes one.

use std::collections::BTreeMap;

use anyhow::Context as _;
use fastrand::Rng;
use graph_sim::{Edit, Snapshot};
use serde_json::{Map, Value, json};

use crate::history::{Author, Deed, LIST, MARK, TEXTS, Told, seen};
use crate::platform::Call;
use crate::run::Run;

/// What is remembered of a run, for who wants to take something back.
#[derive(Default)]
pub(crate) struct Memory {
    /// Contacts in the deleted items of a mailbox.
    deleted: BTreeMap<usize, Vec<Deleted>>,
    /// Calls of the API that may be repeated.
    pub(crate) repeatable: Vec<Call>,
    folders: usize,
}

/// A contact in the deleted items.
struct Deleted {
    id: String,
    contact: usize,
    /// The mirror took it for not created yet when it was deleted.
    unborn: bool,
}

impl Run<'_> {
    pub(crate) fn person_edits(&mut self, dice: &mut Rng) -> anyhow::Result<()> {
        let index = dice.usize(0..self.scene.people.len());
        let person = self.scene.people[index].clone();
        let truth = self.scene.stack.world().snapshot(&person.key);
        let truth = truth.context("the mailbox is gone")?;
        self.count("edits in Outlook");
        match dice.u8(0..20) {
            0..=2 => self.creates(index, &truth, dice),
            3..=12 => self.edits(index, &truth, dice),
            13..=14 => self.deletes(index, &truth, dice),
            15..=16 => self.moves(index, &truth, dice),
            17 => self.restores(index, dice),
            _ => self.changes_folders(index, &truth, dice),
        }
    }

    fn does(&mut self, index: usize, edit: Edit) -> anyhow::Result<String> {
        self.say(format_args!("  person: {edit:?}"));
        self.scene.tap.note(&format!("{edit:?}"));
        let key = self.scene.people[index].key.clone();
        let now = self.scene.now();
        Ok(self.scene.stack.world().edit(&key, edit, now)?)
    }

    fn creates(&mut self, index: usize, truth: &Snapshot, dice: &mut Rng) -> anyhow::Result<()> {
        let contact = self.history.contact(index);
        let mark = self.history.mark(contact).to_owned();
        let value = self.history.value();
        let mut members = Map::new();
        members.insert(MARK.to_owned(), mark.as_str().into());
        members.insert("givenName".to_owned(), mark.into());
        members.insert(
            TEXTS[dice.usize(0..TEXTS.len())].to_owned(),
            value.as_str().into(),
        );
        let folder = Some(pick(truth.folders.keys(), dice).context("no folder")?.clone());
        self.does(index, Edit::CreateContact { folder, members })?;
        let deed = Deed::Create(vec![value]);
        self.history.enter(Author::Outlook, contact, deed, Told::Done);
        Ok(())
    }

    /// One of the contacts that are there, with what is seen of it.
    fn one(&self, truth: &Snapshot, dice: &mut Rng) -> Option<(String, usize, Map<String, Value>)> {
        let (id, contact) = pick(truth.contacts.iter(), dice)?;
        let document = contact.as_object()?.clone();
        let whose = self.history.whose(&document)?;
        Some((id.clone(), whose, document))
    }

    fn edits(&mut self, index: usize, truth: &Snapshot, dice: &mut Rng) -> anyhow::Result<()> {
        let Some((id, contact, document)) = self.one(truth, dice) else {
            return Ok(());
        };
        let (members, names, wrote) = self.change(&document, dice);
        let over = seen(&document, Some(&names));
        self.does(index, Edit::EditContact { id, members })?;
        let deed = Deed::Edit { wrote, over };
        self.history.enter(Author::Outlook, contact, deed, Told::Done);
        Ok(())
    }

    /// A change of one member or two: the members, their names, and the new values.
    pub(crate) fn change(
        &mut self,
        document: &Map<String, Value>,
        dice: &mut Rng,
    ) -> (Map<String, Value>, Vec<String>, Vec<String>) {
        let (mut members, mut wrote) = (Map::new(), Vec::new());
        if dice.u8(0..4) == 0 {
            // An element more, or one less; with it its author has seen only what he took away.
            let mut list: Vec<Value> = document
                .get(LIST)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            let value = self.history.value();
            list.push(value.as_str().into());
            wrote.push(value);
            members.insert(LIST.to_owned(), Value::Array(list));
            return (members, Vec::new(), wrote);
        }
        for _ in 0..dice.u8(1..3) {
            let name = TEXTS[dice.usize(0..TEXTS.len())];
            if members.contains_key(name) {
                continue;
            }
            if dice.u8(0..8) == 0 {
                members.insert(name.to_owned(), Value::Null);
            } else {
                let value = self.history.value();
                members.insert(name.to_owned(), json!(value));
                wrote.push(value);
            }
        }
        let names = members.keys().cloned().collect();
        (members, names, wrote)
    }

    fn deletes(&mut self, index: usize, truth: &Snapshot, dice: &mut Rng) -> anyhow::Result<()> {
        let Some((id, contact, document)) = self.one(truth, dice) else {
            return Ok(());
        };
        // What the mirror doesn't know as this contact's item, it can't know to be deleted: an item whose create was not
        // answered yet, or that the contact is about to leave.
        let mirror = self.scene.mirror(&self.scene.people[index])?;
        let is_known = mirror.values().any(|known| {
            let item = known.outlook.as_ref();
            item.is_some_and(|item| item.id.as_str() == id)
        });
        let unborn = mirror.values().any(|known| {
            let is_it = self.history.whose(&known.document) == Some(contact);
            is_it && known.outlook.is_none() && known.edit.is_some()
        });
        let purge = dice.u8(0..3) == 0;
        self.does(
            index,
            Edit::DeleteContact {
                id: id.clone(),
                purge,
            },
        )?;
        if !purge {
            let deleted = self.memory.deleted.entry(index).or_default();
            deleted.push(Deleted { id, contact, unborn });
        }
        let deed = Deed::Delete {
            seen: seen(&document, None),
        };
        let told = if is_known { Told::Done } else { Told::Nothing };
        self.history.enter(Author::Outlook, contact, deed, told);
        Ok(())
    }

    fn moves(&mut self, index: usize, truth: &Snapshot, dice: &mut Rng) -> anyhow::Result<()> {
        let Some((id, contact, _)) = self.one(truth, dice) else {
            return Ok(());
        };
        let folder = Some(pick(truth.folders.keys(), dice).context("no folder")?.clone());
        self.does(index, Edit::MoveContact { id, folder })?;
        self.history
            .enter(Author::Outlook, contact, Deed::Move, Told::Done);
        Ok(())
    }

    fn restores(&mut self, index: usize, dice: &mut Rng) -> anyhow::Result<()> {
        let deleted = self.memory.deleted.entry(index).or_default();
        if deleted.is_empty() {
            return Ok(());
        }
        let Deleted { id, contact, unborn } = deleted.swap_remove(dice.usize(0..deleted.len()));
        self.does(index, Edit::MoveContact { id, folder: None })?;
        let deed = Deed::Restore { unborn };
        self.history.enter(Author::Outlook, contact, deed, Told::Done);
        Ok(())
    }

    fn changes_folders(&mut self, index: usize, truth: &Snapshot, dice: &mut Rng) -> anyhow::Result<()> {
        self.memory.folders += 1;
        let name = format!("New {}", self.memory.folders);
        let own = truth.folders.iter().filter(|(_, folder)| !folder.is_default);
        match pick(own, dice) {
            Some((id, _)) if dice.bool() => {
                drop(self.does(index, Edit::RenameFolder { id: id.clone(), name })?);
            }
            Some(_) | None if truth.folders.len() < 4 => {
                drop(self.does(index, Edit::CreateFolder { parent: None, name })?);
            }
            Some(_) | None => {}
        }
        Ok(())
    }
}

pub(crate) fn pick<I: Iterator>(items: I, dice: &mut Rng) -> Option<I::Item> {
    let all: Vec<I::Item> = items.collect();
    if all.is_empty() {
        return None;
    }
    let index = dice.usize(0..all.len());
    all.into_iter().nth(index)
}
