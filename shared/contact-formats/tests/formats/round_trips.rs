//! The law of the crate: from here, through a format, and back, nothing is lost.

use contact_formats::{Document, jscontact, vcard};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::generated::{contact, text};
use crate::{document, only};

/// A contact as the sync sees it: empty is absent, a birthday a date, a line end a line feed.
fn as_seen(contact: &Document) -> Document {
    let kept = contact.iter().filter(|(_, value)| !value.is_null());
    let seen = kept.filter_map(|(name, value)| {
        let value = match value.as_str() {
            Some(date) if name == "birthday" && is_date(date) => json!(date[..10]),
            _ if is_outlooks(name) => bare(value, 0)?,
            _ => value.clone(),
        };
        Some((name.clone(), value))
    });
    seen.collect()
}

/// Names of other members are no words of ASCII letters, or this one.
fn is_outlooks(name: &str) -> bool {
    name.len() > 3 && name.bytes().all(|byte| byte.is_ascii_alphabetic()) && name != "jsContact"
}

fn is_date(text: &str) -> bool {
    let digits = |date: &str| date.bytes().filter(u8::is_ascii_digit).count() == 8;
    text.get(..10)
        .is_some_and(|date| digits(date) && date.matches('-').count() == 2)
}

/// Without what is empty, down to an address's or e-mail's texts.
fn bare(value: &Value, depth: u8) -> Option<Value> {
    if let Some(text) = value.as_str() {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        return (!text.is_empty()).then(|| text.into());
    }
    if let (Some(elements), 0) = (value.as_array(), depth) {
        let element = |each: &Value| {
            let empty = if each.is_string() { json!("") } else { Value::Null };
            bare(each, 1).unwrap_or(empty)
        };
        return (!elements.is_empty()).then(|| elements.iter().map(element).collect());
    }
    if let (Some(members), 0 | 1) = (value.as_object(), depth) {
        let members = members
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), bare(value, 2)?)));
        let members: Document = members.collect();
        return (!members.is_empty()).then(|| members.into());
    }
    (!value.is_null()).then(|| value.clone())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_through_vcard(contact in contact(), uid in text()) {
        let card = vcard::write(&contact, &uid);
        prop_assert_eq!(as_seen(&only(&card)), as_seen(&contact), "{}", card);
        prop_assert!(card.split("\r\n").all(|line| line.len() <= 75), "{}", card);
    }

    #[test]
    fn nothing_is_lost_through_jscontact(contact in contact(), uid in text()) {
        let card = jscontact::write(&contact, &uid);
        let back = jscontact::read(&card);
        prop_assert_eq!(back.as_ref().map(as_seen), Ok(as_seen(&contact)), "{}", card);
    }

    /// A card that was read is written and read as the same contact, whatever stood in it.
    #[test]
    fn what_was_read_comes_back(lines in prop::collection::vec((property(), text()), 0..12)) {
        let lines: Vec<String> = lines.into_iter().map(|(name, value)| format!("{name}:{}", value.replace(['\n', '\r'], " "))).collect();
        let card = format!("BEGIN:VCARD\r\nVERSION:4.0\r\n{}\r\nEND:VCARD\r\n", lines.join("\r\n"));
        if let Ok(read) = vcard::read(&card) {
            let again = vcard::write(&read[0], "con_1");
            prop_assert_eq!(as_seen(&only(&again)), as_seen(&read[0]), "{}", again);
        }
    }
}

fn property() -> impl Strategy<Value = String> {
    let names = [
        "FN",
        "N",
        "EMAIL",
        "TEL;TYPE=cell",
        "TEL;TYPE=home",
        "ADR",
        "ADR;TYPE=work",
        "ORG",
        "NOTE",
        "X-A",
        "a.X-B;P=\"q\"",
        "NICKNAME",
        "CATEGORIES",
        "BDAY",
        "RELATED;TYPE=child;VALUE=text",
        "IMPP",
        "URL",
        "X-MS-IMADDRESS",
        "PHOTO",
        "KIND",
        "GENDER",
    ];
    prop::sample::select(names.to_vec()).prop_map(str::to_owned)
}

#[test]
fn more_than_outlook_can_hold_goes_through_both() {
    let rich = document(json!({
        "emailAddresses": (1..=5).map(|n| json!({ "address": format!("{n}@example.org"), "name": format!("N{n}") })).collect::<Vec<_>>(),
        "businessPhones": ["1", "2", "3", "4"], "categories": ["z", "a"], "birthday": "1974-07-22T11:59:00Z",
        "otherAddress": { "postalCode": "1010" }, "yomiGivenName": "アダ", "yomiCompanyName": "会社", "com_contoso_ext": { "key": [1, null] },
        "vCard": ["X-A:1"], "jsContact": { "speakToAs": { "grammaticalGender": "feminine" } },
    }));
    assert_eq!(only(&vcard::write(&rich, "con_1")), rich);
    assert_eq!(jscontact::read(&jscontact::write(&rich, "con_1")), Ok(rich));
}

#[test]
fn what_outlook_derives_is_in_no_format() {
    let seen = document(json!({ "displayName": "Ada", "primaryEmailAddress": { "address": "a@x.org" } }));
    let expected = document(json!({ "displayName": "Ada" }));
    assert_eq!(only(&vcard::write(&seen, "con_1")), expected);
    assert_eq!(jscontact::read(&jscontact::write(&seen, "con_1")), Ok(expected));
}

#[test]
fn a_card_that_was_written_is_never_too_large_to_be_read() {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let wide = json!(vec![0; 30_000]);
    let lines: Vec<String> = (0..2_000).map(|number| format!("X-A:{number}")).collect();
    let emails: Vec<Value> = (0..9_000)
        .map(|number| json!({ "address": format!("{number}@x.org") }))
        .collect();
    for (what, contact) in [
        ("a deep member", json!({ "displayName": "Ada", "x": deep })),
        ("a wide member", json!({ "displayName": "Ada", "x": wide })),
        ("many kept lines", json!({ "displayName": "Ada", "vCard": lines })),
        (
            "deep kept properties",
            json!({ "displayName": "Ada", "jsContact": { "x": deep } }),
        ),
        (
            "wide kept properties",
            json!({ "displayName": "Ada", "jsContact": { "x": wide } }),
        ),
        (
            "many addresses",
            json!({ "displayName": "Ada", "emailAddresses": emails }),
        ),
    ] {
        let contact = document(contact);
        assert!(only(&vcard::write(&contact, "con_1")) == contact, "{what}");
        let card = jscontact::write(&contact, "con_1");
        assert!(jscontact::read(&card).as_ref() == Ok(&contact), "{what}");
        assert!(
            what == "many addresses" || card["name"]["full"] == "Ada",
            "{what}"
        );
    }
}

#[test]
fn control_characters_go_through_both() {
    let all: String = (0..=0x9f)
        .filter_map(char::from_u32)
        .filter(|each| *each != '\r')
        .collect();
    let contact = document(json!({ "personalNotes": all, "displayName": "A\u{7f}B", "x": [all] }));
    assert_eq!(only(&vcard::write(&contact, "con_1")), contact);
    assert_eq!(jscontact::read(&jscontact::write(&contact, "con_1")), Ok(contact));
}
