//! Behind the end: two equal sides are looked at once more, and get one edit each. What that costs is counted.
//!
//! Knows meters, and nothing of what the run before was about.

use std::time::Duration;

use graph_sim::{Edit, Operation};
use serde_json::{Map, Value, json};

use crate::checks::{ask, at_rest, pass, require};
use crate::history::TEXTS;
use crate::scene::{Person, Scene, answer, finish, request};

const ECHO: &str = "a further look changes nothing";
const ONE_WRITE: &str = "one edit is one write on the other side";

/// So many polls it may take until an edit is seen that nobody was notified of: the first may come before delta shows it.
const POLLS: usize = 3;

/// What may not be spent without a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spent {
    /// Creates, updates and deletes in Outlook.
    writes_to_graph: u64,
    /// Writes of contacts, by their revisions.
    writes_of_contacts: u64,
    /// Events of contacts.
    events: u64,
}

impl Spent {
    fn so_far(scene: &Scene) -> anyhow::Result<Self> {
        let counts = scene.stack.world().counts(None);
        let writes = [
            Operation::CreateContact,
            Operation::UpdateContact,
            Operation::DeleteContact,
            Operation::PurgeContact,
        ];
        let writes = writes
            .iter()
            .map(|operation| counts.get(operation).copied().unwrap_or_default());
        let mut revs = 0;
        for person in &scene.people {
            let mirror = scene.mirror(person)?;
            revs += mirror.values().map(|contact| contact.rev).sum::<u64>();
        }
        let events = scene.stack.bus.events();
        let events = events
            .iter()
            .filter(|event| event.detail_type.starts_with("contact."));
        Ok(Self {
            writes_to_graph: writes.sum(),
            writes_of_contacts: revs,
            events: events.count() as u64,
        })
    }

    fn with(self, [to_graph, of_contacts, events]: [u64; 3]) -> Self {
        Self {
            writes_to_graph: self.writes_to_graph + to_graph,
            writes_of_contacts: self.writes_of_contacts + of_contacts,
            events: self.events + events,
        }
    }

    /// Requires that so much more has been spent since.
    fn and(&mut self, check: &'static str, scene: &Scene, more: [u64; 3]) -> anyhow::Result<()> {
        let may = self.with(more);
        let has = Self::so_far(scene)?;
        require(check, has == may, || format!("{may:?} may be spent, {has:?} are"))?;
        *self = has;
        Ok(())
    }
}

/// A poll and a comparison cost nothing; an edit on either side costs one write on the other, and its echo nothing.
pub(crate) fn played(scene: &mut Scene) -> anyhow::Result<()> {
    let mut spent = Spent::so_far(scene)?;
    for person in scene.people.clone() {
        ask(scene, &person, "resync")?;
    }
    pass(scene, Duration::from_mins(70))?;
    spent.and(ECHO, scene, [0, 0, 0])?;
    let mut contacts = Vec::new();
    for person in scene.people.clone() {
        let mirror = scene.mirror(&person)?;
        let mirrored = mirror.values().find_map(|contact| {
            let item = contact
                .outlook
                .as_ref()
                .filter(|_| contact.deleted_at.is_none())?;
            Some((contact.id.clone(), item.id.clone()))
        });
        contacts.extend(mirrored.map(|(id, item)| (person, id, item)));
    }
    let count = contacts.len() as u64;
    let text = |text: &str| Map::from_iter([(TEXTS[0].to_owned(), Value::from(text))]);
    for (person, _, item) in &contacts {
        let edit = Edit::EditContact {
            id: item.as_str().to_owned(),
            members: text("a person's last word"),
        };
        let now = scene.now();
        scene.stack.world().edit(&person.key, edit, now)?;
    }
    pass(scene, Duration::from_mins(10))?;
    for _ in 0..POLLS {
        if Spent::so_far(scene)? != spent.with([0, count, count]) {
            // Somebody was not notified: a poll sees it.
            pass(scene, Duration::from_hours(1))?;
        }
    }
    spent.and(ONE_WRITE, scene, [0, count, count])?;
    for (person, id, _) in &contacts {
        let contact = json!({ "contact": text("the platform's last word") });
        patch(scene, person, &format!("/contacts/{id}"), &contact)?;
    }
    pass(scene, Duration::from_mins(10))?;
    // The edit itself, and what Outlook has made of it.
    spent.and(ONE_WRITE, scene, [count, 2 * count, count])?;
    at_rest(scene)?
}

fn patch(scene: &Scene, person: &Person, path: &str, body: &Value) -> anyhow::Result<()> {
    let path = format!("/v1/mailboxes/{}{path}", person.id);
    let request = request("PATCH", &path, &[("if-match", "*")], Some(body))?;
    let (status, answer) = finish(answer(&scene.stack, request))??;
    anyhow::ensure!(status < 300, "an edit was answered {status}: {answer}");
    Ok(())
}
