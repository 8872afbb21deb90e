//! A page of a delta round (facts 4): what changed, what was removed, and where to go on.
//!
//! Must not decide anything about removals: leaving a folder looks like being deleted (facts 4.2).

use serde_json::Value;

use crate::client::{Call, GraphClient};
use crate::error::{DecodeError, GraphError};
use crate::page::{Row, Unreadable, read_row};
use crate::transport::Transport;

/// One page. It may be empty and still have a next one. An id may occur several times, in `changed` and in `removed`.
#[derive(Clone, Debug, PartialEq)]
pub struct DeltaPage<R> {
    /// New, changed and replayed rows, in Graph's order.
    pub changed: Vec<R>,
    /// Rows that are no longer in the collection.
    pub removed: Vec<Removed>,
    /// Rows that could not be read.
    pub unreadable: Vec<Unreadable>,
    /// Where to go on.
    pub next: Next,
}

/// Where a delta round goes on. Links are opaque: store them whole, add nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The round has another page.
    Page(String),
    /// The round is complete; the next one begins here.
    Done(String),
}

/// A row that is no longer in the collection: deleted, or moved out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The row's id.
    pub id: String,
    /// What Graph says about it.
    pub reason: RemovedReason,
}

/// `@removed.reason`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemovedReason {
    /// `deleted`; for Outlook also a move to another folder.
    Deleted,
    /// `changed`: can be restored.
    Changed,
    /// None, or one that is not documented.
    Other,
}

impl<T: Transport> GraphClient<T> {
    pub(crate) async fn delta_page<R: Row>(
        &self,
        tenant: &str,
        call: Call<'_>,
    ) -> Result<DeltaPage<R>, GraphError> {
        let subject = call.subject;
        let answer = self.call(tenant, call.paged()).await?;
        let envelope = self.envelope(&answer, subject)?;
        let next = match (envelope.next_link, envelope.delta_link) {
            // Never both; if it were, the rest of the round must not be lost.
            (Some(link), _) => Next::Page(link),
            (None, Some(link)) => Next::Done(link),
            (None, None) => return Err(answer.unreadable(DecodeError::new("@odata.deltaLink", "no link"))),
        };
        let mut page = DeltaPage {
            changed: Vec::new(),
            removed: Vec::new(),
            unreadable: Vec::new(),
            next,
        };
        for row in envelope.rows {
            match removed(&row) {
                Some(removed) => page.removed.push(removed),
                None => match read_row(row) {
                    Ok(row) => page.changed.push(row),
                    Err(row) => page.unreadable.push(row),
                },
            }
        }
        Ok(page)
    }
}

/// `None` where the row is not a removal, or one of nothing.
fn removed(row: &Value) -> Option<Removed> {
    let reason = row.get("@removed")?.get("reason").and_then(Value::as_str);
    let id = row.get("id")?.as_str().filter(|id| !id.is_empty())?;
    let reason = match reason {
        Some("deleted") => RemovedReason::Deleted,
        Some("changed") => RemovedReason::Changed,
        _ => RemovedReason::Other,
    };
    Some(Removed {
        id: id.to_owned(),
        reason,
    })
}
