//! What must be true when the faults have stopped and time has passed, each with a name.
//!
//! Knows both sides, the conflict log, the event bus, and the history of who was told what. Shares no code with the sync:
//! a value is found by its text, a contact by its mark.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use contact_store::{Conflict, Contact};
use serde_json::{Map, Value};
use sync_core::shape::whole;

use crate::epilogue;
use crate::history::{Author, Deed, Entry, History, Told, seen};
use crate::plan::Fault;
use crate::run::Figures;
use crate::scene::{Mirror, Person, Scene, answer, finish, request};
use crate::story;

/// What is not true.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) check: &'static str,
    what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

impl std::error::Error for Broken {}

pub(crate) fn require(check: &'static str, holds: bool, what: impl FnOnce() -> String) -> anyhow::Result<()> {
    if holds {
        return Ok(());
    }
    Err(Broken { check, what: what() }.into())
}

const EQUAL: &str = "both sides are equal";
const PENDING: &str = "nothing is pending";
const REST: &str = "nothing is left to do";
const LETTERS: &str = "no dead letters";
const ONCE: &str = "nobody is doubled";
const THERE: &str = "nobody is lost";
pub(crate) const GONE: &str = "nobody comes back";
/// Not even for a while.
pub(crate) const DEAD: &str = "nobody is told dead whom nobody has deleted";
const VALUES: &str = "no acknowledged edit is lost";
const EVENTS: &str = "the bus tells what is true";
const MANNERS: &str = "Graph has no complaint";
const BOUNDED: &str = "work is bounded";

/// The actions that are counted by name.
const ACTIONS: [&str; 7] = [
    "GetItem",
    "PutItem",
    "Query",
    "BatchGetItem",
    "BatchWriteItem",
    "TransactWriteItems",
    "SendMessageBatch",
];

/// So much is asked of Graph at most for each step of a plan, and beside it.
const GRAPH_REQUESTS: (u64, u64) = (200, 4_000);

/// So many minutes pass one after the other, until both sides are at rest: what a notification brings, what a poll does, and
/// the rest of an edit that has failed again and again.
const REST_AFTER: [u64; 4] = [20, 50, 40, 5 * 60];

/// Time passes without faults, until both sides have come to rest or had all the time that they may need.
pub(crate) fn calm_down(scene: &mut Scene, figures: &mut Figures) -> anyhow::Result<()> {
    for person in scene.people.clone() {
        ask(scene, &person, "resume")?;
    }
    if scene.has(Fault::MissingDeletes) {
        // Removals that were never told are found by a comparison alone. Nothing else may be left to one.
        pass(scene, Duration::from_mins(20))?;
        for person in scene.people.clone() {
            // A credential that was refused last is believed to be wrong for a while.
            ask(scene, &person, "resume")?;
            ask(scene, &person, "resync")?;
        }
    }
    for (number, minutes) in REST_AFTER.into_iter().enumerate() {
        pass(scene, Duration::from_mins(minutes))?;
        match at_rest(scene)? {
            Ok(()) => return Ok(()),
            Err(error) => scene.tap.note(&format!("not at rest yet: {error:#}")),
        }
        if number == 2 {
            *figures.entry("long rests").or_default() += 1;
        }
    }
    Ok(())
}

pub(crate) fn pass(scene: &mut Scene, time: Duration) -> anyhow::Result<()> {
    finish(scene.stack.run_for(time))?
}

pub(crate) fn ask(scene: &Scene, person: &Person, action: &str) -> anyhow::Result<()> {
    let path = format!("/v1/mailboxes/{}/{action}", person.id);
    let request = request("POST", &path, &[], None)?;
    let (status, answer) = finish(answer(&scene.stack, request))??;
    anyhow::ensure!(status == 202, "{action} was answered {status}: {answer}");
    Ok(())
}

/// Whether there is nothing left to do. The outer error is that of the look.
pub(crate) fn at_rest(scene: &Scene) -> anyhow::Result<anyhow::Result<()>> {
    for person in &scene.people {
        let Some(truth) = scene.stack.world().snapshot(&person.key) else {
            anyhow::bail!("the mailbox is gone");
        };
        let differences = local_stack::differences(&scene.looker, &person.id, &truth, |_| true);
        let differences = scene.look(differences)??;
        let equal = require(EQUAL, differences.is_empty(), || format!("{differences:?}"));
        if equal.is_err() {
            return Ok(equal);
        }
        let mirror = scene.mirror(person)?;
        let waits: Vec<&Contact> = mirror
            .values()
            .filter(|contact| contact.edit.is_some() || !contact.superseded.is_empty())
            .collect();
        let mailbox = scene.look(scene.looker.mailbox(&person.id))??;
        let creating = mailbox.as_ref().and_then(|mailbox| mailbox.creating.as_ref());
        let pending = require(PENDING, waits.is_empty() && creating.is_none(), || {
            format!("{waits:?}, creating {creating:?}")
        });
        if pending.is_err() {
            return Ok(pending);
        }
    }
    let stack = &scene.stack;
    for queue in [&stack.work, &stack.lifecycle] {
        let messages: Vec<String> = queue.messages().into_iter().map(|message| message.body).collect();
        let rest = require(REST, messages.is_empty(), || {
            format!("{} holds {messages:?}", queue.name())
        });
        if rest.is_err() {
            return Ok(rest);
        }
    }
    // Notifications of subscriptions that nobody knows any more may wait: Graph keeps them until their authorization ends.
    let idle = stack.contact_changes.is_idle() && stack.mailbox_changes.is_idle();
    Ok(require(REST, idle, || {
        "a stream is not read to its end".to_owned()
    }))
}

/// All of them.
pub(crate) fn all(scene: &mut Scene, history: &History, figures: &mut Figures) -> anyhow::Result<()> {
    at_rest(scene)??;
    manners(scene)?;
    for index in 0..scene.people.len() {
        let person = scene.people[index].clone();
        let last = Last::of(scene, &person, history)?;
        who_is_there(index, &last, history)?;
        values(index, &last, history)?;
        events(scene, &last)?;
        let told = scene.stack.bus.events();
        let told = told
            .iter()
            .map(|event| (event.detail_type.as_str(), &event.detail["data"]));
        let of_mailbox = told.filter(|(_, data)| data["mailbox"] == person.id.as_str());
        story::plausible(of_mailbox, history, &last.deletes_logged)?;
    }
    bounded(scene, figures)?;
    if scene.plan.thorough {
        epilogue::played(scene)?;
    }
    Ok(())
}

/// How it has ended in a mailbox.
struct Last {
    /// Outlook's contacts, which are the mirror's as well.
    contacts: Vec<Map<String, Value>>,
    mirror: Rc<Mirror>,
    conflicts: Vec<Conflict>,
    /// All texts in the conflict log.
    logged: BTreeSet<String>,
    /// Contacts of whom the log says that a delete has met an edit.
    deletes_logged: BTreeSet<usize>,
}

impl Last {
    fn of(scene: &Scene, person: &Person, history: &History) -> anyhow::Result<Self> {
        let truth = scene.stack.world().snapshot(&person.key).unwrap_or_default();
        let contacts = truth.contacts.into_values();
        let conflicts = scene.conflicts(person)?;
        let mut logged = BTreeSet::new();
        let mut deletes_logged = BTreeSet::new();
        for conflict in &conflicts {
            if conflict.clashes.iter().any(|clash| clash.member == "(deleted)") {
                let documents = [&conflict.base, &conflict.ours, &conflict.theirs];
                let mut documents = documents.into_iter().flatten();
                deletes_logged.extend(documents.find_map(|document| history.whose(document)));
            }
            for document in [&conflict.base, &conflict.ours, &conflict.theirs]
                .into_iter()
                .flatten()
            {
                logged.extend(seen(document, None));
            }
            for clash in &conflict.clashes {
                for value in [&clash.base, &clash.ours, &clash.theirs, &clash.kept]
                    .into_iter()
                    .flatten()
                {
                    texts(value, &mut logged);
                }
            }
        }
        Ok(Self {
            contacts: contacts
                .filter_map(|contact| contact.as_object().cloned())
                .collect(),
            mirror: scene.mirror(person)?,
            conflicts,
            logged,
            deletes_logged,
        })
    }
}

fn texts(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(into.insert(text.clone())),
        Value::Array(list) => list.iter().for_each(|one| texts(one, into)),
        Value::Object(members) => members.values().for_each(|one| texts(one, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Everybody once, and nobody who should be gone.
fn who_is_there(index: usize, last: &Last, history: &History) -> anyhow::Result<()> {
    let mut there = BTreeMap::<usize, usize>::new();
    for document in &last.contacts {
        let whose = history.whose(document);
        require(ONCE, whose.is_some(), || format!("nobody made {document:?}"))?;
        *there.entry(whose.unwrap_or_default()).or_default() += 1;
    }
    for (contact, known) in history.contacts.iter().enumerate() {
        if known.mailbox != index {
            continue;
        }
        let count = there.get(&contact).copied().unwrap_or_default();
        let entries: Vec<&Entry> = of(history, contact).collect();
        let tell = || format!("{} is there {count} times: {entries:?}", known.mark);
        let did = |test: fn(&Deed) -> bool, told: &[Told]| {
            entries
                .iter()
                .any(|entry| test(&entry.deed) && told.contains(&entry.told))
        };
        let made = did(|deed| matches!(deed, Deed::Create(_)), &[Told::Done]);
        let perhaps = [Told::Done, Told::Nothing];
        let deleted = did(|deed| matches!(deed, Deed::Delete { .. }), &perhaps);
        let settled = did(|deed| matches!(deed, Deed::Settle { .. }), &perhaps);
        require(THERE, count >= 1 || !made || deleted || settled, tell)?;
        let may_be = did(|deed| matches!(deed, Deed::Create(_)), &perhaps);
        require(GONE, count == 0 || may_be, tell)?;
        // Unless it was made once more since: a program that was not told repeats what it has asked.
        let is_last = |at: usize| {
            let since = entries.iter().skip(at);
            let made_again =
                |entry: &&&Entry| matches!(entry.deed, Deed::Create(_)) && perhaps.contains(&entry.told);
            since.filter(made_again).count() == 0
        };
        let surely_deleted = entries.iter().enumerate().any(|(at, entry)| {
            matches!(entry.deed, Deed::Delete { .. }) && entry.told == Told::Done && is_last(at)
        });
        let restored = did(|deed| matches!(deed, Deed::Restore { .. }), &perhaps);
        let in_log = last.deletes_logged.contains(&contact);
        // A person's delete that meets a platform's move at the same moment may give way without an entry: the old item is
        // gone either way.
        let moved = entries.iter().any(|entry| {
            matches!(entry.deed, Deed::Move)
                && entry.author == Author::Platform
                && entry.told != Told::Refused
        });
        // Two are right where a person has restored one that the sync had created anew by then: for an edit that has won
        // against the delete, which the log says, for a move, or because somebody has said so; or where the item was deleted
        // before anybody knew that its create, whose answer was lost, had been carried out.
        let created_anew = in_log || moved || settled;
        let came_back = entries
            .iter()
            .filter(|entry| matches!(entry.deed, Deed::Restore { unborn } if unborn || created_anew));
        require(ONCE, count <= 1 + came_back.count(), tell)?;
        require(
            GONE,
            count == 0 || !surely_deleted || restored || settled || in_log || moved,
            tell,
        )?;
    }
    Ok(())
}

pub(crate) fn of(history: &History, contact: usize) -> impl Iterator<Item = &Entry> {
    history
        .entries
        .iter()
        .filter(move |entry| entry.contact == contact)
}

/// Each value that its author was told is written: it is there, or somebody who saw it wrote over it, or it is in the
/// conflict log.
fn values(index: usize, last: &Last, history: &History) -> anyhow::Result<()> {
    let mut there = BTreeSet::new();
    for document in &last.contacts {
        there.extend(seen(document, None));
    }
    for (contact, known) in history.contacts.iter().enumerate() {
        if known.mailbox != index {
            continue;
        }
        let entries: Vec<&Entry> = of(history, contact).collect();
        for entry in &entries {
            let wrote = match &entry.deed {
                Deed::Create(wrote) | Deed::Edit { wrote, .. } if entry.told == Told::Done => wrote,
                Deed::Create(_)
                | Deed::Edit { .. }
                | Deed::Move
                | Deed::Restore { .. }
                | Deed::Delete { .. }
                | Deed::Settle { .. } => continue,
            };
            for value in wrote {
                let written_over = entries.iter().any(|other| {
                    other.told != Told::Refused
                        && match &other.deed {
                            Deed::Edit { over, wrote } => over.contains(value) && !wrote.contains(value),
                            Deed::Delete { seen } | Deed::Settle { seen } => seen.contains(value),
                            Deed::Create(_) | Deed::Move | Deed::Restore { .. } => false,
                        }
                });
                let fine = there.contains(value) || written_over || last.logged.contains(value);
                require(VALUES, fine, || {
                    let conflicts: Vec<_> = last
                        .conflicts
                        .iter()
                        .map(|conflict| (&conflict.id, &conflict.clashes))
                        .collect();
                    format!("{value} of {}: {entries:#?}, conflicts {conflicts:?}", known.mark)
                })?;
            }
        }
    }
    Ok(())
}

/// Who has heard all events, and keeps of each contact the greatest version, has the mirror.
fn events(scene: &Scene, last: &Last) -> anyhow::Result<()> {
    let events = scene.stack.bus.events();
    let mut told = BTreeMap::<&str, (u64, &Value, &str)>::new();
    let mut by_id = BTreeMap::<&str, &Value>::new();
    for event in &events {
        let detail = &event.detail;
        if let Some(id) = detail["id"].as_str() {
            let before = by_id.insert(id, detail);
            require(EVENTS, before.is_none_or(|before| before == detail), || {
                format!("two events are named {id}: {before:?} and {detail}")
            })?;
        }
        let data = &detail["data"];
        let (Some(contact), Some(version)) = (data["contactId"].as_str(), data["version"].as_u64()) else {
            continue;
        };
        if event.detail_type.starts_with("contact.")
            && told.get(contact).is_none_or(|(known, ..)| *known <= version)
        {
            told.insert(contact, (version, data, &event.detail_type));
        }
    }
    for (id, contact) in last.mirror.iter() {
        let known = told.get(id.as_str());
        let fine = match known {
            None => false,
            Some((version, data, kind)) if contact.deleted_at.is_none() => {
                let document = set(&whole(&contact.document, &contact.extras));
                let shown = data["contact"].as_object().map(set);
                *version == contact.version
                    && *kind != "contact.deleted"
                    && shown == Some(document)
                    && data["folder"] == contact.folder.as_str()
            }
            Some((version, _, kind)) => *version == contact.version && *kind == "contact.deleted",
        };
        require(EVENTS, fine, || {
            format!(
                "{id} is at version {}, deleted: {:?}; told was {known:?}",
                contact.version, contact.deleted_at
            )
        })?;
    }
    Ok(())
}

/// The members that are set: null, an empty list and a member that isn't there are one.
fn set(document: &Map<String, Value>) -> BTreeMap<String, Value> {
    let is_blank = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    let members = document.iter().filter(|(_, value)| !is_blank(value));
    members
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn manners(scene: &Scene) -> anyhow::Result<()> {
    let complaints = scene.stack.world().complaints().to_vec();
    require(MANNERS, complaints.is_empty(), || format!("{complaints:?}"))?;
    let (_, leaked) = scene.stack.transport.strangers();
    require(MANNERS, leaked == 0, || "a token has gone elsewhere".to_owned())?;
    let letters = scene.stack.work.dead_letters().len() + scene.stack.lifecycle.dead_letters().len();
    let faults = [
        Fault::Deaths,
        Fault::Doubled,
        Fault::Overlap,
        Fault::Database,
        Fault::Queues,
    ];
    let excused = faults.into_iter().any(|fault| scene.has(fault));
    require(LETTERS, letters == 0 || excused, || format!("{letters}"))
}

fn bounded(scene: &Scene, figures: &mut Figures) -> anyhow::Result<()> {
    let counts = scene.stack.world().counts(None);
    let graph: u64 = counts.values().sum();
    let requests: u64 = scene.tap.requests().values().sum();
    *figures.entry("requests to Graph").or_default() += graph;
    *figures.entry("requests to AWS").or_default() += requests;
    for (action, count) in scene.tap.requests() {
        if let Some(name) = ACTIONS.into_iter().find(|name| *name == action) {
            *figures.entry(name).or_default() += count;
        }
    }
    *figures.entry("requests to DynamoDB broken").or_default() += scene.tap.struck();
    let (each, beside) = GRAPH_REQUESTS;
    let most = beside + each * u64::from(scene.plan.steps);
    require(BOUNDED, graph <= most, || {
        format!("{graph} requests to Graph, {most} are allowed")
    })
}
