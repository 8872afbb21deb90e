//! The shell in small: one contact, somebody in Outlook, somebody at the API, and a worker between them whose answers may
//! be lost.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;
use sync_core::edit;
use sync_core::ids::FolderId;
use sync_core::members::{alike, differing};
use sync_core::merge::Clash;
use sync_core::push::{Sent, Step, after, after_delete, read_instead, step};
use sync_core::rebase::{Bereaved, Rebased, bereaved, onto};
use sync_core::record::{Rules, Shown, Side, Urgency, Wish};
use sync_core::shape::split;
use sync_core::sighting::Document;

use crate::contacts::MEMBERS;
use crate::ledger::{Ledger, text};
use crate::mirror::Record;
use crate::outlook::{Item, Outlook};

/// What may happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// Somebody sets a member, or deletes (no member), or moves (one more than there are).
    Act(Side, Act),
    /// The mirror is shown what Outlook has.
    Look,
    /// The pending edit is carried out; its answer may be lost, and an edit may be made here before it comes.
    Push { answer: Answer, meanwhile: Option<Act> },
    /// Time goes by.
    Wait,
}

/// What becomes of Outlook's answer to a push.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Answer {
    /// It comes.
    Comes,
    /// It is lost, and the worker reads the item instead; by then somebody may have changed that.
    IsLost(Option<Act>),
    /// The worker dies.
    Dies,
}

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Act {
    Set { member: usize, value: usize },
    Grow(u8),
    Move(bool),
    Delete,
}

/// The shell in small: what a worker does about one contact, with Outlook at hand.
pub(crate) struct World {
    outlook: Outlook,
    mirror: Option<Record>,
    rules: Rules,
    clock: i64,
    pub(crate) writes: u32,
    pub(crate) clashes: Vec<Clash>,
    pub(crate) ledger: Ledger,
    /// A worker has died after a write, and nobody has looked since.
    in_doubt: bool,
}

impl World {
    pub(crate) fn new(mut first: Document, is_born_here: bool, rules: Rules) -> Self {
        first.values_mut().for_each(|value| *value = distinct(value));
        let mut world = Self {
            outlook: Outlook::default(),
            mirror: None,
            rules,
            clock: 1_000_000,
            writes: 0,
            clashes: Vec::new(),
            ledger: Ledger::default(),
            in_doubt: false,
        };
        let folder = folder(false);
        let edited = edit::create(first, &folder, false, 0, world.now(), Urgency::Now);
        if is_born_here {
            world.mirror = Some(Record::of(edited, 0));
            let whole = world.mirror.as_ref().map(Record::whole).unwrap_or_default();
            world
                .ledger
                .edited(Side::Platform, &Document::new(), &whole, &Document::new());
        } else {
            let Step::Create(members) = step(Record::of(edited.clone(), 0).pending(&edited.edit.unwrap()))
            else {
                panic!("a contact that is not there is created")
            };
            world.outlook.create(&members, &folder, world.now());
            let item = world.outlook.item.clone().unwrap();
            world.mirror = Some(Record {
                document: item.document,
                extras: Document::new(),
                folder,
                edit: None,
                seen: item.version,
            });
        }
        world
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.clock).unwrap()
    }

    pub(crate) fn happens(&mut self, event: Event) {
        self.clock += 400;
        match event {
            Event::Act(Side::Platform, act) => self.platform(act),
            Event::Act(Side::Outlook, act) => self.person(act),
            Event::Look => self.look(),
            Event::Push { answer, meanwhile } => self.push(answer, meanwhile),
            Event::Wait => self.clock += 3_000,
        }
    }

    /// An edit through the API.
    fn platform(&mut self, act: Act) {
        let Some(record) = self.mirror.as_ref() else {
            return;
        };
        let (now, before) = (self.now(), record.whole());
        let mut wanted = before.clone();
        let mut folder_wanted = record.folder.clone();
        match act {
            Act::Set { member, value } => set(&mut wanted, member, value),
            Act::Grow(size) => {
                wanted.insert("vCard".to_owned(), Value::from(size));
            }
            Act::Move(is_other) => folder_wanted = folder(is_other),
            Act::Delete => {
                let Some(edited) = edit::delete(record.current(), now, Urgency::Now) else {
                    return;
                };
                self.ledger.deleted(Side::Platform, &before);
                self.mirror = Some(Record::of(edited, record.seen));
                return;
            }
        }
        let (seen, last_seen) = (record.seen, record.last_seen());
        // What only the mirror has of a list is the platform's anew with each edit of the list.
        let mut in_outlook = before.clone();
        if let Act::Set { member, .. } = act {
            let name = MEMBERS[member].0;
            in_outlook.remove(name);
            let held = record.document.get(name).cloned();
            in_outlook.extend(held.map(|value| (name.to_owned(), value)));
        }
        let before = [in_outlook, before];
        if let Some(edited) = edit::save(record.current(), wanted, &folder_wanted, now, Urgency::Now) {
            let record = Record::of(edited, seen);
            for before in &before {
                self.ledger
                    .edited(Side::Platform, before, &record.whole(), &last_seen);
            }
            self.mirror = Some(record);
            if self.in_doubt {
                self.ledger.doubted();
            }
        }
    }

    /// Somebody in Outlook.
    fn person(&mut self, act: Act) {
        let Some(item) = self.outlook.item.as_ref() else {
            return;
        };
        let (now, before) = (self.now(), item.document.clone());
        match act {
            Act::Set { member, value } => {
                let mut after = before.clone();
                set(&mut after, member, value);
                let kept = split(after, &before).document;
                let members: Document = differing(&kept, &before)
                    .into_iter()
                    .map(|name| (name.clone(), kept.get(&name).cloned().unwrap_or(Value::Null)))
                    .collect();
                if members.is_empty() {
                    return;
                }
                self.outlook.update(&members, now);
            }
            Act::Grow(size) => self.outlook.grow(size, now),
            Act::Move(is_other) => self.outlook.drag(folder(is_other), now),
            Act::Delete => {
                self.ledger.deleted(Side::Outlook, &before);
                self.outlook.item = None;
                return;
            }
        }
        let last_seen = self.mirror.as_ref().map(Record::last_seen).unwrap_or_default();
        let after = &self.outlook.item.as_ref().unwrap().document;
        self.ledger.edited(Side::Outlook, &before, after, &last_seen);
        let is_doomed = |record: &&Record| record.edit.as_ref().is_some_and(|edit| edit.wish == Wish::Delete);
        if let Some(record) = self.mirror.as_ref().filter(is_doomed) {
            self.ledger.made_as_well(&record.whole());
        }
    }

    /// The mirror learns what Outlook has.
    fn look(&mut self) {
        let Some(mut record) = self.mirror.take() else {
            return;
        };
        let edit = record.edit.take();
        self.in_doubt = false;
        self.mirror = match (self.outlook.item.clone(), edit) {
            (Some(item), Some(edit)) => {
                let rebased = onto(record.pending(&edit), shown(&item), self.rules, &BTreeMap::new());
                Some(self.taken(rebased, item.version))
            }
            (Some(item), None) => {
                self.ledger.met(false);
                Some(Record {
                    document: item.document,
                    folder: item.folder,
                    seen: item.version,
                    ..record
                })
            }
            // What only the mirror keeps lives and dies with the contact.
            (None, None) => {
                self.ledger.buried();
                None
            }
            (None, Some(edit)) => match bereaved(record.pending(&edit), self.rules) {
                Bereaved::Gone(clash) => {
                    let is_logged = clash.is_some();
                    self.clashes.extend(clash);
                    if !is_logged {
                        self.ledger.buried();
                    }
                    None
                }
                Bereaved::Recreate(edit, clash) => {
                    self.clashes.push(clash);
                    Some(Record {
                        edit: Some(*edit),
                        ..record
                    })
                }
                Bereaved::Unborn => Some(Record {
                    edit: Some(edit),
                    ..record
                }),
            },
        };
    }

    fn taken(&mut self, rebased: Rebased, seen: u64) -> Record {
        self.clashes.extend(rebased.clashes);
        self.ledger.met(rebased.edit.is_some());
        Record {
            document: rebased.document,
            extras: rebased.extras,
            folder: rebased.folder,
            edit: rebased.edit,
            seen,
        }
    }

    /// The worker carries the pending edit out. It looks first wherever it doesn't know the item as it is now.
    fn push(&mut self, answer: Answer, meanwhile: Option<Act>) {
        let is_known = |record: &Record, item: &Item| record.seen == item.version;
        let knows = match (&self.mirror, &self.outlook.item) {
            (Some(record), Some(item)) => is_known(record, item),
            (Some(record), None) => record.edit.as_ref().is_some_and(|edit| edit.base.is_none()),
            (None, _) => return,
        };
        if !knows {
            self.look();
        }
        let Some(record) = self.mirror.clone() else { return };
        let Some(edit) = &record.edit else { return };
        let (pending, now) = (record.pending(edit), self.now());
        let step = step(pending);
        match &step {
            Step::Create(members) | Step::Move(members) => self.outlook.create(members, &record.folder, now),
            Step::Update(members) => self.outlook.update(members, now),
            Step::Delete => self.outlook.item = None,
            // Nothing to send: it is as it was last seen.
            Step::Agreed if edit.base.is_some() => return self.look(),
            Step::Agreed => {
                self.mirror = None;
                return;
            }
            Step::Held => panic!("nobody has held it"),
        }
        self.writes += 1;
        self.clock += 1;
        self.in_doubt = answer == Answer::Dies;
        if let Some(act) = meanwhile {
            self.platform(act);
        }
        match answer {
            Answer::Comes => {}
            Answer::IsLost(act) => act.into_iter().for_each(|act| self.person(act)),
            Answer::Dies => return,
        }
        let Some(current) = self.mirror.clone() else {
            return;
        };
        let Some(edit_now) = &current.edit else {
            panic!("an edit stays until it is answered")
        };
        let sent = Sent { pending, step: &step };
        self.mirror = match (&self.outlook.item, &step) {
            (None, Step::Delete) => after_delete(edit_now).map(|edit| Record {
                edit: Some(edit),
                ..current
            }),
            (Some(item), _) => {
                let (item, now) = (item.clone(), current.pending(edit_now));
                let rebased = match answer {
                    Answer::Comes | Answer::Dies => {
                        after(sent, now, shown(&item), self.rules.conflict, &BTreeMap::new())
                    }
                    Answer::IsLost(_) => read_instead(sent, now, shown(&item), self.rules, &BTreeMap::new()),
                };
                Some(self.taken(rebased, item.version))
            }
            (None, _) => return self.look(),
        };
    }

    /// The edits have stopped: one look and one push are enough.
    pub(crate) fn come_to_rest(&mut self) {
        let writes = self.writes;
        self.look();
        self.push(Answer::Comes, None);
        assert!(self.writes <= writes + 1, "one write at most");
    }

    /// The contact as users of the API see it, and as the mirror has Outlook's part of it.
    pub(crate) fn contact(&self) -> Vec<Document> {
        let both = |record: &Record| [record.whole(), record.document.clone()];
        self.mirror.iter().flat_map(both).collect()
    }

    pub(crate) fn agrees(&self) -> Result<(), TestCaseError> {
        match (&self.mirror, &self.outlook.item) {
            (None, None) => Ok(()),
            (Some(record), Some(item)) => {
                prop_assert_eq!(&record.edit, &None);
                prop_assert_eq!(&record.folder, &item.folder);
                prop_assert!(alike(&record.document, &item.document));
                prop_assert_eq!(&record.document, &item.document, "in Outlook's spelling");
                Ok(())
            }
            (record, item) => Err(TestCaseError::fail(format!("{record:?} is not {item:?}"))),
        }
    }
}

fn shown(item: &Item) -> Shown<'_> {
    Shown {
        document: &item.document,
        folder: &item.folder,
        modified_at: Some(item.modified_at),
    }
}

fn folder(is_other: bool) -> FolderId {
    FolderId::new(if is_other { "other" } else { "first" })
}

/// Sets a member to one of its values; beyond those, takes it away.
fn set(document: &mut Document, member: usize, value: usize) {
    let (name, values) = &MEMBERS[member];
    match values.get(value) {
        Some(value) => document.insert((*name).to_owned(), distinct(value)),
        None => document.remove(*name),
    };
}

/// A list with the first of its elements that have the same text. Of two such, nobody could say which one was removed.
fn distinct(value: &Value) -> Value {
    let Value::Array(list) = value else {
        return value.clone();
    };
    let mut texts = BTreeSet::new();
    list.iter()
        .filter(|element| texts.insert(text(element)))
        .cloned()
        .collect()
}
