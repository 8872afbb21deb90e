//! Secrets, read through the real SDK from a fake Secrets Manager on the loopback interface.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall fail")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambient::Ambient;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_secretsmanager::{Client, Config};
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use lambda_boot::secrets::client_state_keys;
use lambda_boot::{SecretError, SecretReader};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sync_core::client_state::ClientStateKeys;
use sync_core::ids::{MailboxId, TenantId, UserId};

const ARN: &str = "arn:aws:secretsmanager:eu-central-1:1:secret:graph";
const KEEP: Duration = Duration::from_mins(5);

/// One secret, or an outage, and how often it was asked for.
#[derive(Clone, Default)]
struct Vault(Arc<Mutex<(Option<Value>, u32)>>);

impl Vault {
    async fn start() -> (Self, SecretReader, Ambient) {
        let vault = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(vault.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .retry_config(aws_sdk_secretsmanager::config::retry::RetryConfig::disabled())
            .endpoint_url(endpoint)
            .build();
        let ambient = Ambient::simulated(Timestamp::UNIX_EPOCH, 1);
        (
            vault,
            SecretReader::new(Client::from_conf(config), ambient.clone(), KEEP),
            ambient,
        )
    }

    fn holds(&self, text: &str) {
        self.0.lock().unwrap().0 = Some(json!({ "ARN": ARN, "Name": "graph", "SecretString": text }));
    }

    fn breaks_down(&self) {
        self.0.lock().unwrap().0 = None;
    }

    fn reads(&self) -> u32 {
        self.0.lock().unwrap().1
    }
}

async fn answer(State(vault): State<Vault>) -> (StatusCode, Json<Value>) {
    let mut inner = vault.0.lock().unwrap();
    inner.1 += 1;
    match &inner.0 {
        Some(secret) => (StatusCode::OK, Json(secret.clone())),
        None => (
            StatusCode::INTERNAL_SERVER_ERROR,
            Json(json!({ "__type": "InternalServiceError" })),
        ),
    }
}

#[tokio::test]
async fn a_secret_is_read_once_and_again_when_its_time_is_over() {
    let (vault, secrets, ambient) = Vault::start().await;
    vault.holds("one");
    for _ in 0..3 {
        assert_eq!(secrets.read(ARN).await.unwrap().expose_secret(), "one");
    }
    assert_eq!(vault.reads(), 1);

    vault.holds("two");
    ambient.advance(KEEP);
    assert_eq!(secrets.read(ARN).await.unwrap().expose_secret(), "two");
    assert_eq!(vault.reads(), 2);
}

#[tokio::test]
async fn many_askers_at_once_make_one_call() {
    let (vault, secrets, _) = Vault::start().await;
    vault.holds("one");
    let (a, b, c) = tokio::join!(secrets.read(ARN), secrets.read(ARN), secrets.read(ARN));
    assert!([a, b, c].iter().all(Result::is_ok));
    assert_eq!(vault.reads(), 1);
}

#[tokio::test]
async fn a_rotated_secret_is_seen_at_once_by_who_rereads_and_by_the_readers_after() {
    let (vault, secrets, _) = Vault::start().await;
    vault.holds("one");
    secrets.read(ARN).await.unwrap();
    vault.holds("two");
    assert_eq!(secrets.reread(ARN).await.unwrap().expose_secret(), "two");
    assert_eq!(secrets.read(ARN).await.unwrap().expose_secret(), "two");
    assert_eq!(vault.reads(), 2);
}

#[tokio::test]
async fn in_an_outage_the_last_secret_serves_on_but_a_reread_and_a_first_read_fail() {
    let (vault, secrets, ambient) = Vault::start().await;
    assert!(matches!(
        secrets.read(ARN).await,
        Err(SecretError::Unavailable { .. })
    ));
    vault.holds("one");
    secrets.read(ARN).await.unwrap();

    vault.breaks_down();
    ambient.advance(KEEP);
    assert_eq!(secrets.read(ARN).await.unwrap().expose_secret(), "one");
    assert!(matches!(
        secrets.reread(ARN).await,
        Err(SecretError::Unavailable { .. })
    ));

    vault.holds("two");
    assert_eq!(secrets.read(ARN).await.unwrap().expose_secret(), "two");
}

#[test]
fn the_client_state_secret_gives_its_keys_current_first() {
    let mailbox = MailboxId::derive(
        &TenantId::new("contoso.example"),
        &UserId::new("ada@contoso.example"),
    );
    let (current, previous) = ("c".repeat(32), "p".repeat(32));
    let keys = |secret: Value| client_state_keys(&SecretString::from(secret.to_string())).unwrap();
    let signed_by = |key: &str| {
        ClientStateKeys::new([key.as_bytes().to_vec()])
            .unwrap()
            .sign(&mailbox)
    };

    let rotated = keys(json!({ "current": current, "previous": previous }));
    assert_eq!(rotated.sign(&mailbox), signed_by(&current));
    assert_eq!(rotated.verify(&signed_by(&previous)), Some(mailbox.clone()));

    for fresh in [
        json!({ "current": current }),
        json!({ "current": current, "previous": null }),
        json!({ "current": current, "previous": "", "note": "unknown members are fine" }),
    ] {
        let fresh = keys(fresh);
        assert_eq!(fresh.verify(&signed_by(&current)), Some(mailbox.clone()));
        assert_eq!(fresh.verify(&signed_by(&previous)), None);
    }
}

#[test]
fn a_secret_that_is_no_client_state_secret_is_an_error_that_quotes_nothing() {
    for (secret, weak) in [
        ("hunter2", false),
        (r#"{"current": 7}"#, false),
        (r#"{"current":"hunter2"}"#, true),
    ] {
        let error = client_state_keys(&SecretString::from(secret)).unwrap_err();
        assert_eq!(matches!(error, SecretError::Weak(_)), weak);
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
