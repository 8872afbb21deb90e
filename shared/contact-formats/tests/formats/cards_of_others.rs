//! vCards that other programs wrote.

use contact_formats::vcard::write;
use serde_json::{Value, json};

use crate::{document, only};

fn card(version: &str, lines: &[&str]) -> String {
    format!(
        "BEGIN:VCARD\r\nVERSION:{version}\r\n{}\r\nEND:VCARD\r\n",
        lines.join("\r\n")
    )
}

/// A table: what stands in a card of 4.0, and what a contact has of it.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn each_property_finds_its_member() {
    let kept = |line: &str| json!({ "vCard": [line] });
    let table: Vec<(&[&str], Value)> = vec![
        (
            &["FN:Ada", "FN;LANGUAGE=ja:エイダ"],
            json!({ "displayName": "Ada", "vCard": ["FN;LANGUAGE=ja:エイダ"] }),
        ),
        (
            &["N:Lovelace;Ada;King,Noel;;Jr."],
            json!({ "surname": "Lovelace", "givenName": "Ada", "middleName": "King, Noel", "generation": "Jr." }),
        ),
        (
            &["ORG:Engines;Notes;Poetry"],
            json!({ "companyName": "Engines", "department": "Notes, Poetry" }),
        ),
        (
            &[
                "EMAIL;PREF=2:b@x.org",
                "EMAIL:c@x.org",
                "EMAIL;PREF=1;TYPE=home:a@x.org",
            ],
            json!({ "emailAddresses": [{ "address": "a@x.org" }, { "address": "b@x.org" }, { "address": "c@x.org" }] }),
        ),
        (
            &["TEL;VALUE=uri;TYPE=\"voice,home\":tel:+1-555-1"],
            json!({ "homePhones": ["+1-555-1"] }),
        ),
        (
            &["TEL:1", "item1.TEL;TYPE=main:2"],
            json!({ "businessPhones": ["1", "2"] }),
        ),
        (
            &["TEL;TYPE=cell:1", "TEL;TYPE=cell:2"],
            json!({ "mobilePhone": "1", "vCard": ["TEL;TYPE=cell:2"] }),
        ),
        (&["TEL;TYPE=work,fax:1"], kept("TEL;TYPE=work,fax:1")),
        (
            &["ADR;TYPE=home:PO Box 5;Flat 2;Long Road;London;;N1;UK"],
            json!({ "homeAddress": { "street": "PO Box 5\nFlat 2\nLong Road", "city": "London", "postalCode": "N1", "countryOrRegion": "UK" } }),
        ),
        (
            &["ADR;TYPE=work:;;A;;;;", "ADR;TYPE=work:;;B;;;;"],
            json!({ "businessAddress": { "street": "A" }, "vCard": ["ADR;TYPE=work:;;B;;;;"] }),
        ),
        (&["BDAY:18151210"], json!({ "birthday": "1815-12-10T11:59:00Z" })),
        (
            &["BDAY:1815-12-10"],
            json!({ "birthday": "1815-12-10T11:59:00Z" }),
        ),
        (
            &["BDAY;VALUE=date-and-or-time:18151210T230000Z"],
            json!({ "birthday": "1815-12-10T11:59:00Z" }),
        ),
        (&["BDAY:--1210"], kept("BDAY:--1210")),
        (&["BDAY:1815"], kept("BDAY:1815")),
        (
            &["BDAY;VALUE=text:circa 1815"],
            kept("BDAY;VALUE=text:circa 1815"),
        ),
        (
            &["RELATED;TYPE=child:urn:uuid:1"],
            kept("RELATED;TYPE=child:urn:uuid:1"),
        ),
        (
            &["RELATED;TYPE=friend;VALUE=text:Mary"],
            kept("RELATED;TYPE=friend;VALUE=text:Mary"),
        ),
        (
            &["X-SPOUSE:William", "X-MS-CHILD:Anne"],
            json!({ "spouseName": "William", "children": ["Anne"] }),
        ),
        (
            &["URL;TYPE=home:https://a.org", "URL:https://b.org"],
            json!({ "businessHomePage": "https://b.org", "vCard": ["URL;TYPE=home:https://a.org"] }),
        ),
        (
            &["item1.X-ABLABEL:_$!<Anniversary>!$_"],
            kept("item1.X-ABLABEL:_$!<Anniversary>!$_"),
        ),
        (
            &[
                "PHOTO:data:image/jpeg;base64,/9j/4AAQ",
                "KIND:individual",
                "UID:urn:uuid:1",
                "REV:20200101T000000Z",
            ],
            kept("PHOTO:data:image/jpeg;base64,/9j/4AAQ"),
        ),
        (&["KIND:group"], kept("KIND:group")),
        (
            &["X-LONG:one", "  two", "NOTE:a\\,b\\;c\\nd\\\\e"],
            json!({ "personalNotes": "a,b;c\nd\\e", "vCard": ["X-LONG:one two"] }),
        ),
        (
            &["EMAIL:", "CATEGORIES:", "NOTE:", "BDAY:", "ADR:;;;;;;", "N:;;;;"],
            json!({}),
        ),
    ];
    for (lines, expected) in table {
        let contact = only(&card("4.0", lines));
        assert_eq!(contact, document(expected), "{lines:?}");
        assert_eq!(only(&write(&contact, "con_1")), contact, "and back: {lines:?}");
    }
}

#[test]
fn old_versions_are_read() {
    let outlook = card(
        "2.1",
        &[
            "N;LANGUAGE=de;CHARSET=utf-8:Müller;Jörg",
            "FN;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:J=C3=B6rg=",
            "=20M=C3=BCller",
            "TEL;WORK;VOICE:+49 1",
            "TEL;CELL;VOICE:+49 2",
            "EMAIL;PREF;INTERNET:joerg@example.org",
            "X-MS-OL-DEFAULT-POSTAL-ADDRESS:2",
            "PHOTO;TYPE=JPEG;ENCODING=BASE64:",
            " /9j/4AAQSkZJRgABAQEA",
            "AAAA",
            "",
            "BDAY:19740722",
        ],
    );
    let mut contact = only(&outlook);
    let kept = contact.remove("vCard").unwrap();
    assert_eq!(
        contact,
        document(json!({
            "surname": "Müller", "givenName": "Jörg", "displayName": "Jörg Müller", "businessPhones": ["+49 1"], "mobilePhone": "+49 2",
            "emailAddresses": [{ "address": "joerg@example.org" }], "birthday": "1974-07-22T11:59:00Z",
        }))
    );
    assert_eq!(kept[0], "X-MS-OL-DEFAULT-POSTAL-ADDRESS:2");
    let photo = kept[1].as_str().unwrap();
    assert!(
        photo.starts_with("PHOTO") && photo.contains("data:") && !photo.contains("ENCODING"),
        "{photo}"
    );

    let apple = card(
        "3.0",
        &[
            "FN:Jane",
            "BDAY;X-APPLE-OMIT-YEAR=1604:1604-05-06",
            "item1.EMAIL;type=INTERNET;type=pref:j@x.org",
        ],
    );
    let contact = only(&apple);
    assert_eq!(contact["emailAddresses"], json!([{ "address": "j@x.org" }]));
    assert_eq!(contact.get("birthday"), None);
    assert_eq!(only(&write(&contact, "con_1")), contact);
}

#[test]
fn what_is_not_understood_comes_back_in_the_same_words() {
    let lines = [
        "X-SOCIAL;TYPE=\"a;b\":x\\,y",
        "item1.X-ABDATE:20200101",
        "GENDER:F;it is",
        "TZ:+0100",
        "KEY:data:application/pgp-keys;base64,AAAA",
    ];
    let again = write(&only(&card("4.0", &lines)), "con_1");
    for line in lines {
        assert!(again.contains(&format!("\r\n{line}\r\n")), "{line}\n{again}");
    }
}
