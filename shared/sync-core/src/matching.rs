//! Which contacts of two address books are the same: for mailboxes where both sides had contacts before they met.
//!
//! Knows which members tell people apart. What it normalises is for comparing only; no value is ever rewritten. A link
//! is made only where there is no other choice on either side; where there is one, a person decides. Must not know of
//! stamps and external ids: the caller links those before.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::ContactId;
use crate::sighting::Document;

/// A contact to be matched.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its id here.
    pub id: &'a ContactId,
    /// Its members.
    pub document: &'a Document,
}

/// What two contacts have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ground {
    /// The stamp that was put on the Outlook item. Only callers say this.
    Stamp,
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// Name and company.
    NameAndCompany,
}

/// What is to become of one of our contacts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Outcome {
    /// It is that one of theirs, and neither could be another.
    Link {
        /// Theirs.
        theirs: ContactId,
        /// What they have in common.
        by: Ground,
    },
    /// It may be one of these: a person decides.
    Review {
        /// Theirs, in order of the ids.
        candidates: Vec<ContactId>,
        /// What they have in common.
        by: Ground,
    },
    /// It is none of theirs.
    New,
}

/// One of our contacts, and what is to become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// Ours.
    pub ours: ContactId,
    /// What is to become of it.
    pub outcome: Outcome,
}

/// Matches our contacts with theirs, each with one at most; the answer has ours in their order. By e-mail address
/// first; what that leaves by phone; what that leaves by name and company. The order of the inputs makes no difference.
pub fn match_all(ours: &[Candidate<'_>], theirs: &[Candidate<'_>]) -> Vec<Match> {
    let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
    // Those of theirs that are linked are out. Those that a person is asked about are not free for a weaker ground.
    let mut linked: BTreeSet<usize> = BTreeSet::new();
    let mut asked: BTreeSet<usize> = BTreeSet::new();
    for by in [Ground::Email, Ground::Phone, Ground::NameAndCompany] {
        let theirs_by_trait = by_trait(theirs, by, |at| !linked.contains(&at));
        let mut pairs: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        let mut rivals: BTreeMap<usize, usize> = BTreeMap::new();
        for (at, one) in ours
            .iter()
            .enumerate()
            .filter(|(at, _)| !outcomes.contains_key(at))
        {
            let found: BTreeSet<usize> = traits(one.document, by)
                .iter()
                .filter_map(|wanted| Some((wanted, theirs_by_trait.get(&wanted.shared)?)))
                .flat_map(|(wanted, found)| found.iter().filter(|(_, has)| wanted.agrees(has)))
                .map(|(at, _)| *at)
                .collect();
            for theirs in &found {
                *rivals.entry(*theirs).or_default() += 1;
            }
            if !found.is_empty() {
                pairs.insert(at, found);
            }
        }
        let mut seen = BTreeSet::new();
        for (at, found) in pairs {
            let is_sure = |theirs: &usize| {
                rivals.get(theirs) == Some(&1)
                    && !asked.contains(theirs)
                    && (by != Ground::NameAndCompany || has_company(ours[at].document))
            };
            let outcome = match found.first() {
                Some(only) if found.len() == 1 && is_sure(only) => {
                    linked.insert(*only);
                    Outcome::Link {
                        theirs: theirs[*only].id.clone(),
                        by,
                    }
                }
                Some(_) | None => {
                    let ids: BTreeSet<_> = found.iter().map(|at| theirs[*at].id.clone()).collect();
                    seen.extend(found);
                    Outcome::Review {
                        candidates: ids.into_iter().collect(),
                        by,
                    }
                }
            };
            outcomes.insert(at, outcome);
        }
        asked.extend(seen);
    }
    ours.iter()
        .enumerate()
        .map(|(at, one)| Match {
            ours: one.id.clone(),
            outcome: outcomes.remove(&at).unwrap_or(Outcome::New),
        })
        .collect()
}

/// Something that tells people apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Trait {
    /// What those that agree have in common.
    shared: String,
    /// An international phone number in full.
    full: Option<String>,
}

impl Trait {
    fn of(shared: String) -> Self {
        Self { shared, full: None }
    }

    /// Two international numbers must be equal in full; a national one says less, and is content with the shared part.
    fn agrees(&self, other: &Self) -> bool {
        match (&self.full, &other.full) {
            (Some(one), Some(other)) => one == other,
            (None, _) | (_, None) => true,
        }
    }
}

fn by_trait(
    contacts: &[Candidate<'_>],
    by: Ground,
    is_free: impl Fn(usize) -> bool,
) -> BTreeMap<String, Vec<(usize, Trait)>> {
    let mut found: BTreeMap<String, Vec<(usize, Trait)>> = BTreeMap::new();
    for (at, one) in contacts.iter().enumerate().filter(|(at, _)| is_free(*at)) {
        for has in traits(one.document, by) {
            found.entry(has.shared.clone()).or_default().push((at, has));
        }
    }
    found
}

fn traits(document: &Document, by: Ground) -> BTreeSet<Trait> {
    match by {
        Ground::Stamp => BTreeSet::new(),
        Ground::Email => list(document, "emailAddresses")
            .filter_map(|email| folded(email.get("address")))
            .map(Trait::of)
            .collect(),
        Ground::Phone => ["businessPhones", "homePhones"]
            .iter()
            .flat_map(|name| list(document, name))
            .chain(document.get("mobilePhone"))
            .filter_map(|number| phone(number.as_str()?))
            .collect(),
        Ground::NameAndCompany => name(document)
            .map(|name| {
                let company = folded(document.get("companyName")).unwrap_or_default();
                Trait::of(format!("{name}\n{company}"))
            })
            .into_iter()
            .collect(),
    }
}

fn list<'a>(document: &'a Document, name: &str) -> impl Iterator<Item = &'a Value> {
    document.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Given name and surname, or else the display name.
fn name(document: &Document) -> Option<String> {
    match (folded(document.get("givenName")), folded(document.get("surname"))) {
        (Some(given), Some(surname)) => Some(format!("{given} {surname}")),
        (given, surname) => folded(document.get("displayName")).or(given).or(surname),
    }
}

/// Without a company, two of the same name may well be two people.
fn has_company(document: &Document) -> bool {
    folded(document.get("companyName")).is_some()
}

/// A text without regard to letter case and to the amount of space. `None` if nothing is left.
fn folded(text: Option<&Value>) -> Option<String> {
    let words: Vec<_> = text?
        .as_str()?
        .split_whitespace()
        .map(str::to_lowercase)
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// A phone number by its digits. An extension (after a letter, `,`, `;` or `#`) doesn't count, nor does the trunk zero
/// that is written in brackets. Fewer than nine digits don't tell people apart.
fn phone(number: &str) -> Option<Trait> {
    const TELLING: usize = 9;
    let number = number.trim().replace("(0)", "");
    let end = number.find(|c: char| c.is_alphabetic() || matches!(c, ',' | ';' | '#'));
    let number = number.split_at(end.unwrap_or(number.len())).0;
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let international = match (number.starts_with('+'), digits.strip_prefix("00")) {
        (true, _) => Some(digits.clone()),
        (false, Some(rest)) => Some(rest.to_owned()),
        (false, None) => None,
    };
    let digits = international.as_deref().unwrap_or(&digits);
    let shared = digits
        .len()
        .checked_sub(TELLING)
        .map(|at| digits[at..].to_owned())?;
    Some(Trait {
        shared,
        full: international,
    })
}
