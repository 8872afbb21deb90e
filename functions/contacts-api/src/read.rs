//! Reading requests: bodies, query parameters, ids in paths.
//!
//! Knows how a value of a request becomes a typed one, and collects *every* error on the way, each with its place.
//! It must not know what the values are for. Members and parameters that nobody asked for are errors too: a
//! misspelt filter that is silently ignored returns the wrong contacts.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use serde_json::{Map, Value};
use sync_core::ids::{ContactId, MailboxId};
use utoipa::IntoParams;

use crate::problem::{FieldError, Kind, Problem};

/// A body that is a JSON object.
pub(crate) struct Body(pub(crate) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(Kind::UnsupportedMediaType));
        }
        // The only other reason, a connection that breaks off, has nobody left to read the answer.
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|_| Problem::new(Kind::BodyTooLarge))?;
        // serde_json's message on a syntax error tells the place, and nothing of the content.
        let value = serde_json::from_slice(&bytes)
            .map_err(|error| Problem::new(Kind::MalformedBody).detail(error.to_string()))?;
        match value {
            Value::Object(members) => Ok(Self(members)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(Problem::new(Kind::MalformedBody))
            }
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case("application/json")
}

/// The members of a JSON object, each read once; those left over are errors.
pub(crate) struct Members<'e> {
    values: Map<String, Value>,
    at: String,
    errors: &'e mut Vec<FieldError>,
}

impl<'e> Members<'e> {
    /// The members of the object whose JSON Pointer is `at`.
    pub(crate) fn new(values: Map<String, Value>, at: &str, errors: &'e mut Vec<FieldError>) -> Self {
        Self {
            values,
            at: at.to_owned(),
            errors,
        }
    }

    /// A text that must be there.
    pub(crate) fn text<T>(&mut self, name: &str, read: fn(&str) -> Result<T, &'static str>) -> Option<T> {
        let read = match self.values.remove(name) {
            None => Err("is required"),
            Some(Value::String(text)) => read(&text),
            Some(_) => Err("must be a text"),
        };
        read.map_err(|detail| self.error(name, detail)).ok()
    }

    /// An object that may be absent.
    pub(crate) fn object(&mut self, name: &str) -> Option<Members<'_>> {
        let Value::Object(values) = self.values.remove(name)? else {
            self.error(name, "must be an object");
            return None;
        };
        Some(Members {
            values,
            at: pointer(&self.at, name),
            errors: self.errors,
        })
    }

    /// A list of texts that must be there, and hold one at least and `most` at most.
    pub(crate) fn texts<T>(
        &mut self,
        name: &str,
        most: usize,
        read: fn(&str) -> Result<T, &'static str>,
    ) -> Vec<T> {
        let list = match self.values.remove(name) {
            Some(Value::Array(list)) if (1..=most).contains(&list.len()) => Ok(list),
            Some(Value::Array(_)) => Err(format!("must have 1 to {most} elements")),
            Some(_) => Err("must be a list".to_owned()),
            None => Err("is required".to_owned()),
        };
        let list = list.unwrap_or_else(|detail| {
            self.error(name, &detail);
            Vec::new()
        });
        let list = list.iter().enumerate().filter_map(|(index, value)| {
            let read = value.as_str().ok_or("must be a text").and_then(read);
            read.map_err(|detail| self.error(&format!("{name}/{index}"), detail))
                .ok()
        });
        list.collect()
    }

    /// Whatever is left has no business here.
    pub(crate) fn finish(mut self) {
        for name in std::mem::take(&mut self.values).keys() {
            let at = pointer(&self.at, name);
            self.errors.push(FieldError {
                pointer: Some(at),
                parameter: None,
                detail: "is not known".to_owned(),
            });
        }
    }

    fn error(&mut self, path: &str, detail: &str) {
        let at = format!("{}/{path}", self.at);
        self.errors.push(FieldError {
            pointer: Some(at),
            parameter: None,
            detail: detail.to_owned(),
        });
    }
}

fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The query's parameters, each read once; those left over are errors.
pub(crate) struct Parameters {
    values: BTreeMap<String, String>,
    errors: Vec<FieldError>,
}

impl Parameters {
    /// The parameters of the request's query.
    pub(crate) fn of(parts: &Parts) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| Problem::new(Kind::InvalidRequest).detail("the query can't be read"))?;
        let mut parameters = Self {
            values: BTreeMap::new(),
            errors: Vec::new(),
        };
        for (name, value) in pairs {
            if parameters.values.insert(name.clone(), value).is_some() {
                parameters.error(&name, "is given twice".to_owned());
            }
        }
        Ok(parameters)
    }

    /// A parameter that may be absent.
    pub(crate) fn get<T>(&mut self, name: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let value = self.values.remove(name)?;
        value
            .parse()
            .map_err(|error: T::Err| self.error(name, error.to_string()))
            .ok()
    }

    /// Whatever is left has no business here.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        for name in std::mem::take(&mut self.values).keys() {
            self.error(name, "is not known".to_owned());
        }
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid(self.errors))
        }
    }

    fn error(&mut self, name: &str, detail: String) {
        self.errors.push(FieldError {
            pointer: None,
            parameter: Some(name.to_owned()),
            detail,
        });
    }
}

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

/// Which contacts of a mailbox.
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
    /// in the list too, as tombstones.
    #[param(rename = "changedSince", format = DateTime)]
    pub(crate) changed_since: Option<Timestamp>,
}

impl<S: Send + Sync> FromRequestParts<S> for ContactsQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(parts)?;
        let PageQuery { limit, cursor } = PageQuery::read(&mut parameters);
        let folder = parameters.get("folder");
        let since: Option<Since> = parameters.get("changedSince");
        parameters.finish()?;
        Ok(Self {
            limit,
            cursor,
            folder,
            changed_since: since.map(|Since(moment)| moment),
        })
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

/// A mailbox in a path. What can't be an id names nothing: 404.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct InMailbox {
    /// The mailbox's id.
    #[param(value_type = String, pattern = "^mbx_[a-z2-7]{26}$")]
    pub(crate) mailbox: MailboxId,
}

impl<S: Send + Sync> FromRequestParts<S> for InMailbox {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let mailbox = in_path(parts, state, "mailbox", Kind::MailboxNotFound).await?;
        Ok(Self { mailbox })
    }
}

/// A contact in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct InContact {
    /// The mailbox's id.
    #[param(value_type = String, pattern = "^mbx_[a-z2-7]{26}$")]
    pub(crate) mailbox: MailboxId,
    /// The contact's id.
    #[param(value_type = String, pattern = "^con_[a-z2-7]{26}$")]
    pub(crate) contact: ContactId,
}

impl<S: Send + Sync> FromRequestParts<S> for InContact {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let InMailbox { mailbox } = InMailbox::from_request_parts(parts, state).await?;
        let contact = in_path(parts, state, "contact", Kind::ContactNotFound).await?;
        Ok(Self { mailbox, contact })
    }
}

async fn in_path<S: Send + Sync, T: FromStr>(
    parts: &mut Parts,
    state: &S,
    name: &str,
    otherwise: Kind,
) -> Result<T, Problem> {
    let values = RawPathParams::from_request_parts(parts, state).await.ok();
    let value = values
        .as_ref()
        .and_then(|values| values.iter().find(|(key, _)| *key == name));
    value
        .and_then(|(_, text)| text.parse().ok())
        .ok_or_else(|| Problem::new(otherwise))
}
