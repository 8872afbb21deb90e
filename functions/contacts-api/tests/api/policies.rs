//! A mailbox's policies, starting paused, and the plan.

use contact_store::{Outsider, PlanEntry, PlanPage, PlanSummary};
use jiff::ToSpan;
use serde_json::json;
use sync_core::ids::{ContactId, FolderId, OutlookId};
use sync_core::matching::Ground;

use crate::mailboxes::{ada, enrol_ada};
use crate::problems::errors;
use crate::world::World;

#[tokio::test]
async fn the_policies_of_a_mailbox_are_set_and_taken_back() {
    let api = World::start().await;
    let path = format!("/v1/mailboxes/{}", enrol_ada(&api).await);
    let set_to = async |body| api.change("PATCH", &path, "", body).await;
    let set = set_to(json!({"conflictPolicy": "outlookWins", "deletionPolicy": "byPolicy"}))
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&set["conflictPolicy"], &set["deletionPolicy"]),
        (&json!("outlookWins"), &json!("byPolicy"))
    );
    let half = set_to(json!({"conflictPolicy": null})).await.expect(200).body;
    assert_eq!(
        (half.get("conflictPolicy"), &half["deletionPolicy"]),
        (None, &json!("byPolicy"))
    );
    assert_eq!(set_to(json!({})).await.expect(200).body, half);
    assert_eq!(
        errors(
            &set_to(json!({"conflictPolicy": "loudest", "deletionPolicy": 1, "phase": "live"}))
                .await
                .expect(400)
        ),
        [
            "/conflictPolicy must be lastWriteWins, outlookWins, platformWins, custom or null",
            "/deletionPolicy must be a text",
            "/phase is not known",
        ]
    );
    let wrong = api.post_as("application/json", &path, "{}").await.expect(405);
    assert!(wrong.header("allow").contains("PATCH"));
}

#[tokio::test]
async fn a_mailbox_that_starts_paused_is_filled_and_planned_before_it_is_resumed() {
    let api = World::start().await;
    let form = json!({"tenant": "contoso.com", "user": "ada@contoso.com", "start": "paused"});
    let enrolled = api.post_json("/v1/mailboxes", form.clone()).await.expect(201);
    assert_eq!(enrolled.body["phase"], "paused");
    assert!(api.sent().is_empty(), "nobody is told");
    api.post_json("/v1/mailboxes", form).await.expect(200);
    let mailbox = ada();
    api.create(&mailbox, "", json!({"contact": {"displayName": "Ada"}}))
        .await
        .expect(201);

    let path = format!("/v1/mailboxes/{mailbox}/plan");
    assert_eq!(api.get(&path).await.expect(404).problem(), "plan-not-found");
    assert_eq!(api.post(&path).await.expect(202).body["phase"], "paused");
    assert_eq!(api.sent(), [format!("work.fifo: plan {mailbox}")]);

    let contact = ContactId::of_external(&mailbox, "crm-1");
    let outsider = |contact| Outsider {
        id: OutlookId::new("AAkA1"),
        contact,
        title: Some("Ada".to_owned()),
    };
    let now = api.ambient.now();
    let entries = [
        vec![
            PlanEntry::Link {
                contact: contact.clone(),
                outlook: outsider(None),
                by: Ground::NameAndCompany,
            },
            PlanEntry::Review {
                contact: contact.clone(),
                candidates: vec![outsider(Some(contact.clone()))],
                by: Ground::Email,
            },
        ],
        vec![
            PlanEntry::Create {
                contact: contact.clone(),
            },
            PlanEntry::Import {
                outlook: outsider(None),
                folder: FolderId::new("top"),
            },
        ],
    ];
    for (page, entries) in (0..).zip(entries) {
        let summary = (page == 0).then_some(PlanSummary {
            started_at: now,
            finished_at: Some(now),
            link: 1,
            review: 1,
            create: 1,
            import: 1,
        });
        let page = PlanPage {
            mailbox: mailbox.clone(),
            page,
            entries,
            summary,
            expires_at: now + 24.hours(),
        };
        api.store.save_plan_page(&page).await.unwrap();
    }
    let first = api.get(&path).await.expect(200).body;
    assert_eq!(first["summary"]["review"], 1);
    assert_eq!(
        first["items"],
        json!([
            {"action": "link", "contact": contact.as_str(), "outlook": {"id": "AAkA1", "title": "Ada"}, "by": "nameAndCompany"},
            {"action": "review", "contact": contact.as_str(), "by": "email",
                "candidates": [{"id": "AAkA1", "contact": contact.as_str(), "title": "Ada"}]},
        ])
    );
    let cursor = first["next"].as_str().unwrap();
    let second = api.get(&format!("{path}?cursor={cursor}")).await.expect(200).body;
    assert_eq!(
        second["items"],
        json!([
            {"action": "create", "contact": contact.as_str()},
            {"action": "import", "outlook": {"id": "AAkA1", "title": "Ada"}, "folder": "top"},
        ])
    );
    assert!(second.get("summary").is_none());
}
