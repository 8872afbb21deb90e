//! A contact of the mirror meets what Outlook has: the record that comes of it, its version, and its conflict.
//!
//! Which value wins is decided in `sync_core::rebase`; this file asks it, asks the operator's function where that is the
//! policy, and turns the decision into a record to be written. It makes no call to Graph or to the store.

use std::collections::BTreeMap;

use contact_store::{Cause, Companion, Conflict, ConflictPolicy, Contact, Expected, Who, Why};
use graph_client::Transport;
use jiff::Timestamp;
use serde_json::Value;
use sync_core::bugs::{Bug, bug};
use sync_core::ids::{ConflictId, ContactId};
use sync_core::members::alike;
use sync_core::merge::Clash;
use sync_core::rebase::{self, DELETED, FOLDER, Rebased};
use sync_core::record::{self, Edit, OutlookItem, Pending, Policy, Rules, Side, Wish};
use sync_core::shape::whole;
use sync_core::sighting::Document;

use crate::apply::{Effect, Write, expected};
use crate::arbiter::Question;
use crate::convert::Shown;
use crate::photo_push::send_again;
use crate::session::Session;

/// What Outlook shows of a contact, in the core's terms: its whole document, not only what a row carried.
pub(crate) struct Meeting<'a> {
    pub(crate) shown: &'a Shown,
    pub(crate) item: OutlookItem,
    pub(crate) seen: record::Shown<'a>,
}

impl<T: Transport> Session<'_, T> {
    /// The write by which the mirror takes in what Outlook shows.
    pub(crate) async fn take_in(
        &mut self,
        stored: Option<&Contact>,
        meeting: &Meeting<'_>,
        effect: Effect,
    ) -> Write {
        let rebased = match stored.and_then(|stored| Some((stored, stored.edit.as_ref()?))) {
            Some((stored, edit)) => {
                let rebased = self.rebase(stored, edit, meeting.seen).await;
                let own = stored.outlook.as_ref();
                let has_it = own.is_some_and(|own| own.id == meeting.item.id);
                if has_it && edit.wish != Wish::Erase && self.is_awaited(stored) {
                    rebase::in_doubt(pending(stored, edit), meeting.seen, rebased)
                } else {
                    rebased
                }
            }
            None => Rebased {
                document: meeting.seen.document.clone(),
                // What a buried contact had beyond Outlook is buried with it.
                extras: stored.map(|stored| stored.extras.clone()).unwrap_or_default(),
                folder: meeting.seen.folder.clone(),
                edit: None,
                clashes: Vec::new(),
            },
        };
        let is_pending = stored.is_some_and(|stored| stored.edit.is_some());
        let why = if is_pending { Why::Merged } else { Why::Seen };
        self.settled_write(stored, meeting, rebased, why, effect)
    }

    /// The write that makes a record what it has become. `why`: what has brought about what is new to see, unless a policy
    /// has decided it.
    pub(crate) fn settled_write(
        &mut self,
        stored: Option<&Contact>,
        meeting: &Meeting<'_>,
        rebased: Rebased,
        why: Why,
        effect: Effect,
    ) -> Write {
        let now = self.now();
        let shown = meeting.shown;
        let mut contact = stored.cloned().unwrap_or_else(|| {
            let (mailbox, id) = (self.mailbox.id.clone(), shown.id.clone());
            Contact::blank(mailbox, id, rebased.folder.clone(), Side::Outlook, now)
        });
        if contact.is_tombstone() {
            // Its object is about to be deleted. What Outlook has is read anew.
            contact.photo = None;
        }
        let mut companions = Vec::new();
        let before = contact.outlook.replace(meeting.item.clone());
        if before.as_ref().map(|item| &item.id) != Some(&meeting.item.id) {
            companions.extend((contact.id != shown.id).then(|| Companion::Alias(shown.id.clone())));
            let left = before.filter(|_| !contact.is_tombstone());
            contact.superseded.extend(left.iter().map(|item| item.id.clone()));
            contact.left.extend(left);
            send_again(&mut contact, now);
        }
        contact.created_at = shown.created_at.or(contact.created_at);
        contact.modified_at = shown.modified_at.or(contact.modified_at);
        let clashes = rebased.clashes.clone();
        let base = stored.and_then(|stored| stored.edit.as_ref()?.base.clone());
        // Of a contact that the platform has deleted it has nothing.
        let ours = stored.filter(|stored| stored.deleted_at.is_none());
        let ours = ours.map(|stored| stored.document.clone());
        let why = if clashes.is_empty() { why } else { Why::Conflict };
        let is_new = become_of(&mut contact, rebased, why, now, stored.is_none());
        if !clashes.is_empty() && !bug(Bug::ConflictNotLogged) {
            let theirs = meeting.seen.document.clone();
            companions.push(self.conflict(&contact, clashes, base, ours, Some(theirs)));
        }
        Write {
            expected: expected(stored),
            companions,
            effect: if is_new { effect } else { Effect::Touch },
            contact,
        }
    }

    /// Merges a pending contact with what Outlook shows, by the mailbox's policy.
    async fn rebase(&mut self, stored: &Contact, edit: &Edit, seen: record::Shown<'_>) -> Rebased {
        let rules = self.rules();
        let pending = pending(stored, edit);
        let rebased = rebase::onto(pending, seen, rules, &BTreeMap::new());
        match self.answers(stored, edit, seen, &rebased.clashes).await {
            Some(answers) => rebase::onto(pending, seen, rules, &answers),
            None => rebased,
        }
    }

    /// What the operator's function says of these clashes. `None`: it is not to be asked, or gave no answer; then the
    /// fallback has decided.
    pub(crate) async fn answers(
        &mut self,
        stored: &Contact,
        edit: &Edit,
        seen: record::Shown<'_>,
        clashes: &[Clash],
    ) -> Option<BTreeMap<String, Value>> {
        if self.policy() != ConflictPolicy::Custom {
            return None;
        }
        let open: Vec<&Clash> = clashes.iter().filter(|clash| is_member(clash)).collect();
        let arbiter = self.engine.arbiter.as_ref().filter(|_| !open.is_empty())?;
        // A function that hangs would have the worker die at its conflicts, again and again: it fails once in a run.
        let time_left = self.time_left();
        if self.arbiter_is_out || time_left.is_zero() {
            self.report.arbiter_failures += 1;
            return None;
        }
        let question = Question {
            mailbox: &self.mailbox.id,
            contact: &stored.id,
            base: edit.base.as_ref(),
            platform: &stored.document,
            outlook: seen.document,
            platform_edited_at: edit.edited_at,
            outlook_modified_at: seen.modified_at,
            members: open.iter().map(|clash| clash.member.as_str()).collect(),
        };
        match arbiter.ask(&question, time_left).await {
            Ok(answers) => Some(answers),
            Err(error) => {
                self.arbiter_is_out = true;
                self.report.arbiter_failures += 1;
                tracing::warn!(
                    contact.id = %stored.id,
                    error = lambda_boot::chain(&error),
                    "the conflict function gave no answer; the fallback policy decides until the end of the run"
                );
                None
            }
        }
    }

    /// The entry of the conflict log for a write.
    pub(crate) fn conflict(
        &mut self,
        contact: &Contact,
        clashes: Vec<Clash>,
        base: Option<Document>,
        ours: Option<Document>,
        theirs: Option<Document>,
    ) -> Companion {
        let at = self.now();
        self.report.conflicts += 1;
        Companion::Conflict(Conflict {
            mailbox: contact.mailbox.clone(),
            id: ConflictId::of(at, &contact.id),
            contact: contact.id.clone(),
            at,
            version: contact.version,
            policy: self.policy(),
            clashes,
            base,
            ours,
            theirs,
            omitted: Vec::new(),
            settled: None,
        })
    }

    /// Who gets his way in this mailbox.
    pub(crate) fn policy(&self) -> ConflictPolicy {
        self.mailbox.policy.unwrap_or(self.engine.settings.conflicts)
    }

    /// The same as the core takes it: a custom policy is asked in between, and this is what decides without its answer.
    pub(crate) fn rules(&self) -> Rules {
        let settings = &self.engine.settings;
        Rules {
            conflict: match self.policy() {
                ConflictPolicy::LastWriteWins => Policy::LastWriteWins,
                ConflictPolicy::OutlookWins => Policy::OutlookWins,
                ConflictPolicy::PlatformWins => Policy::PlatformWins,
                ConflictPolicy::Custom => settings.fallback,
            },
            deletion: self.mailbox.deletion.unwrap_or(settings.deletions),
        }
    }
}

/// The folder and a deletion are no members: the operator's function is not asked about them.
fn is_member(clash: &Clash) -> bool {
    clash.member != FOLDER && clash.member != DELETED
}

/// A pending contact as the core takes it.
pub(crate) fn pending<'a>(contact: &'a Contact, edit: &'a Edit) -> Pending<'a> {
    Pending {
        document: &contact.document,
        extras: &contact.extras,
        folder: &contact.folder,
        edit,
    }
}

/// Makes the record what it has become. True, with a new version, where somebody who reads it can see a difference.
pub(crate) fn become_of(
    contact: &mut Contact,
    rebased: Rebased,
    why: Why,
    now: Timestamp,
    is_first: bool,
) -> bool {
    let wants_delete = rebased.edit.as_ref().is_some_and(|edit| edit.wish.is_farewell());
    let deleted_at = contact.deleted_at.filter(|_| wants_delete);
    // What becomes of a deleted contact nobody sees.
    let is_changed = || {
        let before = whole(&contact.document, &contact.extras);
        let after = whole(&rebased.document, &rebased.extras);
        contact.folder != rebased.folder || !alike(&before, &after)
    };
    let is_new = is_first || contact.deleted_at != deleted_at || (deleted_at.is_none() && is_changed());
    contact.document = rebased.document;
    contact.extras = rebased.extras;
    contact.folder = rebased.folder;
    contact.edit = rebased.edit;
    contact.deleted_at = deleted_at;
    if is_new {
        contact.version += 1;
        contact.changed_at = now;
        contact.changed_by = Side::Outlook;
        contact.cause = Some(Cause::of(why));
    }
    is_new
}

/// A record that nothing is left of but its id.
pub(crate) fn bury(contact: &mut Contact, why: Why, now: Timestamp) {
    contact.document = Document::new();
    contact.extras = Document::new();
    contact.omitted = Vec::new();
    contact.edit = None;
    // The photo itself stays named until its object is deleted.
    contact.photo_edit = None;
    if contact.deleted_at.is_none() && !bug(Bug::TombstoneDropped) {
        contact.deleted_at = Some(now);
        contact.changed_at = now;
        contact.changed_by = match why.who() {
            Who::Platform => Side::Platform,
            Who::Outlook | Who::Sync | Who::Unknown => Side::Outlook,
        };
        contact.cause = Some(Cause::of(why));
        contact.version += 1;
    }
}

impl Write {
    /// A write of a contact as it has become, over the one that was read.
    pub(crate) fn over(stored: &Contact, contact: Contact, effect: Effect) -> Self {
        Self {
            expected: Expected::Rev(stored.rev),
            companions: Vec::new(),
            contact,
            effect,
        }
    }
}

/// The contact whose creation a stamp tells of; `None` for what is no id of ours.
pub(crate) fn stamped(stamp: Option<&str>) -> Option<ContactId> {
    stamp?.parse().ok()
}
