//! A tiny Outlook: one contact, kept in Outlook's own spelling, and Graph's rules on what it may be told.

use jiff::Timestamp;
use serde_json::{Value, json};
use sync_core::ids::FolderId;
use sync_core::members::{Kind, cap, kind};
use sync_core::sighting::Document;

use crate::contacts::shown;

/// The contact as Outlook has it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) document: Document,
    pub(crate) folder: FolderId,
    pub(crate) modified_at: Timestamp,
    /// Another one after each change: the change key.
    pub(crate) version: u64,
}

/// The mailbox.
#[derive(Debug, Default)]
pub(crate) struct Outlook {
    pub(crate) item: Option<Item>,
    /// How many versions there have been.
    pub(crate) versions: u64,
}

impl Outlook {
    /// A contact is created, by anybody.
    pub(crate) fn create(&mut self, members: &Document, folder: &FolderId, at: Timestamp) {
        self.save(Document::new(), members, folder.clone(), at);
    }

    /// Members of the contact are changed, by anybody.
    pub(crate) fn update(&mut self, members: &Document, at: Timestamp) {
        let item = self.item.take().expect("an update is of a contact that is there");
        self.save(item.document, members, item.folder, at);
    }

    /// Somebody drags it into another folder.
    pub(crate) fn drag(&mut self, folder: FolderId, at: Timestamp) {
        if let Some(item) = self.item.take() {
            self.save(item.document, &Document::new(), folder, at);
        }
    }

    /// A feature that Graph doesn't document shows something.
    pub(crate) fn grow(&mut self, size: u8, at: Timestamp) {
        if let Some(mut item) = self.item.take() {
            item.document.insert("shoeSize".to_owned(), json!(size));
            self.save(item.document, &Document::new(), item.folder, at);
        }
    }

    fn save(&mut self, mut document: Document, members: &Document, folder: FolderId, at: Timestamp) {
        for (name, value) in members {
            assert!(kind(name).is_writable(), "Graph refuses {name}");
            let value = spelt(name, value);
            let count = value.as_ref().and_then(Value::as_array).map_or(0, Vec::len);
            assert!(
                cap(name).is_none_or(|cap| count <= cap),
                "Graph refuses {count} {name}"
            );
            match value {
                Some(value) => document.insert(name.clone(), value),
                None => document.remove(name),
            };
        }
        // It writes the display name anew unless it is told one (facts 1.2).
        if !members.is_empty()
            && !members.contains_key("displayName")
            && let Some(name) = document.get("surname")
        {
            document.insert("displayName".to_owned(), name.clone());
        }
        document.retain(|name, _| kind(name) != Kind::Derived);
        self.versions += 1;
        self.item = Some(Item {
            document: shown(document, 0),
            folder,
            modified_at: Timestamp::from_second(at.as_second()).unwrap(),
            version: self.versions,
        });
    }
}

/// A value as Outlook keeps it: trimmed, without empty entries, with a name for each e-mail address.
fn spelt(name: &str, value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.trim())
            .filter(|text| !text.is_empty())
            .map(|text| json!(text.replace("\r\n", "\n"))),
        Value::Array(list) => Some(list.iter().filter_map(|value| spelt(name, value)).collect()),
        Value::Object(parts) => {
            let mut parts: Document = parts
                .iter()
                .filter_map(|(part, value)| Some((part.clone(), spelt(part, value)?)))
                .collect();
            if kind(name) == Kind::Emails && !parts.contains_key("name") {
                let address = parts.get("address").cloned()?;
                parts.insert("name".to_owned(), address);
            }
            (!parts.is_empty()).then_some(Value::Object(parts))
        }
        Value::Bool(_) | Value::Number(_) => Some(value.clone()),
    }
}
