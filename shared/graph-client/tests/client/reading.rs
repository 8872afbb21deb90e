//! Pages, delta rounds and folders: what is kept, what is reported, what is refused.

use graph_client::{ErrorKind, MailboxProblem, Next, ReadFrom, Removed, RemovedReason};
use serde_json::{Value, json};

use crate::stage::{GRAPH, Stage, answer, error, ok};

fn link(query: &str) -> String {
    format!("{GRAPH}/users/u/contactFolders/F/contacts/delta?{query}")
}

#[tokio::test]
async fn a_delta_round_goes_over_empty_pages_to_its_delta_link() {
    let stage = Stage::with([
        ok(&json!({ "value": [], "@odata.nextLink": link("$skiptoken=a%2Fb=") })),
        ok(&json!({ "value": [
            { "@odata.etag": "W/\"K\"", "id": "A", "displayName": "Ada", "novelty": { "x": [1] } },
            { "id": "B", "@removed": { "reason": "deleted" } },
            { "id": "C", "@removed": { "reason": "changed" } },
        ], "@odata.deltaLink": link("$deltatoken=d") })),
    ]);
    let client = stage.client().with_page_size(50);
    let mailbox = client.mailbox("t", "u");
    let first = mailbox.contact_delta("F", ReadFrom::Start).await.unwrap();
    let Next::Page(next) = first.next else {
        panic!("the round is not over")
    };
    let second = mailbox.contact_delta("F", ReadFrom::Link(&next)).await.unwrap();

    assert!(first.changed.is_empty());
    assert_eq!(second.changed[0].members["novelty"], json!({ "x": [1] }));
    assert_eq!(
        second.removed,
        [
            Removed {
                id: "B".to_owned(),
                reason: RemovedReason::Deleted
            },
            Removed {
                id: "C".to_owned(),
                reason: RemovedReason::Changed
            }
        ]
    );
    assert_eq!(second.next, Next::Done(link("$deltatoken=d")));

    let asked = stage.asked();
    assert_eq!(
        asked[0].url,
        format!("{GRAPH}/users/u/contactFolders/F/contacts/delta")
    );
    assert_eq!(
        asked[1].url,
        link("$skiptoken=a%2Fb="),
        "the link goes out as it came"
    );
    for asked in &asked {
        assert_eq!(
            asked.header("prefer"),
            r#"IdType="ImmutableId", odata.maxpagesize=50"#
        );
        assert_eq!(asked.header("user-agent"), "stage/1");
    }
}

#[tokio::test]
async fn a_malformed_row_costs_no_other() {
    let stage = Stage::with([ok(&json!({ "value": [
        { "id": "A" }, { "id": "B", "changeKey": 7 }, "nonsense", { "displayName": "Ada" }, { "id": "C" },
    ], "@odata.deltaLink": link("d") }))]);
    let page = stage
        .client()
        .mailbox("t", "u")
        .contact_delta("F", ReadFrom::Start)
        .await
        .unwrap();
    let read: Vec<_> = page.changed.iter().map(|contact| contact.id.as_str()).collect();
    let unreadable: Vec<_> = page.unreadable.iter().map(|row| row.id.as_deref()).collect();
    assert_eq!(read, ["A", "C"]);
    assert_eq!(unreadable, [Some("B"), None, None]);
}

#[tokio::test]
async fn a_dead_link_is_told_in_many_ways_and_means_one_thing() {
    let deaths = [
        error(410, "SyncStateNotFound"),
        answer(410, &[("location", &link("$deltatoken="))], ""),
        error(400, "syncStateInvalid"),
        error(404, "resyncRequired"),
        error(400, "ErrorInvalidIdMalformed"),
        error(400, "BadRequest"),
    ];
    for death in deaths {
        let stage = Stage::with([death]);
        let client = stage.client();
        let error = client
            .mailbox("t", "u")
            .contact_delta("F", ReadFrom::Link(&link("x")))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SyncStateGone, "{error}");
    }
}

#[tokio::test]
async fn what_is_missing_is_told_apart() {
    let cases = [
        (error(404, "ErrorItemNotFound"), ErrorKind::FolderNotFound),
        (
            error(404, "MailboxNotEnabledForRESTAPI"),
            ErrorKind::MailboxUnavailable(MailboxProblem::NotEnabled),
        ),
        (
            error(404, "ErrorInvalidUser"),
            ErrorKind::MailboxUnavailable(MailboxProblem::UserNotFound),
        ),
        (error(403, "ErrorQuotaExceeded"), ErrorKind::QuotaExceeded),
        (error(403, "ErrorAccessDenied"), ErrorKind::Forbidden),
    ];
    for (line, expected) in cases {
        let stage = Stage::with([line]);
        let error = stage
            .client()
            .mailbox("t", "u")
            .contact_delta("F", ReadFrom::Start)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), expected);
        assert_eq!(error.request_id(), Some("r-1"));
    }

    let stage = Stage::with([error(404, "ErrorItemNotFound"), error(404, "x")]);
    let client = stage.client();
    assert_eq!(client.mailbox("t", "u").contact("C").await.unwrap(), None);
    let unclear = client.mailbox("t", "u").contact("C").await.unwrap_err();
    assert_eq!(
        unclear.kind(),
        ErrorKind::Permanent,
        "a 404 from who knows where is no evidence"
    );
}

#[tokio::test]
async fn a_token_never_goes_where_a_link_leads_away() {
    let stage = Stage::new();
    let client = stage.client();
    for foreign in [
        "https://evil.example/v1.0/x",
        "http://graph.microsoft.com/v1.0/x",
        "nonsense",
    ] {
        let error = client
            .mailbox("t", "u")
            .contact_delta("F", ReadFrom::Link(foreign))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ForeignHost);
    }
    assert_eq!(client.requests_sent(), 0, "not even a token was asked for");

    // In a page or a redirect of Graph's own it is refused as well, so that nobody stores it.
    let away = "https://evil.example/v1.0/x";
    stage.graph([
        ok(&json!({ "value": [{ "id": "A" }], "@odata.nextLink": away })),
        answer(307, &[("location", away)], ""),
    ]);
    for _ in 0..2 {
        let error = client
            .mailbox("t", "u")
            .contact_delta("F", ReadFrom::Start)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ForeignHost);
    }
    assert_eq!(stage.asked().len(), 2);
}

#[tokio::test]
async fn errors_and_damage_inside_a_successful_answer_are_errors() {
    let cases = [
        (
            json!({ "error": { "code": "syncStateNotFound" } }).to_string(),
            ErrorKind::SyncStateGone,
        ),
        (
            json!({ "value": [{ "error": { "code": "Whatever" } }] }).to_string(),
            ErrorKind::Transient,
        ),
        (
            json!({ "value": [{ "id": "A" }] }).to_string(),
            ErrorKind::Transient,
        ),
        (json!({ "value": {} }).to_string(), ErrorKind::Transient),
        ("{\"value\":[{\"id\":\"Ada".to_owned(), ErrorKind::Transient),
        ("<html>".to_owned(), ErrorKind::Transient),
        (String::new(), ErrorKind::Transient),
    ];
    for (body, expected) in cases {
        let stage = Stage::with([answer(200, &[], &body)]);
        let error = stage
            .client()
            .mailbox("t", "u")
            .contact_delta("F", ReadFrom::Start)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), expected, "{body}");
        assert!(!format!("{error:?}").contains("Ada"));
    }
}

#[tokio::test]
async fn a_list_gives_its_next_page_and_the_last_gives_none() {
    let next = format!("{GRAPH}/users/u/contacts?$skip=1");
    let stage = Stage::with([
        ok(&json!({ "value": [{ "id": "A" }], "@odata.nextLink": next })),
        ok(&json!({ "value": [{ "id": "B" }] })),
    ]);
    let client = stage.client();
    let mailbox = client.mailbox("t", "a b#EXT#@c.d");
    let first = mailbox.list_contacts(None, ReadFrom::Start).await.unwrap();
    let second = mailbox
        .list_contacts(None, ReadFrom::Link(first.next.as_deref().unwrap()))
        .await
        .unwrap();
    assert_eq!(second.next, None);
    assert_eq!(
        stage.asked()[0].url,
        format!("{GRAPH}/users/a%20b%23EXT%23%40c.d/contacts")
    );
}

#[tokio::test]
async fn the_folder_tree_is_read_level_by_level_with_its_pages() {
    let folder = |id: &str, parent: &str| json!({ "id": id, "displayName": id, "parentFolderId": parent });
    let children = |id: &str, rows: Vec<Value>| json!({ "id": id, "status": 200, "body": { "value": rows } });
    let next = format!("{GRAPH}/users/u/contactFolders?$skip=1");
    let stage = Stage::with([
        ok(&json!({ "value": [folder("A", "root")], "@odata.nextLink": next })),
        ok(&json!({ "value": [folder("B", "root"), { "displayName": "no id" }] })),
        ok(&json!({ "responses": [
            { "id": "1", "status": 404, "body": { "error": { "code": "ErrorItemNotFound" } } },
            children("0", vec![folder("AA", "A"), folder("B", "A")]),
        ] })),
        ok(&json!({ "responses": [children("0", vec![])] })),
    ]);
    let tree = stage
        .client()
        .mailbox("t", "u")
        .contact_folder_tree()
        .await
        .unwrap();
    let ids: Vec<_> = tree.rows.iter().map(|folder| folder.id.as_str()).collect();
    assert_eq!(ids, ["A", "B", "AA"], "B was seen twice and is told once");
    assert_eq!(tree.unreadable.len(), 1);
}

#[tokio::test]
async fn the_default_folder_is_known_by_what_is_in_it() {
    let (none, one) = (
        json!({ "value": [] }),
        json!({ "value": [{ "id": "x", "parentFolderId": "F" }] }),
    );
    let stage = Stage::with([ok(&one), ok(&none), ok(&one), ok(&none), ok(&none)]);
    let client = stage.client();
    let mailbox = client.mailbox("t", "u");
    assert_eq!(mailbox.default_folder_id().await.unwrap().as_deref(), Some("F"));
    assert_eq!(mailbox.default_folder_id().await.unwrap().as_deref(), Some("F"));
    assert_eq!(mailbox.default_folder_id().await.unwrap(), None);
    assert_eq!(
        stage.asked()[0].url,
        format!("{GRAPH}/users/u/contacts?$top=1&$select=id,parentFolderId")
    );
    assert!(stage.asked()[2].url.contains("/contactFolders?"));
}
