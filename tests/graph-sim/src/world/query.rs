//! `OData` query options and preferences, as far as contacts have them (facts 2.1, 1.3).
//!
//! Knows their grammar. Must not know mailboxes: a filter is data that `contacts` applies.

use http::HeaderMap;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::answers::Refusal;

/// What stands in a query as it is; Graph's own links leave `$` bare too.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'<')
    .add(b'>');

/// The largest page of a list (facts 2.1).
pub(crate) const MAX_TOP: usize = 1000;
/// The page of a list or a delta round where the client asks for none (facts 2.1).
pub(crate) const DEFAULT_PAGE: usize = 10;

/// The options of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    pub(crate) top: Option<usize>,
    pub(crate) skip: usize,
    pub(crate) select: Option<Vec<String>>,
    pub(crate) order: Option<Order>,
    pub(crate) filter: Option<Filter>,
    pub(crate) expand: Vec<Expand>,
    pub(crate) count: bool,
    pub(crate) delta_token: Option<String>,
    pub(crate) skip_token: Option<String>,
}

/// The order of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) member: String,
    pub(crate) descending: bool,
}

/// The filters that the documentation shows for contacts (facts 1.3, 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// `emailAddresses/any(a:a/address eq '…')`
    Email(String),
    /// `singleValueExtendedProperties/Any(ep: ep/id eq '…' and ep/value eq '…')`
    Property { id: String, value: String },
    /// `<string member> eq '…'`
    Member { name: String, value: String },
}

/// What a read shows beside the plain members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expand {
    Properties(Vec<String>),
    Extensions,
    Photo,
}

impl Query {
    /// Reads the query part of a URL.
    pub(crate) fn parse(query: &str) -> Result<Self, Refusal> {
        let mut read = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            read.option(&name, &value)?;
            read.pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(read)
    }

    fn option(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        match name {
            "$top" => self.top = Some(number(name, value)?),
            "$skip" => self.skip = number(name, value)?,
            "$select" => self.select = Some(value.split(',').map(|name| name.trim().to_owned()).collect()),
            "$orderby" => self.order = Some(Order::parse(value)),
            "$filter" => self.filter = Some(Filter::parse(value)?),
            "$expand" => self.expand = expansions(value)?,
            "$count" => self.count = value.eq_ignore_ascii_case("true"),
            "$deltatoken" => self.delta_token = Some(value.to_owned()),
            "$skiptoken" => self.skip_token = Some(value.to_owned()),
            // facts 2.1: contacts aren't searchable although the OpenAPI file offers it.
            "$search" => {
                return Err(Refusal::bad_request(
                    "The query parameter '$search' is not supported.",
                ));
            }
            other if other.starts_with('$') => {
                return Err(Refusal::bad_request(format!(
                    "The query parameter '{other}' is not supported."
                )));
            }
            _ => {}
        }
        Ok(())
    }

    /// The query of the next page of a list: the same options with another `$skip` (facts 2.1).
    pub(crate) fn with_skip(&self, skip: usize) -> String {
        let kept = self.pairs.iter().filter(|(name, _)| name != "$skip");
        let mut parts: Vec<String> = kept
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, QUERY)))
            .collect();
        parts.push(format!("$skip={skip}"));
        parts.join("&")
    }
}

fn number(name: &str, value: &str) -> Result<usize, Refusal> {
    value
        .parse()
        .map_err(|_| Refusal::bad_request(format!("Invalid value '{value}' for {name} query option found.")))
}

impl Order {
    fn parse(value: &str) -> Self {
        let mut words = value.split_whitespace();
        let member = words.next().unwrap_or_default().to_owned();
        Self {
            member,
            descending: words.next().is_some_and(|word| word.eq_ignore_ascii_case("desc")),
        }
    }
}

impl Filter {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let wrong = || Refusal::bad_request(format!("Invalid filter clause: '{text}'."));
        let literals = literals(text);
        let shape = text.to_ascii_lowercase();
        let shape = shape.trim_start();
        if shape.starts_with("emailaddresses/any(") && shape.contains("/address eq ") {
            let [address] = <[String; 1]>::try_from(literals).map_err(|_| wrong())?;
            return Ok(Self::Email(address));
        }
        if shape.starts_with("singlevalueextendedproperties/any(") {
            let [id, value] = <[String; 2]>::try_from(literals).map_err(|_| wrong())?;
            if !shape.contains("/id eq ") || !shape.contains("/value eq ") {
                return Err(wrong());
            }
            return Ok(Self::Property {
                id: property_id(&id)?,
                value,
            });
        }
        let name = text.split(" eq ").next().unwrap_or_default().trim();
        match <[String; 1]>::try_from(literals) {
            Ok([value]) if !name.is_empty() && name.chars().all(char::is_alphanumeric) => Ok(Self::Member {
                name: name.to_owned(),
                value,
            }),
            _ => Err(wrong()),
        }
    }
}

/// The string literals of an `OData` expression; a doubled quote stands for one.
fn literals(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('\'') {
        let mut literal = String::new();
        rest = &rest[start + 1..];
        while let Some(end) = rest.find('\'') {
            literal.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            if !rest.starts_with('\'') {
                break;
            }
            literal.push('\'');
            rest = &rest[1..];
        }
        found.push(literal);
    }
    found
}

fn expansions(value: &str) -> Result<Vec<Expand>, Refusal> {
    let wrong = || Refusal::bad_request(format!("Could not find a property to expand in '{value}'."));
    let name = value.split('(').next().unwrap_or_default().trim();
    match name {
        "singleValueExtendedProperties" => {
            let ids = literals(value)
                .iter()
                .map(|id| property_id(id))
                .collect::<Result<Vec<_>, _>>()?;
            // facts 1.3: all of them can't be listed, the app must know the id.
            if ids.is_empty() {
                Err(wrong())
            } else {
                Ok(vec![Expand::Properties(ids)])
            }
        }
        "extensions" => Ok(vec![Expand::Extensions]),
        "photo" => Ok(vec![Expand::Photo]),
        _ => Err(wrong()),
    }
}

/// One form for the ids of an extended property: the GUID in lower case, the name as it is, since names are
/// matched case-sensitively (facts 1.3).
pub(crate) fn property_id(id: &str) -> Result<String, Refusal> {
    let wrong = || {
        Refusal::new(
            400,
            "ErrorInvalidProperty",
            format!("The property id '{id}' is invalid."),
        )
    };
    let words: Vec<&str> = id.split(' ').collect();
    match words.as_slice() {
        [kind, tag] if tag.starts_with("0x") => Ok(format!("{kind} {}", tag.to_ascii_lowercase())),
        [kind, guid, how @ ("Name" | "Id"), name @ ..]
            if !name.is_empty() && guid.starts_with('{') && guid.ends_with('}') && guid.len() == 38 =>
        {
            Ok(format!(
                "{kind} {} {how} {}",
                guid.to_ascii_lowercase(),
                name.join(" ")
            ))
        }
        _ => Err(wrong()),
    }
}

/// What a request prefers (facts 4.2, 10). It holds for the request that carries it and no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefer {
    pub(crate) immutable_ids: bool,
    pub(crate) max_page: Option<usize>,
}

impl Prefer {
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut prefer = Self::default();
        let values = headers
            .get_all("prefer")
            .iter()
            .filter_map(|value| value.to_str().ok());
        for wish in values.flat_map(|value| value.split(',')) {
            let (name, value) = wish.split_once('=').unwrap_or((wish, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "idtype" => prefer.immutable_ids = value.eq_ignore_ascii_case("ImmutableId"),
                "odata.maxpagesize" => prefer.max_page = value.parse().ok().filter(|size| *size > 0),
                _ => {}
            }
        }
        prefer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_the_documentation_are_understood_and_others_refused() {
        let filter = |text: &str| Filter::parse(text);
        assert_eq!(
            filter("emailAddresses/any(a:a/address eq 'o''neil@example.com')"),
            Ok(Filter::Email("o'neil@example.com".into()))
        );
        let id = "String {8ECCC264-6880-4EBE-992F-8888D2EEAA1D} Name MyKey";
        assert_eq!(
            filter(&format!(
                "singleValueExtendedProperties/Any(ep: ep/id eq '{id}' and ep/value eq 'k1')"
            )),
            Ok(Filter::Property {
                id: "String {8eccc264-6880-4ebe-992f-8888d2eeaa1d} Name MyKey".into(),
                value: "k1".into()
            })
        );
        assert_eq!(
            filter("displayName eq 'Ada'"),
            Ok(Filter::Member {
                name: "displayName".into(),
                value: "Ada".into()
            })
        );
        assert!(filter("startswith(displayName,'A')").is_err());
    }

    #[test]
    fn the_next_page_repeats_the_options_with_another_skip() {
        let query = Query::parse("%24top=5&%24select=id,displayName&$skip=5").unwrap();
        assert_eq!((query.top, query.skip), (Some(5), 5));
        assert_eq!(query.with_skip(10), "$top=5&$select=id,displayName&$skip=10");
        assert!(Query::parse("$search=ada").is_err());
    }

    #[test]
    fn preferences_may_be_joined_or_repeated() {
        let mut headers = HeaderMap::new();
        headers.append(
            "prefer",
            "odata.maxpagesize=50, IdType=\"ImmutableId\"".parse().unwrap(),
        );
        assert_eq!(
            Prefer::read(&headers),
            Prefer {
                immutable_ids: true,
                max_page: Some(50)
            }
        );
    }
}
