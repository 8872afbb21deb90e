//! Tokens: one at a time, renewed in time, and a bad secret that never loops.

use std::time::Duration;

use graph_client::{Contact, ErrorKind, Freshness, GraphClient, GraphError, Transport};
use serde_json::json;

use crate::stage::{Line, Stage, error, ok, refused, retry_after, status, token};

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

fn ada() -> Line {
    ok(&json!({ "id": "C1" }))
}

async fn read(client: &GraphClient<impl Transport>) -> Result<Option<Contact>, GraphError> {
    client.mailbox(TENANT, "u").contact("C1").await
}

async fn read_at_once(client: &GraphClient<impl Transport + 'static>, calls: usize) {
    let call = |client: GraphClient<_>| tokio::spawn(async move { read(&client).await.map(|_| ()) });
    let calls: Vec<_> = (0..calls).map(|_| call(client.clone())).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn many_calls_at_once_ask_for_one_token() {
    let stage = Stage::with((0..8).map(|_| ada()));
    let client = stage.client();
    read_at_once(&client, 8).await;
    let logins = stage.logins();
    assert_eq!(logins.len(), 1);
    assert_eq!(
        logins[0].url,
        format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token")
    );
    assert_eq!(
        logins[0].body,
        "grant_type=client_credentials&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default&client_id=app\
         &client_secret=right"
    );
    assert!(
        stage
            .asked()
            .iter()
            .all(|asked| asked.header("authorization") == "Bearer token-1")
    );
    assert_eq!(logins[0].header("authorization"), "");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_each_tenant_has_its_own() {
    let stage = Stage::with((0..4).map(|_| ada()));
    let client = stage.client();
    read(&client).await.unwrap();
    stage.ambient.advance(Duration::from_secs(3598 - 300));
    read(&client).await.unwrap();
    assert_eq!(stage.logins().len(), 1);
    stage.ambient.advance(Duration::from_secs(2));
    read(&client).await.unwrap();
    assert_eq!(stage.logins().len(), 2);
    client.mailbox("contoso.com", "u").contact("C1").await.unwrap();
    assert_eq!(stage.logins().len(), 3);
}

#[tokio::test]
async fn a_login_that_is_down_does_not_stop_calls_while_the_old_token_lives() {
    let stage = Stage::with((0..3).map(|_| ada()));
    let client = stage.client();
    read(&client).await.unwrap();
    stage.ambient.advance(Duration::from_mins(56));
    stage.login((0..4).map(|_| status(503)));
    read(&client).await.unwrap();
    read(&client).await.unwrap();
    assert_eq!(stage.logins().len(), 5, "and it is left alone for a while");
}

#[tokio::test]
async fn a_token_that_graph_refuses_is_replaced_once() {
    let refusal = || error(401, "InvalidAuthenticationToken");
    let stage = Stage::with([refusal(), ada(), refusal(), refusal()]);
    let client = stage.client();
    read(&client).await.unwrap();
    let sent: Vec<_> = stage
        .asked()
        .iter()
        .map(|asked| asked.header("authorization").to_owned())
        .collect();
    assert_eq!(sent, ["Bearer token-1", "Bearer token-2"]);
    assert_eq!(read(&client).await.unwrap_err().kind(), ErrorKind::BadCredential);
}

#[tokio::test]
async fn many_calls_with_a_refused_token_ask_for_one_new_token() {
    let stage = Stage::with((0..4).map(|_| error(401, "InvalidAuthenticationToken")));
    stage.graph((0..4).map(|_| ada()));
    read_at_once(&stage.client(), 4).await;
    assert_eq!(stage.logins().len(), 2);
}

#[tokio::test]
async fn a_rotated_secret_is_found_without_a_failed_call() {
    let stage = Stage::with([ada()]);
    stage.vault.rotate("new");
    stage.login([refused(401, "invalid_client"), token("after rotation", 3599)]);
    read(&stage.client()).await.unwrap();
    let logins = stage.logins();
    assert!(logins[0].body.ends_with("client_secret=right") && logins[1].body.ends_with("client_secret=new"));
}

#[tokio::test]
async fn a_bad_secret_is_tried_once_and_then_left_alone_for_ten_minutes() {
    let stage = Stage::new();
    stage.login([refused(401, "invalid_client")]);
    let client = stage.client();
    for attempts in [1, 0, 0] {
        let error = read(&client).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.attempts()),
            (ErrorKind::BadCredential, attempts)
        );
        assert_eq!(error.code(), Some("invalid_client"));
    }
    assert_eq!(
        stage.logins().len(),
        1,
        "the reread secret was the same, so it was not sent again"
    );

    stage.ambient.advance(Duration::from_mins(10));
    stage.login([refused(401, "invalid_client"), refused(401, "invalid_client")]);
    stage.vault.rotate("also wrong");
    for _ in 0..3 {
        assert_eq!(read(&client).await.unwrap_err().kind(), ErrorKind::BadCredential);
    }
    assert_eq!(stage.logins().len(), 3, "the rotated one was sent, once");

    stage.ambient.advance(Duration::from_mins(10));
    stage.graph([ada()]);
    read(&client).await.unwrap();
}

#[tokio::test]
async fn a_store_that_fails_on_the_reread_does_not_turn_the_refusal_into_a_passing_fault() {
    let stage = Stage::new();
    stage.login([refused(401, "invalid_client")]);
    *stage.vault.broken.lock().unwrap() = Some(Freshness::Reread);
    let client = stage.client();
    for _ in 0..2 {
        assert_eq!(read(&client).await.unwrap_err().kind(), ErrorKind::BadCredential);
    }
    assert_eq!(stage.logins().len(), 1);
}

#[tokio::test]
async fn a_throttled_login_is_asked_again_when_it_says() {
    let stage = Stage::new();
    stage.login([retry_after(429, "90")]);
    let client = stage.client();
    for _ in 0..2 {
        let error = read(&client).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Throttled { .. }), "{error}");
    }
    assert_eq!(stage.logins().len(), 1);
    stage.ambient.advance(Duration::from_secs(90));
    stage.graph([ada()]);
    read(&client).await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_down_is_a_passing_fault() {
    let stage = Stage::with([ada()]);
    let client = stage.client();
    *stage.vault.broken.lock().unwrap() = Some(Freshness::Cached);
    assert_eq!(read(&client).await.unwrap_err().kind(), ErrorKind::Transient);
    *stage.vault.broken.lock().unwrap() = None;
    read(&client).await.unwrap();
}

#[tokio::test]
async fn tenants_that_do_not_exist_or_can_not_exist() {
    let stage = Stage::new();
    stage.login([refused(400, "invalid_request")]);
    let client = stage.client();
    assert_eq!(read(&client).await.unwrap_err().kind(), ErrorKind::TenantNotFound);
    for bad in ["", "..", "a/../b", "common", "evil.example/x?", "a b"] {
        let error = client.mailbox(bad, "u").contact("C1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TenantNotFound, "{bad}");
    }
    assert_eq!(stage.logins().len(), 1);
}

#[tokio::test]
async fn neither_tokens_nor_secrets_nor_people_show_in_errors() {
    let stage = Stage::with([error(400, "Bad")]);
    stage.login([token("very-secret-token", 3599)]);
    let text = format!("{:?}", read(&stage.client()).await.unwrap_err());
    for private in ["very-secret-token", "right", "Ada", "C1"] {
        assert!(!text.contains(private), "{text}");
    }
    assert!(text.contains("r-1"), "Microsoft's request id is there: {text}");

    let stage = Stage::new();
    stage.login([ok(
        &json!({ "expires_in": "soon", "access_token": "very-secret-token" }),
    )]);
    let text = format!("{:?}", read(&stage.client()).await.unwrap_err());
    assert!(
        text.contains("expires_in") && !text.contains("soon") && !text.contains("very-secret"),
        "{text}"
    );
}
