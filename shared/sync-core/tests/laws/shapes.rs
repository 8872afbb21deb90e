//! A contact in two parts is the whole contact.

use proptest::prelude::*;
use serde_json::json;
use sync_core::members::{Kind, cap, holds, kind, same};
use sync_core::shape::{split, whole};
use sync_core::sighting::Document;

use crate::contacts::{choices, contact, elements, shown};

/// A contact as somebody wants it: with members that Graph has never heard of, one of them perhaps Outlook's.
fn wanted() -> impl Strategy<Value = Document> {
    (choices(), 0_u8..4, any::<bool>()).prop_map(|(choice, unknown, has_card)| {
        let mut wanted = contact(choice);
        if unknown > 0 {
            wanted.insert("shoeSize".to_owned(), json!(unknown));
        }
        if has_card {
            wanted.insert("vCard".to_owned(), json!(["X-SHOE:1.5"]));
        }
        wanted
    })
}

/// What Outlook has: never more than it takes.
fn held() -> impl Strategy<Value = Document> {
    (choices(), 0_u8..3)
        .prop_map(|(choice, unknown)| shown(split(contact(choice), &Document::new()).document, unknown))
}

proptest! {
    #[test]
    fn splitting_and_joining_loses_nothing(wanted in wanted(), held in held()) {
        let shape = split(wanted.clone(), &held);
        let joined = whole(&shape.document, &shape.extras);
        for (name, value) in &wanted {
            if cap(name).is_none_or(|cap| elements(Some(value)).len() <= cap) {
                prop_assert_eq!(joined.get(name), Some(value), "what fits comes back as it was");
            }
            prop_assert!(holds(name, Some(value), joined.get(name)), "{name}");
            prop_assert!(kind(name) == Kind::Unknown || holds(name, joined.get(name), Some(value)), "{name}");
        }
        for name in joined.keys() {
            prop_assert!(wanted.contains_key(name) || !kind(name).is_writable(), "{name} is nobody's");
        }
    }

    #[test]
    fn a_split_fits_outlook_and_splitting_again_changes_nothing(wanted in wanted(), held in held()) {
        let shape = split(wanted, &held);
        for (name, value) in &shape.document {
            prop_assert!(cap(name).is_none_or(|cap| elements(Some(value)).len() <= cap), "{name}");
            prop_assert!(kind(name).is_writable() || held.get(name) == Some(value), "{name}");
        }
        for (name, value) in held.iter().filter(|(name, _)| !kind(name).is_writable()) {
            prop_assert!(same(name, Some(value), shape.document.get(name)), "what Graph doesn't document stays");
        }
        prop_assert_eq!(split(whole(&shape.document, &shape.extras), &held), shape);
    }

    #[test]
    fn what_outlook_has_of_a_list_stays_there(wanted in wanted(), held in held()) {
        let shape = split(wanted.clone(), &held);
        for name in ["emailAddresses", "businessPhones"] {
            for element in elements(held.get(name)) {
                let one = json!([element]);
                if holds(name, Some(&one), wanted.get(name)) {
                    prop_assert!(holds(name, Some(&one), shape.document.get(name)), "{element}");
                }
            }
        }
    }
}
