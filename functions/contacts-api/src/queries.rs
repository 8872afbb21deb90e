//! The query parameters of lists.
//!
//! Knows which there are and how each is read. It must not know what is in a list.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use jiff::Timestamp;
use sync_core::ids::ContactId;
use utoipa::{IntoParams, ToSchema};

use crate::problem::Problem;
use crate::read::Parameters;

/// How many items a page has.
#[derive(Clone, Copy)]
pub(crate) struct Limit(u16);

impl Limit {
    const MOST: u16 = 500;
}

impl From<Limit> for usize {
    fn from(limit: Limit) -> Self {
        limit.0.into()
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let limit = text.parse().ok().filter(|limit| (1..=Self::MOST).contains(limit));
        limit
            .map(Self)
            .ok_or_else(|| format!("must be a number from 1 to {}", Self::MOST))
    }
}

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// How many items, at most.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    pub(crate) limit: Limit,
    /// `next` of the page before; absent for the first page.
    pub(crate) cursor: Option<String>,
}

impl PageQuery {
    fn read(parameters: &mut Parameters) -> Self {
        Self {
            limit: parameters.get("limit").unwrap_or_default(),
            cursor: parameters.get("cursor"),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(parts)?;
        let page = Self::read(&mut parameters);
        parameters.finish().map(|()| page)
    }
}

/// Which contacts of a mailbox: one way of asking at a time, but for `folder` with `changedSince`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ContactsQuery {
    /// How many items, at most. A page may hold fewer, or none, and yet have a `next`.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    pub(crate) limit: Limit,
    /// `next` of the page before; absent for the first page. The other parameters stay the same from page to page.
    pub(crate) cursor: Option<String>,
    /// Only contacts in the folder with this id.
    pub(crate) folder: Option<String>,
    /// Only what has changed in the mirror at this moment or later, oldest change first; deleted contacts are then
    /// in the list too, as tombstones. Who follows all changes reads the feed of changes instead.
    #[param(rename = "changedSince", format = DateTime)]
    pub(crate) changed_since: Option<Timestamp>,
    /// Only contacts with this e-mail address; letter case makes no difference. One page; an address of the last
    /// seconds may not be found yet.
    pub(crate) email: Option<String>,
    /// Only the contact with this external id.
    #[param(rename = "externalId")]
    pub(crate) external_id: Option<String>,
    /// Only contacts with edits that Outlook does not have: those that are on their way, that it has refused,
    /// that wait for a person's review, or whose delete the delete guard holds. Contacts that are deleted here and not yet in Outlook are in the list as tombstones.
    #[param(inline)]
    pub(crate) sync: Option<Unsettled>,
}

/// All contacts.
impl From<PageQuery> for ContactsQuery {
    fn from(PageQuery { limit, cursor }: PageQuery) -> Self {
        Self {
            limit,
            cursor,
            folder: None,
            changed_since: None,
            email: None,
            external_id: None,
            sync: None,
        }
    }
}

/// In what way a contact differs from what Outlook has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) enum Unsettled {
    /// On its way.
    Pending,
    /// Outlook has refused it.
    Refused,
    /// It may be a contact that Outlook has already.
    Review,
    /// The delete guard holds its delete. One that was deleted here is in the list as a tombstone.
    Guarded,
}

impl FromStr for Unsettled {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "pending" => Ok(Self::Pending),
            "refused" => Ok(Self::Refused),
            "review" => Ok(Self::Review),
            "guarded" => Ok(Self::Guarded),
            _ => Err("must be pending, refused, review or guarded"),
        }
    }
}

/// What makes a way of asking of its own.
const WAYS: [&str; 5] = ["folder", "changedSince", "email", "externalId", "sync"];

impl<S: Send + Sync> FromRequestParts<S> for ContactsQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(parts)?;
        let asked: Vec<_> = WAYS.into_iter().filter(|way| parameters.has(way)).collect();
        if let [first, rest @ ..] = asked.as_slice()
            && asked != ["folder", "changedSince"]
        {
            for other in rest {
                parameters.error(other, format!("can't be asked together with {first}"));
            }
        }
        let PageQuery { limit, cursor } = PageQuery::read(&mut parameters);
        let folder = parameters.get("folder");
        let since: Option<Since> = parameters.get("changedSince");
        let email = parameters.get("email");
        let external_id = parameters.get("externalId");
        let sync = parameters.get("sync");
        parameters.finish()?;
        Ok(Self {
            limit,
            cursor,
            folder,
            changed_since: since.map(|Since(moment)| moment),
            email,
            external_id,
            sync,
        })
    }
}

/// Which conflicts of a mailbox.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConflictsQuery {
    /// How many items, at most.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    pub(crate) limit: Limit,
    /// `next` of the page before; absent for the first page.
    pub(crate) cursor: Option<String>,
    /// Only those about the contact with this id.
    #[param(value_type = Option<String>)]
    pub(crate) contact: Option<ContactId>,
}

impl<S: Send + Sync> FromRequestParts<S> for ConflictsQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(parts)?;
        let PageQuery { limit, cursor } = PageQuery::read(&mut parameters);
        let contact = parameters.get("contact");
        parameters.finish()?;
        Ok(Self {
            limit,
            cursor,
            contact,
        })
    }
}

/// Which part of the feed of changes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChangesQuery {
    /// How many items, at most.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    pub(crate) limit: Limit,
    /// `cursor` of the last answer; absent to begin with all contacts.
    pub(crate) cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for ChangesQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let PageQuery { limit, cursor } = PageQuery::from_request_parts(parts, state).await?;
        Ok(Self { limit, cursor })
    }
}

/// A moment whose error says what to write, not where the parser stopped.
struct Since(Timestamp);

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse()
            .map(Self)
            .map_err(|_| "must be a date and time of RFC 3339, as in 2026-11-23T06:41:00Z")
    }
}
