//! What Graph and the network do wrong, and that nothing is lost by it.

use std::time::Duration;

use graph_sim::faults::{Fault, Rule};
use graph_sim::{Operation, Settings as GraphSettings};
use sync_engine::Settings;

use crate::scene::{Scene, assert_no_dead_letters};

#[tokio::test]
async fn throttled_for_ten_minutes_a_mailbox_is_left_alone_for_ten_minutes() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 1).await;
    let throttled = Fault::Throttled {
        retry_after: Some(600),
    };
    scene
        .world()
        .add_fault(Rule::new(throttled).on(Operation::ContactDelta).times(1));
    scene.edit_one(&ada, "Countess");
    let told_at = scene.now();
    scene.seconds(5).await;
    // Hints that come meanwhile don't break the peace.
    scene.edit_one(&ada, "Chancellor");
    scene.minutes(15).await;
    scene.assert_equal(&ada).await;
    let later = scene.requests_since(&ada, ambient::add(told_at, Duration::from_secs(1)));
    let first = later.first().expect("it came back");
    let waited = first.duration_since(told_at).as_secs();
    assert!((600..=605).contains(&waited), "asked again after {waited} s");
    assert_eq!(scene.metric("GraphThrottled"), 1);
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn throttled_for_half_a_day_no_message_becomes_a_dead_letter() {
    let settings = Settings {
        silent_after: Duration::from_hours(24),
        ..Settings::default()
    };
    let mut scene = Scene::with(GraphSettings::default(), settings).await;
    let ada = scene.settled("Ada", 6, 0).await;
    let throttled = Fault::Throttled {
        retry_after: Some(600),
    };
    scene
        .world()
        .add_fault(Rule::new(throttled).on(Operation::FolderDelta).times(70));
    scene.edit_one(&ada, "Countess");
    scene.hours(6).await;
    assert_no_dead_letters(&scene.stack.work);
    assert_ne!(scene.differences(&ada).await, []);
    scene.edit_one(&ada, "Chancellor");
    scene.hours(7).await;
    scene.assert_phase(&ada, "live").await;
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_passing_fault_delays_an_edit_and_does_no_harm() {
    let faults = [
        (Fault::Throttled { retry_after: None }, 3),
        (Fault::Throttled { retry_after: None }, 6),
        (Fault::Throttled { retry_after: Some(2) }, 3),
        (Fault::Unavailable { retry_after: None }, 6),
        (
            Fault::Unavailable {
                retry_after: Some(30),
            },
            2,
        ),
        (Fault::GatewayTimeout { committed: false }, 6),
        (Fault::GatewayTimeout { committed: true }, 6),
        (Fault::Reset { committed: false }, 6),
        (Fault::Reset { committed: true }, 6),
        (Fault::Hang { committed: false }, 3),
        (Fault::Truncated, 3),
        (Fault::Slow { millis: 40_000 }, 2),
        (Fault::TokenRejected, 1),
        (
            Fault::Error {
                status: 500,
                code: "ErrorInternalServerError".to_owned(),
                committed: false,
            },
            3,
        ),
        (
            Fault::Error {
                status: 502,
                code: String::new(),
                committed: false,
            },
            3,
        ),
    ];
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 0).await;
    for (number, (fault, times)) in faults.into_iter().enumerate() {
        let versions = scene.versions(&ada).await;
        let operation = [Operation::ContactDelta, Operation::FolderDelta][number % 2];
        scene
            .world()
            .add_fault(Rule::new(fault.clone()).on(operation).times(times));
        scene.edit_one(&ada, &format!("Title {number}"));
        scene.minutes(12).await;
        let struck = scene
            .world()
            .requests()
            .filter(|entry| entry.fault.is_some())
            .count() as u64;
        assert!(struck > 0, "{fault:?} did not strike");
        scene.world().clear_faults();
        assert_eq!(scene.differences(&ada).await, [], "{fault:?}");
        assert_eq!(scene.versions(&ada).await - versions, 1, "{fault:?}");
        scene.assert_phase(&ada, "live").await;
    }
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn faults_strike_a_first_sync_at_random_and_it_comes_to_its_end() {
    let mut scene = Scene::new().await;
    scene.stack.set_page_size(5);
    for fault in [
        Fault::Throttled { retry_after: Some(7) },
        Fault::Unavailable { retry_after: None },
        Fault::GatewayTimeout { committed: true },
        Fault::Reset { committed: true },
        Fault::Truncated,
        Fault::Hang { committed: true },
    ] {
        scene.world().add_fault(Rule::new(fault).percent(5));
    }
    let people = ["Ada", "Grace", "Hedy"].map(|name| scene.user(name, 40, 3));
    let mut enrolled = Vec::new();
    for person in &people {
        enrolled.push(scene.enrol(person).await);
    }
    scene.minutes(30).await;
    scene.world().clear_faults();
    scene.minutes(80).await;
    for person in &enrolled {
        scene.assert_phase(person, "live").await;
        scene.assert_equal(person).await;
        assert_eq!(scene.versions(person).await, 40, "nothing was written twice");
        assert_eq!(scene.world().subscription_count(Some(&person.key)), 4);
    }
    scene.assert_quiet();
}

#[tokio::test]
async fn after_an_outage_of_half_a_day_the_poll_brings_the_mailbox_back() {
    let settings = Settings {
        silent_after: Duration::from_mins(11 * 60 + 45),
        ..Settings::default()
    };
    let mut scene = Scene::with(GraphSettings::default(), settings).await;
    let ada = scene.settled("Ada", 6, 0).await;
    let outage = Fault::Unavailable { retry_after: None };
    scene.world().add_fault(Rule::new(outage).for_user(&ada.key.user));
    scene.edit_one(&ada, "Countess");
    let before = scene.bill().graph;
    scene.hours(12).await;
    let asked = scene.bill().graph - before;
    assert!(
        asked < 300,
        "{asked} requests to a Graph that is down for twelve hours"
    );
    let state = scene.state(&ada).await;
    assert!(state["lastError"]["code"].is_string(), "{state}");
    assert!(scene.metric("MailboxesSilent") > 0, "nobody would know");
    scene.world().clear_faults();
    scene.hours(3).await;
    scene.assert_phase(&ada, "live").await;
    scene.assert_equal(&ada).await;
    scene.edit_one(&ada, "Chancellor");
    scene.seconds(5).await;
    scene.assert_equal(&ada).await;
}

#[tokio::test]
async fn a_link_to_a_foreign_host_is_refused_and_the_token_stays_at_home() {
    let mut scene = Scene::new().await;
    scene.stack.set_page_size(5);
    let foreign = Fault::ForeignLink {
        host: "https://evil.example".to_owned(),
    };
    let strikes = |operation| Rule::new(foreign.clone()).on(operation).times(2);
    for operation in [
        Operation::ContactDelta,
        Operation::FolderDelta,
        Operation::ListFolders,
    ] {
        scene.world().add_fault(strikes(operation));
    }
    let ada = scene.user("Ada", 24, 1);
    let ada = scene.enrol(&ada).await;
    scene.minutes(80).await;
    scene.world().clear_faults();
    scene.world().add_fault(strikes(Operation::ContactDelta));
    scene.edit_one(&ada, "Countess");
    scene.minutes(10).await;
    scene.world().clear_faults();
    assert_eq!(
        scene.stack.transport.strangers(),
        (0, 0),
        "nobody else was asked, with a token or without"
    );
    scene.assert_phase(&ada, "live").await;
    scene.assert_settled(&ada).await;
}
