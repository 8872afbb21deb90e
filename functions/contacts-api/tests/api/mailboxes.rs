//! The life of a mailbox, as an operator sees it.

use contact_store::{Comparison, Cursor, Folder, LastError, Mailbox, Phase, Subscription, UnavailableReason};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use sync_core::ids::{FolderId, MailboxId, SubscriptionId, TenantId, UserId};

use crate::world::World;

pub(crate) fn ada() -> MailboxId {
    MailboxId::derive(&TenantId::new("contoso.com"), &UserId::new("ada@contoso.com"))
}

pub(crate) async fn enrol_ada(api: &World) -> MailboxId {
    api.post_json(
        "/v1/mailboxes",
        json!({"tenant": "contoso.com", "user": "ada@contoso.com"}),
    )
    .await
    .expect(201);
    api.sent();
    ada()
}

async fn put_in_phase(api: &World, phase: Phase) {
    change(api, |mailbox| mailbox.phase = phase).await;
}

pub(crate) async fn change(api: &World, change: impl FnOnce(&mut Mailbox)) {
    let mut mailbox = api.store.mailbox(&ada()).await.unwrap().unwrap();
    change(&mut mailbox);
    api.store.save_mailbox(&mut mailbox).await.unwrap();
}

#[tokio::test]
async fn a_mailbox_is_enrolled_read_paused_resumed_compared_and_removed() {
    let api = World::start().await;
    let (id, path) = (ada(), format!("/v1/mailboxes/{}", ada()));

    let enrolled = api
        .post_json(
            "/v1/mailboxes",
            json!({"tenant": "Contoso.com", "user": "ada@contoso.com"}),
        )
        .await
        .expect(201);
    assert_eq!(enrolled.header("location"), path);
    assert_eq!(
        enrolled.body,
        json!({
            "id": id.as_str(),
            "tenant": "contoso.com",
            "user": "ada@contoso.com",
            "phase": "enrolled",
            "enrolledAt": "2026-11-23T06:41:00Z",
            "updatedAt": "2026-11-23T06:41:00Z",
        })
    );
    assert_eq!(
        api.sent(),
        [format!("work.fifo: sync {id}")],
        "the worker asks for subscriptions once it knows the folders"
    );

    let read = api.get(&path).await.expect(200).body;
    assert_eq!(
        read["progress"],
        json!({"foldersTotal": 0, "foldersDone": 0, "contactsSeen": 0})
    );
    assert_eq!(read["subscriptions"], json!({"count": 0, "failing": 0}));
    assert_eq!(
        api.get("/v1/mailboxes").await.expect(200).body["items"],
        json!([enrolled.body])
    );

    api.a_minute_passes();
    let paused = api.post(&format!("{path}/pause")).await.expect(202).body;
    assert_eq!(
        (&paused["phase"], &paused["updatedAt"]),
        (&json!("paused"), &json!("2026-11-23T06:42:00Z"))
    );
    assert_eq!(
        api.post(&format!("{path}/pause")).await.expect(202).body,
        paused,
        "twice is once"
    );
    assert_eq!(
        api.post(&format!("{path}/resync")).await.expect(409).problem(),
        "not-in-this-phase"
    );
    assert_eq!(
        api.sent(),
        [
            format!("lifecycle: ensure {id}"),
            format!("lifecycle: ensure {id}")
        ],
        "its subscriptions go; the worker looks at the phase by itself"
    );

    let resumed = api.post(&format!("{path}/resume")).await.expect(202).body;
    assert_eq!(
        resumed["phase"], "enrolled",
        "the first sync has not been completed"
    );
    assert_eq!(
        api.sent(),
        [format!("lifecycle: ensure {id}"), format!("work.fifo: sync {id}")]
    );

    api.post(&format!("{path}/resync")).await.expect(202);
    assert_eq!(api.sent(), [format!("work.fifo: compare {id}")]);

    for _ in 0..2 {
        assert_eq!(api.delete(&path).await.expect(202).body["phase"], "removing");
        assert_eq!(api.sent(), [format!("work.fifo: remove {id}")]);
    }
    for action in ["pause", "resume", "resync"] {
        let refused = api.post(&format!("{path}/{action}")).await.expect(409);
        assert_eq!(
            (refused.problem(), &refused.body["phase"]),
            ("not-in-this-phase", &json!("removing")),
            "{action}"
        );
    }

    api.store.erase_state(&id).await.unwrap(); // what the worker does in the end
    assert_eq!(api.get(&path).await.expect(404).problem(), "mailbox-not-found");
    assert_eq!(api.delete(&path).await.expect(404).problem(), "mailbox-not-found");
    assert!(api.sent().is_empty());
}

#[tokio::test]
async fn enrolling_again_changes_nothing_and_heals_what_a_crash_has_left() {
    let api = World::start().await;
    let wanted = json!({
        "tenant": "contoso.com",
        "user": "ada@contoso.com",
        "folders": {"include": ["Contacts/Suppliers", "Contacts"]},
    });

    api.sqs_refuses(true);
    let crashed = api.post_json("/v1/mailboxes", wanted.clone()).await.expect(503);
    assert_eq!(
        (crashed.problem(), crashed.header("retry-after")),
        ("try-again", "2")
    );

    api.sqs_refuses(false);
    let again = api.post_json("/v1/mailboxes", wanted.clone()).await.expect(200);
    assert_eq!(
        again.body["folders"],
        json!({"include": ["Contacts", "Contacts/Suppliers"]})
    );
    assert_eq!(api.sent().len(), 1, "the message that was lost");

    let mut otherwise = wanted.clone();
    otherwise["folders"]["include"] = json!(["Contacts", "Contacts/Suppliers", "Contacts"]);
    otherwise["user"] = json!("Ada@Contoso.com");
    api.post_json("/v1/mailboxes", otherwise.clone())
        .await
        .expect(200);
    otherwise["folders"]["include"] = json!(["Contacts"]);
    assert_eq!(
        api.post_json("/v1/mailboxes", otherwise.clone())
            .await
            .expect(409)
            .problem(),
        "enrolled-otherwise"
    );
    otherwise["folders"] = json!(null);
    api.post_json("/v1/mailboxes", otherwise).await.expect(400);
    api.sent();

    put_in_phase(&api, Phase::Live).await;
    api.post_json("/v1/mailboxes", wanted.clone()).await.expect(200);
    assert!(api.sent().is_empty(), "its worker is at work");

    put_in_phase(&api, Phase::Removing).await;
    assert_eq!(
        api.post_json("/v1/mailboxes", wanted).await.expect(409).problem(),
        "not-in-this-phase"
    );
}

#[tokio::test]
async fn a_mailbox_that_was_synced_resumes_live_and_one_that_graph_refuses_says_why() {
    let api = World::start().await;
    let path = format!("/v1/mailboxes/{}", enrol_ada(&api).await);
    let now = api.ambient.now();
    change(&api, |mailbox| {
        mailbox.phase = Phase::Unavailable {
            reason: UnavailableReason::AccessDenied,
            since: now,
            retry_at: now + 6.hours(),
        };
        mailbox.last_success_at = Some(now - 1.hour());
        mailbox.last_error = Some(LastError {
            code: "ErrorAccessDenied".to_owned(),
            detail: "Microsoft Graph answered with 403".to_owned(),
            at: now,
        });
        mailbox.comparison = Some(Comparison {
            started_at: now - 3.hours(),
            finished_at: Some(now - 2.hours()),
            requested_at: now - 3.hours(),
            contacts: 1_000,
            drift: [("missed".to_owned(), 2)].into(),
            clean: 0,
        });
    })
    .await;

    let read = api.get(&path).await.expect(200).body;
    let unavailable = json!({
        "reason": "accessDenied",
        "since": "2026-11-23T06:41:00Z",
        "retryAt": "2026-11-23T12:41:00Z",
    });
    assert_eq!(
        (&read["phase"], &read["unavailable"]),
        (&json!("unavailable"), &unavailable)
    );
    assert_eq!(read["lastError"]["code"], "ErrorAccessDenied");
    assert_eq!(read["lastSuccessAt"], "2026-11-23T05:41:00Z");
    assert_eq!(read["lastComparison"]["drift"], json!({"missed": 2}));

    assert_eq!(
        api.post(&format!("{path}/resync")).await.expect(409).body["phase"],
        "unavailable"
    );
    assert_eq!(
        api.post(&format!("{path}/resume")).await.expect(202).body["phase"],
        "live"
    );
    assert_eq!(api.sent().len(), 2);
}

#[tokio::test]
async fn the_state_of_a_mailbox_tells_how_far_its_first_sync_is_and_how_its_subscriptions_stand() {
    let api = World::start().await;
    let mailbox = enrol_ada(&api).await;
    let now = api.ambient.now();
    let reading = Cursor::Round {
        full: true,
        generation: 1,
        link: "https://graph.example/next".to_owned(),
        page: 3,
        started_at: now,
        listing: false,
    };
    let settled = Cursor::Settled {
        link: Some("https://graph.example/delta".to_owned()),
        generation: 1,
        round_started_at: now,
        round_finished_at: now,
    };
    for (id, parent, cursor, in_scope, contacts_seen) in [
        ("top", None, settled, true, 500),
        ("suppliers", Some("top"), reading, true, 120),
        ("friends", Some("top"), Cursor::Unstarted, true, 0),
        ("skype", None, Cursor::Unstarted, false, 0),
    ] {
        let mut folder = Folder {
            mailbox: mailbox.clone(),
            id: FolderId::new(id),
            name: id.to_uppercase(),
            parent: parent.map(FolderId::new),
            is_default: id == "top",
            in_scope,
            cursor,
            contacts_seen,
            comparison: None,
            rev: 0,
        };
        api.store.save_folder(&mut folder).await.unwrap();
    }
    for (folder, hours, attempts) in [
        ("top", Some(70), 0),
        ("suppliers", Some(20), 2),
        ("friends", None, 1),
    ] {
        let mut subscription = Subscription {
            mailbox: mailbox.clone(),
            tenant: TenantId::new("contoso.com"),
            signing_key: None,
            folder: FolderId::new(folder),
            resource: format!("users/ada/contactFolders/{folder}/contacts"),
            id: hours.map(|hours| SubscriptionId::new(format!("s{hours}"))),
            expires_at: hours.map(|hours| now + hours.hours()),
            due_at: now,
            attempts,
            last_error: None,
            renewed_at: None,
            rev: 0,
        };
        api.store.save_subscription(&mut subscription).await.unwrap();
    }

    let read = api
        .get(&format!("/v1/mailboxes/{mailbox}"))
        .await
        .expect(200)
        .body;
    assert_eq!(
        read["progress"],
        json!({"foldersTotal": 3, "foldersDone": 1, "contactsSeen": 620})
    );
    let subscriptions = json!({"count": 2, "soonestExpiry": "2026-11-24T02:41:00Z", "failing": 2});
    assert_eq!(read["subscriptions"], subscriptions);

    let folders = api
        .get(&format!("/v1/mailboxes/{mailbox}/folders"))
        .await
        .expect(200)
        .body;
    let mut told: Vec<_> = folders["items"].as_array().unwrap().iter().map(told).collect();
    told.sort();
    assert_eq!(
        told,
        [
            "FRIENDS in top unstarted",
            "SKYPE in - unstarted",
            "SUPPLIERS in top reading",
            "TOP in - synced"
        ]
    );
    assert!(
        !folders.to_string().contains("graph.example"),
        "links are nobody's business"
    );
}

fn told(folder: &Value) -> String {
    let parent = folder["parent"].as_str().unwrap_or("-");
    format!(
        "{} in {parent} {}",
        folder["name"].as_str().unwrap(),
        folder["state"].as_str().unwrap()
    )
}

#[tokio::test]
async fn the_list_of_mailboxes_comes_in_pages_and_each_is_on_one_of_them() {
    let api = World::start().await;
    let mut enrolled = Vec::new();
    for number in 0..25 {
        let form = json!({"tenant": "contoso.com", "user": format!("user{number}@contoso.com")});
        enrolled.push(api.post_json("/v1/mailboxes", form).await.expect(201).body["id"].clone());
    }
    let mut listed = Vec::new();
    let mut path = "/v1/mailboxes?limit=10".to_owned();
    loop {
        let page = api.get(&path).await.expect(200).body;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 10);
        listed.extend(items.iter().map(|mailbox| mailbox["id"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/mailboxes?limit=10&cursor={next}");
    }
    enrolled.sort_by_key(ToString::to_string);
    listed.sort_by_key(ToString::to_string);
    assert_eq!(listed, enrolled);
}

#[tokio::test]
async fn an_operator_wins_against_a_worker_that_writes_at_the_same_time() {
    let api = World::start().await;
    let mailbox = enrol_ada(&api).await;
    // The worker can come between the operator's read and write four times, so the fifth attempt must succeed.
    let worker = async {
        for _ in 0..4 {
            let mut stored = api.store.mailbox(&mailbox).await.unwrap().unwrap();
            stored.last_success_at = Some(Timestamp::UNIX_EPOCH);
            let _ = api.store.save_mailbox(&mut stored).await;
        }
    };
    let operator = async {
        api.post(&format!("/v1/mailboxes/{mailbox}/pause"))
            .await
            .expect(202)
    };
    let ((), paused) = tokio::join!(worker, operator);
    assert_eq!(paused.body["phase"], "paused");
    let stored = api.store.mailbox(&mailbox).await.unwrap().unwrap();
    assert_eq!(
        (stored.phase, stored.last_success_at),
        (Phase::Paused, Some(Timestamp::UNIX_EPOCH))
    );
}
