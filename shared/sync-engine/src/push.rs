//! Edits made here, to Outlook: which are sent, and in which order.
//!
//! What an edit asks of Outlook is decided by `sync_core::push`; one request, and what its errors mean, is `send`'s. The
//! rules that live here: look before you write (a delta round of the folders concerned), single edits before many, what
//! has failed before last and alone, and never a second create without a look for the first.

use std::collections::{BTreeMap, BTreeSet};

use contact_store::{Contact, Creating, LastError, TimerKind};
use graph_client::Transport;
use jiff::{SignedDuration, Timestamp};
use sync_core::folders::UNLISTED_DEFAULT;
use sync_core::ids::{ContactId, FolderId};
use sync_core::push::{Step, step};
use sync_core::record::{Edit, Failed, Hold, Refusal, Side, Urgency, Wish};

use crate::Trouble;
use crate::apply::{Effect, Write};
use crate::convert::known;
use crate::course::{Course, Kind};
use crate::meet::pending;
use crate::photo_push;
use crate::send::is_create;
use crate::session::Session;
use crate::work::Progress;

/// Writes of one request: Graph's most (facts 6). After each request what it has done is remembered.
const AT_ONCE: usize = 20;

/// Contacts that are looked at for the next requests. Then the index is asked again, so that a single edit doesn't wait
/// for thousands.
const IN_VIEW: usize = 100;

/// Photos that are sent before the index is asked again: two requests each, of up to 4 MB.
const PHOTOS_IN_VIEW: usize = 20;

/// How long a look at a folder is good for: what somebody changes there later is perhaps not seen before it is written
/// over. Long enough for the requests of several views.
const LOOK_HOLDS_FOR: SignedDuration = SignedDuration::from_secs(10);

/// How long a create whose answer was lost may still come to pass. It is not repeated before.
const SETTLES_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// A create that could not be decided when it should have been is looked for again this much later.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(10);

/// A contact on its way: as it was read, and what is asked of Outlook for it.
pub(crate) struct Sending {
    pub(crate) contact: Contact,
    pub(crate) step: Step,
}

impl<T: Transport> Session<'_, T> {
    /// Brings to Outlook what is pending: the named contacts, and whatever else the index shows.
    pub(crate) async fn push(&mut self, named: &BTreeSet<ContactId>) -> Result<Progress, Trouble> {
        let mut course = Course::of(named);
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
            if view.is_empty() || course.has_passed_enough() {
                // What has failed alone has held up nobody. Now it may be told.
                return course
                    .failure
                    .take()
                    .map_or(Ok(Progress::Complete), |error| Err(error.into()));
            }
            match self.look_first(&view).await? {
                Looked::At => view = self.reread(view).await?,
                Looked::Nowhere => {}
                Looked::Cut => return Ok(Progress::Cut),
            }
            let sent = self.send_all(view, course).await?;
            self.clean_up(course).await?;
            if sent == Progress::Cut {
                return Ok(Progress::Cut);
            }
        }
    }

    /// The contacts to be worked off next: what the index shows first, and of those that were named as many as there is
    /// room for. The index may lag behind: what is named is perhaps not in it yet, what it shows may be done.
    async fn view(&mut self, course: &mut Course) -> Result<Vec<Contact>, Trouble> {
        self.is_overtaken = false;
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

    /// As they are after the look, without those that another worker is found to create.
    async fn reread(&mut self, view: Vec<Contact>) -> Result<Vec<Contact>, Trouble> {
        self.is_overtaken = false;
        let ids = view.into_iter().map(|contact| contact.id);
        self.read(ids.filter(|id| !self.is_in_doubt(id)).collect()).await
    }

    /// Brings the folders up to date from which something is to be changed: what was changed there is merged before it
    /// could be written over. Graph promises nowhere that it honours `If-Match` on contacts (facts 2.4).
    async fn look_first(&mut self, view: &[Contact]) -> Result<Looked, Trouble> {
        let mut folders: BTreeSet<FolderId> = view.iter().filter_map(|it| self.needs_look(it)).collect();
        let looked = if folders.is_empty() {
            Looked::Nowhere
        } else {
            Looked::At
        };
        // A round that another run had begun shows what was there then: one of our own follows it.
        for _ in 0..2 {
            for folder in &folders {
                if self.round(folder).await? == Progress::Cut {
                    return Ok(Looked::Cut);
                }
            }
            if self.finish_rounds().await? == Progress::Cut {
                return Ok(Looked::Cut);
            }
            folders.retain(|folder| !self.looked_at.contains_key(folder));
            if folders.is_empty() {
                break;
            }
        }
        Ok(looked)
    }

    /// The folder that has to be looked at before this contact is written: it was not in this run, or too long ago.
    fn needs_look(&self, contact: &Contact) -> Option<FolderId> {
        contact.edit.as_ref().filter(|edit| edit.hold.is_none())?;
        let folder = known(contact)?.folder;
        let looked_at = self.looked_at.get(folder);
        let is_fresh = looked_at.is_some_and(|at| self.now().duration_since(*at) <= LOOK_HOLDS_FOR);
        (self.is_synced(folder) && !is_fresh).then(|| folder.clone())
    }

    /// Sends what the contacts ask for, request by request, as long as the look before holds.
    async fn send_all(&mut self, view: Vec<Contact>, course: &mut Course) -> Result<Progress, Trouble> {
        if self.out_of_time_to_write() {
            return Ok(Progress::Cut);
        }
        let mut creates = Vec::new();
        let mut others = Vec::new();
        let mut alone = Vec::new();
        let mut photos = Vec::new();
        let mut guarded = Vec::new();
        let is_too_much = self.deletes_too_much(&view).await?;
        self.learn_folders(&view).await?;
        for contact in view {
            if !contact.superseded.is_empty() {
                course.left.insert(contact.id.clone());
            }
            let can_have_photo = self.engine.photos.is_some() && contact.pending_photo().is_some();
            let is_held = |edit: &Edit| edit.hold.is_some();
            if can_have_photo && contact.edit.as_ref().is_none_or(is_held) && contact.outlook.is_some() {
                photos.push(contact);
                continue;
            }
            if can_have_photo {
                // Its photo goes when the contact is there.
                course.named.insert(contact.id.clone());
            }
            let Some(edit) = &contact.edit else {
                course.is_done_with(&contact.id);
                if let Some(photos) = self.engine.photos.clone()
                    && contact.has_left_photo()
                {
                    self.erase_photo(&photos, &contact).await?;
                }
                continue;
            };
            let rests_until = edit.failed.map(Failed::rests_until);
            let step = step(pending(&contact, edit));
            match &step {
                Step::Held => course.is_done_with(&contact.id),
                Step::Agreed => {
                    course.tries(&contact.id);
                    self.agree(contact).await?;
                }
                // Where nobody would look for what comes of it, nothing is written.
                Step::Create(_) | Step::Move(_) if !self.takes_contacts(&contact.folder) => {
                    course.is_done_with(&contact.id);
                    self.hold(&contact, not_synced(self.now())).await?;
                }
                Step::Update(_) | Step::Delete
                    if !known(&contact).is_some_and(|it| self.is_synced(it.folder)) =>
                {
                    course.tries(&contact.id);
                    let item = contact.outlook.map(|item| (contact.id, item.id));
                    self.verify(item.into_iter().collect()).await?;
                }
                Step::Delete if is_too_much && !self.is_released(&contact) => {
                    course.is_done_with(&contact.id);
                    guarded.push(self.held_back(&contact));
                }
                _ if course.is_closed(&step) => course.passes(&contact.id),
                _ if rests_until.is_some_and(|until| until > self.now()) => {
                    course.rests(&contact.id, rests_until);
                }
                // What has failed before goes last, and by itself: its fault may be that of its whole request.
                _ if rests_until.is_some() => alone.push(Sending { contact, step }),
                Step::Create(_) | Step::Move(_) => creates.push(Sending { contact, step }),
                Step::Update(_) | Step::Delete => others.push(Sending { contact, step }),
            }
        }
        if !guarded.is_empty() {
            tracing::warn!("more contacts are deleted here than the delete guard allows");
            self.holding.insert(Side::Platform);
            // Who is edited at this moment is looked at once more.
            self.write_all(guarded).await?;
        }
        let mut requests: Vec<Vec<Sending>> = Vec::new();
        for mut kind in [creates.into_iter(), others.into_iter()] {
            while kind.len() > 0 {
                requests.push(kind.by_ref().take(AT_ONCE).collect());
            }
        }
        requests.sort_by_cached_key(|request| request.first().map(|sending| order(&sending.contact)));
        requests.extend(alone.into_iter().map(|sending| vec![sending]));
        for (number, request) in requests.into_iter().enumerate() {
            if self.out_of_time_to_write() {
                return Ok(Progress::Cut);
            }
            if number > 0 && request.iter().any(|it| self.needs_look(&it.contact).is_some()) {
                // They are looked at anew, with the next view.
                return Ok(Progress::Complete);
            }
            let (request, closed): (Vec<_>, Vec<_>) = request
                .into_iter()
                .partition(|sending| !course.is_closed(&sending.step));
            for sending in closed {
                course.passes(&sending.contact.id);
            }
            self.send(request, course).await?;
        }
        self.send_photos(photos, course).await
    }

    /// The API lets a folder be named as soon as it is stored: another run may have found it after this one had begun.
    async fn learn_folders(&mut self, view: &[Contact]) -> Result<(), Trouble> {
        let is_to_be_there = |contact: &&Contact| {
            let edit = contact.edit.as_ref();
            edit.is_some_and(|edit| is_create(&step(pending(contact, edit))))
        };
        let unknown: BTreeSet<FolderId> = view
            .iter()
            .filter(is_to_be_there)
            .map(|contact| self.real_folder(&contact.folder))
            .filter(|folder| !self.takes_contacts(folder))
            .cloned()
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let state = self.engine.store.mailbox_state(&self.mailbox.id).await?;
        let stored = state.into_iter().flat_map(|state| state.folders);
        for folder in stored.filter(|folder| unknown.contains(&folder.id)) {
            self.folders.insert(folder.id.clone(), folder);
        }
        Ok(())
    }

    /// True where more contacts were deleted here than Outlook is to lose before a person has said so. It is asked anew for
    /// each view: others may have been deleted meanwhile.
    async fn deletes_too_much(&mut self, view: &[Contact]) -> Result<bool, Trouble> {
        let is_delete = |contact: &Contact| {
            let edit = contact.edit.as_ref().filter(|edit| edit.hold.is_none());
            edit.is_some_and(|edit| edit.wish == Wish::Delete && edit.base.is_some())
        };
        if !view.iter().any(|it| is_delete(it) && !self.is_released(it)) {
            return Ok(false);
        }
        let store = &self.engine.store;
        let shown = store
            .pending_deletes(&self.mailbox.id, self.mailbox.deletes.released_at)
            .await?;
        // The index may lag behind what was named.
        let seen = view
            .iter()
            .filter(|it| is_delete(it) && !self.is_released(it))
            .count();
        Ok(shown.max(seen as u64) > self.room_for(Side::Platform).await?)
    }

    /// A person has seen, after it was deleted here, that this is what was meant.
    pub(crate) fn is_released(&self, contact: &Contact) -> bool {
        let edit = contact.edit.as_ref();
        let edited_at = edit.map(|edit| edit.edited_at);
        // Whoever erases one person has said so.
        let is_erased = edit.is_some_and(|edit| edit.wish == Wish::Erase);
        is_erased || edited_at.is_some() && edited_at <= self.mailbox.deletes.released_at
    }

    /// A delete that waits for a person.
    fn held_back(&self, contact: &Contact) -> Write {
        let mut held = contact.clone();
        if let Some(edit) = &mut held.edit {
            edit.failed = None;
            edit.hold = Some(Hold::Guarded {
                at: self.now(),
                elsewhere: false,
            });
        }
        Write::over(contact, held, Effect::Guard)
    }

    /// Some of the photos: single edits that have come meanwhile go before the others.
    async fn send_photos(
        &mut self,
        contacts: Vec<Contact>,
        course: &mut Course,
    ) -> Result<Progress, Trouble> {
        let Some(photos) = self.engine.photos.clone() else {
            return Ok(Progress::Complete);
        };
        for contact in contacts.into_iter().take(PHOTOS_IN_VIEW) {
            if self.out_of_time() {
                return Ok(Progress::Cut);
            }
            let id = contact.id.clone();
            if course.is_closed_to(Kind::Photo) {
                course.passes(&id);
                continue;
            }
            course.tries(&id);
            match self.push_photo(&photos, contact).await? {
                photo_push::Sent::Done => {}
                photo_push::Sent::Refusal(error) => {
                    course.is_done_with(&id);
                    course.closes(Kind::Photo);
                    course.refusal.get_or_insert(error);
                }
                photo_push::Sent::Failure(error) => {
                    course.is_done_with(&id);
                    course.failure.get_or_insert(error);
                }
            }
        }
        Ok(Progress::Complete)
    }

    /// A create of it may have been carried out, or be under way elsewhere: it is not sent again before its stamp has been
    /// looked for.
    fn is_in_doubt(&self, id: &ContactId) -> bool {
        let noted = &self.mailbox.creating;
        let others = noted.as_ref().filter(|_| *noted != self.own_creates);
        self.doubtful.contains(id) || others.is_some_and(|it| it.contacts.contains(id))
    }

    /// Says what is left in doubt, and what stood in the way of the mailbox as a whole.
    async fn end_of_push(&mut self, course: Course) -> Result<(), Trouble> {
        let now = self.now();
        let (own, doubtful) = (self.own_creates.clone(), self.doubtful.clone());
        let rests_until = course.rests_until;
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
            let others = noted.iter().filter(|_| noted != own).flat_map(|it| &it.contacts);
            let contacts: BTreeSet<ContactId> = others.chain(&doubtful).cloned().collect();
            let since = noted.as_ref().map_or(now, |creating| creating.since);
            mailbox.creating = (!contacts.is_empty()).then_some(Creating { since, contacts });
            if error.is_some() {
                mailbox.last_error.clone_from(&error);
            }
        })
        .await?;
        let decides_at = self.mailbox.creating.as_ref().map(|creating| {
            let settles_at = creating.since.saturating_add(SETTLES_WITHIN).unwrap_or(now);
            let again_at = now.saturating_add(LOOK_AGAIN).unwrap_or(now);
            if settles_at > now { settles_at } else { again_at }
        });
        if let Some(look_again) = decides_at.into_iter().chain(rests_until).min() {
            let armed = self.timers.get(&TimerKind::Poll).copied();
            if armed.is_none_or(|armed| armed > look_again || armed <= now) {
                self.set_timer(TimerKind::Poll, look_again).await?;
            }
        }
        Ok(())
    }

    /// The folder itself where a stand-in was named: before the first listing nobody knows the default folder's id.
    pub(crate) fn real_folder<'f>(&'f self, folder: &'f FolderId) -> &'f FolderId {
        if folder.as_str() != UNLISTED_DEFAULT {
            return folder;
        }
        let default = self.folders.values().find(|it| it.is_default);
        default.map_or(folder, |it| &it.id)
    }

    /// False for a folder that is not synced. As long as the default folder is hidden there is no other one, and the stand-in
    /// is that one.
    pub(crate) fn takes_contacts(&self, folder: &FolderId) -> bool {
        !self.knows_default() || self.is_synced(self.real_folder(folder))
    }
}

/// The folder's address in Graph; `None` for the stand-in: the default folder needs none, and nobody knows it.
pub(crate) fn address(folder: &FolderId) -> Option<&str> {
    Some(folder.as_str()).filter(|id| *id != UNLISTED_DEFAULT)
}

/// Whether a look was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looked {
    At,
    Nowhere,
    Cut,
}

/// Why nothing is written into a folder that has left the scope, or has been deleted.
pub(crate) fn not_synced(at: Timestamp) -> Refusal {
    Refusal {
        at,
        status: None,
        code: Some("folderNotSynced".to_owned()),
        reason: Some("The contact's folder is not synced. Move the contact to one that is.".to_owned()),
        request_id: None,
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
