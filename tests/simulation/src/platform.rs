//! What platforms do through the API. What counts is what they were told: a request without an answer may have been
//! carried out or not, and its author may send it again.
//!
//! Knows requests and their answers. What a value's fate must be is `checks.rs`'s.

use contact_store::Contact;
use fastrand::Rng;
use serde_json::{Map, Value, json};
use sync_core::ids::{ContactId, MailboxId};
use sync_core::shape::whole;

use crate::history::{Author, Deed, History, LIST, MARK, Seen, TEXTS, Told};
use crate::people::pick;
use crate::plan::Fault;
use crate::run::Run;
use crate::scene::Scene;

/// A contact that the API lists: its id, whose it is, what is seen of it, and its version.
type Listed = (ContactId, usize, Map<String, Value>, u64);

/// A request to the API, and what it is in the history.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<Value>,
    /// Its entries in the history; of a bulk, one for each item.
    pub(crate) entries: Vec<usize>,
    /// It may be sent again.
    pub(crate) repeatable: bool,
    /// The contact that it is about, the members that it writes, and the values that it leaves in a list.
    pub(crate) about: Option<(MailboxId, ContactId, Vec<String>, Seen)>,
    /// How many writes there had been when the contact was last looked at.
    pub(crate) looked_at: Option<u64>,
}

impl Call {
    fn of(scene: &Scene, index: usize, method: &'static str, rest: &str) -> Self {
        Self {
            method,
            path: format!("/v1/mailboxes/{}{rest}", scene.people[index].id),
            headers: Vec::new(),
            body: None,
            entries: Vec::new(),
            repeatable: false,
            about: None,
            looked_at: None,
        }
    }

    /// Sees what there is now in the places that the call writes.
    pub(crate) fn look(&self, scene: &Scene, history: &mut History) -> anyhow::Result<()> {
        let Some((mailbox, id, members, keeps)) = &self.about else {
            return Ok(());
        };
        let contact = scene.look(scene.looker.contact(mailbox, id))??;
        if let Some(contact) = contact {
            let mut document = whole(&contact.document, &contact.extras);
            if let Some(Value::Array(list)) = document.get_mut(LIST) {
                list.retain(|one| one.as_str().is_none_or(|one| !keeps.contains(one)));
            }
            for entry in &self.entries {
                history.see(*entry, &document, members);
            }
        }
        Ok(())
    }
}

impl Run<'_> {
    pub(crate) fn platform_calls(&mut self, dice: &mut Rng) -> anyhow::Result<()> {
        let index = dice.usize(0..self.scene.people.len());
        match dice.u8(0..24) {
            0..=2 => self.posts(index, dice),
            3..=11 => self.patches(index, dice),
            12..=13 => self.puts(index, dice),
            14..=15 => self.erases(index, dice),
            16..=17 => self.refiles(index, dice),
            18 => self.posts_many(index, dice),
            19..=20 => self.repeats(dice),
            21 if self.scene.has(Fault::Settling) => self.settles(index, dice),
            22 if self.scene.has(Fault::Operator) => self.operates(index, dice),
            _ => Ok(()),
        }
    }

    /// A form of a new contact, and its entry in the history.
    fn form(&mut self, index: usize, dice: &mut Rng) -> (Value, usize, String) {
        let contact = self.history.contact(index);
        let mark = self.history.mark(contact).to_owned();
        let mut members = Map::new();
        members.insert(MARK.to_owned(), mark.as_str().into());
        members.insert("givenName".to_owned(), mark.as_str().into());
        let mut wrote = Vec::new();
        for name in TEXTS {
            if dice.u8(0..3) == 0 {
                let value = self.history.value();
                members.insert(name.to_owned(), value.as_str().into());
                wrote.push(value);
            }
        }
        let entry = self
            .history
            .enter(Author::Platform, contact, Deed::Create(wrote), Told::Nothing);
        (json!({ "contact": members }), entry, mark)
    }

    fn posts(&mut self, index: usize, dice: &mut Rng) -> anyhow::Result<()> {
        let mut call = Call::of(self.scene, index, "POST", "/contacts");
        let (mut form, entry, mark) = self.form(index, dice);
        match dice.u8(0..3) {
            0 => form["externalId"] = mark.into(),
            1 => call.headers.push(("idempotency-key", mark)),
            _ => {}
        }
        call.repeatable = form.get("externalId").is_some() || !call.headers.is_empty();
        if dice.bool()
            && let Some(folder) = self.folder(index, dice)
        {
            form["folder"] = folder.into();
        }
        call.body = Some(form);
        call.entries = vec![entry];
        self.call(call)
    }

    fn posts_many(&mut self, index: usize, dice: &mut Rng) -> anyhow::Result<()> {
        let mut call = Call::of(self.scene, index, "POST", "/contacts:bulk");
        let mut items = Vec::new();
        for _ in 0..dice.u8(1..5) {
            let (mut form, entry, mark) = self.form(index, dice);
            form["externalId"] = mark.into();
            items.push(form);
            call.entries.push(entry);
        }
        call.body = Some(json!({ "items": items }));
        self.call(call)
    }

    /// A folder that a platform could name: one that the mailbox has.
    fn folder(&self, index: usize, dice: &mut Rng) -> Option<String> {
        let truth = self.scene.stack.world().snapshot(&self.scene.people[index].key)?;
        pick(truth.folders.into_keys(), dice)
    }

    /// A contact that the API lists: its id, whose it is, what is seen of it, and its version.
    fn one_listed(&self, index: usize, dice: &mut Rng) -> anyhow::Result<Option<Listed>> {
        let mirror = self.scene.mirror(&self.scene.people[index])?;
        let listed = mirror.values().filter(|contact| contact.deleted_at.is_none());
        let mut listed: Vec<&Contact> = listed.collect();
        // Who has edited a contact is likely to go on with it while that edit is on its way.
        if dice.bool() && listed.iter().any(|contact| contact.edit.is_some()) {
            listed.retain(|contact| contact.edit.is_some());
        }
        let picked = pick(listed.into_iter(), dice);
        Ok(picked.and_then(|contact| {
            let document = whole(&contact.document, &contact.extras);
            let whose = self.history.whose(&document)?;
            Some((contact.id.clone(), whose, document, contact.version))
        }))
    }

    fn if_match(version: u64, dice: &mut Rng) -> (&'static str, String) {
        let tag = if dice.u8(0..3) == 0 {
            format!("\"{version}\"")
        } else {
            "*".to_owned()
        };
        ("if-match", tag)
    }

    pub(crate) fn patches(&mut self, index: usize, dice: &mut Rng) -> anyhow::Result<()> {
        let Some((id, contact, document, version)) = self.one_listed(index, dice)? else {
            return Ok(());
        };
        let (members, mut names, wrote) = self.change(&document, dice);
        let mut keeps = Seen::new();
        if let Some(Value::Array(list)) = members.get(LIST) {
            // The list is replaced as a whole, whatever is in it when the request arrives.
            names.push(LIST.to_owned());
            keeps.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        let mut call = Call::of(self.scene, index, "PATCH", &format!("/contacts/{id}"));
        let deed = Deed::Edit {
            wrote,
            over: Seen::new(),
        };
        let entry = self.history.enter(Author::Platform, contact, deed, Told::Nothing);
        call.headers.push(Self::if_match(version, dice));
        call.body = Some(json!({ "contact": members }));
        call.entries = vec![entry];
        call.about = Some((self.scene.people[index].id.clone(), id, names, keeps));
        call.repeatable = true;
        self.call(call)
    }

    /// All of a contact, with some other values.
    fn puts(&mut self, index: usize, dice: &mut Rng) -> anyhow::Result<()> {
        let Some((id, contact, document, version)) = self.one_listed(index, dice)? else {
            return Ok(());
        };
        let (changes, _, wrote) = self.change(&document, dice);
        let mut members = Map::new();
        let mut keeps = Seen::new();
        for name in TEXTS.iter().chain([&MARK, &"givenName", &LIST]) {
            let value = changes.get(*name).or_else(|| document.get(*name));
            if let Some(value) = value.filter(|value| !value.is_null()) {
                members.insert((*name).to_owned(), value.clone());
                keeps.extend(
                    value
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .map(str::to_owned),
                );
            }
        }
        let deed = Deed::Edit {
            wrote,
            over: Seen::new(),
        };
        let entry = self.history.enter(Author::Platform, contact, deed, Told::Nothing);
        let mut call = Call::of(self.scene, index, "PUT", &format!("/contacts/{id}"));
        call.headers.push(Self::if_match(version, dice));
        // What is written again as it was is no loss, unless it was written over meanwhile: then it is the author's wish.
        let names = TEXTS
            .iter()
            .chain([&LIST])
            .map(|name| (*name).to_owned())
            .collect();
        call.body = Some(json!({ "contact": members }));
        call.entries = vec![entry];
        call.about = Some((self.scene.people[index].id.clone(), id, names, keeps));
        self.call(call)
    }

    fn erases(&mut self, index: usize, dice: &mut Rng) -> anyhow::Result<()> {
        let Some((id, contact, _, version)) = self.one_listed(index, dice)? else {
            return Ok(());
        };
        let deed = Deed::Delete { seen: Seen::new() };
        let entry = self.history.enter(Author::Platform, contact, deed, Told::Nothing);
        let mut call = Call::of(self.scene, index, "DELETE", &format!("/contacts/{id}"));
        call.headers.push(Self::if_match(version, dice));
        call.entries = vec![entry];
        call.about = Some((self.scene.people[index].id.clone(), id, Vec::new(), Seen::new()));
        self.call(call)
    }

    fn refiles(&mut self, index: usize, dice: &mut Rng) -> anyhow::Result<()> {
        let Some((id, contact, _, version)) = self.one_listed(index, dice)? else {
            return Ok(());
        };
        let Some(folder) = self.folder(index, dice) else {
            return Ok(());
        };
        let entry = self
            .history
            .enter(Author::Platform, contact, Deed::Move, Told::Nothing);
        let mut call = Call::of(self.scene, index, "PATCH", &format!("/contacts/{id}"));
        call.headers.push(Self::if_match(version, dice));
        call.body = Some(json!({ "folder": folder }));
        call.entries = vec![entry];
        self.call(call)
    }

    fn repeats(&mut self, dice: &mut Rng) -> anyhow::Result<()> {
        if self.memory.repeatable.is_empty() {
            return Ok(());
        }
        let index = dice.usize(0..self.memory.repeatable.len());
        let mut call = self.memory.repeatable.swap_remove(index);
        // Another edit, with the same values.
        let again = call.entries.iter().map(|entry| {
            let entry = self.history.entries[*entry].clone();
            self.history
                .enter(entry.author, entry.contact, entry.deed, Told::Nothing)
        });
        call.entries = again.collect();
        call.looked_at = None;
        self.call(call)
    }

    fn settles(&mut self, index: usize, dice: &mut Rng) -> anyhow::Result<()> {
        let person = self.scene.people[index].clone();
        let conflicts = self.scene.conflicts(&person)?;
        let open = conflicts
            .into_iter()
            .filter(|conflict| conflict.settled.is_none());
        let Some(conflict) = pick(open, dice) else {
            return Ok(());
        };
        let documents = [&conflict.base, &conflict.ours, &conflict.theirs];
        let whose = documents
            .into_iter()
            .flatten()
            .find_map(|document| self.history.whose(document));
        let mut call = Call::of(
            self.scene,
            index,
            "POST",
            &format!("/conflicts/{}/settle", conflict.id),
        );
        let side = if dice.bool() { "outlook" } else { "platform" };
        call.body = Some(json!({ "take": side }));
        if let Some(contact) = whose {
            let entry = self.history.enter(
                Author::Platform,
                contact,
                Deed::Settle { seen: Seen::new() },
                Told::Nothing,
            );
            call.entries = vec![entry];
            let of_all = conflict.clashes.iter().any(|clash| clash.member == "(deleted)");
            let members = conflict.clashes.iter().map(|clash| clash.member.clone());
            let members = members.filter(|_| !of_all).collect();
            call.about = Some((person.id, conflict.contact, members, Seen::new()));
        }
        self.call(call)
    }

    fn operates(&mut self, index: usize, dice: &mut Rng) -> anyhow::Result<()> {
        let action = ["pause", "resume", "resume", "resync"][dice.usize(0..4)];
        self.call(Call::of(self.scene, index, "POST", &format!("/{action}")))
    }

    /// A call was answered.
    pub(crate) fn answered(&mut self, call: Call, status: u16, answer: &Value) -> anyhow::Result<()> {
        // Where the SDK has repeated a write that was carried out, the API finds its own work there. It knows it again,
        // unless a worker has gone on with it meanwhile: who is refused can't be sure then.
        let sure = !(self.scene.has(Fault::Database) && self.scene.has(Fault::Interleaved));
        let told = |status: u64| match status {
            200..300 => Told::Done,
            400..500 if sure => Told::Refused,
            _ => Told::Nothing,
        };
        if call.path.ends_with(":bulk") && status == 200 {
            let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            anyhow::ensure!(
                items.len() == call.entries.len(),
                "a bulk lacks answers: {answer}"
            );
            for (entry, item) in call.entries.iter().zip(items) {
                self.history
                    .tell(*entry, told(item["status"].as_u64().unwrap_or(500)));
            }
            return Ok(());
        }
        // A folder may be unknown here yet; nothing else of what is asked is ever wrong.
        let of_folder = answer["errors"][0]["pointer"] == "/folder";
        anyhow::ensure!(status != 400 || of_folder, "a request was not valid: {answer}");
        let told = told(u64::from(status));
        for entry in &call.entries {
            self.history.tell(*entry, told);
        }
        match told {
            Told::Done => self.count("edits of the platform"),
            Told::Refused => self.count("edits refused"),
            Told::Nothing if status < 500 => self.count("edits refused"),
            Told::Nothing => self.unanswered(call),
        }
        Ok(())
    }

    /// A call was not answered, or with a failure.
    pub(crate) fn unanswered(&mut self, call: Call) {
        self.count("calls without an answer");
        if call.repeatable {
            self.memory.repeatable.push(call);
        }
    }
}
