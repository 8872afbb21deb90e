//! The forms of contacts in answers.
//!
//! Knows which members Outlook's contacts have (facts 1.1), for the description alone: what Graph sent is passed on
//! as it is, members unknown here included. It must not change a value.

use contact_store::Contact;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use sync_core::members::{ADDRESS_PARTS, Kind, MEMBERS};
use sync_core::record::{Hold, OutlookItem, Refusal};
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::edit::shown;

/// A contact of the mirror.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Contact)]
pub(crate) struct ContactForm {
    /// The contact's id here. It outlives the contact's ids in Outlook.
    #[schema(pattern = "^con_[a-z2-7]{26}$")]
    id: String,
    /// The mailbox's id.
    #[schema(pattern = "^mbx_[a-z2-7]{26}$")]
    mailbox: String,
    /// The caller's own id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    external_id: Option<String>,
    /// The id of the folder that it lies in; `default` stands for the default folder until its id is known.
    folder: String,
    /// The mirror's version: greater after each change that can be seen here. The `ETag` of the contact is this.
    version: u64,
    /// What Outlook knows it by; absent while it is not in Outlook.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    outlook: Option<OutlookForm>,
    /// Whether Outlook has it as it is here.
    sync: SyncForm,
    /// Its photo, to be read under `photo`; absent where it has none, or none that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    photo: Option<PhotoForm>,
    /// When the mirror last changed it.
    changed_at: Timestamp,
    /// Members of `contact` that were too large to be kept in the mirror; `*` stands for more than could be named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    omitted: Vec<String>,
    /// The contact's members: as Outlook has them, or is to have them, and with what it can't hold.
    #[schema(value_type = OutlookContact)]
    contact: Map<String, Value>,
}

/// A contact's photo.
#[derive(Serialize, ToSchema)]
#[schema(as = Photo)]
pub(crate) struct PhotoForm {
    /// The SHA-256 of the photo, and its `ETag`.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    hash: String,
    /// How many bytes it has.
    bytes: u64,
}

/// Whether Outlook has a contact as it is here.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Sync)]
pub(crate) struct SyncForm {
    /// Whether it has.
    state: SyncState,
    /// When the contact was last edited here, or, with the state `guarded`, when its delete was held; absent where Outlook
    /// has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    since: Option<Timestamp>,
    /// With the state `refused`: what Microsoft Graph said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refusal: Option<RefusalForm>,
    /// With the state `review`: the ids of the contacts of which it may be one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    candidates: Vec<String>,
}

/// Whether Outlook has a contact as it is here, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SyncState {
    /// It has.
    Settled,
    /// It will, within seconds if nothing stands in the way.
    Pending,
    /// It has refused the edit. Edit the contact again, retry, or discard the edit.
    Refused,
    /// It may have the contact already, as another one. Link the two, or create it all the same.
    Review,
    /// More contacts were deleted, here or there, than the delete guard allows. Release these deletes, or refuse them.
    Guarded,
}

impl SyncState {
    /// Of the contact's members and of its photo: what waits for a person is told first.
    pub(crate) fn of(contact: &Contact) -> Self {
        let of_photo = match contact.photo_edit.as_ref().map(|edit| &edit.refusal) {
            None => Self::Settled,
            Some(None) => Self::Pending,
            Some(Some(_)) => Self::Refused,
        };
        match (contact.edit.as_ref().map(|edit| &edit.hold), of_photo) {
            (Some(Some(Hold::Review { .. })), _) => Self::Review,
            (Some(Some(Hold::Guarded { .. })), _) => Self::Guarded,
            (Some(Some(Hold::Refused(_))), _) | (_, Self::Refused) => Self::Refused,
            (Some(None), _) => Self::Pending,
            (None, of_photo) => of_photo,
        }
    }
}

/// What Microsoft Graph said when it refused an edit. `folderNotSynced` and `photoMissing` are said by the sync itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Refusal)]
pub(crate) struct RefusalForm {
    /// When.
    at: Timestamp,
    /// The HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    status: Option<u16>,
    /// Graph's code of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code: Option<String>,
    /// Graph's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// Graph's id of the request, for Microsoft's support.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<String>,
}

impl From<Refusal> for RefusalForm {
    fn from(of: Refusal) -> Self {
        Self {
            at: of.at,
            status: of.status,
            code: of.code,
            reason: of.reason,
            request_id: of.request_id,
        }
    }
}

impl SyncForm {
    pub(crate) fn of(contact: &Contact) -> Self {
        let edited_at = contact.edit.as_ref().map(|edit| edit.edited_at);
        let photo_set_at = contact.photo_edit.as_ref().map(|edit| edit.edited_at);
        let mut form = Self {
            state: SyncState::of(contact),
            since: edited_at.max(photo_set_at),
            refusal: contact
                .photo_edit
                .as_ref()
                .and_then(|edit| edit.refusal.clone())
                .map(Into::into),
            candidates: Vec::new(),
        };
        match contact.edit.as_ref().and_then(|edit| edit.hold.clone()) {
            Some(Hold::Refused(refusal)) => form.refusal = Some(refusal.into()),
            Some(Hold::Review { candidates }) => {
                form.refusal = None;
                form.candidates = candidates.into_iter().map(Into::into).collect();
            }
            Some(Hold::Guarded { at, .. }) => (form.refusal, form.since) = (None, Some(at)),
            None => {}
        }
        form
    }
}

/// What Outlook knows a contact by.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OutlookIdentity)]
pub(crate) struct OutlookForm {
    /// Its immutable id.
    id: String,
    /// Outlook's version of it.
    change_key: String,
    /// When Outlook created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    created_at: Option<Timestamp>,
    /// When Outlook last changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    modified_at: Option<Timestamp>,
}

impl From<Contact> for ContactForm {
    fn from(of: Contact) -> Self {
        let outlook = |item: OutlookItem| OutlookForm {
            id: item.id.to_string(),
            change_key: item.change_key.to_string(),
            created_at: of.created_at,
            modified_at: of.modified_at,
        };
        Self {
            contact: shown(&of),
            sync: SyncForm::of(&of),
            photo: of.photo.map(|photo| PhotoForm {
                hash: photo.hash.into(),
                bytes: photo.bytes,
            }),
            id: of.id.into(),
            mailbox: of.mailbox.into(),
            external_id: of.external_id,
            folder: of.folder.to_string(),
            version: of.version,
            outlook: of.outlook.map(outlook),
            changed_at: of.changed_at,
            omitted: of
                .omitted
                .into_iter()
                .filter(|name| !name.starts_with("base."))
                .collect(),
        }
    }
}

/// What is left of a deleted contact.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeletedContact)]
pub(crate) struct TombstoneForm {
    /// The contact's id here.
    #[schema(pattern = "^con_[a-z2-7]{26}$")]
    id: String,
    /// The mirror's version: greater than any that the contact had.
    version: u64,
    /// Always true.
    deleted: bool,
    /// When it was deleted, or the mirror learnt of it.
    deleted_at: Timestamp,
    /// Absent where Outlook knows. Else how it stands with telling it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sync: Option<SyncForm>,
}

impl TombstoneForm {
    /// Of a contact that is deleted, at this moment unless it says otherwise.
    pub(crate) fn of(contact: Contact, now: Timestamp) -> Self {
        Self {
            sync: contact.edit.as_ref().map(|_| SyncForm::of(&contact)),
            id: contact.id.into(),
            version: contact.version,
            deleted: true,
            deleted_at: contact.deleted_at.unwrap_or(now),
        }
    }
}

/// An element of a list of contacts.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ContactOrDeleted)]
pub(crate) enum ItemForm {
    /// A contact.
    Contact(Box<ContactForm>),
    /// Only in lists with `changedSince` or `sync`, and in the feed of changes.
    Deleted(TombstoneForm),
}

impl From<Contact> for ItemForm {
    fn from(of: Contact) -> Self {
        match of.deleted_at {
            Some(at) => Self::Deleted(TombstoneForm::of(of, at)),
            None => Self::Contact(Box::new(of.into())),
        }
    }
}

/// Describes a contact's members as Outlook has them.
pub(crate) struct OutlookContact;

impl ToSchema for OutlookContact {}

impl PartialSchema for OutlookContact {
    fn schema() -> RefOr<Schema> {
        let email = || texts(&["address", "name"]);
        let list = |items: ObjectBuilder| ArrayBuilder::new().schema_type(or_null(Type::Array)).items(items);
        let birthday = || text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));

        let mut contact = open(Type::Object).description(Some(
            "A contact's members as Outlook has them. Any of them may be absent or null; others may appear.",
        ));
        for (name, kind) in MEMBERS {
            contact = match kind {
                Kind::Text => contact.property(name, text()),
                Kind::Date => contact.property(name, birthday()),
                Kind::Address => contact.property(name, texts(&ADDRESS_PARTS)),
                Kind::Texts => contact.property(name, list(text())),
                Kind::Emails => contact.property(name, list(email())),
                Kind::Derived => contact.property(name, email()),
                Kind::Unknown => contact,
            };
        }
        contact.into()
    }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(or_null(Type::String))
}

/// An object of texts.
fn texts(names: &[&str]) -> ObjectBuilder {
    names.iter().fold(open(or_null(Type::Object)), |object, name| {
        object.property(*name, text())
    })
}

/// Graph's types are open: extensions appear as further members, and tests against them have seen undeclared ones.
fn open(kind: impl Into<SchemaType>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(kind)
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
}

/// Everything of a contact can be null (facts 1.1).
fn or_null(kind: Type) -> SchemaType {
    SchemaType::from_iter([kind, Type::Null])
}
