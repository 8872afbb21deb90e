//! Contacts in the forms of other programs: which form a request comes in, and which one its answer is to have.
//!
//! Knows media types and `Accept` (RFC 9110). The forms themselves are `contact-formats`.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use contact_formats::{jscontact, vcard};
use contact_store::Contact;
use serde_json::{Map, Value};
use sync_core::sighting::Document;

use crate::bulk::MOST_ITEMS;
use crate::edit::shown;
use crate::failure::Failure;
use crate::problem::{FieldError, Kind, Problem};
use crate::read::{bytes, json, media_type, object, pointer, unsupported};

const JSON: &str = "application/json";
const VCARD: &str = "text/vcard";
const JSCONTACT: &str = "application/jscontact+json";

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Ours.
    Json,
    /// vCard 4.0 (RFC 6350).
    VCard,
    /// `JSContact` (RFC 9553).
    JsContact,
}

impl Form {
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::VCard => VCARD,
            Self::JsContact => JSCONTACT,
        }
    }

    /// How the name of a file in this form ends.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::VCard => "vcf",
            Self::JsContact => "jscontact.json",
        }
    }

    /// The form that is liked best; ours where others are liked no better.
    fn liked(headers: &HeaderMap) -> Option<Self> {
        let mut ranges: Vec<(&str, f32)> = Vec::new();
        for value in headers.get_all(header::ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',') {
                let mut parts = range.split(';').map(str::trim);
                let name = parts.next().unwrap_or_default();
                let quality = parts.find_map(|part| part.strip_prefix("q="));
                ranges.push((name, quality.and_then(|text| text.parse().ok()).unwrap_or(1.0)));
            }
        }
        if ranges.is_empty() {
            return Some(Self::Json);
        }
        let mut best: Option<(Self, f32)> = None;
        for form in [Self::Json, Self::VCard, Self::JsContact] {
            let (kind, _) = form.media_type().split_once('/').unwrap_or_default();
            // The most specific range that fits decides.
            let fits = |wanted: &str| {
                ranges
                    .iter()
                    .find(|(range, _)| range.eq_ignore_ascii_case(wanted))
                    .map(|(_, quality)| *quality)
            };
            let quality = fits(form.media_type())
                .or_else(|| fits(&format!("{kind}/*")))
                .or_else(|| fits("*/*"))
                .unwrap_or(0.0);
            if quality > best.map_or(0.0, |(_, best)| best) {
                best = Some((form, quality));
            }
        }
        best.map(|(form, _)| form)
    }
}

impl<S: Sync> FromRequestParts<S> for Form {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::liked(&parts.headers).ok_or_else(|| {
            let detail = format!("there are {JSON}, {VCARD} and {JSCONTACT}");
            Problem::new(Kind::NotAcceptable).detail(detail)
        })
    }
}

/// A contact as a vCard.
pub(crate) fn vcard(contact: &Contact) -> String {
    vcard::write(&shown(contact), contact.id.as_str())
}

/// A contact as a `JSContact` card.
pub(crate) fn jscontact(contact: &Contact) -> Value {
    jscontact::write(&shown(contact), contact.id.as_str())
}

/// Contacts as a body of cards; in our own form there are none.
pub(crate) fn cards<'a>(
    contacts: impl IntoIterator<Item = &'a Contact>,
    form: Form,
) -> Result<Vec<u8>, Failure> {
    let contacts = contacts.into_iter();
    match form {
        Form::Json => Ok(Vec::new()),
        Form::VCard => Ok(contacts.map(vcard).collect::<String>().into_bytes()),
        Form::JsContact => {
            serde_json::to_vec(&contacts.map(jscontact).collect::<Vec<_>>()).map_err(Failure::internal)
        }
    }
}

/// What is to be created.
pub(crate) enum Incoming {
    /// A contact in our form, not yet read.
    Ours(Map<String, Value>),
    /// Contacts that were read from cards: one at least.
    Cards(Vec<Document>),
}

impl<S: Send + Sync> FromRequest<S> for Incoming {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let read = match media_type(request.headers()).as_str() {
            JSON => |body: &[u8]| object(body).map(Self::Ours),
            VCARD => |body: &[u8]| vcards(body).map(Self::Cards),
            JSCONTACT => |body: &[u8]| jscontacts(&json(body)?).map(Self::Cards),
            _ => return Err(unsupported(&[JSON, VCARD, JSCONTACT])),
        };
        read(&bytes(request, state).await?)
    }
}

fn vcards(body: &[u8]) -> Result<Vec<Document>, Problem> {
    let text = str::from_utf8(body).map_err(|_| unreadable(vec![FieldError::at("", "is not UTF-8")]))?;
    let cards = vcard::read(text).map_err(|problems| {
        let errors = problems.into_iter().map(|problem| {
            let at = pointer("", &problem.card.to_string());
            let at = problem.property.map_or(at.clone(), |name| pointer(&at, name));
            let line = problem
                .line
                .map(|line| format!(" (line {line})"))
                .unwrap_or_default();
            FieldError::at(at, format!("{}{line}", problem.detail))
        });
        unreadable(errors.collect())
    })?;
    some(cards)
}

fn jscontacts(body: &Value) -> Result<Vec<Document>, Problem> {
    let cards = match body {
        Value::Array(cards) if cards.len() > MOST_ITEMS => {
            let detail = format!("has more than {MOST_ITEMS} cards");
            return Err(unreadable(vec![FieldError::at("", detail)]));
        }
        Value::Array(cards) => cards.as_slice(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            std::slice::from_ref(body)
        }
    };
    let (mut documents, mut errors) = (Vec::new(), Vec::new());
    for (index, card) in cards.iter().enumerate() {
        let at = if body.is_array() {
            pointer("", &index.to_string())
        } else {
            String::new()
        };
        match jscontact::read(card) {
            Ok(document) => documents.push(document),
            Err(problems) => errors.extend(problems.into_iter().map(|problem| {
                FieldError::at(format!("{at}{}", problem.pointer), problem.detail.to_string())
            })),
        }
    }
    if errors.is_empty() {
        some(documents)
    } else {
        Err(unreadable(errors))
    }
}

fn some(cards: Vec<Document>) -> Result<Vec<Document>, Problem> {
    if cards.is_empty() {
        Err(unreadable(vec![FieldError::at("", "has no card")]))
    } else {
        Ok(cards)
    }
}

fn unreadable(errors: Vec<FieldError>) -> Problem {
    Problem::invalid(errors).of_kind(Kind::UnreadableCards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_the_form_that_is_liked_best() {
        for (accept, form) in [
            (None, Some(Form::Json)),
            (Some("*/*"), Some(Form::Json)),
            (Some("text/vcard"), Some(Form::VCard)),
            (Some("text/*"), Some(Form::VCard)),
            (Some("application/jscontact+json"), Some(Form::JsContact)),
            (Some("application/*"), Some(Form::Json)),
            (Some("application/json;q=0.5, Text/VCard"), Some(Form::VCard)),
            (Some("text/vcard; version=4.0, */*;q=0.1"), Some(Form::VCard)),
            (Some("text/vcard;q=0, text/*"), None),
            (Some("image/png"), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(accept.map(|accept| (header::ACCEPT, accept.parse().unwrap())));
            assert_eq!(Form::liked(&headers), form, "{accept:?}");
        }
    }
}
