//! The fault script: what a client sees, and what was carried out all the same.

use graph_sim::faults::{Fault, Rule};
use graph_sim::{DeadToken, Operation, Outcome, Settings};
use serde_json::json;

use crate::scene::{SECRET, Scene};

fn outcome(scene: &mut Scene, method: &str, url: &str) -> Outcome {
    let body = (method == "POST").then(|| json!({ "givenName": "Ada" }));
    let request = scene.request(method, url, &[], body);
    scene.world.handle(request, scene.now).outcome
}

#[test]
fn a_lost_answer_may_hide_a_contact_that_was_created() {
    for (committed, contacts) in [(true, 1), (false, 0)] {
        for fault in [
            Fault::Reset { committed },
            Fault::Hang { committed },
            Fault::GatewayTimeout { committed },
        ] {
            let mut scene = Scene::new();
            scene
                .world
                .add_fault(Rule::new(fault.clone()).on(Operation::CreateContact).times(1));
            let outcome = outcome(&mut scene, "POST", "/contacts");
            let as_told = match outcome {
                Outcome::Reset => matches!(fault, Fault::Reset { .. }),
                Outcome::Hang => matches!(fault, Fault::Hang { .. }),
                Outcome::Answer(answer) => answer.status() == 504,
                Outcome::Handshake(_) => false,
            };
            assert!(as_told, "{fault:?}");
            assert_eq!(scene.world.snapshot(&scene.key).unwrap().contacts.len(), contacts);
        }
    }
}

#[test]
fn errors_come_with_and_without_retry_after_and_a_503_has_no_body() {
    let mut scene = Scene::new();
    for retry_after in [Some(12), None] {
        scene
            .world
            .add_fault(Rule::new(Fault::Throttled { retry_after }).times(1));
        scene
            .world
            .add_fault(Rule::new(Fault::Unavailable { retry_after }).times(1));
    }
    scene.world.add_fault(Rule::new(Fault::TokenRejected).times(1));
    let mut next = || {
        let seen = scene.get("/contacts");
        (
            seen.status,
            seen.header("retry-after").to_owned(),
            seen.body.is_null(),
        )
    };
    assert_eq!(next(), (429, "12".into(), false));
    assert_eq!(next(), (503, "12".into(), true));
    assert_eq!(next(), (429, String::new(), false));
    assert_eq!(next(), (503, String::new(), true));
    assert_eq!(next().0, 401);
    assert_eq!(next().0, 200);
}

#[test]
fn a_token_can_die_in_mid_chain_and_a_link_can_lead_astray() {
    let mut scene = Scene::new();
    (0..25).for_each(|_| drop(scene.create(None, "Ada")));
    scene.world.add_fault(
        Rule::new(Fault::ForeignLink {
            host: "https://evil.example".into(),
        })
        .with_target("delta")
        .times(1),
    );
    scene.world.add_fault(
        Rule::new(Fault::DeadToken {
            form: DeadToken::Gone,
        })
        .with_target("skiptoken")
        .after(1)
        .times(1),
    );
    assert!(
        scene
            .get("/contacts/delta")
            .next()
            .unwrap()
            .starts_with("https://evil.example/v1.0/users/")
    );
    let second = scene.get("/contacts/delta").next().unwrap();
    let third = scene.get(&second).next().unwrap();
    assert_eq!(scene.get(&third).status, 410);
    assert_eq!(scene.get(&third).status, 200, "once");
}

#[test]
fn an_emptied_page_has_its_links_and_no_rows_and_one_contact_is_read_as_ever() {
    let mut scene = Scene::new();
    let id = scene.create(None, "Ada");
    scene.world.add_fault(Rule::new(Fault::Emptied));
    assert_eq!(scene.get("/contacts").body["value"], json!([]));
    let round = scene.get("/contacts/delta");
    assert_eq!(round.body["value"], json!([]));
    assert!(round.body["@odata.deltaLink"].is_string());
    assert_eq!(scene.get(&format!("/contacts/{id}")).body["givenName"], "Ada");
}

#[test]
fn the_log_counts_every_request_and_the_recorder_keeps_no_secret() {
    let mut scene = Scene::with(Settings {
        record: true,
        ..Settings::default()
    });
    scene
        .world
        .add_fault(Rule::new(Fault::Truncated).on(Operation::ListContacts).times(1));
    scene.create(None, "Ada");
    assert!(scene.get("/contacts").body.is_null(), "half a body");
    scene.get("/contacts");
    assert_eq!(scene.world.counts(Some(&scene.key))[&Operation::ListContacts], 2);
    let faults: Vec<Option<&str>> = scene
        .world
        .requests()
        .map(|entry| entry.fault.as_deref())
        .collect();
    assert_eq!(faults, [None, Some("truncated"), None]);
    let kept = serde_json::to_string(scene.world.exchanges()).unwrap();
    assert!(
        !kept.contains(&scene.token) && !kept.contains(SECRET),
        "the record can be shown to anybody"
    );
    assert!(scene.world.exchanges()[0].faulted);
}
