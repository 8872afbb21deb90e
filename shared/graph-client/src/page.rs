//! A page of a collection: its rows, each read by itself, and the link to the next.
//!
//! Knows the envelope around the rows. Must not know what a row is; one that can't be read never costs the others.

use serde_json::{Map, Value};

use crate::classify::{self, Subject};
use crate::client::{Call, GraphClient, Target};
use crate::endpoints::{Endpoints, ForeignLink};
use crate::error::{DecodeError, ErrorKind, GraphError};
use crate::exchange::{Answer, hidden_error};
use crate::transport::Transport;

/// Where to read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom<'a> {
    /// The beginning.
    Start,
    /// A link that an earlier page gave, whole and unchanged.
    Link(&'a str),
}

impl<'a> ReadFrom<'a> {
    pub(crate) fn target(self, start: &'a [&'a str]) -> Target<'a> {
        match self {
            Self::Start => Target::Path(start),
            Self::Link(link) => Target::Link(link),
        }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<R> {
    /// In Graph's order.
    pub rows: Vec<R>,
    /// Rows that could not be read.
    pub unreadable: Vec<Unreadable>,
    /// The next page; `None` on the last one.
    pub next: Option<String>,
}

/// All pages of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<R> {
    /// In Graph's order.
    pub rows: Vec<R>,
    /// Rows that could not be read: not an empty list means that absence from `rows` proves nothing.
    pub unreadable: Vec<Unreadable>,
}

/// A row that is not what its collection holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its id, where that much could be read.
    pub id: Option<String>,
    /// What is wrong with it.
    pub problem: DecodeError,
}

/// What a row of a collection becomes.
pub(crate) trait Row: Sized {
    fn read(row: Map<String, Value>) -> Result<Self, DecodeError>;
}

/// The envelope, with its links admitted.
pub(crate) struct Envelope {
    pub(crate) rows: Vec<Value>,
    pub(crate) next_link: Option<String>,
    pub(crate) delta_link: Option<String>,
}

/// Why a page as a whole is of no use.
pub(crate) enum Damage {
    Unreadable(DecodeError),
    Foreign(ForeignLink),
    /// A failed read, told in place of a row (facts 8).
    Hidden(Value),
}

impl Envelope {
    /// Takes a page's body apart. A link to a foreign host fails the page, so that it never gets stored.
    pub(crate) fn open(mut body: Value, endpoints: &Endpoints) -> Result<Self, Damage> {
        let Some(Value::Array(rows)) = body.get_mut("value").map(Value::take) else {
            return Err(Damage::Unreadable(DecodeError::new("value", "no array")));
        };
        if let Some(error) = rows.iter().find_map(hidden_error) {
            return Err(Damage::Hidden(error.clone()));
        }
        let link = |name: &str| match body.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(link) => {
                let link = link.as_str().unwrap_or_default();
                endpoints
                    .admit(link)
                    .map(|_| Some(link.to_owned()))
                    .map_err(Damage::Foreign)
            }
        };
        Ok(Self {
            next_link: link("@odata.nextLink")?,
            delta_link: link("@odata.deltaLink")?,
            rows,
        })
    }
}

impl Damage {
    /// The error that this is; `error` makes one that knows the call.
    pub(crate) fn error(
        self,
        subject: Subject,
        error: impl FnOnce(ErrorKind, Option<&str>) -> GraphError,
    ) -> GraphError {
        match self {
            Self::Unreadable(problem) => error(ErrorKind::Transient, None).because(problem),
            Self::Foreign(link) => error(ErrorKind::ForeignHost, None).because(link),
            Self::Hidden(body) => {
                let code = classify::code_in(&body);
                error(classify::kind(200, code.as_deref(), subject), code.as_deref())
            }
        }
    }
}

pub(crate) fn read_row<R: Row>(row: Value) -> Result<R, Unreadable> {
    let id = row.get("id").and_then(Value::as_str).map(str::to_owned);
    let read = match row {
        Value::Object(row) => R::read(row),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(DecodeError::new(".", "no object"))
        }
    };
    read.map_err(|problem| Unreadable { id, problem })
}

impl<R> Page<R> {
    pub(crate) fn of(envelope: Envelope) -> Self
    where
        R: Row,
    {
        let mut page = Self {
            rows: Vec::new(),
            unreadable: Vec::new(),
            next: envelope.next_link,
        };
        for row in envelope.rows {
            match read_row(row) {
                Ok(row) => page.rows.push(row),
                Err(row) => page.unreadable.push(row),
            }
        }
        page
    }
}

impl<T: Transport> GraphClient<T> {
    pub(crate) async fn page<R: Row>(&self, tenant: &str, call: Call<'_>) -> Result<Page<R>, GraphError> {
        let subject = call.subject;
        let answer = self.call(tenant, call.paged()).await?;
        Ok(Page::of(self.envelope(&answer, subject)?))
    }

    /// The envelope of an answer.
    pub(crate) fn envelope(&self, answer: &Answer, subject: Subject) -> Result<Envelope, GraphError> {
        let envelope = Envelope::open(answer.json(subject)?, self.endpoints());
        envelope.map_err(|damage| damage.error(subject, |kind, code| answer.error(kind, code)))
    }

    /// Reads the pages from `call` on to the last.
    pub(crate) async fn listing<R: Row>(
        &self,
        tenant: &str,
        call: Call<'_>,
    ) -> Result<Listing<R>, GraphError> {
        let operation = call.operation;
        let page = self.page(tenant, call).await?;
        self.listing_from(tenant, operation, page).await
    }

    /// Reads the pages that follow `page`.
    pub(crate) async fn listing_from<R: Row>(
        &self,
        tenant: &str,
        operation: &'static str,
        page: Page<R>,
    ) -> Result<Listing<R>, GraphError> {
        let Page {
            mut rows,
            mut unreadable,
            mut next,
        } = page;
        while let Some(link) = next {
            let page: Page<R> = self
                .page(tenant, Call::get(operation, Subject::Link, Target::Link(&link)))
                .await?;
            rows.extend(page.rows);
            unreadable.extend(page.unreadable);
            next = page.next;
        }
        Ok(Listing { rows, unreadable })
    }
}
