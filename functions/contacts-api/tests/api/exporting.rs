//! A mailbox's contacts on their way out, page by page, and in again.

use serde_json::{Value, json};

use crate::contacts::all;
use crate::editing::listed;
use crate::mailboxes::enrol_ada;
use crate::world::World;

const FORMS: [(&str, &str); 3] = [
    ("application/json", ":bulk"),
    ("text/vcard", ""),
    ("application/jscontact+json", ""),
];

#[tokio::test]
async fn an_export_is_imported_as_it_is_page_by_page() {
    for (form, how) in FORMS {
        let api = World::start().await;
        let mailbox = listed(&api).await;
        let contacts = format!("/v1/mailboxes/{mailbox}/contacts");
        for number in 0..5 {
            let contact = json!({
                "displayName": format!("Ada {number}"), "givenName": "Ada", "birthday": "1815-12-10T11:59:00Z",
                "emailAddresses": (0..5).map(|n| json!({"address": format!("ada{n}@x.org")})).collect::<Vec<_>>(),
                "personalNotes": "a; b, c\nd\u{7f}", "x": {"y": [1, null, [[["z"]]]]},
            });
            api.create(&mailbox, "", json!({"contact": contact}))
                .await
                .expect(201);
        }
        let before = members(&all(&api, &contacts).await);

        let (mut pages, mut next) = (Vec::new(), format!("/v1/mailboxes/{mailbox}/export?limit=2"));
        loop {
            let page = api.get_as(form, &next).await.expect(200);
            assert!(
                page.header("content-disposition")
                    .starts_with("attachment; filename=\"mbx_")
            );
            pages.push(
                page.body
                    .as_str()
                    .map_or_else(|| page.body.to_string(), str::to_owned),
            );
            let Some((path, _)) = page.header("link").split_once(">; rel=\"next\"") else {
                break;
            };
            path.trim_start_matches('<').clone_into(&mut next);
        }
        assert!((3..=4).contains(&pages.len()), "{form}: {} pages", pages.len());
        for page in pages {
            let imported = api.post_as(form, &format!("{contacts}{how}"), &page).await;
            // A page of one card is one contact.
            assert!(
                matches!(imported.status, 200 | 201),
                "{form}: {:#}",
                imported.body
            );
            let items = imported.body["items"].as_array().into_iter().flatten();
            let refused: Vec<_> = items.filter(|item| item["status"] != 201).collect();
            assert!(refused.is_empty(), "{form}: {refused:#?}");
        }
        let after = members(&all(&api, &contacts).await);
        assert_eq!(after.len(), 2 * before.len(), "{form}");
        for contact in &before {
            let again = after.iter().filter(|other| *other == contact).count();
            assert_eq!(again, 2, "{form}: {contact:#} did not come back");
        }
    }
}

#[tokio::test]
async fn external_ids_go_along_in_json_and_make_a_second_import_change_nothing() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let contacts = format!("/v1/mailboxes/{mailbox}/contacts");
    let body = json!({"externalId": "crm-1", "contact": {"givenName": "Ada"}});
    api.create(&mailbox, "", body).await.expect(201);
    let export = api
        .get(&format!("/v1/mailboxes/{mailbox}/export"))
        .await
        .expect(200)
        .body;
    assert_eq!(export["items"][0]["externalId"], "crm-1");
    let before = all(&api, &contacts).await;
    api.post_json(&format!("{contacts}:bulk"), export)
        .await
        .expect(200);
    assert_eq!(all(&api, &contacts).await, before);
}

#[tokio::test]
async fn an_empty_mailbox_is_exported_and_none_is_not() {
    let api = World::start().await;
    let mailbox = enrol_ada(&api).await;
    let export = format!("/v1/mailboxes/{mailbox}/export");
    assert_eq!(api.get(&export).await.expect(200).body, json!({"items": []}));
    assert_eq!(
        api.get_as("image/png", &export).await.expect(406).problem(),
        "not-acceptable"
    );
    assert_eq!(
        api.get(&format!("{export}?cursor=x")).await.expect(400).problem(),
        "invalid-cursor"
    );
    assert_eq!(
        api.get(&format!("{export}?folder=top"))
            .await
            .expect(400)
            .problem(),
        "invalid-request"
    );
    let nobody = "/v1/mailboxes/mbx_aaaaaaaaaaaaaaaaaaaaaaaaaa/export";
    assert_eq!(api.get(nobody).await.expect(404).problem(), "mailbox-not-found");
}

fn members(contacts: &[Value]) -> Vec<Value> {
    contacts
        .iter()
        .map(|contact| contact["contact"].clone())
        .collect()
}
