//! Texts that are wrong, huge or made to hurt: told with their place, and never a panic.

use contact_formats::jscontact;
use contact_formats::vcard::{Fault, MAX_CARDS, MAX_PROPERTIES, MAX_TEXT, Problem, read};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::generated::{anything, text};

fn told(text: &str) -> Vec<(usize, Option<usize>, Option<&'static str>, Fault)> {
    let told = |problem: Problem| (problem.card, problem.line, problem.property, problem.detail);
    let problems = read(text).err().unwrap_or_default();
    problems.into_iter().map(told).collect()
}

#[test]
fn everything_wrong_is_told_at_once_with_its_place() {
    let text = "BEGIN:VCARD\nVERSION:4.0\nFN:Ada\nBDAY:18151310\nsecret\nEND:VCARD\n\nBEGIN:VCARD\nVERSION:5.0\nBDAY:soon\n\
        X-OUTLOOK-CONTACT-MEMBERS:[1]\nBEGIN:VCARD\nVERSION:3.0\nFN:Mary";
    assert_eq!(
        told(text),
        [
            (1, Some(4), Some("BDAY"), Fault::NotADate),
            (1, Some(5), None, Fault::NotAProperty),
            (2, Some(9), Some("VERSION"), Fault::Version),
            (2, Some(10), Some("BDAY"), Fault::NotADate),
            (2, Some(11), Some("X-OUTLOOK-CONTACT-MEMBERS"), Fault::NotJson),
            (2, Some(12), None, Fault::NoEnd),
            (3, None, None, Fault::NoEnd),
        ]
    );
    let problems = read(text).unwrap_err();
    assert!(!format!("{problems:?}{}", problems[1]).contains("secret"));
}

#[test]
fn what_is_no_text_of_cards_is_refused_whole() {
    let card = "BEGIN:VCARD\nVERSION:4.0\nFN:A\nEND:VCARD\n";
    let wide = format!("BEGIN:VCARD\n{}END:VCARD\n", "X-A:1\n".repeat(MAX_PROPERTIES + 1));
    for (text, expected) in [
        (String::new(), Fault::NoCard),
        ("{\"@type\":\"Card\"}".to_owned(), Fault::OutsideCards),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR\n".to_owned(), Fault::OutsideCards),
        (format!("{card}FN:B\n"), Fault::OutsideCards),
        (card.repeat(MAX_CARDS + 1), Fault::TooManyCards),
        (wide, Fault::TooManyProperties),
        ("X".repeat(MAX_TEXT + 1), Fault::TextTooLong),
    ] {
        let faults: Vec<Fault> = told(&text).into_iter().map(|(.., fault)| fault).collect();
        assert_eq!(faults, [expected]);
    }
    assert_eq!(read(&card.repeat(MAX_CARDS)).unwrap().len(), MAX_CARDS);
}

#[test]
fn many_short_lines_cost_no_square() {
    let parameters = ";BASE64".repeat(100_000);
    let text = format!(
        "BEGIN:VCARD\nVERSION:2.1\nX{parameters}:\n{}END:VCARD\n",
        "AAAA\n".repeat(500_000)
    );
    assert_eq!(told(&text), [(1, Some(1003), None, Fault::TooManyProperties)]);
}

#[test]
fn a_deep_or_wide_card_is_refused() {
    let deep = (0..100).fold(json!(1), |inner, _| json!({ "x": inner }));
    let wide = json!({ "x": vec![0; 20_001] });
    for card in [deep, wide] {
        let faults: Vec<_> = jscontact::read(&card)
            .unwrap_err()
            .into_iter()
            .map(|problem| problem.detail)
            .collect();
        assert_eq!(faults, [jscontact::Fault::TooLarge]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        let _ = read(&text);
    }

    #[test]
    fn no_line_makes_the_reader_panic(version in "2.1|3.0|4.0", lines in prop::collection::vec(line(), 0..8)) {
        let _ = read(&format!("BEGIN:VCARD\nVERSION:{version}\n{}\nEND:VCARD", lines.join("\n")));
    }

    #[test]
    fn no_json_makes_the_reader_panic(members in prop::collection::btree_map(property(), near(), 0..6)) {
        let _ = jscontact::read(&Value::Object(members.into_iter().collect()));
    }
}

/// Something like a content line.
fn line() -> impl Strategy<Value = String> {
    let names = "(a\\.)?(FN|N|ADR|TEL|BDAY|PHOTO|KEY|GENDER|RELATED|TZ|REV|KIND|ORG|LANG|JSPROP|X-OUTLOOK-CONTACT-MEMBERS|ANNIVERSARY)";
    let params = "(;(TYPE|VALUE|PREF|ENCODING|CHARSET|DERIVED|CREATED|JSCOMPS|X-NAME|LEVEL|INDEX)?=?\"?(date|time|timestamp|uri|utc-offset|integer|\
        float|boolean|text|b|base64|quoted-printable|utf-8|utf-16|iso-2022-jp|s,\\\\;1,2|[0-9]{1,25})?\"?){0,3}";
    (
        names,
        params,
        prop_oneof![
            text(),
            "[-+0-9TZ:.=\\\\A-F,;]{0,30}",
            "data:[a-z/]{0,6};?(base64)?,?[A-Za-z0-9+/=%]{0,20}"
        ],
    )
        .prop_map(|(name, params, value)| format!("{name}{params}:{value}"))
}

fn property() -> impl Strategy<Value = String> {
    let names = [
        "name",
        "emails",
        "phones",
        "addresses",
        "anniversaries",
        "titles",
        "organizations",
        "onlineServices",
        "links",
        "notes",
        "relatedTo",
        "keywords",
        "nicknames",
        "@type",
        "version",
        "kind",
        "outlook-contact-sync:members",
    ];
    prop::sample::select(names.to_vec()).prop_map(str::to_owned)
}

/// Something like a map of entries.
fn near() -> impl Strategy<Value = Value> {
    let names = [
        "address",
        "number",
        "components",
        "kind",
        "value",
        "date",
        "year",
        "month",
        "day",
        "utc",
        "units",
        "pref",
        "contexts",
        "relation",
    ];
    let entry = prop::collection::btree_map(prop::sample::select(names.to_vec()), anything(), 0..5).prop_map(
        |entry| {
            Value::Object(
                entry
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
            )
        },
    );
    prop_oneof![
        anything(),
        prop::collection::btree_map("[a-c]", entry, 0..3)
            .prop_map(|map| Value::Object(map.into_iter().collect())),
    ]
}
