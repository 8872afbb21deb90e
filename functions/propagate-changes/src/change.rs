//! A stream record as this function reads it: what was there before a write, and what is there now.
//!
//! Knows Lambda's form of the records. What an item's attributes say is the store's.

use std::collections::HashMap;

use aws_lambda_events::event::dynamodb::EventRecord;
use aws_sdk_dynamodb::types::AttributeValue;
use contact_store::{
    Conflict, Contact, Image, Mailbox, StoreError, Tables, contact_of_image, mailbox_of_image,
};
use jiff::Timestamp;

/// What one write has changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A contact was written, erased, or merged into another.
    Contact {
        /// As it was; `None` where there was none.
        old: Option<Box<Contact>>,
        /// As it is.
        new: Now,
        /// About when: to the second, and later than the contact's own time.
        at: Timestamp,
    },
    /// A conflict was decided.
    Conflict(Box<Conflict>),
    /// A mailbox was written or removed.
    Mailbox {
        /// As it was; `None` where it was not enrolled.
        old: Option<Box<Mailbox>>,
        /// As it is; `None` where it is enrolled no longer.
        new: Option<Box<Mailbox>>,
        /// About when.
        at: Timestamp,
    },
    /// Nothing that anybody waits for.
    Nothing,
}

/// What a contact's item has become.
#[derive(Clone, Debug, PartialEq)]
pub enum Now {
    /// A contact, or the tombstone of one.
    Contact(Box<Contact>),
    /// The id leads to another contact: this one was found to be the same.
    Merged,
    /// The item is gone: the mailbox was removed, or a tombstone's time was over.
    Gone,
}

impl Change {
    /// Reads a record of one of the tables' streams.
    pub fn read(record: EventRecord, tables: &Tables) -> Result<Self, StoreError> {
        let at = record.change.approximate_creation_date_time.timestamp_millis();
        let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
        let table = table(record.event_source_arn.as_deref().unwrap_or_default());
        let (old, new) = (image(record.change.old_image), image(record.change.new_image));
        if table == tables.state {
            let read = |image: Option<Item>| image.map(mailbox_of_image).transpose();
            return Ok(Self::Mailbox {
                old: read(old)?.map(Box::new),
                new: read(new)?.map(Box::new),
                at,
            });
        }
        let read = |image: Option<Item>| image.map(contact_of_image).transpose();
        Ok(match (read(old)?, read(new)?) {
            (None, Some(Image::Conflict(conflict))) => Self::Conflict(conflict),
            (old, Some(Image::Contact(new))) => Self::Contact {
                old: contact(old),
                new: Now::Contact(new),
                at,
            },
            (Some(Image::Contact(old)), Some(Image::Alias)) => Self::Contact {
                old: Some(old),
                new: Now::Merged,
                at,
            },
            (Some(Image::Contact(old)), None) => Self::Contact {
                old: Some(old),
                new: Now::Gone,
                at,
            },
            // Aliases come and go with contacts of their own, and a conflict that changes was settled by an edit.
            (None | Some(Image::Alias | Image::Conflict(_)), None | Some(Image::Alias))
            | (Some(_), Some(Image::Conflict(_))) => Self::Nothing,
        })
    }
}

type Item = HashMap<String, AttributeValue>;

/// Lambda leaves an image out that the write has none of, which comes here as an empty one: an item has a key at least.
fn image(image: serde_dynamo::Item) -> Option<Item> {
    Some(Item::from(image)).filter(|image| !image.is_empty())
}

fn contact(image: Option<Image>) -> Option<Box<Contact>> {
    match image? {
        Image::Contact(contact) => Some(contact),
        Image::Alias | Image::Conflict(_) => None,
    }
}

/// The table's name in `arn:aws:dynamodb:<region>:<account>:table/<name>/stream/<label>`.
fn table(stream_arn: &str) -> &str {
    stream_arn.split('/').nth(1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_of_the_table_that_its_arn_names() {
        let arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/mirror-ContactsTable-1X/stream/2026-11-23T06:00:00.000";
        assert_eq!(table(arn), "mirror-ContactsTable-1X");
        assert_eq!(table("nonsense"), "");
    }
}
