//! Reading requests: bodies and query parameters.
//!
//! Knows how a value of a request becomes a typed one, and collects *every* error on the way, each with its place.
//! It must not know what the values are for. Members and parameters that nobody asked for are errors too: a
//! misspelt filter that is silently ignored returns the wrong contacts.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde_json::{Map, Value};

use crate::problem::{FieldError, Kind, Problem};

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// A body that is a JSON object.
pub(crate) struct Body(pub(crate) Map<String, Value>);

/// A body that is a JSON Merge Patch (RFC 7396) of an object: null takes a member away.
pub(crate) struct Patch(pub(crate) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if media_type(request.headers()) != JSON {
            return Err(unsupported(&[JSON]));
        }
        object(&bytes(request, state).await?).map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for Patch {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if media_type(request.headers()) != MERGE_PATCH {
            return Err(unsupported(&[MERGE_PATCH]));
        }
        object(&bytes(request, state).await?).map(Self)
    }
}

pub(crate) fn unsupported(supported: &[&str]) -> Problem {
    Problem::new(Kind::UnsupportedMediaType).detail(format!("it must be {}", supported.join(" or ")))
}

/// The whole body.
pub(crate) async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    // The only other reason, a connection that breaks off, has nobody left to read the answer.
    Bytes::from_request(request, state)
        .await
        .map_err(|_| Problem::new(Kind::BodyTooLarge))
}

/// Any JSON.
pub(crate) fn json(bytes: &[u8]) -> Result<Value, Problem> {
    // serde_json's message on a syntax error tells the place, and nothing of the content.
    serde_json::from_slice(bytes).map_err(|error| Problem::new(Kind::MalformedBody).detail(error.to_string()))
}

pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    match json(bytes)? {
        Value::Object(members) => Ok(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Problem::new(Kind::MalformedBody))
        }
    }
}

/// The media type of the body, in lower case and without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
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

    /// A text that may be absent.
    pub(crate) fn optional_text<T>(
        &mut self,
        name: &str,
        read: fn(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        if self.values.contains_key(name) {
            self.text(name, read)
        } else {
            None
        }
    }

    /// A text that may be absent, or null: then the outer is some and the inner none.
    #[expect(clippy::option_option, reason = "absent and null differ")]
    pub(crate) fn nullable_text<T>(
        &mut self,
        name: &str,
        read: fn(&str) -> Result<T, &'static str>,
    ) -> Option<Option<T>> {
        if self.values.get(name) == Some(&Value::Null) {
            self.values.remove(name);
            return Some(None);
        }
        self.optional_text(name, read).map(Some)
    }

    /// A whole number that must be there.
    pub(crate) fn number(&mut self, name: &str) -> Option<u64> {
        let read = match self.values.remove(name) {
            None => Err("is required"),
            Some(value) => value.as_u64().ok_or("must be a whole number"),
        };
        read.map_err(|detail| self.error(name, detail)).ok()
    }

    /// True or false; `otherwise` where it is absent.
    pub(crate) fn flag(&mut self, name: &str, otherwise: bool) -> bool {
        match self.values.remove(name) {
            None => otherwise,
            Some(Value::Bool(flag)) => flag,
            Some(_) => {
                self.error(name, "must be true or false");
                otherwise
            }
        }
    }

    /// The members of an object that must be there, whatever they are.
    pub(crate) fn document(&mut self, name: &str) -> Map<String, Value> {
        match self.values.remove(name) {
            Some(Value::Object(members)) => return members,
            None => self.error(name, "is required"),
            Some(_) => self.error(name, "must be an object"),
        }
        Map::new()
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

    /// A list that must be there, and hold one element at least and `most` at most.
    pub(crate) fn list(&mut self, name: &str, most: usize) -> Vec<Value> {
        let detail = match self.values.remove(name) {
            Some(Value::Array(list)) if (1..=most).contains(&list.len()) => return list,
            Some(Value::Array(_)) => format!("must have 1 to {most} elements"),
            Some(_) => "must be a list".to_owned(),
            None => "is required".to_owned(),
        };
        self.error(name, &detail);
        Vec::new()
    }

    /// A list of texts that must be there, and hold one at least and `most` at most.
    pub(crate) fn texts<T>(
        &mut self,
        name: &str,
        most: usize,
        read: fn(&str) -> Result<T, &'static str>,
    ) -> Vec<T> {
        let list = self.list(name, most);
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
            self.errors.push(FieldError::at(at, "is not known"));
        }
    }

    fn error(&mut self, path: &str, detail: &str) {
        let at = format!("{}/{path}", self.at);
        self.errors.push(FieldError::at(at, detail));
    }
}

pub(crate) fn pointer(at: &str, name: &str) -> String {
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

    /// Whether the parameter was sent.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
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

    pub(crate) fn error(&mut self, name: &str, detail: String) {
        self.errors.push(FieldError::parameter(name, detail));
    }
}
