//! One request of edits, and what becomes of each of its contacts.
//!
//! Tells one contact's trouble from the mailbox's: a contact that Outlook refuses, or that fails, stops nobody else. Which
//! contacts share a request is `push`'s to say; what an answer makes of a contact, `confirm`'s.

use std::collections::{BTreeMap, BTreeSet};

use contact_store::{Contact, Creating, StoreError};
use graph_client::{ContactWrite, ErrorKind, GraphError, Transport, Written};
use sync_core::bugs::{Bug, bug};
use sync_core::ids::{ContactId, FolderId};
use sync_core::push::Step;
use sync_core::record::{Failed, Hold, Refusal};

use crate::Trouble;
use crate::apply::{Effect, Write};
use crate::course::{Base, Course, Kind};
use crate::push::{Sending, address};
use crate::session::Session;

/// What an error means for the one write that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Outlook has another version, or none: read it and decide again.
    Look,
    /// It is refused for good.
    Park,
    /// It is refused, and perhaps all writes of its kind are. Reading may go on.
    Refusal,
    /// It has failed, and that may pass.
    Failure,
    /// Nobody else would fare better: whatever is left has to wait.
    Stop,
}

/// What the answers to a request come to.
#[derive(Default)]
struct Answers {
    written: Vec<(Sending, Written)>,
    looks: Vec<Sending>,
    /// Updates of which nobody knows whether they were carried out.
    lost: Vec<Sending>,
    parks: Vec<(Contact, GraphError)>,
    refusals: Vec<(Kind, ContactId, GraphError)>,
    failures: Vec<(Contact, GraphError)>,
    end: Option<GraphError>,
}

impl<T: Transport> Session<'_, T> {
    /// Sends a request, and does about each of its contacts what its answer asks for.
    pub(crate) async fn send(&mut self, request: Vec<Sending>, course: &mut Course) -> Result<(), Trouble> {
        let creating: BTreeSet<ContactId> = request
            .iter()
            .filter(|sending| is_create(&sending.step))
            .map(|sending| sending.contact.id.clone())
            .collect();
        if !bug(Bug::CreateRepeated) {
            self.note_creating(&creating).await?;
            // Until the mirror has what came of them, whatever stops this run.
            self.doubtful.extend(creating);
        }
        let has_failed = |sending: &Sending| {
            sending
                .contact
                .edit
                .as_ref()
                .is_some_and(|it| it.failed.is_some())
        };
        let again = request.iter().any(has_failed);
        let mut sent: BTreeMap<Kind, usize> = BTreeMap::new();
        for sending in &request {
            course.tries(&sending.contact.id);
            *Kind::of(&sending.step).map_or(&mut 0, |kind| sent.entry(kind).or_default()) += 1;
        }
        let sendings = request
            .into_iter()
            .filter_map(|sending| Some((self.wire(&sending)?, sending)));
        let (writes, sendings): (Vec<ContactWrite>, Vec<Sending>) = sendings.unzip();
        let outcomes = self.graph().write_contacts(&writes).await;
        let answers = self.sort_out(sendings.into_iter().zip(outcomes));

        let is_in_vain = !answers.failures.is_empty()
            && answers.written.is_empty()
            && answers.looks.is_empty()
            && answers.parks.is_empty()
            && answers.refusals.is_empty();
        // What is done is written down before anything else can go wrong.
        self.note_written(answers.written, course).await?;
        if let Err(trouble) = self.read_back(answers.lost).await {
            // Nothing is worse than before. The next look finds out.
            tracing::debug!(trouble = trouble.chain(), "lost updates can't be read");
        }
        for (contact, error) in answers.parks {
            course.is_done_with(&contact.id);
            self.park(&contact, &error).await?;
        }
        for (kind, contact, error) in answers.refusals {
            course.is_done_with(&contact);
            let left = sent.entry(kind).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 {
                course.closes(kind);
            }
            course.refusal.get_or_insert(error);
        }
        let failure = answers.failures.first().map(|(_, error)| error.clone());
        for (contact, error) in answers.failures {
            let rests_until = self.note_failure(&contact, &error).await?;
            course.rests(&contact.id, rests_until);
            course.failure.get_or_insert(error);
        }
        self.read_back(answers.looks).await?;
        if let Some(error) = answers.end {
            return Err(error.into());
        }
        match failure {
            Some(error) if is_in_vain && course.stumbles(again) => Err(error.into()),
            Some(_) if is_in_vain => Ok(()),
            Some(_) | None => {
                course.goes_on();
                Ok(())
            }
        }
    }

    fn sort_out(
        &mut self,
        outcomes: impl Iterator<Item = (Sending, Result<Written, GraphError>)>,
    ) -> Answers {
        let mut answers = Answers::default();
        for (sending, outcome) in outcomes {
            let error = match outcome {
                // Deleted at this moment: it was changed in Deleted Items.
                Ok(Written::Saved(answer)) if self.has_strayed(&sending.step, &answer) => {
                    answers.looks.push(sending);
                    continue;
                }
                // Its version is not known: its stamp will show it.
                Ok(Written::Saved(answer)) if is_create(&sending.step) && answer.change_key.is_none() => {
                    continue;
                }
                Ok(answer) => {
                    answers.written.push((sending, answer));
                    continue;
                }
                Err(error) => error,
            };
            if !(is_create(&sending.step) && error.may_have_happened()) {
                self.doubtful.remove(&sending.contact.id);
            }
            let fate = fate(&sending.step, &error);
            let is_throttled = matches!(error.kind(), ErrorKind::Throttled { .. });
            let (kind, contact) = (Kind::of(&sending.step), sending.contact.clone());
            if fate == Fate::Look {
                answers.looks.push(sending);
            } else if kind == Some(Kind::Update) && error.may_have_happened() && !is_throttled {
                answers.lost.push(sending);
            }
            match fate {
                Fate::Look => {}
                Fate::Park => answers.parks.push((contact, error)),
                Fate::Refusal => {
                    answers
                        .refusals
                        .extend(kind.map(|kind| (kind, contact.id, error)));
                }
                Fate::Failure => answers.failures.push((contact, error)),
                Fate::Stop => answers.end = answers.end.or(Some(error)),
            }
        }
        answers
    }

    /// Writes down what Outlook has carried out.
    async fn note_written(
        &mut self,
        written: Vec<(Sending, Written)>,
        course: &mut Course,
    ) -> Result<(), Trouble> {
        for (sending, _) in &written {
            let Sending { contact, step } = sending;
            if let (Step::Move(_), Some(item), Some(edit)) = (step, &contact.outlook, &contact.edit) {
                // What it has left behind is cleaned up next, whatever the index says.
                course.left.insert(contact.id.clone());
                let base = Base {
                    document: contact.base().clone(),
                    edits: edit.members.clone(),
                };
                course.bases.insert(item.id.clone(), base);
            }
        }
        let carried_out: Vec<ContactId> = written
            .iter()
            .map(|(sending, _)| sending.contact.id.clone())
            .collect();
        let folders: BTreeSet<FolderId> = written
            .iter()
            .filter_map(|(_, answer)| match answer {
                Written::Saved(answer) => answer.parent_folder_id.clone().map(FolderId::new),
                Written::Deleted => None,
            })
            .collect();
        self.confirm(written).await?;
        for id in carried_out {
            self.doubtful.remove(&id);
        }
        // The default folder shows itself with its first contact (facts 3).
        let strangers = folders.into_iter().filter(|it| !self.folders.contains_key(it));
        let strangers: BTreeSet<FolderId> = strangers.collect();
        if !strangers.is_subset(&self.strangers) {
            self.strangers.extend(strangers);
            self.list_folders().await?;
        }
        Ok(())
    }

    /// Says in the mailbox's record whose creates are about to be sent, beside those whose answer was lost. Somebody who
    /// has saved the record since the contacts were read is perhaps another worker with the same creates: then nothing is
    /// sent.
    async fn note_creating(&mut self, contacts: &BTreeSet<ContactId>) -> Result<(), Trouble> {
        if contacts.is_empty() {
            return Ok(());
        }
        if self.is_overtaken {
            return Err(self.conflict_of_mailbox());
        }
        let mut noted = self.mailbox.clone();
        noted.updated_at = self.now();
        noted.creating = Some(Creating {
            since: self.now(),
            contacts: contacts.union(&self.doubtful).cloned().collect(),
        });
        self.engine.store.save_mailbox(&mut noted).await?;
        self.own_creates.clone_from(&noted.creating);
        self.mailbox = noted;
        Ok(())
    }

    /// The write that a contact asks for; `None` for one that asks for none.
    fn wire(&self, sending: &Sending) -> Option<ContactWrite> {
        let Sending { contact, step } = sending;
        let item = contact.outlook.as_ref();
        let if_match = item.filter(|_| !bug(Bug::IfMatchNotSent));
        let if_match = if_match.map(|item| item.change_key.as_str().to_owned());
        let id = || item.map(|item| item.id.as_str().to_owned());
        Some(match step {
            Step::Create(members) | Step::Move(members) => ContactWrite::Create {
                folder: address(self.real_folder(&contact.folder)).map(str::to_owned),
                members: members.clone(),
                stamp: contact.id.as_str().to_owned(),
            },
            Step::Update(members) => ContactWrite::Update {
                id: id()?,
                if_match,
                members: members.clone(),
            },
            Step::Delete => self.deletion(contact, id()?, if_match),
            Step::Agreed | Step::Held => return None,
        })
    }

    /// Nothing of somebody who is erased is to be found again, if that is to be had.
    pub(crate) fn deletion(&self, contact: &Contact, id: String, if_match: Option<String>) -> ContactWrite {
        if contact.is_erased() && self.engine.settings.purge {
            ContactWrite::Purge { id }
        } else {
            ContactWrite::Delete { id, if_match }
        }
    }

    /// True where what was changed turns out to lie in none of the mailbox's synced folders.
    fn has_strayed(&self, step: &Step, answer: &graph_client::Contact) -> bool {
        let folder = answer.parent_folder_id.clone().map(FolderId::new);
        !is_create(step) && folder.is_some_and(|folder| !self.is_synced(&folder))
    }

    /// Graph refuses the edit for good: it waits for a person, and holds nobody up.
    async fn park(&mut self, contact: &Contact, error: &GraphError) -> Result<(), Trouble> {
        tracing::warn!(contact.id = %contact.id, %error, "Outlook refuses an edit");
        let refusal = Refusal {
            at: self.now(),
            status: error.status(),
            code: error.code().map(str::to_owned),
            reason: error.reason().map(str::to_owned),
            request_id: error.request_id().map(str::to_owned),
        };
        self.hold(contact, refusal).await
    }

    /// Where there is no room for the reason, it is left out.
    pub(crate) async fn hold(&mut self, contact: &Contact, refusal: Refusal) -> Result<(), Trouble> {
        let bare = Refusal {
            reason: None,
            request_id: None,
            ..refusal.clone()
        };
        self.report.refused += 1;
        for refusal in [refusal, bare] {
            let mut held = contact.clone();
            let Some(edit) = &mut held.edit else {
                return Ok(());
            };
            edit.failed = None;
            edit.hold = Some(Hold::Refused(refusal));
            // Somebody who has edited it meanwhile has perhaps put it right: then it is tried again.
            match self
                .write_all(vec![Write::over(contact, held, Effect::Touch)])
                .await
            {
                Err(Trouble::Store(StoreError::TooLarge { .. })) => {}
                Err(trouble) => return Err(trouble),
                Ok(_) => return Ok(()),
            }
        }
        tracing::warn!(contact.id = %contact.id, "a contact is too large to be held");
        Ok(())
    }

    /// The edit has failed once more: says when it is to be tried again. After too many times it counts as refused.
    async fn note_failure(
        &mut self,
        contact: &Contact,
        error: &GraphError,
    ) -> Result<Option<jiff::Timestamp>, Trouble> {
        let now = self.now();
        let mut noted = contact.clone();
        let Some(edit) = &mut noted.edit else {
            return Ok(None);
        };
        let failed = Failed::again(edit.failed, now);
        if failed.is_for_good() {
            self.park(contact, error).await?;
            return Ok(None);
        }
        edit.failed = Some(failed);
        // Somebody who has edited it meanwhile has begun anew.
        match self
            .write_all(vec![Write::over(contact, noted, Effect::Touch)])
            .await
        {
            Ok(_) | Err(Trouble::Store(StoreError::TooLarge { .. })) => {}
            Err(trouble) => return Err(trouble),
        }
        Ok(Some(failed.rests_until()).filter(|until| *until > now))
    }
}

pub(crate) fn is_create(step: &Step) -> bool {
    match step {
        Step::Create(_) | Step::Move(_) => true,
        Step::Update(_) | Step::Delete | Step::Agreed | Step::Held => false,
    }
}

pub(crate) fn fate(step: &Step, error: &GraphError) -> Fate {
    let is_in_doubt = is_create(step) && error.may_have_happened();
    match error.kind() {
        ErrorKind::Throttled { .. }
        | ErrorKind::MailboxUnavailable(_)
        | ErrorKind::BadCredential
        | ErrorKind::TenantNotFound
        | ErrorKind::ForeignHost => Fate::Stop,
        // Nobody has answered for this one: there is no connection, or no time.
        _ if error.status().is_none() && error.kind() == ErrorKind::Transient => Fate::Stop,
        _ if error.not_sent() => Fate::Stop,
        // Whatever is said of it now, an attempt before may have been carried out.
        _ if is_in_doubt => Fate::Failure,
        ErrorKind::Conflict | ErrorKind::NotFound if !is_create(step) => Fate::Look,
        // A folder that is gone, a member that Outlook can't hold, an id that it can't read.
        ErrorKind::Permanent | ErrorKind::FolderNotFound | ErrorKind::NotFound => Fate::Park,
        ErrorKind::Forbidden | ErrorKind::QuotaExceeded => Fate::Refusal,
        ErrorKind::SyncStateGone | ErrorKind::Conflict | ErrorKind::AlreadyExists | ErrorKind::Transient => {
            Fate::Failure
        }
    }
}
