//! Delta rounds of contacts.

use std::collections::BTreeSet;

use graph_sim::{DeadToken, Settings, Warts};
use serde_json::{Value, json};

use crate::scene::{Scene, ids};

fn warty(warts: Warts) -> Scene {
    Scene::with(Settings {
        warts,
        ..Settings::default()
    })
}

fn removed(rows: &[Value]) -> Vec<String> {
    ids(&rows
        .iter()
        .filter(|row| row.get("@removed").is_some())
        .cloned()
        .collect::<Vec<_>>())
}

#[test]
fn the_first_round_walks_everything_and_the_next_tells_what_changed() {
    let mut scene = Scene::new();
    let made: Vec<String> = (0..23)
        .map(|number| scene.create(None, &format!("N{number}")))
        .collect();
    let (rows, link) = scene.round("/contacts/delta");
    assert_eq!(ids(&rows), made);
    assert_eq!(scene.round(&link).0.len(), 0, "nothing changed");

    scene
        .world
        .user_edits_contact(&scene.key, &made[3], json!({ "jobTitle": "Analyst" }), scene.now)
        .unwrap();
    scene.delete(&format!("/contacts/{}", made[4]));
    let new = scene.create(None, "New");
    let (rows, _) = scene.round(&link);
    assert_eq!(
        ids(&rows).into_iter().collect::<BTreeSet<_>>(),
        BTreeSet::from([made[3].clone(), made[4].clone(), new])
    );
    assert_eq!(removed(&rows), [made[4].clone()]);
    assert_eq!(
        scene.round(&link).0.len(),
        3,
        "the same link tells the same again"
    );
}

#[test]
fn pages_are_as_large_as_preferred_but_never_over_200_and_the_wish_holds_for_one_call() {
    let mut scene = Scene::new();
    scene
        .world
        .seed_contacts(&scene.key.clone(), 250, 0, scene.now)
        .unwrap();
    let prefer = |size| {
        [(
            "prefer",
            if size == 500 {
                "odata.maxpagesize=500"
            } else {
                "odata.maxpagesize=20"
            },
        )]
    };
    let page = scene.send("GET", "/contacts/delta", &prefer(500), None);
    assert_eq!(page.rows().len(), 200);
    let page = scene.send("GET", "/contacts/delta", &prefer(20), None);
    assert_eq!(page.rows().len(), 20);
    assert_eq!(
        scene.get(&page.next().unwrap()).rows().len(),
        10,
        "not repeated, not kept"
    );
}

#[test]
fn an_edit_between_two_pages_shows_in_that_round_or_in_the_next() {
    let mut scene = Scene::new();
    let made: Vec<String> = (0..15)
        .map(|number| scene.create(None, &format!("N{number}")))
        .collect();
    let first = scene.get("/contacts/delta");
    scene
        .world
        .user_edits_contact(&scene.key, &made[0], json!({ "jobTitle": "Late" }), scene.now)
        .unwrap();
    scene
        .world
        .user_deletes_contact(&scene.key, &made[14], true, scene.now)
        .unwrap();
    let (rows, link) = scene.round(&first.next().unwrap());
    assert_eq!(
        removed(&rows),
        [made[14].clone()],
        "gone before its page came: told in a first round"
    );
    let (rows, _) = scene.round(&link);
    let edited = rows.iter().find(|row| row["id"] == made[0].as_str()).unwrap();
    assert_eq!(edited["jobTitle"], "Late");
}

#[test]
fn a_move_is_a_removal_in_the_source_and_an_item_in_the_target() {
    let mut scene = Scene::new();
    let folder = scene
        .world
        .user_creates_folder(&scene.key.clone(), None, "Suppliers", scene.now)
        .unwrap();
    let id = scene.create(None, "Ada");
    let (_, source) = scene.round("/contacts/delta");
    let (_, target) = scene.round(&format!("/contactFolders/{folder}/contacts/delta"));
    scene
        .world
        .user_moves_contact(&scene.key.clone(), &id, Some(&folder), scene.now)
        .unwrap();
    let (rows, _) = scene.round(&source);
    assert_eq!(rows, [json!({ "id": id, "@removed": { "reason": "deleted" } })]);
    let (rows, _) = scene.round(&target);
    assert_eq!((ids(&rows), removed(&rows).len()), (vec![id], 0));
}

#[test]
fn a_dead_token_is_told_in_the_form_that_was_chosen_at_the_start_and_in_mid_chain() {
    let forms = [
        (DeadToken::Gone, 410, "SyncStateNotFound"),
        (DeadToken::ResyncRequired, 410, "resyncRequired"),
        (DeadToken::Invalid, 400, "SyncStateInvalid"),
        (DeadToken::Malformed, 400, "ErrorInvalidIdMalformed"),
    ];
    for (form, status, code) in forms {
        let mut scene = Scene::with(Settings {
            dead_token: form,
            ..Settings::default()
        });
        (0..15).for_each(|_| drop(scene.create(None, "Ada")));
        let (_, link) = scene.round("/contacts/delta");
        let in_chain = scene.get("/contacts/delta").next().unwrap();
        assert!(scene.world.forget_sync_states(&scene.key.clone(), None) >= 2);
        for link in [link, in_chain] {
            let dead = scene.get(&link);
            assert_eq!((dead.status, dead.code()), (status, code));
            if status == 410 {
                let restart = dead.header("location").to_owned();
                assert!(restart.ends_with("/contacts/delta?$deltatoken="), "{restart}");
                assert_eq!(scene.round(&restart).0.len(), 15, "a full sync");
            }
        }
    }
}

#[test]
fn old_tokens_fall_out_as_new_ones_are_added() {
    let mut scene = Scene::with(Settings {
        sync_states_kept: 3,
        ..Settings::default()
    });
    let (_, old) = scene.round("/contacts/delta");
    let (_, kept) = scene.round("/contacts/delta");
    scene.round("/contacts/delta");
    scene.round("/contacts/delta");
    assert_eq!(scene.get(&old).status, 410);
    assert_eq!(scene.get(&kept).status, 200);
}

#[test]
fn warts_replay_reorder_and_empty_pages_but_the_round_still_tells_everything() {
    let mut scene = warty(Warts {
        replays: 50,
        reorder: true,
        empty_pages: 40,
        ..Warts::default()
    });
    let made: BTreeSet<String> = (0..40)
        .map(|number| scene.create(None, &format!("N{number}")))
        .collect();
    let (rows, _) = scene.round("/contacts/delta");
    assert!(rows.len() > 40, "some came twice");
    assert_eq!(ids(&rows).into_iter().collect::<BTreeSet<_>>(), made);
    assert_ne!(ids(&rows)[..10], made.iter().cloned().collect::<Vec<_>>()[..10]);
    let mut empty = 0;
    let mut link = Some("/contacts/delta".to_owned());
    while let Some(url) = link {
        let page = scene.get(&url);
        empty += usize::from(page.rows().is_empty() && page.next().is_some());
        link = page.next();
    }
    assert!(empty > 0, "an empty page with a next link");
}

#[test]
fn sparse_rows_carry_what_changed_and_lagging_ones_come_later() {
    let mut scene = warty(Warts {
        sparse_updates: true,
        lag_ms: 5_000,
        ..Warts::default()
    });
    let id = scene.create(None, "Ada");
    scene.wait(10);
    let (rows, link) = scene.round("/contacts/delta");
    assert_eq!(rows[0]["givenName"], "Ada", "new ones are whole");
    scene
        .world
        .user_edits_contact(&scene.key, &id, json!({ "jobTitle": "Analyst" }), scene.now)
        .unwrap();
    assert_eq!(scene.round(&link).0.len(), 0, "not yet");
    scene.wait(10);
    let (rows, _) = scene.round(&link);
    assert_eq!(
        (rows[0]["jobTitle"].as_str(), rows[0].get("givenName")),
        (Some("Analyst"), None)
    );
}

#[test]
fn removals_may_be_missing_or_come_in_a_first_round() {
    let mut scene = warty(Warts {
        missing_deletes: 100,
        ..Warts::default()
    });
    let id = scene.create(None, "Ada");
    let (_, link) = scene.round("/contacts/delta");
    scene.delete(&format!("/contacts/{id}"));
    assert_eq!(scene.round(&link).0.len(), 0);

    let mut scene = warty(Warts {
        removed_at_start: true,
        ..Warts::default()
    });
    let id = scene.create(None, "Ada");
    scene.delete(&format!("/contacts/{id}"));
    assert_eq!(removed(&scene.round("/contacts/delta").0), [id]);
}

#[test]
fn only_select_goes_with_delta_and_it_binds_the_token() {
    let mut scene = Scene::new();
    let id = scene.create(None, "Ada");
    let (rows, link) = scene.round("/contacts/delta?$select=jobTitle");
    assert_eq!((ids(&rows), rows[0].get("givenName")), (vec![id.clone()], None));
    scene
        .world
        .user_edits_contact(&scene.key, &id, json!({ "surname": "Lovelace" }), scene.now)
        .unwrap();
    assert!(scene.round(&link).0[0].get("surname").is_none());
    for option in [
        "$filter=givenName%20eq%20'Ada'",
        "$orderby=givenName",
        "$count=true",
    ] {
        assert_eq!(
            scene.get(&format!("/contacts/delta?{option}")).status,
            400,
            "{option}"
        );
    }
    assert_eq!(scene.get("/contacts/delta?$expand=extensions").status, 500);
}
