//! What a merge may and may not do.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;
use sync_core::members::{Kind, alike, holds, is_blank, kind, same};
use sync_core::merge::{Merged, Ours, Theirs, merge};
use sync_core::record::Policy;
use sync_core::sighting::Document;

use crate::contacts::{Choice, choices, contact, elements, only, shown};

/// Merges where the platform's edit and Outlook's are of these seconds.
fn merged(
    base: Option<&Document>,
    ours: &Document,
    theirs: &Document,
    policy: Policy,
    [edited, modified]: [i64; 2],
) -> Merged {
    let ours = Ours {
        document: ours,
        edits: &BTreeMap::new(),
        edited_at: Timestamp::from_second(edited).unwrap(),
    };
    let theirs = Theirs {
        document: theirs,
        modified_at: Timestamp::from_second(modified).ok(),
    };
    merge(base, ours, theirs, policy)
}

fn policies() -> impl Strategy<Value = Policy> {
    prop::sample::select(vec![
        Policy::LastWriteWins,
        Policy::OutlookWins,
        Policy::PlatformWins,
    ])
}

/// A base (or none), and what each side has made of it.
#[derive(Debug)]
struct Triple {
    base: Option<Document>,
    ours: Document,
    theirs: Document,
}

fn triples() -> impl Strategy<Value = Triple> {
    let versions = [choices(), choices(), choices()];
    // Of three versions of eight members, few would be equal by chance: a side keeps the base's where a mask says so.
    (any::<bool>(), versions, any::<[u8; 2]>(), [0_u8..3, 0..3, 0..3]).prop_map(
        |(has_base, [base, ours, theirs], masks, unknown)| {
            let of_ours = contact(keeping(base, ours, masks[0]));
            Triple {
                ours: if has_base {
                    shown(of_ours, unknown[0])
                } else {
                    of_ours
                },
                theirs: shown(contact(keeping(base, theirs, masks[1])), unknown[1]),
                base: has_base.then(|| shown(contact(base), unknown[0])),
            }
        },
    )
}

fn keeping(base: Choice, other: Choice, mask: u8) -> Choice {
    std::array::from_fn(|at| {
        if mask & (1 << at) == 0 {
            base[at]
        } else {
            other[at]
        }
    })
}

proptest! {
    #[test]
    fn a_merge_loses_nothing_invents_nothing_and_has_nothing_left_to_do(
        triple in triples(),
        policy in policies(),
        times in [0_i64..3, 0_i64..3],
    ) {
        let Triple { base, ours, theirs } = &triple;
        let base = base.as_ref();
        let merged = merged(base, ours, theirs, policy, times);
        invents_nothing(ours, theirs, &merged)?;
        loses_nothing(base, ours, theirs, &merged)?;
        is_idempotent(base, ours, theirs, &merged, policy, times)?;
    }

    #[test]
    fn edits_of_different_members_both_hold_whichever_side_makes_which(
        [base, one, other] in [choices(), choices(), choices()],
        mask in any::<u8>(),
        policy in policies(),
        times in [0_i64..3, 0_i64..3],
    ) {
        let both = contact(keeping(keeping(base, one, mask), other, !mask));
        let (one, other) = (contact(keeping(base, one, mask)), contact(keeping(base, other, !mask)));
        let base = contact(base);
        for (ours, theirs) in [(&one, &other), (&other, &one)] {
            let merged = merged(Some(&base), ours, theirs, policy, times);
            prop_assert!(alike(&merged.document, &both), "{merged:?} is not {both:?}");
            prop_assert_eq!(&merged.clashes, &[]);
        }
    }
}

/// Every value, and every element of a list, is one that a side has.
fn invents_nothing(ours: &Document, theirs: &Document, merged: &Merged) -> Result<(), TestCaseError> {
    for (name, value) in &merged.document {
        let sides = [ours.get(name), theirs.get(name)];
        prop_assert!(sides.iter().any(Option::is_some), "{name}");
        if kind(name).is_list() {
            for element in elements(Some(value)) {
                let is_known = sides.iter().any(|side| holds(name, Some(&only(element)), *side));
                prop_assert!(is_known, "{name}: {element}");
            }
        } else {
            prop_assert!(sides.contains(&Some(value)), "{name}: {value}");
        }
    }
    Ok(())
}

/// What a side has changed is in the result, or in a clash that has both values.
fn loses_nothing(
    base: Option<&Document>,
    ours: &Document,
    theirs: &Document,
    merged: &Merged,
) -> Result<(), TestCaseError> {
    for clash in &merged.clashes {
        prop_assert_eq!(clash.ours.as_ref(), ours.get(&clash.member));
        prop_assert_eq!(clash.theirs.as_ref(), theirs.get(&clash.member));
        prop_assert_eq!(clash.kept.as_ref(), merged.document.get(&clash.member));
    }
    let nothing = Document::new();
    let base = base.unwrap_or(&nothing);
    for (side, other) in [(ours, theirs), (theirs, ours)] {
        for name in side.keys().chain(base.keys()) {
            let of = |document: &'_ Document| document.get(name).cloned();
            let (base, side, other, kept) = (of(base), of(side), of(other), of(&merged.document));
            let has_clashed = merged.clashes.iter().any(|clash| clash.member == *name);
            if has_clashed || kind(name) == Kind::Derived || same(name, base.as_ref(), side.as_ref()) {
                continue;
            }
            if !kind(name).is_list() {
                prop_assert!(same(name, side.as_ref(), kept.as_ref()), "{name}: {side:?}");
                continue;
            }
            let has = |list: &Option<Value>, one: &Value| holds(name, Some(&only(one)), list.as_ref());
            for added in elements(side.as_ref()).iter().filter(|one| !has(&base, one)) {
                prop_assert!(has(&kept, added), "{name}: {added} was added");
            }
            // Who adds a second one of a kind has not kept the first.
            let count = |list: &Option<Value>, one: &Value| {
                let is_one = |other: &&Value| holds(name, Some(&only(one)), Some(&only(other)));
                elements(list.as_ref()).iter().filter(is_one).count()
            };
            let removed = elements(base.as_ref()).iter().filter(|one| !has(&side, one));
            for removed in removed.filter(|one| !is_blank(name, Some(&only(one)))) {
                let is_added = count(&other, removed) > count(&base, removed);
                prop_assert!(is_added || !has(&kept, removed), "{name}: {removed} was removed");
            }
        }
    }
    Ok(())
}

/// Merging what is equal changes nothing; nor does merging again, once either side has the result.
fn is_idempotent(
    base: Option<&Document>,
    ours: &Document,
    theirs: &Document,
    first: &Merged,
    policy: Policy,
    times: [i64; 2],
) -> Result<(), TestCaseError> {
    let of_itself = merged(Some(ours), ours, ours, policy, times);
    prop_assert_eq!(&of_itself.document, ours);
    let result = &first.document;
    for (base, ours, theirs) in [
        (Some(theirs), result, theirs),
        (Some(theirs), result, result),
        (base, result, result),
        (Some(ours), ours, result),
    ] {
        let again = merged(base, ours, theirs, policy, times);
        prop_assert_eq!(&again.document, result);
        prop_assert_eq!(&again.clashes, &[]);
    }
    Ok(())
}
