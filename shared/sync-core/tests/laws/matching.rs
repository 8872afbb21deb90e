//! Nobody is linked twice, and the order of an address book makes no difference.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use sync_core::ids::{ContactId, MailboxId, TenantId, UserId};
use sync_core::matching::{Candidate, Ground, Match, Outcome, match_all};
use sync_core::sighting::Document;

fn id(name: &str) -> ContactId {
    let mailbox = MailboxId::derive(&TenantId::new("contoso.example"), &UserId::new("ada"));
    ContactId::of_external(&mailbox, name)
}

/// An address book of people who share addresses, phones and names now and then.
fn books() -> impl Strategy<Value = Vec<Document>> {
    let person = (0_u8..6, 0_u8..6, 0_u8..4, 0_u8..3).prop_map(|(mail, phone, name, company)| {
        let mut person = Document::new();
        let mut set = |name: &str, value| person.insert(name.to_owned(), value);
        if mail > 0 {
            set(
                "emailAddresses",
                json!([{"address": format!("p{mail}@x.example")}]),
            );
        }
        if phone > 0 {
            set("mobilePhone", json!(format!("+49 30 555 000 {phone}")));
        }
        if name > 0 {
            set("givenName", json!("Ada"));
            set("surname", json!(format!("B{name}")));
        }
        if company > 0 {
            set("companyName", json!(format!("C{company}")));
        }
        person
    });
    prop::collection::vec(person, 0..6)
}

fn matched(ours: &[(ContactId, Document)], theirs: &[(ContactId, Document)]) -> BTreeSet<String> {
    let told = |one: &Match| format!("{one:?}");
    matches(ours, theirs).iter().map(told).collect()
}

fn matches(ours: &[(ContactId, Document)], theirs: &[(ContactId, Document)]) -> Vec<Match> {
    fn candidates(book: &[(ContactId, Document)]) -> Vec<Candidate<'_>> {
        book.iter()
            .map(|(id, document)| Candidate { id, document })
            .collect()
    }
    match_all(&candidates(ours), &candidates(theirs))
}

fn named(book: Vec<Document>, whose: &str) -> Vec<(ContactId, Document)> {
    let name = |(at, document)| (id(&format!("{whose}{at}")), document);
    book.into_iter().enumerate().map(name).collect()
}

proptest! {
    #[test]
    fn each_contact_is_linked_once_at_most_and_the_order_makes_no_difference(
        ours in books(),
        theirs in books(),
    ) {
        let (mut ours, mut theirs) = (named(ours, "ours"), named(theirs, "theirs"));
        let found = matches(&ours, &theirs);
        prop_assert_eq!(found.len(), ours.len());
        let mut linked = BTreeSet::new();
        for one in &found {
            if let Outcome::Link { theirs, .. } = &one.outcome {
                prop_assert!(linked.insert(theirs.clone()), "linked twice");
            }
        }
        let in_order = matched(&ours, &theirs);
        ours.reverse();
        theirs.reverse();
        prop_assert_eq!(matched(&ours, &theirs), in_order);
    }
}

/// Ours, theirs, and what each of ours comes to.
#[test]
fn people_are_told_apart_by_what_they_have_in_common() {
    let mail = |address: &str| json!({"emailAddresses": [{"address": address}]});
    let phone = |number: &str| json!({"mobilePhone": number});
    let name = |name: &str, company: &str| json!({"displayName": name, "companyName": company});
    let link = |at: usize, by| format!("link {at} {by:?}");
    let table = [
        (
            "an address in other letters",
            vec![mail("Ada@X.example ")],
            vec![mail("ada@x.example")],
            vec![link(0, Ground::Email)],
        ),
        (
            "an address that two have",
            vec![mail("a@x")],
            vec![mail("a@x"), mail("a@x")],
            vec!["review [0, 1]".to_owned()],
        ),
        (
            "two of ours with one address",
            vec![mail("a@x"), mail("a@x")],
            vec![mail("a@x")],
            vec!["review [0]".to_owned(); 2],
        ),
        (
            "one number, written in two ways",
            vec![phone("0049 (0)30 123-4567")],
            vec![phone("+49301234567")],
            vec![link(0, Ground::Phone)],
        ),
        (
            "national and international",
            vec![phone("030 1234567")],
            vec![phone("+49 30 1234567")],
            vec![link(0, Ground::Phone)],
        ),
        (
            "another country",
            vec![phone("+43 301234567")],
            vec![phone("+49 301234567")],
            vec!["new".to_owned()],
        ),
        (
            "an extension",
            vec![phone("+49 301234567 ext. 12")],
            vec![phone("+49 301234567")],
            vec![link(0, Ground::Phone)],
        ),
        (
            "too short a number",
            vec![phone("112")],
            vec![phone("112")],
            vec!["new".to_owned()],
        ),
        (
            "name and company",
            vec![name("ada  Byron", "Engines")],
            vec![name("Ada Byron", "ENGINES")],
            vec![link(0, Ground::NameAndCompany)],
        ),
        (
            "a name alone",
            vec![name("Ada Byron", "")],
            vec![name("Ada Byron", "")],
            vec!["review [0]".to_owned()],
        ),
        (
            "another company",
            vec![name("Ada", "A")],
            vec![name("Ada", "B")],
            vec!["new".to_owned()],
        ),
        (
            "one whom a person is asked about isn't taken by a weaker ground",
            vec![mail("a@x"), json!({"mobilePhone": "+49 301234567"})],
            vec![
                json!({"emailAddresses": [{"address": "a@x"}], "mobilePhone": "+49 301234567"}),
                mail("a@x"),
            ],
            vec!["review [0, 1]".to_owned(), "review [0]".to_owned()],
        ),
    ];
    for (story, ours, theirs, expected) in table {
        assert_eq!(told(&ours, &theirs), expected, "{story}");
    }
}

/// What each of ours comes to, with theirs by their places in the book.
fn told(ours: &[Value], theirs: &[Value]) -> Vec<String> {
    let book = |people: &[Value], whose| {
        let people = people.iter().map(|one| one.as_object().unwrap().clone());
        named(people.collect(), whose)
    };
    let (ours, theirs) = (book(ours, "ours"), book(theirs, "theirs"));
    let at = |wanted: &ContactId| theirs.iter().position(|(id, _)| id == wanted).unwrap();
    let told = |one: &Match| match &one.outcome {
        Outcome::Link { theirs, by } => format!("link {} {by:?}", at(theirs)),
        Outcome::Review { candidates, .. } => {
            let places: BTreeSet<_> = candidates.iter().map(at).collect();
            format!("review {:?}", Vec::from_iter(places))
        }
        Outcome::New => "new".to_owned(),
    };
    matches(&ours, &theirs).iter().map(told).collect()
}
