//! What a contact looks like as a vCard.

use contact_formats::vcard::{read, write};
use serde_json::json;

use crate::{document, only};

#[test]
fn a_contact_is_a_card_that_every_address_book_reads() {
    let ada = document(json!({
        "displayName": "Ada Lovelace", "givenName": "Ada", "middleName": "King", "surname": "Lovelace",
        "title": "Countess", "generation": null, "nickName": "", "birthday": "1815-12-10T00:00:00Z",
        "companyName": "Analytical Engines; Ltd.", "department": "Notes", "jobTitle": "Analyst", "profession": "Poet",
        "emailAddresses": [
            { "address": "ada@example.org", "name": "Ada \"Enchantress\" Lovelace" }, { "address": "al@example.org" },
        ],
        "businessPhones": ["+44 20 1", "+44 20 2", "+44 20 3"], "homePhones": ["+44 30 1"], "mobilePhone": "+44 7 1",
        "imAddresses": ["sip:ada@example.org", "ada on the engine"],
        "businessAddress": { "street": "12 St James's Square\r\nMarylebone", "city": "London", "countryOrRegion": "UK" },
        "homeAddress": {}, "otherAddress": { "city": "Ockham" },
        "businessHomePage": "https://example.org/a,b", "categories": ["Red, or blue", "Friends"],
        "spouseName": "William", "children": ["Byron", "Anne"], "manager": "Charles", "personalNotes": "One.\nTwo, three.",
    }));
    let expected = [
        "BEGIN:VCARD",
        "VERSION:4.0",
        "PRODID:-//outlook-contact-sync//EN",
        "UID;VALUE=TEXT:con_1",
        "FN:Ada Lovelace",
        "N:Lovelace;Ada;King;Countess;",
        "ORG:Analytical Engines\\; Ltd.;Notes",
        "CATEGORIES:Red\\, or blue,Friends",
        "EMAIL;X-NAME=\"Ada ^'Enchantress^' Lovelace\":ada@example.org",
        "EMAIL:al@example.org",
        "TEL;TYPE=WORK:+44 20 1",
        "TEL;TYPE=WORK:+44 20 2",
        "TEL;TYPE=WORK:+44 20 3",
        "TEL;TYPE=HOME:+44 30 1",
        "TEL;TYPE=CELL:+44 7 1",
        "IMPP:sip:ada@example.org",
        "X-MS-IMADDRESS:ada on the engine",
        "ADR;TYPE=WORK:;;12 St James's Square\\nMarylebone;London;;;UK",
        "ADR:;;;Ockham;;;",
        "URL;TYPE=WORK:https://example.org/a,b",
        "RELATED;TYPE=SPOUSE;VALUE=TEXT:William",
        "RELATED;TYPE=CHILD;VALUE=TEXT:Byron",
        "RELATED;TYPE=CHILD;VALUE=TEXT:Anne",
        "TITLE:Analyst",
        "ROLE:Poet",
        "NOTE:One.\\nTwo\\, three.",
        "X-MS-MANAGER:Charles",
        "BDAY:18151210",
        "END:VCARD",
        "",
    ];
    assert_eq!(write(&ada, "con_1").split("\r\n").collect::<Vec<_>>(), expected);
}

#[test]
fn a_card_without_a_display_name_has_one_that_is_not_read() {
    for (members, shown) in [
        (
            json!({ "givenName": "Ada", "surname": "Lovelace" }),
            "FN;DERIVED=TRUE:Ada Lovelace",
        ),
        (json!({ "companyName": "Engines" }), "FN;DERIVED=TRUE:Engines"),
        (json!({}), "FN;DERIVED=TRUE:"),
    ] {
        let contact = document(members);
        let card = write(&contact, "con_1");
        assert!(card.contains(&format!("{shown}\r\n")), "{card}");
        assert_eq!(only(&card), contact);
    }
}

#[test]
fn long_lines_are_folded_between_characters() {
    let contact = document(
        json!({ "displayName": "ü€𝄞".repeat(100), "vCard": [format!("X-LONG:{}", "€".repeat(200))] }),
    );
    let card = write(&contact, "con_1");
    assert!(card.split("\r\n").all(|line| line.len() <= 75), "{card}");
    assert_eq!(only(&card), contact);
}

#[test]
fn an_edit_by_another_program_wins_over_what_was_carried_beside() {
    // A bell cannot be said in a vCard: the exact name travels as JSON.
    let contact = document(json!({ "displayName": "Ada\u{7}", "shoeSize": 36 }));
    let card = write(&contact, "con_1");
    assert!(card.contains("FN:Ada\r\n"), "{card}");
    assert_eq!(only(&card), contact);

    let edited = card.replace("FN:Ada\r\n", "FN:Augusta\r\n");
    assert_eq!(
        only(&edited),
        document(json!({ "displayName": "Augusta", "shoeSize": 36 }))
    );
}

#[test]
fn what_the_store_keeps_of_a_card_can_not_break_out_of_it() {
    let contact = document(json!({ "displayName": "Ada", "vCard": [
        "X-FINE:1", "END:VCARD", "X-A:1\r\nEND:VCARD\r\nBEGIN:VCARD\r\nFN:Eve", "BEGIN:VCARD", "FN:Eve", " folded", "VERSION:2.1",
        "no property", "", 7, "X-OUTLOOK-CONTACT-MEMBERS:{}",
    ] }));
    let card = write(&contact, "con_1\r\nEND:VCARD");
    assert_eq!(only(&card), contact);
    assert_eq!(card.matches("\r\nFN").count(), 1, "{card}");
}

#[test]
fn several_cards_are_several_contacts() {
    let names = ["Ada", "Charles", "Mary"];
    let cards = names.map(|name| write(&document(json!({ "displayName": name })), name));
    let read = read(&cards.join("\r\n\r\n")).unwrap();
    assert_eq!(read, names.map(|name| document(json!({ "displayName": name }))));
}
