//! The forms of contacts in answers.
//!
//! Knows which members Outlook's contacts have (facts 1.1), for the description alone: what Graph sent is passed on
//! as it is, members unknown here included. It must not change a value.

use contact_store::Contact;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

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
    /// The id of the folder that it lies in.
    folder: String,
    /// The mirror's version: greater after each change. The `ETag` of the contact is this.
    version: u64,
    /// What Outlook knows it by.
    outlook: OutlookForm,
    /// When the mirror last changed it.
    changed_at: Timestamp,
    /// Members of `contact` that were too large to be kept in the mirror; `*` stands for more than could be named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    omitted: Vec<String>,
    /// The contact's members as Outlook has them.
    #[schema(value_type = OutlookContact)]
    contact: Map<String, Value>,
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
        Self {
            id: of.id.into(),
            mailbox: of.mailbox.into(),
            folder: of.folder.to_string(),
            version: of.version,
            outlook: OutlookForm {
                id: of.outlook_id.to_string(),
                change_key: of.change_key.to_string(),
                created_at: of.created_at,
                modified_at: of.modified_at,
            },
            changed_at: of.changed_at,
            omitted: of.omitted,
            contact: of.document,
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
    /// When the mirror learnt that the contact was deleted.
    deleted_at: Timestamp,
}

/// An element of a list of contacts.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ContactOrDeleted)]
pub(crate) enum ItemForm {
    /// A contact.
    Contact(Box<ContactForm>),
    /// Only in lists with `changedSince`.
    Deleted(TombstoneForm),
}

impl From<Contact> for ItemForm {
    fn from(of: Contact) -> Self {
        match of.deleted_at {
            Some(deleted_at) => Self::Deleted(TombstoneForm {
                id: of.id.into(),
                version: of.version,
                deleted: true,
                deleted_at,
            }),
            None => Self::Contact(Box::new(of.into())),
        }
    }
}

/// Describes a contact's members as Outlook has them.
struct OutlookContact;

const TEXTS: [&str; 23] = [
    "assistantName",
    "businessHomePage",
    "companyName",
    "department",
    "displayName",
    "fileAs",
    "generation",
    "givenName",
    "initials",
    "jobTitle",
    "manager",
    "middleName",
    "mobilePhone",
    "nickName",
    "officeLocation",
    "personalNotes",
    "profession",
    "spouseName",
    "surname",
    "title",
    "yomiCompanyName",
    "yomiGivenName",
    "yomiSurname",
];
const LISTS: [&str; 5] = [
    "businessPhones",
    "categories",
    "children",
    "homePhones",
    "imAddresses",
];
const ADDRESSES: [&str; 3] = ["businessAddress", "homeAddress", "otherAddress"];
const EMAILS: [&str; 3] = [
    "primaryEmailAddress",
    "secondaryEmailAddress",
    "tertiaryEmailAddress",
];

impl ToSchema for OutlookContact {}

impl PartialSchema for OutlookContact {
    fn schema() -> RefOr<Schema> {
        let address = ["street", "city", "state", "postalCode", "countryOrRegion"];
        let list = |items: ObjectBuilder| ArrayBuilder::new().schema_type(or_null(Type::Array)).items(items);
        let birthday = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));

        let mut contact = open(Type::Object).description(Some(
            "A contact's members as Outlook has them. Any of them may be absent or null; others may appear.",
        ));
        for name in TEXTS {
            contact = contact.property(name, text());
        }
        for name in LISTS {
            contact = contact.property(name, list(text()));
        }
        for name in ADDRESSES {
            contact = contact.property(name, texts(&address));
        }
        for name in EMAILS {
            contact = contact.property(name, texts(&["address", "name"]));
        }
        contact
            .property("birthday", birthday)
            .property("emailAddresses", list(texts(&["address", "name"])))
            .into()
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
