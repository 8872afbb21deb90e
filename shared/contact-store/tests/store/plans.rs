//! Plans: what linking two sides would do.

use contact_store::{Outsider, PlanEntry, PlanPage, PlanSummary};
use sync_core::ids::{FolderId, OutlookId};
use sync_core::matching::Ground;

use crate::local::{Local, STATE};
use crate::{at, contact_id, enrolled, mailbox_id};

fn outsider(number: usize) -> Outsider {
    Outsider {
        id: OutlookId::new(format!("AAMk{number}")),
        contact: Some(contact_id("ada", number)),
        title: Some("Ada Lovelace".into()),
    }
}

pub(crate) fn page(number: u32) -> PlanPage {
    let summary = PlanSummary {
        started_at: at(0),
        finished_at: Some(at(9)),
        link: 1,
        review: 1,
        create: 1,
        import: 1,
    };
    let contact = contact_id("ada", 50);
    PlanPage {
        mailbox: mailbox_id("ada"),
        page: number,
        entries: vec![
            PlanEntry::Link {
                contact: contact.clone(),
                outlook: outsider(1),
                by: Ground::Email,
            },
            PlanEntry::Review {
                contact: contact.clone(),
                candidates: vec![outsider(2), outsider(3)],
                by: Ground::NameAndCompany,
            },
            PlanEntry::Create { contact },
            PlanEntry::Import {
                outlook: outsider(4),
                folder: FolderId::new("inbox"),
            },
        ],
        summary: (number == 0).then_some(summary),
        expires_at: at(1_000),
    }
}

#[tokio::test]
async fn ap38_and_ap39_a_plan_is_read_page_by_page_in_its_order() {
    let local = Local::start().await;
    let ada = enrolled(&local.store, "ada").await;
    for number in [2, 0, 11, 1, 0] {
        local.store.save_plan_page(&page(number)).await.unwrap();
    }
    let first = local.store.plan_pages(&ada.id, None, 3).await.unwrap();
    assert_eq!(first.items, [page(0), page(1), page(2)]);
    let rest = local
        .store
        .plan_pages(&ada.id, first.next.as_deref(), 3)
        .await
        .unwrap();
    assert_eq!((rest.items, rest.next), (vec![page(11)], None));
    assert!(!format!("{:?}", page(0)).contains("Lovelace"));
    let state = local.store.mailbox_state(&ada.id).await.unwrap().unwrap();
    assert_eq!(state.mailbox, ada, "a plan is no part of the state");
}

#[tokio::test]
async fn ap40_of_a_cleared_plan_nothing_is_left() {
    let local = Local::start().await;
    let ada = enrolled(&local.store, "ada").await;
    let before = local.raw(STATE, &ada.id).await;
    for number in 0..30 {
        local.store.save_plan_page(&page(number)).await.unwrap();
    }
    local.store.clear_plan(&ada.id).await.unwrap();
    assert_eq!(local.raw(STATE, &ada.id).await, before);
    let nothing = local.store.plan_pages(&ada.id, None, 3).await.unwrap();
    assert!(nothing.items.is_empty());
}
