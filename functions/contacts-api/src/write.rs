//! Writing a contact: read, decide, write on the condition that it is still as it was read, and again if it isn't.
//!
//! Knows the one conditional write of a request, and the aliases of external ids that belong to it. What a contact
//! becomes is decided elsewhere, purely. It sends no message: who pushes edits to Outlook learns of them off the
//! table's stream, so there is nothing here that could be lost between two writes.

use contact_store::{Cause, Companion, Contact, Expected, Mailbox, Phase, StoreError};
use data_encoding::BASE32_NOPAD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sync_core::ids::{ContactId, MailboxId};
use sync_core::record::{Urgency, Wish};

use crate::Api;
use crate::asked::Folders;
use crate::edit::{Occasion, Wanted, create, replace, revive};
use crate::failure::Failure;
use crate::problem::{Kind, Problem};

/// How often a write is tried against whoever writes at the same time. One mailbox has one worker; to lose three races
/// against it is no race any more.
const ATTEMPTS: usize = 3;

/// The mailbox that contacts are written into.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) mailbox: Mailbox,
    pub(crate) folders: Folders,
}

/// Reads where contacts can be written; a mailbox that is being removed takes none.
pub(crate) async fn place(api: &Api, mailbox: &MailboxId) -> Result<Place, Failure> {
    let state = api
        .store
        .mailbox_state(mailbox)
        .await?
        .ok_or(Kind::MailboxNotFound)?;
    if state.mailbox.phase == Phase::Removing {
        let detail = "the mailbox is being removed";
        return Err(Problem::not_in_phase((&state.mailbox.phase).into(), detail).into());
    }
    Ok(Place {
        folders: Folders::of(&state),
        mailbox: state.mailbox,
    })
}

/// What is known of the stored contact before the first attempt.
pub(crate) enum Known {
    /// Nothing.
    Unread,
    /// It was read: this, or that there is none.
    Read(Option<Box<Contact>>),
}

/// What a decision comes to.
#[derive(Debug)]
pub(crate) enum Decision {
    /// The contact is as it is wanted.
    Keep,
    /// It becomes this, and these are written with it.
    Write(Change, Box<Contact>, Vec<Companion>),
}

/// What a write has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing: it was so already.
    Nothing,
    /// There was none, or it was deleted.
    Created,
    /// It was otherwise.
    Changed,
}

/// Reads the contact, lets `decide` say what becomes of it, and writes that. A version more has the `cause`.
pub(crate) async fn carry_out(
    api: &Api,
    mailbox: &MailboxId,
    id: &ContactId,
    known: Known,
    cause: &Cause,
    decide: impl Fn(Option<&Contact>) -> Result<Decision, Failure>,
) -> Result<(Change, Contact), Failure> {
    let mut known = known;
    let mut lost = Failure::from(Kind::TryAgain);
    for attempt in 0..ATTEMPTS {
        let present = match std::mem::replace(&mut known, Known::Unread) {
            Known::Read(present) => present.map(|contact| *contact),
            Known::Unread => api.store.contact(mailbox, id).await?,
        };
        let (change, mut contact, mut companions) = match decide(present.as_ref())? {
            Decision::Write(change, contact, companions) => (change, contact, companions),
            Decision::Keep => {
                let present = present.ok_or(Kind::ContactNotFound)?;
                return Ok((Change::Nothing, present));
            }
        };
        if present.as_ref().map(|present| present.version) != Some(contact.version) {
            contact.cause = Some(cause.clone());
        }
        if let Some((alias, external)) = new_alias(present.as_ref(), &contact) {
            if attempt > 0 {
                unclaimed(api, &contact, &alias, external).await?;
            }
            companions.push(Companion::Alias(alias));
        }
        let expected = present
            .as_ref()
            .map_or(Expected::Absent, |present| Expected::Rev(present.rev));
        match api.store.put_contact_with(&contact, expected, &companions).await {
            Ok(()) => {
                contact.rev = expected.next_rev();
                return Ok((change, *contact));
            }
            Err(error @ StoreError::Conflict { .. }) => {
                let stored = api.store.contact(mailbox, id).await?;
                contact.rev = expected.next_rev();
                // The SDK repeats a write whose answer was lost, and what refuses it then is its own first one.
                if stored.as_ref() == Some(&*contact) {
                    return Ok((change, *contact));
                }
                known = Known::Read(stored.map(Box::new));
                lost = error.into();
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(lost)
}

/// The key under which a contact is to be found by an external id that it hasn't had before, unless it is its own.
fn new_alias<'c>(before: Option<&Contact>, after: &'c Contact) -> Option<(ContactId, &'c str)> {
    let external = after.external_id.as_deref()?;
    let had = before.and_then(|before| before.external_id.as_deref());
    let alias = ContactId::of_external(&after.mailbox, external);
    (had != Some(external) && alias != after.id).then_some((alias, external))
}

/// Fails if another contact, or the tombstone of one, has the external id.
async fn unclaimed(api: &Api, contact: &Contact, alias: &ContactId, external: &str) -> Result<(), Failure> {
    match api.store.contact(&contact.mailbox, alias).await? {
        Some(other) if other.id != contact.id && other.external_id.as_deref() == Some(external) => {
            Err(Problem::external_id_taken(&other.id).into())
        }
        Some(_) | None => Ok(()),
    }
}

/// Who a creation is: a repetition is told from another request by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The caller's key, if there was one.
    has_key: bool,
    key: String,
    body: String,
}

impl Request {
    /// Of the key and of what was asked for.
    pub(crate) fn of(key: Option<&str>, body: &Value) -> Self {
        Self {
            has_key: key.is_some(),
            key: hash(key.unwrap_or_default()),
            body: hash(&canonical(body).to_string()),
        }
    }

    /// As it is kept with the contact.
    pub(crate) fn hash(&self) -> String {
        format!("{}.{}", self.key, self.body)
    }

    /// Whether the contact was created by a request of this key, whatever it asked for.
    fn has_key_of(&self, contact: &Contact) -> bool {
        let kept = contact
            .request_hash
            .as_deref()
            .and_then(|hash| hash.split_once('.'));
        self.has_key && kept.is_some_and(|(key, _)| key == self.key)
    }

    fn is_of(&self, contact: &Contact) -> bool {
        contact.request_hash.as_deref() == Some(&self.hash())
    }
}

fn hash(text: &str) -> String {
    let mut hash = BASE32_NOPAD.encode(&Sha256::digest(text.as_bytes())[..16]);
    hash.make_ascii_lowercase();
    hash
}

/// The same JSON with its members in one order.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let sorted: std::collections::BTreeMap<_, _> = members.iter().collect();
            sorted
                .into_iter()
                .map(|(name, value)| (name.clone(), canonical(value)))
                .collect()
        }
        Value::Array(list) => list.iter().map(canonical).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// The id of a contact to be created: by its external id, else by the request's key, else by chance.
pub(crate) fn new_id(api: &Api, mailbox: &MailboxId, external: Option<&str>, key: Option<&str>) -> ContactId {
    match (external, key) {
        (Some(external), _) => ContactId::of_external(mailbox, external),
        (None, Some(key)) => ContactId::of_request(mailbox, key),
        (None, None) => ContactId::of_request(mailbox, &api.ambient.uuid().to_string()),
    }
}

/// What becomes of a creation.
pub(crate) fn created(
    mailbox: &MailboxId,
    id: &ContactId,
    present: Option<&Contact>,
    wanted: Wanted,
    request: &Request,
    on: Occasion,
) -> Result<Decision, Failure> {
    let contact = match present {
        None => create(mailbox, id.clone(), wanted, request.hash(), on),
        Some(present) => match present.deleted_at {
            // The repetition of the request that created it must not bring it back.
            Some(at) if request.has_key_of(present) => return Err(Problem::contact_deleted(at).into()),
            // It is gone first, and then it may be somebody new.
            Some(at) if is_being_erased(present) => return Err(Problem::contact_deleted(at).into()),
            Some(_) => revive(present, wanted, request.hash(), on),
            None if request.is_of(present) => return Ok(Decision::Keep),
            None if request.has_key_of(present) => return Err(Kind::KeyUsedOtherwise.into()),
            None => return Err(Problem::external_id_taken(&present.id).into()),
        },
    };
    Ok(Decision::Write(Change::Created, Box::new(contact), Vec::new()))
}

/// True where Outlook has yet to delete it, and nothing of it is left here.
fn is_being_erased(contact: &Contact) -> bool {
    contact.edit.as_ref().is_some_and(|edit| edit.wish == Wish::Erase)
}

/// What becomes of a replacement.
pub(crate) fn replaced(present: &Contact, wanted: Wanted, on: Occasion) -> Decision {
    match replace(present, wanted, on) {
        Some(contact) => Decision::Write(Change::Changed, Box::new(contact), Vec::new()),
        None => Decision::Keep,
    }
}

/// The contact, unless there is none or it is deleted.
pub(crate) fn living(present: Option<&Contact>) -> Result<&Contact, Failure> {
    let contact = present.ok_or(Kind::ContactNotFound)?;
    match contact.deleted_at {
        Some(at) => Err(Problem::contact_deleted(at).into()),
        None => Ok(contact),
    }
}

/// Now, with somebody waiting.
pub(crate) fn at_once(api: &Api) -> Occasion {
    Occasion {
        now: api.ambient.now(),
        urgency: Urgency::Now,
    }
}
