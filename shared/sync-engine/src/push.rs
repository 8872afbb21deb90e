//! Edits made here, to Outlook: which are sent, in which order, and what is to be done about a refusal.
//!
//! What an edit asks of Outlook is decided by `sync_core::push`; how writes share requests is `graph-client`'s. The rules
//! that live here: look before you write (a delta round of the folders concerned), single edits before many, never a
//! second create without a look for the first, and one refused edit stops nobody else.

use std::collections::{BTreeMap, BTreeSet};

use contact_store::{Contact, Creating, LastError, TimerKind};
use graph_client::{ContactWrite, ErrorKind, GraphError, Transport, Written};
use jiff::{SignedDuration, Timestamp};
use sync_core::folders::UNLISTED_DEFAULT;
use sync_core::ids::{ContactId, FolderId};
use sync_core::push::{Step, step};
use sync_core::record::{Hold, Refusal, Urgency};

use crate::Trouble;
use crate::apply::{Effect, Write};
use crate::convert::known;
use crate::meet::pending;
use crate::session::Session;
use crate::work::Progress;

/// Writes of one request: Graph's most (facts 6). After each request what it has done is remembered.
const AT_ONCE: usize = 20;

/// Contacts that are looked at for the next requests. Then the index is asked again, so that a single edit doesn't wait
/// for thousands.
const IN_VIEW: usize = 100;

/// How often one contact is tried in a run: the first time, and again where Outlook had a newer one.
const ATTEMPTS: u32 = 3;

/// How long a create whose answer was lost may still come to pass. It is not repeated before.
const SETTLES_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// A contact on its way: as it was read, and what is asked of Outlook for it.
pub(crate) struct Sending {
    pub(crate) contact: Contact,
    pub(crate) step: Step,
}

/// What a push has done so far in this run.
#[derive(Default)]
struct Course {
    /// Contacts that are known to be pending whatever the index says.
    named: BTreeSet<ContactId>,
    /// How often each contact was tried.
    attempts: BTreeMap<ContactId, u32>,
    /// The mailbox takes no writes.
    refusal: Option<GraphError>,
}

impl Course {
    fn is_open(&self, id: &ContactId) -> bool {
        self.attempts.get(id).is_none_or(|count| *count < ATTEMPTS)
    }

    fn is_done_with(&mut self, id: &ContactId) {
        self.attempts.insert(id.clone(), ATTEMPTS);
    }
}

/// What an error means for the one write that it answers.
enum Fate {
    /// Outlook has another version, or none: read it and decide again.
    Look,
    /// It is refused for good.
    Park,
    /// It may have been carried out.
    InDoubt,
    /// The mailbox takes no writes. Reading it may go on.
    Refusal,
    /// Whatever is left has to wait.
    Stop,
}

impl<T: Transport> Session<'_, T> {
    /// Brings to Outlook what is pending: the named contacts, and whatever else the index shows.
    pub(crate) async fn push(&mut self, named: &BTreeSet<ContactId>) -> Result<Progress, Trouble> {
        let mut course = Course {
            named: named.clone(),
            ..Course::default()
        };
        // The contact that was created last may have shown it. What lies in a folder that nobody knows counts as gone.
        if self.lacks_default() {
            self.list_folders().await?;
        }
        let pushed = match self.recover(SETTLES_WITHIN).await {
            Ok(Progress::Complete) => self.push_all(&mut course).await,
            other => other,
        };
        self.end_of_push(course).await?;
        pushed
    }

    async fn push_all(&mut self, course: &mut Course) -> Result<Progress, Trouble> {
        loop {
            if self.out_of_time() {
                return Ok(Progress::Cut);
            }
            let mut view = self.view(course).await?;
            if view.is_empty() || course.refusal.is_some() {
                return Ok(Progress::Complete);
            }
            match self.look_first(&view).await? {
                Looked::At => view = self.reread(view).await?,
                Looked::Nowhere => {}
                Looked::Cut => return Ok(Progress::Cut),
            }
            if self.send_all(view, course).await? == Progress::Cut {
                return Ok(Progress::Cut);
            }
        }
    }

    /// The contacts to be worked off next: what the index shows first, and of those that were named as many as there is
    /// room for. The index may lag behind: what is named is perhaps not in it yet, what it shows may be done.
    async fn view(&self, course: &mut Course) -> Result<Vec<Contact>, Trouble> {
        let mut ids: BTreeSet<ContactId> = BTreeSet::new();
        let mut after: Option<String> = None;
        loop {
            let store = &self.engine.store;
            let page = store.pending(&self.mailbox.id, after.as_deref(), IN_VIEW).await?;
            let shown = page.items.into_iter().map(|row| row.id);
            ids.extend(shown.filter(|id| course.is_open(id) && !self.is_in_doubt(id)));
            match page.next {
                Some(next) if ids.is_empty() => after = Some(next),
                Some(_) | None => break,
            }
        }
        while ids.len() < 2 * IN_VIEW
            && let Some(id) = course.named.pop_first()
        {
            if course.is_open(&id) && !self.is_in_doubt(&id) {
                ids.insert(id);
            }
        }
        self.read(ids).await
    }

    /// By urgency, then by age.
    pub(crate) async fn read(&self, ids: BTreeSet<ContactId>) -> Result<Vec<Contact>, Trouble> {
        let ids = Vec::from_iter(ids);
        let lookup = self.engine.store.contacts_by_id(&self.mailbox.id, &ids).await?;
        // Two ids may lead to one contact.
        let contacts = lookup.contacts.into_values();
        let contacts: BTreeMap<_, _> = contacts.map(|contact| (contact.id.clone(), contact)).collect();
        let mut contacts: Vec<Contact> = contacts.into_values().collect();
        contacts.sort_by_cached_key(order);
        Ok(contacts)
    }

    /// As they are after the look.
    async fn reread(&self, view: Vec<Contact>) -> Result<Vec<Contact>, Trouble> {
        self.read(view.into_iter().map(|contact| contact.id).collect())
            .await
    }

    /// Brings the folders up to date from which something is to be changed: what was changed there is merged before it
    /// could be written over. Graph promises nowhere that it honours `If-Match` on contacts (facts 2.4).
    async fn look_first(&mut self, view: &[Contact]) -> Result<Looked, Trouble> {
        let wants_look = |contact: &&Contact| contact.edit.as_ref().is_some_and(|edit| edit.hold.is_none());
        let folders: BTreeSet<FolderId> = view
            .iter()
            .filter(wants_look)
            .filter_map(|contact| known(contact).map(|known| known.folder.clone()))
            .filter(|folder| self.is_synced(folder) && !self.looked_at.contains(folder))
            .collect();
        let mut looked = Looked::Nowhere;
        for folder in folders {
            if self.round(&folder).await? == Progress::Cut {
                return Ok(Looked::Cut);
            }
            looked = Looked::At;
        }
        Ok(looked)
    }

    /// Sends what the contacts ask for, request by request.
    async fn send_all(&mut self, view: Vec<Contact>, course: &mut Course) -> Result<Progress, Trouble> {
        let mut creates = Vec::new();
        let mut others = Vec::new();
        for contact in view {
            *course.attempts.entry(contact.id.clone()).or_default() += 1;
            let Some(edit) = &contact.edit else {
                course.is_done_with(&contact.id);
                self.clean_up(contact).await?;
                continue;
            };
            let step = step(pending(&contact, edit));
            match &step {
                Step::Held => course.is_done_with(&contact.id),
                Step::Agreed => self.agree(contact).await?,
                Step::Create(_) | Step::Move(_) => creates.push(Sending { contact, step }),
                Step::Update(_) | Step::Delete => others.push(Sending { contact, step }),
            }
        }
        let mut requests: Vec<Vec<Sending>> = Vec::new();
        for mut kind in [creates.into_iter(), others.into_iter()] {
            while kind.len() > 0 {
                requests.push(kind.by_ref().take(AT_ONCE).collect());
            }
        }
        requests.sort_by_cached_key(|request| request.first().map(|sending| order(&sending.contact)));
        for request in requests {
            if self.out_of_time() {
                return Ok(Progress::Cut);
            }
            if course.refusal.is_none() {
                self.send(request, course).await?;
            }
        }
        Ok(Progress::Complete)
    }

    /// One request, and what becomes of each of its contacts.
    async fn send(&mut self, request: Vec<Sending>, course: &mut Course) -> Result<(), Trouble> {
        let creating: BTreeSet<ContactId> = request
            .iter()
            .filter(|sending| is_create(&sending.step))
            .map(|sending| sending.contact.id.clone())
            .collect();
        self.note_creating(&creating).await?;
        // Until the mirror has what came of them, whatever stops this run.
        self.doubtful.extend(creating);
        let sendings = request
            .into_iter()
            .filter_map(|sending| Some((self.wire(&sending)?, sending)));
        let (writes, sendings): (Vec<ContactWrite>, Vec<Sending>) = sendings.unzip();
        let outcomes = self.graph().write_contacts(&writes).await;
        let (mut written, mut looks, mut end) = (Vec::new(), Vec::new(), None);
        for (sending, outcome) in sendings.into_iter().zip(outcomes) {
            let id = sending.contact.id.clone();
            let error = match outcome {
                // Deleted at this moment: it was changed in Deleted Items.
                Ok(Written::Saved(answer)) if self.has_strayed(&sending.step, &answer) => {
                    looks.extend(sending.contact.outlook.map(|item| (id, item.id)));
                    continue;
                }
                // Its version is not known: its stamp will show it.
                Ok(Written::Saved(answer)) if is_create(&sending.step) && answer.change_key.is_none() => {
                    continue;
                }
                Ok(answer) => {
                    written.push((sending, answer));
                    continue;
                }
                Err(error) => error,
            };
            let fate = fate(&sending.step, &error);
            if !matches!(fate, Fate::InDoubt) {
                self.doubtful.remove(&id);
            }
            match fate {
                Fate::Look => looks.extend(sending.contact.outlook.map(|item| (id, item.id))),
                Fate::Park => {
                    course.is_done_with(&id);
                    self.park(&sending.contact, &error).await?;
                }
                Fate::Refusal => course.refusal = Some(error),
                Fate::InDoubt | Fate::Stop => end = end.or(Some(error)),
            }
        }
        let moved = written
            .iter()
            .filter(|(sending, _)| matches!(sending.step, Step::Move(_)));
        // What they have left behind is cleaned up next, whatever the index says.
        course
            .named
            .extend(moved.map(|(sending, _)| sending.contact.id.clone()));
        let carried_out: Vec<ContactId> = written
            .iter()
            .map(|(sending, _)| sending.contact.id.clone())
            .collect();
        self.confirm(written).await?;
        let was_first = !carried_out.is_empty() && self.lacks_default();
        for id in carried_out {
            self.doubtful.remove(&id);
        }
        if was_first {
            self.list_folders().await?;
        }
        self.verify(looks).await?;
        end.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Says in the mailbox's record whose creates are about to be sent, beside those whose answer was lost. Somebody who
    /// has saved the record meanwhile is perhaps another worker with the same creates: then nothing is sent.
    async fn note_creating(&mut self, contacts: &BTreeSet<ContactId>) -> Result<(), Trouble> {
        if contacts.is_empty() {
            return Ok(());
        }
        let mut noted = self.mailbox.clone();
        noted.updated_at = self.now();
        noted.creating = Some(Creating {
            since: self.now(),
            contacts: contacts.union(&self.doubtful).cloned().collect(),
        });
        self.engine.store.save_mailbox(&mut noted).await?;
        self.mailbox = noted;
        self.asked_for.extend(contacts.iter().cloned());
        Ok(())
    }

    /// A create of it may have been carried out: it is not sent again before its stamp has been looked for.
    fn is_in_doubt(&self, id: &ContactId) -> bool {
        self.doubtful.contains(id)
    }

    /// Says what is left in doubt, and what stood in the way of the mailbox as a whole.
    async fn end_of_push(&mut self, course: Course) -> Result<(), Trouble> {
        let now = self.now();
        let (asked_for, doubtful) = (self.asked_for.clone(), self.doubtful.clone());
        let error = course.refusal.map(|error| LastError {
            code: error
                .code()
                .map_or_else(|| error.kind().to_string().replace(' ', "-"), str::to_owned),
            detail: format!("edits can't be brought to Outlook: {error}"),
            at: now,
        });
        self.update_mailbox(|mailbox| {
            // What another worker is about to create is his to say.
            let noted = mailbox.creating.take();
            let others = noted.iter().flat_map(|it| it.contacts.difference(&asked_for));
            let contacts: BTreeSet<ContactId> = others.chain(&doubtful).cloned().collect();
            let since = noted.as_ref().map_or(now, |creating| creating.since);
            mailbox.creating = (!contacts.is_empty()).then_some(Creating { since, contacts });
            if error.is_some() {
                mailbox.last_error.clone_from(&error);
            }
        })
        .await?;
        if let Some(since) = self.mailbox.creating.as_ref().map(|creating| creating.since) {
            let look_again = since.saturating_add(SETTLES_WITHIN).unwrap_or(now);
            let armed = self.timers.get(&TimerKind::Poll).copied();
            if armed.is_none_or(|armed| armed > look_again || armed <= now) {
                self.set_timer(TimerKind::Poll, look_again.max(now)).await?;
            }
        }
        Ok(())
    }

    /// The write that a contact asks for; `None` for one that asks for none.
    fn wire(&self, sending: &Sending) -> Option<ContactWrite> {
        let Sending { contact, step } = sending;
        let item = contact.outlook.as_ref();
        let if_match = item.map(|item| item.change_key.as_str().to_owned());
        let id = || item.map(|item| item.id.as_str().to_owned());
        Some(match step {
            Step::Create(members) | Step::Move(members) => ContactWrite::Create {
                folder: named(self.real_folder(&contact.folder)).map(str::to_owned),
                members: members.clone(),
                stamp: contact.id.as_str().to_owned(),
            },
            Step::Update(members) => ContactWrite::Update {
                id: id()?,
                if_match,
                members: members.clone(),
            },
            Step::Delete => ContactWrite::Delete { id: id()?, if_match },
            Step::Agreed | Step::Held => return None,
        })
    }

    /// True where what was changed turns out to lie in none of the mailbox's synced folders.
    fn has_strayed(&self, step: &Step, answer: &graph_client::Contact) -> bool {
        let folder = answer.parent_folder_id.clone().map(FolderId::new);
        !is_create(step) && folder.is_some_and(|folder| !self.is_synced(&folder))
    }

    /// The folder itself where a stand-in was named: before the first listing nobody knows the default folder's id.
    pub(crate) fn real_folder<'f>(&'f self, folder: &'f FolderId) -> &'f FolderId {
        if folder.as_str() != UNLISTED_DEFAULT {
            return folder;
        }
        let default = self.folders.values().find(|it| it.is_default);
        default.map_or(folder, |it| &it.id)
    }

    /// Nobody knows the default folder's id yet: an empty mailbox hides it (facts 3).
    fn lacks_default(&self) -> bool {
        !self.folders.values().any(|folder| folder.is_default)
    }

    /// Graph refuses the edit for good: it waits for a person, and holds nobody up.
    async fn park(&mut self, contact: &Contact, error: &GraphError) -> Result<(), Trouble> {
        let mut parked = contact.clone();
        let Some(edit) = &mut parked.edit else {
            return Ok(());
        };
        edit.hold = Some(Hold::Refused(Refusal {
            at: self.now(),
            status: error.status(),
            code: error.code().map(str::to_owned),
            reason: error.reason().map(str::to_owned),
            request_id: error.request_id().map(str::to_owned),
        }));
        self.report.refused += 1;
        tracing::warn!(contact.id = %contact.id, %error, "Outlook refuses an edit");
        // Somebody who has edited it meanwhile has perhaps put it right: then it is tried again.
        self.write_all(vec![Write::over(contact, parked, Effect::Touch)])
            .await?;
        Ok(())
    }
}

/// The folder as Graph is told it; `None` for the stand-in of the default folder, which Graph finds by itself.
pub(crate) fn named(folder: &FolderId) -> Option<&str> {
    let name = folder.as_str();
    (name != UNLISTED_DEFAULT).then_some(name)
}

/// Whether a look was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looked {
    At,
    Nowhere,
    Cut,
}

fn is_create(step: &Step) -> bool {
    match step {
        Step::Create(_) | Step::Move(_) => true,
        Step::Update(_) | Step::Delete | Step::Agreed | Step::Held => false,
    }
}

/// Single edits first, the oldest first.
fn order(contact: &Contact) -> (Option<Urgency>, Option<Timestamp>, ContactId) {
    let edit = contact.edit.as_ref();
    (
        edit.map(|edit| edit.urgency),
        edit.map(|edit| edit.edited_at),
        contact.id.clone(),
    )
}

fn fate(step: &Step, error: &GraphError) -> Fate {
    if is_create(step) && error.may_have_happened() {
        return Fate::InDoubt;
    }
    match error.kind() {
        ErrorKind::Conflict | ErrorKind::NotFound if !is_create(step) => Fate::Look,
        // A folder that is gone, a member that Outlook can't hold, an id that it can't read.
        ErrorKind::Permanent | ErrorKind::FolderNotFound | ErrorKind::NotFound => Fate::Park,
        ErrorKind::Forbidden | ErrorKind::QuotaExceeded => Fate::Refusal,
        ErrorKind::Throttled { .. }
        | ErrorKind::SyncStateGone
        | ErrorKind::MailboxUnavailable(_)
        | ErrorKind::Conflict
        | ErrorKind::AlreadyExists
        | ErrorKind::BadCredential
        | ErrorKind::TenantNotFound
        | ErrorKind::ForeignHost
        | ErrorKind::Transient => Fate::Stop,
    }
}
