//! Whether what was seen after a sheet was tried is what the oracle says. Everything that is not, in words.
//!
//! Knows the forms in which the API, the bus and Graph tell of contacts: it reads them as anybody could from outside.
//! It must not know how they were asked.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde_json::{Map, Value, json};

use crate::contact::{Folder, State, newcomer, title};
use crate::expected::{Change, Entry, Expected, Winner, Writes, expected};
use crate::table::Clash;
use crate::{Cell, Side};

/// The contact that a cell is about, as both sides agreed on it before anybody acted.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The cell.
    pub cell: Cell,
    /// What must come of it.
    pub expected: Expected,
    /// Its id in Outlook.
    pub outlook_id: String,
    /// Its id in the mirror.
    pub id: String,
    /// Its version in the mirror.
    pub version: u64,
}

/// A mailbox in which a sheet is tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The folders' ids: where the contacts are, Outlook's choice, the platform's.
    pub folders: [String; 3],
    /// A contact for each cell.
    pub subjects: Vec<Subject>,
}

/// What can be seen of a mailbox.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// All contacts in Outlook, as Graph shows them.
    pub outlook: Vec<Value>,
    /// All contacts of the mirror, tombstones included: the API's feed of changes.
    pub platform: Vec<Value>,
    /// The conflict log, each entry as the API shows it whole.
    pub log: Vec<Value>,
    /// What the bus has told since both sides agreed: `detail-type` and the `data` of the detail, in order.
    pub told: Vec<(String, Value)>,
    /// What Graph was asked since then: the operation, in the simulator's words, and the path.
    pub asked: Vec<(String, String)>,
}

/// An event about a contact.
struct Heard<'a> {
    change: Change,
    by: Side,
    data: &'a Value,
}

impl Subject {
    /// Of a cell.
    pub fn new(cell: Cell, outlook_id: String, id: String, version: u64) -> Self {
        Self {
            expected: expected(cell),
            cell,
            outlook_id,
            id,
            version,
        }
    }
}

impl Seen {
    /// The contacts in Outlook with these names.
    pub fn in_outlook(&self, given: &str, surname: &str) -> Vec<&Value> {
        let contacts = self.outlook.iter();
        contacts.filter(|it| is_named(it, given, surname)).collect()
    }

    /// How many writes Graph was asked for.
    pub fn writes(&self) -> usize {
        let writes = ["create_contact", "update_contact", "delete_contact"];
        self.asked
            .iter()
            .filter(|(operation, _)| writes.contains(&operation.as_str()))
            .count()
    }

    /// How many events are about contacts.
    pub fn events(&self) -> usize {
        self.told
            .iter()
            .filter(|(kind, _)| kind != "mailbox.changed")
            .count()
    }

    fn contact(&self, id: &str) -> Option<&Value> {
        self.platform.iter().find(|contact| contact["id"] == id)
    }

    fn heard(&self, id: &str) -> Vec<Heard<'_>> {
        let told = self.told.iter().filter(|(_, data)| data["contactId"] == id);
        let heard = told.filter_map(|(kind, data)| {
            let change = match kind.as_str() {
                "contact.created" => Change::Created,
                "contact.updated" => Change::Updated,
                "contact.deleted" => Change::Deleted,
                _ => return None,
            };
            let by = match data["changedBy"].as_str() {
                Some("outlook") => Side::Outlook,
                _ => Side::Platform,
            };
            Some(Heard { change, by, data })
        });
        heard.collect()
    }
}

/// The faults that are found.
struct Faults<'a> {
    name: String,
    found: &'a mut Vec<String>,
}

impl Faults<'_> {
    fn unless<T: PartialEq + Debug>(&mut self, what: &str, wanted: &T, found: &T) {
        if wanted != found {
            self.found
                .push(format!("{}: {what} is {found:?}, not {wanted:?}", self.name));
        }
    }
}

impl Trial {
    /// What is not as it must be.
    pub fn judge(&self, seen: &Seen) -> Vec<String> {
        let mut found = Vec::new();
        for subject in &self.subjects {
            let mut faults = Faults {
                name: subject.cell.name(),
                found: &mut found,
            };
            self.judge_outlook(subject, seen, &mut faults);
            self.judge_platform(subject, seen, &mut faults);
            self.judge_log(subject, seen, &mut faults);
            let events = subject.expected.events.iter();
            let events: Vec<_> = events.map(|event| (event.change, event.by)).collect();
            judge_told(&subject.id, subject.version, &events, seen, &mut faults);
            for side in &subject.expected.newcomers {
                judge_newcomer(*side, seen, &mut faults);
            }
        }
        let mut faults = Faults {
            name: "the sheet".to_owned(),
            found: &mut found,
        };
        let expected = || self.subjects.iter().map(|subject| &subject.expected);
        let contacts: usize = expected()
            .map(|it| usize::from(it.contact.is_some()) + it.newcomers.len())
            .sum();
        faults.unless("contacts in Outlook", &contacts, &seen.outlook.len());
        let living = seen.platform.iter().filter(|it| it["deleted"] != true).count();
        faults.unless("contacts on the platform", &contacts, &living);
        let entries = expected().filter(|it| it.entry.is_some()).count();
        faults.unless("entries in the log", &entries, &seen.log.len());
        self.judge_writes(seen, &mut found);
        found
    }

    fn judge_outlook(&self, subject: &Subject, seen: &Seen, faults: &mut Faults<'_>) {
        let found = seen.in_outlook("Ada", &subject.cell.name()).into_iter();
        let found: Vec<_> = found
            .map(|contact| (written(contact), contact["parentFolderId"].clone()))
            .collect();
        let wanted = subject.expected.contact.into_iter();
        let wanted: Vec<_> = wanted
            .map(|state| (state.written(), self.folder(state)))
            .collect();
        faults.unless("Outlook's", &wanted, &found);
    }

    fn judge_platform(&self, subject: &Subject, seen: &Seen, faults: &mut Faults<'_>) {
        let Some(found) = seen.contact(&subject.id) else {
            return faults.unless("what the mirror knows of it", &"something", &"nothing");
        };
        let is_settled = |sync: &Value| sync.is_null() || sync["state"] == "settled";
        faults.unless("settled", &true, &is_settled(&found["sync"]));
        let living =
            (found["deleted"] != true).then(|| (written(&found["contact"]), found["folder"].clone()));
        let wanted = subject.expected.contact;
        let wanted = wanted.map(|state| (state.written(), self.folder(state)));
        faults.unless("the platform's", &wanted, &living);
    }

    fn judge_log(&self, subject: &Subject, seen: &Seen, faults: &mut Faults<'_>) {
        let of_contact = |it: &&Value| it["contact"] == subject.id.as_str();
        let entries: Vec<&Value> = seen.log.iter().filter(of_contact).collect();
        let recorded = seen
            .told
            .iter()
            .filter(|(kind, data)| kind == "conflict.recorded" && data["contactId"] == subject.id.as_str());
        let clashes = usize::from(subject.expected.entry.is_some());
        faults.unless("entries in the log", &clashes, &entries.len());
        faults.unless("conflicts told", &clashes, &recorded.count());
        let (Some(wanted), Some(found)) = (subject.expected.entry, entries.first()) else {
            return;
        };
        let count = found["clashes"].as_array().map_or(0, Vec::len);
        faults.unless("clashes in the entry", &1, &count);
        let clash = &found["clashes"][0];
        let says = json!([
            clash["member"],
            clash["winner"],
            found["policy"],
            found["version"]
        ]);
        let version = subject.version + subject.expected.events.len() as u64;
        let policy = subject.cell.policy.name();
        let should = json!([member(wanted.clash), winner(wanted.winner), policy, version]);
        faults.unless("what the log says", &should, &says);
        let versions = [
            ("base", Some(State::BEFORE)),
            ("platform", wanted.platform),
            ("outlook", wanted.outlook),
        ];
        for (name, state) in versions {
            let value = self.value(wanted, state);
            faults.unless(name, &value, &self.logged(wanted, &clash[name]));
            // The three versions, whole.
            faults.unless(name, &state.map(State::written), &found.get(name).map(written));
        }
        let kept = self.value(wanted, subject.expected.contact);
        faults.unless("what was kept", &kept, &self.logged(wanted, &clash["kept"]));
    }

    /// The least that it takes, and each write where it belongs.
    fn judge_writes(&self, seen: &Seen, found: &mut Vec<String>) {
        let mut writes: BTreeMap<String, Writes> = BTreeMap::new();
        let mut creates = 0;
        for (operation, target) in &seen.asked {
            // An id ends with the padding of Base64.
            let id = target.rsplit('/').next().unwrap_or_default().replace("%3D", "=");
            match operation.as_str() {
                "create_contact" => creates += 1,
                "update_contact" => writes.entry(id).or_default().updates += 1,
                "delete_contact" => writes.entry(id).or_default().deletes += 1,
                _ => {}
            }
        }
        let mut wanted_creates = 0;
        for subject in &self.subjects {
            let expected = &subject.expected;
            let is_born = expected.newcomers.contains(&Side::Platform);
            wanted_creates += expected.writes.creates + u64::from(is_born);
            let wanted = Writes {
                creates: 0,
                ..expected.writes
            };
            let name = subject.cell.name();
            let had = writes.remove(&subject.outlook_id).unwrap_or_default();
            Faults { name, found }.unless("writes to Outlook", &wanted, &had);
        }
        let name = "the sheet".to_owned();
        let mut faults = Faults { name, found };
        faults.unless("creates in Outlook", &wanted_creates, &creates);
        faults.unless("writes to other contacts", &BTreeMap::new(), &writes);
    }

    fn folder(&self, state: State) -> Value {
        let [before, outlook, platform] = &self.folders;
        let folder = match state.folder {
            Folder::Before => before,
            Folder::Outlook => outlook,
            Folder::Platform => platform,
        };
        folder.as_str().into()
    }

    /// What a side had of what they clash about.
    fn value(&self, entry: Entry, state: Option<State>) -> Value {
        match (entry.clash, state) {
            (_, None) => Value::Null,
            (Clash::Title, Some(state)) => title(state.title).into(),
            (Clash::Folder, Some(state)) => self.folder(state),
            (Clash::Being, Some(state)) => Value::Object(state.written()),
        }
    }

    /// The same, as the log has it.
    #[expect(clippy::unused_self, reason = "the other half of `value`")]
    fn logged(&self, entry: Entry, value: &Value) -> Value {
        match entry.clash {
            Clash::Being if !value.is_null() => Value::Object(written(value)),
            Clash::Being | Clash::Title | Clash::Folder => value.clone(),
        }
    }
}

/// What the bus has told of a contact: each version once, rising, and in the end what the mirror has.
fn judge_told(id: &str, version: u64, wanted: &[(Change, Side)], seen: &Seen, faults: &mut Faults<'_>) {
    let heard = seen.heard(id);
    let found: Vec<_> = heard.iter().map(|event| (event.change, event.by)).collect();
    faults.unless("told", &wanted.to_vec(), &found);
    let versions: Vec<Value> = heard.iter().map(|event| event.data["version"].clone()).collect();
    let rising: Vec<Value> = (version + 1..).take(wanted.len()).map(Value::from).collect();
    faults.unless("told of versions", &rising, &versions);
    let (Some(last), Some(contact)) = (heard.last(), seen.contact(id)) else {
        return;
    };
    faults.unless(
        "the last version told",
        &contact["version"],
        &last.data["version"],
    );
    if last.change == Change::Deleted {
        faults.unless(
            "deleted in the mirror, as told",
            &json!(true),
            &contact["deleted"],
        );
    } else {
        faults.unless(
            "the contact told",
            &set(&contact["contact"]),
            &set(&last.data["contact"]),
        );
        faults.unless("the folder told", &contact["folder"], &last.data["folder"]);
    }
}

/// What one side made while the other was busy: both have it, once.
fn judge_newcomer(side: Side, seen: &Seen, faults: &mut Faults<'_>) {
    let members = newcomer(side, &faults.name);
    let name = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    let (given, surname) = (name("givenName"), name("surname"));
    faults.unless("newcomers in Outlook", &1, &seen.in_outlook(given, surname).len());
    let known = seen.platform.iter();
    let known: Vec<_> = known
        .filter(|it| is_named(&it["contact"], given, surname))
        .collect();
    faults.unless("newcomers on the platform", &1, &known.len());
    let Some(contact) = known.first() else { return };
    faults.unless(
        "the newcomer's sync",
        &json!("settled"),
        &contact["sync"]["state"],
    );
    let id = contact["id"].as_str().unwrap_or_default();
    judge_told(id, 0, &[(Change::Created, side)], seen, faults);
}

fn is_named(contact: &Value, given: &str, surname: &str) -> bool {
    contact["givenName"] == given && contact["surname"] == surname
}

/// The members of a contact that are set. Outlook also tells of those that are not.
fn set(contact: &Value) -> Map<String, Value> {
    let mut members = contact.as_object().cloned().unwrap_or_default();
    members.retain(|_, value| !value.is_null() && *value != json!([]) && *value != json!({}));
    members
}

/// The members of a contact that the matrix writes.
fn written(contact: &Value) -> Map<String, Value> {
    let names = State::BEFORE.written().into_iter();
    names
        .map(|(name, _)| (name.clone(), contact[name.as_str()].clone()))
        .collect()
}

fn member(clash: Clash) -> &'static str {
    match clash {
        Clash::Title => "jobTitle",
        Clash::Folder => "folder",
        Clash::Being => "(deleted)",
    }
}

fn winner(winner: Winner) -> &'static str {
    match winner {
        Winner::Side(Side::Outlook) => "outlook",
        Winner::Side(Side::Platform) => "platform",
        Winner::Custom => "custom",
    }
}
