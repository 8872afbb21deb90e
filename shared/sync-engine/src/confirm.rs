//! What Outlook's answers to edits mean for the mirror.
//!
//! What a contact becomes is decided by `sync_core::push`; this file writes it down, and where somebody has edited the
//! contact while it was on its way, asks again with what it is then. Knows no request but reading what was not answered.

use std::collections::{BTreeMap, BTreeSet};

use contact_store::{Contact, StoreError, Why};
use graph_client::{Transport, Written};
use sync_core::edit::{self, Current};
use sync_core::ids::{ContactId, FolderId, OutlookId};
use sync_core::push::{Sent, Step, after, after_delete, read_instead};
use sync_core::rebase::Rebased;
use sync_core::record::{self, OutlookItem, Pending, Urgency, Wish};

use crate::Trouble;
use crate::apply::{Effect, Write};
use crate::convert::Shown;
use crate::meet::{Meeting, become_of, bury, pending};
use crate::push::{Sending, address};
use crate::send::is_create;
use crate::session::Session;

/// How often a contact that is edited again and again is read anew.
const LOOKS: u32 = 4;

impl<T: Transport> Session<'_, T> {
    /// Writes down what Outlook has carried out.
    pub(crate) async fn confirm(&mut self, written: Vec<(Sending, Written)>) -> Result<(), Trouble> {
        let mut writes = Vec::new();
        for (sending, answer) in &written {
            if matches!(sending.step, Step::Delete) && !self.is_released(&sending.contact) {
                self.unmade += 1;
            }
            *match sending.step {
                Step::Create(_) | Step::Move(_) => &mut self.report.created,
                Step::Update(_) | Step::Agreed | Step::Held => &mut self.report.patched,
                Step::Delete => &mut self.report.deleted,
            } += 1;
            writes.extend(self.confirmation(sending, answer, &sending.contact).await);
        }
        let mut outdated = BTreeSet::new();
        for _ in 0..LOOKS {
            let overtaken = self.write_each(writes).await?;
            if overtaken.is_empty() {
                return self.look_again(written, &outdated).await;
            }
            writes = Vec::new();
            for (sending, answer) in &written {
                if !overtaken.contains(&sending.contact.id) {
                    continue;
                }
                let store = &self.engine.store;
                let Some(now) = store.contact(&self.mailbox.id, &sending.contact.id).await? else {
                    continue;
                };
                match unwanted(sending, answer, &now) {
                    Some(item) => {
                        let shown = Shown::new(&self.mailbox.id, item.clone());
                        writes.extend(self.unwanted(&shown, &now));
                    }
                    None if is_outdated(sending, answer, &now) => drop(outdated.insert(now.id)),
                    None => writes.extend(self.confirmation(sending, answer, &now).await),
                }
            }
        }
        let key = writes.first().map(|write| write.contact.id.to_string());
        Err(StoreError::Conflict {
            key: key.unwrap_or_default(),
        }
        .into())
    }

    /// Reads those whose answers say nothing any more of what Outlook has.
    async fn look_again(
        &mut self,
        written: Vec<(Sending, Written)>,
        outdated: &BTreeSet<ContactId>,
    ) -> Result<(), Trouble> {
        let mut updates = Vec::new();
        let mut others = Vec::new();
        for (sending, answer) in written {
            match answer {
                Written::Saved(_) if !outdated.contains(&sending.contact.id) => {}
                Written::Saved(_) if matches!(sending.step, Step::Update(_)) => updates.push(sending),
                Written::Saved(item) => others.push((sending.contact.id, OutlookId::new(item.id))),
                Written::Deleted => {}
            }
        }
        self.read_back(updates).await?;
        self.verify(others).await.map(drop)
    }

    /// The write that an answer leads to. `now` is the contact as it is stored.
    async fn confirmation(&mut self, sending: &Sending, answer: &Written, now: &Contact) -> Option<Write> {
        match answer {
            Written::Saved(answer) => {
                self.saved(sending, Shown::new(&self.mailbox.id, answer.clone()), now)
                    .await
            }
            Written::Deleted => Some(self.deleted(now)),
        }
    }

    async fn saved(&mut self, sending: &Sending, shown: Shown, now: &Contact) -> Option<Write> {
        let sent = &sending.contact;
        let (Some(sent_edit), Some(edit)) = (&sent.edit, &now.edit) else {
            return None;
        };
        let folder = shown.folder.clone();
        let folder = folder.unwrap_or_else(|| match &sending.step {
            Step::Create(_) | Step::Move(_) => self.real_folder(&sent.folder).clone(),
            Step::Update(_) | Step::Delete | Step::Agreed | Step::Held => sent_edit
                .base_folder
                .clone()
                .unwrap_or_else(|| sent.folder.clone()),
        });
        let change_key = shown.change_key.clone()?;
        let seen = record::Shown {
            document: &shown.document,
            folder: &folder,
            modified_at: shown.modified_at,
        };
        let carried_out = Sent {
            pending: in_its_place(pending(sent, sent_edit), &folder),
            step: &sending.step,
        };
        let (pending, policy) = (in_its_place(pending(now, edit), &folder), self.rules().conflict);
        let mut rebased = after(carried_out, pending, seen, policy, &BTreeMap::new());
        if let Some(answers) = self.answers(now, edit, seen, &rebased.clashes).await {
            rebased = after(carried_out, pending, seen, policy, &answers);
        }
        let item = OutlookItem {
            id: shown.outlook_id.clone(),
            change_key,
        };
        let meeting = Meeting {
            shown: &shown,
            item,
            seen,
        };
        Some(self.settled_write(Some(now), &meeting, rebased, Why::Confirmed, Effect::Update))
    }

    /// The contact was deleted here before it was created in Outlook, and another worker saw nothing to delete there: now there
    /// is.
    pub(crate) fn unwanted(&mut self, shown: &Shown, now: &Contact) -> Option<Write> {
        let (folder, change_key) = (shown.folder.clone()?, shown.change_key.clone()?);
        let current = Current {
            document: &shown.document,
            extras: &now.extras,
            folder: &folder,
            edit: None,
            rev: now.rev,
        };
        let at = now.deleted_at?;
        let edited = if now.is_erased() {
            edit::erase(current, true, at)
        } else {
            edit::delete(current, at, Urgency::Now)
        }?;
        let item = OutlookItem {
            id: shown.outlook_id.clone(),
            change_key,
        };
        let seen = record::Shown {
            document: &shown.document,
            folder: &folder,
            modified_at: shown.modified_at,
        };
        let meeting = Meeting { shown, item, seen };
        Some(self.settled_write(Some(now), &meeting, edited.into(), Why::Deleted, Effect::Touch))
    }

    fn deleted(&mut self, now: &Contact) -> Write {
        let mut contact = now.clone();
        match now.edit.as_ref().and_then(after_delete) {
            Some(edit) => {
                contact.edit = Some(edit);
                contact.outlook = None;
            }
            None => bury(&mut contact, Why::Deleted, self.now()),
        }
        Write::over(now, contact, Effect::Bury)
    }

    /// Both sides have it so already, or both are rid of it.
    pub(crate) async fn agree(&mut self, contact: Contact) -> Result<(), Trouble> {
        let Some(edit) = &contact.edit else { return Ok(()) };
        let mut agreed = contact.clone();
        match (edit.wish, &edit.base) {
            (Wish::Save, Some(base)) => {
                let rebased = Rebased {
                    document: base.clone(),
                    extras: contact.extras.clone(),
                    folder: contact.folder.clone(),
                    edit: None,
                    clashes: Vec::new(),
                };
                become_of(&mut agreed, rebased, Why::Confirmed, self.now(), false);
            }
            (Wish::Save, None) => return Ok(()),
            (Wish::Delete | Wish::Erase, _) => bury(&mut agreed, Why::Deleted, self.now()),
        }
        // Who has edited it meanwhile has not agreed.
        self.write_all(vec![Write::over(&contact, agreed, Effect::Touch)])
            .await?;
        Ok(())
    }

    /// Reads contacts whose updates Outlook has not confirmed: it has another version of them, or the answer was lost.
    /// Where it shows that an update of ours was carried out, that is no change of somebody in Outlook; whatever was
    /// edited here since is later than it.
    pub(crate) async fn read_back(&mut self, sent: Vec<Sending>) -> Result<(), Trouble> {
        let (mut updates, others): (Vec<_>, Vec<_>) = sent
            .into_iter()
            .filter(|sending| sending.contact.outlook.is_some())
            .partition(|sending| matches!(sending.step, Step::Update(_)));
        let mut looks: Vec<_> = others.iter().filter_map(item_of).collect();
        for _ in 0..LOOKS {
            if updates.is_empty() {
                break;
            }
            let ids: Vec<_> = updates.iter().map(|sending| sending.contact.id.clone()).collect();
            let items: Vec<_> = updates.iter().filter_map(item_of).collect();
            let items: Vec<&str> = items.iter().map(|(_, item)| item.as_str()).collect();
            // The mirror first, as in `gather`: who writes a contact behind this is noticed by its revision.
            let mirror = self.engine.store.contacts_by_id(&self.mailbox.id, &ids).await?;
            let found = self.graph().contacts(&items).await;
            let mut writes = Vec::new();
            for (sending, found) in updates.iter().zip(found) {
                // Whether it is gone is not to be judged here.
                let shown = found.ok().flatten();
                let shown = shown.map(|item| Shown::new(&self.mailbox.id, item));
                match self
                    .taken_back(sending, shown, mirror.contacts.get(&sending.contact.id))
                    .await
                {
                    Some(write) => writes.extend(write),
                    None => looks.extend(item_of(sending)),
                }
            }
            let overtaken = self.write_each(writes).await?;
            updates.retain(|sending| overtaken.contains(&sending.contact.id));
        }
        looks.extend(updates.iter().filter_map(item_of));
        self.verify(looks).await?;
        Ok(())
    }

    /// Merges what an item has become since an update of ours was sent: the write, if there is anything new. `None` where
    /// that is not to be decided by this.
    async fn taken_back(
        &mut self,
        sending: &Sending,
        shown: Option<Shown>,
        now: Option<&Contact>,
    ) -> Option<Option<Write>> {
        let (shown, now) = (shown?, now?);
        let (folder, change_key) = (shown.folder.as_ref()?, shown.change_key.as_ref()?);
        let (sent_edit, edit) = (sending.contact.edit.as_ref()?, now.edit.as_ref()?);
        let has = now.outlook.as_ref().filter(|item| item.id == shown.outlook_id)?;
        if !self.is_synced(folder) {
            return None;
        }
        if has.change_key == *change_key {
            return Some(None);
        }
        let seen = record::Shown {
            document: &shown.document,
            folder,
            modified_at: shown.modified_at,
        };
        let sent = Sent {
            pending: pending(&sending.contact, sent_edit),
            step: &sending.step,
        };
        let (pending, rules) = (pending(now, edit), self.rules());
        let mut rebased = read_instead(sent, pending, seen, rules, &BTreeMap::new());
        if let Some(answers) = self.answers(now, edit, seen, &rebased.clashes).await {
            rebased = read_instead(sent, pending, seen, rules, &answers);
        }
        let item = OutlookItem {
            id: shown.outlook_id.clone(),
            change_key: change_key.clone(),
        };
        let meeting = Meeting {
            shown: &shown,
            item,
            seen,
        };
        Some(Some(self.settled_write(
            Some(now),
            &meeting,
            rebased,
            Why::Merged,
            Effect::Update,
        )))
    }
}

/// The item that was created for a contact which is deleted by now, and had no such item then.
fn unwanted<'a>(sending: &Sending, answer: &'a Written, now: &Contact) -> Option<&'a graph_client::Contact> {
    let Written::Saved(item) = answer else {
        return None;
    };
    let has = now.outlook.as_ref().map(|item| item.id.as_str());
    let is_unwanted = is_create(&sending.step) && now.is_tombstone() && has != Some(item.id.as_str());
    is_unwanted.then_some(item)
}

/// True where another worker has dealt with the contact since: what it has seen, or done, may be later than the answer.
fn is_outdated(sending: &Sending, answer: &Written, now: &Contact) -> bool {
    let Written::Saved(answer) = answer else {
        return false;
    };
    if now.edit.is_none() {
        return true;
    }
    let sent = sending
        .contact
        .outlook
        .as_ref()
        .map(|item| item.change_key.as_str());
    let known = [sent, answer.change_key.as_deref()];
    let has = now.outlook.as_ref().map(|item| item.change_key.as_str());
    matches!(sending.step, Step::Update(_)) && !known.contains(&has)
}

/// The stand-in for the default folder stands for the one that the contact has come to.
fn in_its_place<'a>(pending: Pending<'a>, folder: &'a FolderId) -> Pending<'a> {
    let folder = address(pending.folder).map_or(folder, |_| pending.folder);
    Pending { folder, ..pending }
}

fn item_of(sending: &Sending) -> Option<(ContactId, OutlookId)> {
    let item = sending.contact.outlook.as_ref()?;
    Some((sending.contact.id.clone(), item.id.clone()))
}
