//! Whatever both sides do, and however often answers are lost: when the edits stop, both sides agree after one write
//! at most, and every edit is to be seen, superseded by a later one of the same, or in a clash.

use proptest::prelude::*;
use sync_core::record::{DeletionPolicy, Policy, Rules, Side};

use crate::contacts::{choices, contact};
use crate::worker::{Act, Answer, Event, World};

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => (0_usize..8, 0_usize..8).prop_map(|(member, value)| Act::Set { member, value }),
        1 => (1_u8..4).prop_map(Act::Grow),
        1 => any::<bool>().prop_map(Act::Move),
        1 => Just(Act::Delete),
    ]
}

fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![
        2 => Just(Answer::Comes),
        1 => prop::option::of(acts()).prop_map(Answer::IsLost),
        1 => Just(Answer::Dies),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => acts().prop_map(|act| Event::Act(Side::Platform, act)),
        4 => acts().prop_map(|act| Event::Act(Side::Outlook, act)),
        1 => Just(Event::Look),
        2 => (answers(), prop::option::of(acts()))
            .prop_map(|(answer, meanwhile)| Event::Push { answer, meanwhile }),
        1 => Just(Event::Wait),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let conflict = [Policy::LastWriteWins, Policy::OutlookWins, Policy::PlatformWins];
    let deletion = [
        DeletionPolicy::EditWins,
        DeletionPolicy::DeleteWins,
        DeletionPolicy::ByPolicy,
    ];
    (
        prop::sample::select(conflict.to_vec()),
        prop::sample::select(deletion.to_vec()),
    )
        .prop_map(|(conflict, deletion)| Rules { conflict, deletion })
}

/// A story is ten times the work of a triple: of a great many cases these are a tenth.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig {
        cases: (config.cases / 10).max(256).min(config.cases),
        max_shrink_iters: 20_000,
        ..config
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn both_sides_come_to_agree_and_no_edit_is_lost(
        first in choices(),
        is_born_here in any::<bool>(),
        rules in rules(),
        events in prop::collection::vec(events(), 1..12),
    ) {
        let mut world = World::new(contact(first), is_born_here, rules);
        for event in events {
            world.happens(event);
        }
        world.come_to_rest();
        let writes = world.writes;
        world.come_to_rest();
        prop_assert_eq!(world.writes, writes, "nothing is left to do");
        world.agrees()?;
        let contact = world.contact();
        world.ledger.holds(&contact, &world.clashes)?;
    }
}
