//! A page of an answer, made of the rows that a query has found, and the cursor to the next one.
//!
//! A cursor is base64url of `1/<question>/<position>`: it names the question (with its mailbox) that it goes on with,
//! and any other text is refused. Knows nothing of how a position is looked up.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde::de::DeserializeOwned;
use sync_core::ids::{ContactId, MailboxId};

use crate::calls::Rows;
use crate::error::StoreError;
use crate::items::{Table, read_all, text};
use crate::keys::FolderKey;

/// A page of an answer that may be long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What was found, in the question's order.
    pub items: Vec<T>,
    /// The cursor to the next page; `None` at the end. A page may be empty and still have a next one.
    ///
    /// It is opaque, good for the same question only, and no secret: it grants nothing that the question doesn't.
    pub next: Option<String>,
    /// Items passed over because a newer version of this software has written them, or because they can't be read.
    pub unreadable: u64,
}

impl Rows {
    /// The cursor behind the last row; `position` is the attribute that tells where a row stands in the answer.
    pub(crate) fn next(&self, question: &Question<'_>, position: &str) -> Option<String> {
        let last = self.rows.last().filter(|_| self.more)?;
        Some(question.cursor(text(last, position)))
    }

    /// The rows as a page of records.
    pub(crate) fn page<T: DeserializeOwned>(
        self,
        table: Table,
        question: &Question<'_>,
        position: &str,
    ) -> Page<T> {
        let next = self.next(question, position);
        let (items, unreadable) = read_all(table, self.rows);
        Page {
            items,
            next,
            unreadable,
        }
    }
}

/// A question whose answer comes in pages.
pub(crate) enum Question<'a> {
    Mailboxes,
    Contacts(&'a MailboxId),
    Folder(&'a MailboxId, &'a FolderKey),
    Changes(&'a MailboxId),
    Outlines(&'a MailboxId, &'a FolderKey),
    Pending(&'a MailboxId),
    Held(&'a MailboxId),
    /// Of one contact, or of all.
    Conflicts(&'a MailboxId, Option<&'a ContactId>),
    Feed(&'a MailboxId),
    Plan(&'a MailboxId),
    Versions(&'a MailboxId, &'a ContactId),
}

impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailboxes => f.write_str("mailboxes"),
            Self::Contacts(mailbox) => write!(f, "contacts/{mailbox}"),
            Self::Folder(mailbox, folder) => write!(f, "folder/{mailbox}/{folder}"),
            Self::Changes(mailbox) => write!(f, "changes/{mailbox}"),
            Self::Outlines(mailbox, folder) => write!(f, "outlines/{mailbox}/{folder}"),
            Self::Pending(mailbox) => write!(f, "pending/{mailbox}"),
            Self::Held(mailbox) => write!(f, "held/{mailbox}"),
            Self::Conflicts(mailbox, None) => write!(f, "conflicts/{mailbox}"),
            Self::Conflicts(mailbox, Some(contact)) => write!(f, "conflicts/{mailbox}/{contact}"),
            Self::Feed(mailbox) => write!(f, "feed/{mailbox}"),
            Self::Plan(mailbox) => write!(f, "plan/{mailbox}"),
            Self::Versions(mailbox, contact) => write!(f, "versions/{mailbox}/{contact}"),
        }
    }
}

impl Question<'_> {
    /// The cursor that goes on behind `position`.
    pub(crate) fn cursor(&self, position: impl fmt::Display) -> String {
        BASE64URL_NOPAD.encode(format!("1/{self}/{position}").as_bytes())
    }

    /// The position of a cursor of this question, read by `parse`; `None` where there is no cursor.
    pub(crate) fn position<P>(
        &self,
        cursor: Option<&str>,
        parse: impl FnOnce(&str) -> Option<P>,
    ) -> Result<Option<P>, StoreError> {
        let Some(cursor) = cursor else { return Ok(None) };
        let position = || {
            let text = String::from_utf8(BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?).ok()?;
            parse(text.strip_prefix(&format!("1/{self}/"))?)
        };
        position().map(Some).ok_or(StoreError::InvalidCursor)
    }
}
