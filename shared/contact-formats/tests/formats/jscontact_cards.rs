//! What a contact looks like in `JSContact`, and what is read of the cards of others.

use contact_formats::jscontact::{read, write};
use serde_json::{Value, json};

use crate::document;

#[test]
fn a_contact_is_a_card() {
    let ada = document(json!({
        "displayName": "Ada Lovelace", "givenName": "Ada", "surname": "Lovelace", "yomiGivenName": "エイダ", "nickName": "AAL",
        "companyName": "Engines", "department": "Notes", "jobTitle": "Analyst", "profession": "Poet", "birthday": "1815-12-10",
        "emailAddresses": [{ "address": "ada@example.org", "name": "Ada" }], "businessPhones": ["1"], "homePhones": ["2"], "mobilePhone": "3",
        "imAddresses": ["sip:ada@example.org", "ada"], "homeAddress": { "street": "A\nB", "city": "London" }, "otherAddress": null,
        "businessHomePage": "https://example.org", "categories": ["Friends"], "spouseName": "William", "children": ["Anne"],
        "personalNotes": "One.", "manager": "Charles", "fileAs": "",
    }));
    let voice = json!({ "voice": true });
    assert_eq!(
        write(&ada, "con_1"),
        json!({
            "@type": "Card", "version": "1.0", "uid": "con_1", "prodId": "-//outlook-contact-sync//EN",
            "name": { "full": "Ada Lovelace", "isOrdered": true, "phoneticScript": "Kana", "components": [
                { "kind": "given", "value": "Ada", "phonetic": "エイダ" }, { "kind": "surname", "value": "Lovelace" },
            ] },
            "nicknames": { "n001": { "name": "AAL" } },
            "organizations": { "o001": { "name": "Engines", "units": [{ "name": "Notes" }] } },
            "titles": { "t001": { "name": "Analyst", "kind": "title" }, "t002": { "name": "Poet", "kind": "role" } },
            "emails": { "e001": { "address": "ada@example.org", "outlook-contact-sync:name": "Ada" } },
            "phones": {
                "p001": { "number": "1", "features": voice, "contexts": { "work": true } },
                "p002": { "number": "2", "features": voice, "contexts": { "private": true } },
                "p003": { "number": "3", "features": { "mobile": true } },
            },
            "onlineServices": {
                "o001": { "uri": "sip:ada@example.org", "vCardName": "impp" }, "o002": { "user": "ada", "vCardName": "impp" },
            },
            "addresses": { "a001": { "contexts": { "private": true }, "components": [
                { "kind": "name", "value": "A\nB" }, { "kind": "locality", "value": "London" },
            ] } },
            "links": { "l001": { "uri": "https://example.org", "contexts": { "work": true } } },
            "anniversaries": { "a001": { "kind": "birth", "date": { "@type": "PartialDate", "year": 1815, "month": 12, "day": 10 } } },
            "keywords": { "Friends": true },
            "relatedTo": { "William": { "relation": { "spouse": true } }, "Anne": { "relation": { "child": true } } },
            "notes": { "n001": { "note": "One." } },
            "outlook-contact-sync:members": { "manager": "Charles" },
        })
    );
}

/// A table: what stands in a card, and what a contact has of it.
#[test]
fn each_property_finds_its_member() {
    let kept = |card: &Value| json!({ "jsContact": card });
    let yearless =
        json!({ "anniversaries": { "k": { "kind": "birth", "date": { "month": 4, "day": 15 } } } });
    let fax = json!({ "phones": { "f": { "number": "1", "features": { "fax": true } } } });
    let friend = json!({ "relatedTo": { "urn:uuid:1": { "relation": { "friend": true } }, "Bob": { "relation": { "spouse": true, "friend": true } } } });
    let others = json!({ "speakToAs": { "grammaticalGender": "feminine" }, "example.com:x": [1, { "y": null }], "kind": "org" });
    let table = vec![
        (
            json!({ "kind": "individual", "uid": "x", "updated": "2020-01-01T00:00:00Z" }),
            json!({}),
        ),
        (
            json!({ "name": { "components": [
            { "kind": "title", "value": "Dr." }, { "kind": "given", "value": "Ada" }, { "kind": "separator", "value": "-" },
            { "kind": "surname", "value": "Byron" }, { "kind": "surname2", "value": "King" }, { "kind": "credential", "value": "PhD" },
        ] } }),
            json!({ "title": "Dr.", "givenName": "Ada", "surname": "Byron King", "generation": "PhD" }),
        ),
        (
            json!({ "emails": { "a": { "address": "2@x.org" }, "b": { "address": "1@x.org", "pref": 1 } } }),
            json!({ "emailAddresses": [{ "address": "1@x.org" }, { "address": "2@x.org" }] }),
        ),
        (
            json!({ "phones": { "a": { "number": "tel:+1" } } }),
            json!({ "businessPhones": ["+1"] }),
        ),
        (
            json!({ "addresses": { "a": { "countryCode": "GB", "components": [
            { "kind": "number", "value": "5" }, { "kind": "name", "value": "Long Road" }, { "kind": "locality", "value": "London" },
        ] } } }),
            json!({ "otherAddress": { "street": "5 Long Road", "city": "London", "countryOrRegion": "GB" } }),
        ),
        (
            json!({ "addresses": { "a": { "full": "Long Road, London" } } }),
            json!({ "otherAddress": { "street": "Long Road, London" } }),
        ),
        (
            json!({ "anniversaries": { "a": { "kind": "birth", "date": { "@type": "Timestamp", "utc": "1953-10-15T23:10:00Z" } } } }),
            json!({ "birthday": "1953-10-15T11:59:00Z" }),
        ),
        (yearless.clone(), kept(&yearless)),
        (fax.clone(), kept(&fax)),
        (friend.clone(), kept(&friend)),
        (others.clone(), kept(&others)),
        (
            json!({ "notes": { "a": { "note": "1" }, "b": { "note": "2", "author": { "name": "x" } } } }),
            json!({ "personalNotes": "1", "jsContact": { "notes": { "b": { "note": "2", "author": { "name": "x" } } } } }),
        ),
    ];
    for (card, expected) in table {
        let contact = read(&card).unwrap();
        assert_eq!(contact, document(expected), "{card}");
        let again = write(&contact, "con_1");
        assert_eq!(read(&again).unwrap(), contact, "and back: {card}");
        let kept = contact.get("jsContact").and_then(Value::as_object);
        for (name, value) in kept.into_iter().flatten() {
            match (value, &again[name]) {
                (Value::Object(entries), Value::Object(all)) => {
                    assert!(entries.iter().all(|(id, entry)| all.get(id) == Some(entry)));
                }
                (value, said) => assert_eq!(said, value),
            }
        }
    }
}

#[test]
fn everything_wrong_is_told_at_once_with_its_place() {
    let card = json!({
        "@type": "Group", "version": "2.0", "name": { "full": 1, "components": {} }, "emails": { "a/b": {}, "c": { "address": 1 }, "d": 2 },
        "phones": [], "keywords": 1, "titles": { "t": { "name": null } }, "organizations": { "o": { "units": ["x"] } },
        "anniversaries": { "a": { "kind": "birth", "date": { "year": 2023, "month": 2, "day": 29 } } },
        "outlook-contact-sync:members": 1,
    });
    let mut told: Vec<String> = read(&card)
        .unwrap_err()
        .into_iter()
        .map(|each| format!("{}: {each}", each.pointer))
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "/@type: the type is not Card",
            "/anniversaries/a/date: the value is not a date",
            "/emails/a~1b: a mandatory property is missing",
            "/emails/c/address: the value is not a string",
            "/emails/d: the value is not an object",
            "/keywords: the value is not an object",
            "/name/components: the value is not an array",
            "/name/full: the value is not a string",
            "/organizations/o/units: the value is not an object",
            "/outlook-contact-sync:members: the value is not an object",
            "/phones: the value is not an object",
            "/titles/t/name: the value is not a string",
            "/version: the version is not 1.0",
        ]
    );
}
