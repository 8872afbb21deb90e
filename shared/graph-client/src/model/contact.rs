//! A contact as read (facts 1.1): what a sync needs by name, everything else as it came.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::fields::ContactFields;
use super::stamp;
use crate::error::DecodeError;
use crate::page::Row;

/// A contact. Its `Debug` form leaves out the members, which are about people.
#[derive(Clone, PartialEq)]
pub struct Contact {
    /// The immutable id: the same in every folder of the mailbox.
    pub id: String,
    /// Outlook's version of the contact.
    pub change_key: Option<String>,
    /// What `If-Match` takes.
    pub etag: Option<String>,
    /// The folder it is in.
    pub parent_folder_id: Option<String>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When it was last changed.
    pub modified: Option<Timestamp>,
    /// What [`ContactWrite::Create`](crate::ContactWrite::Create) stamped on it. Only where it was asked for: by
    /// [`MailboxClient::contacts`](crate::MailboxClient::contacts) and
    /// [`MailboxClient::contacts_by_stamp`](crate::MailboxClient::contacts_by_stamp); writes and deltas don't tell it.
    pub stamp: Option<String>,
    /// Every other member, known or not, without control information (names with an `@`). Members may be missing in a
    /// delta row: those have not changed (facts 4.2).
    pub members: Map<String, Value>,
}

impl Contact {
    /// The members with their types. Fails where a known one has another type than Graph documents.
    pub fn fields(&self) -> Result<ContactFields, DecodeError> {
        ContactFields::from_members(&self.members)
    }
}

impl Row for Contact {
    fn read(mut row: Map<String, Value>) -> Result<Self, DecodeError> {
        let id = text(&mut row, "id")?.filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| DecodeError::new("id", "a missing member"))?;
        let contact = Self {
            id,
            change_key: text(&mut row, "changeKey")?,
            etag: text(&mut row, "@odata.etag")?,
            parent_folder_id: text(&mut row, "parentFolderId")?,
            created: time(&mut row, "createdDateTime")?,
            modified: time(&mut row, "lastModifiedDateTime")?,
            stamp: stamp::take(&mut row),
            members: row.into_iter().filter(|(name, _)| !name.contains('@')).collect(),
        };
        Ok(contact)
    }
}

fn text(row: &mut Map<String, Value>, name: &str) -> Result<Option<String>, DecodeError> {
    match row.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(DecodeError::new(name, "no text"))
        }
    }
}

fn time(row: &mut Map<String, Value>, name: &str) -> Result<Option<Timestamp>, DecodeError> {
    let time = row.remove(name).unwrap_or_default();
    Option::deserialize(time).map_err(|_| DecodeError::new(name, "no time"))
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contact")
            .field("id", &self.id)
            .field("change_key", &self.change_key)
            .field("parent_folder_id", &self.parent_folder_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Field;
    use crate::page::read_row;

    #[test]
    fn a_contact_keeps_what_it_does_not_know_and_drops_control_information() {
        let contact: Contact = read_row(json!({
            "@odata.etag": "W/\"E1\"", "@odata.type": "#microsoft.graph.contact", "birthday@odata.type": "x",
            "id": "C1", "changeKey": "E1", "parentFolderId": "F1",
            "createdDateTime": "2026-01-01T10:00:00Z", "lastModifiedDateTime": null,
            "displayName": "Ada", "homeAddress": {}, "novelty": [{ "a": 1 }],
            "emailAddresses": [{ "address": "ada@example.com", "type": "work" }],
        }))
        .unwrap();
        assert_eq!(contact.etag.as_deref(), Some("W/\"E1\""));
        assert_eq!(contact.created, Some("2026-01-01T10:00:00Z".parse().unwrap()));
        assert_eq!(contact.modified, None);
        let names: Vec<_> = contact.members.keys().map(String::as_str).collect();
        assert_eq!(names, ["displayName", "emailAddresses", "homeAddress", "novelty"]);

        let fields = contact.fields().unwrap();
        assert_eq!(fields.display_name, Field::Set("Ada".to_owned()));
        assert_eq!(fields.title, Field::Absent);
        assert_eq!(fields.other["novelty"], json!([{ "a": 1 }]));
        assert_eq!(
            fields.to_members(),
            contact.members,
            "nothing is lost on the way there and back"
        );
        assert!(!format!("{contact:?}").contains("Ada"));
    }

    #[test]
    fn what_is_no_contact_is_told_by_place_and_not_by_value() {
        let cases = [
            (json!("secret"), "no object at `.`"),
            (json!({ "displayName": "secret" }), "a missing member at `id`"),
            (json!({ "id": "" }), "a missing member at `id`"),
            (json!({ "id": 7 }), "no text at `id`"),
            (json!({ "id": "C", "changeKey": {} }), "no text at `changeKey`"),
            (
                json!({ "id": "C", "createdDateTime": "secret" }),
                "no time at `createdDateTime`",
            ),
        ];
        for (row, problem) in cases {
            let unreadable = read_row::<Contact>(row).unwrap_err();
            assert_eq!(unreadable.problem.to_string(), problem);
        }
    }
}
