//! The two faces: the same world in process and over HTTP.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambient::Ambient;
use bytes::Bytes;
use graph_client::{HttpConfig, HttpTransport, Transport, TransportError};
use graph_sim::faults::{Fault, Rule};
use graph_sim::{Delivery, Settings, SimTransport, Webhook, WebhookAnswer, World};
use http::Request;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::scene::{APP, SECRET, TENANT, USER};

fn world() -> Arc<Mutex<World>> {
    let mut world = World::new(Settings::default());
    world.add_app(APP, SECRET);
    world.consent(TENANT, APP);
    world.add_mailbox(TENANT, USER, "ada@contoso.example", "Ada Lovelace");
    Arc::new(Mutex::new(world))
}

async fn token<T: Transport>(transport: &T, login: &str) -> String {
    let form =
        format!("client_id={APP}&client_secret={SECRET}&grant_type=client_credentials&scope=x%2F.default");
    let request = Request::post(format!("{login}/{TENANT}/oauth2/v2.0/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(form));
    let answer = transport.send(request.unwrap()).await.unwrap();
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    body["access_token"].as_str().unwrap().to_owned()
}

fn request(method: &str, url: &str, token: &str, body: Option<Value>) -> Request<Bytes> {
    Request::builder()
        .method(method)
        .uri(url)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(body.map(|body| Bytes::from(body.to_string())).unwrap_or_default())
        .unwrap()
}

fn subscription(url: &str, expires: &str) -> Value {
    json!({ "changeType": "created", "resource": format!("users/{USER}/contacts"), "notificationUrl": url,
            "expirationDateTime": expires })
}

/// Echoes tokens, and keeps the bodies of notifications.
fn echo(kept: Arc<Mutex<Vec<Bytes>>>) -> Webhook {
    Arc::new(
        move |delivery: Delivery| -> Pin<Box<dyn Future<Output = WebhookAnswer> + Send>> {
            let url = url::Url::parse(&delivery.url).unwrap();
            let token = url
                .query_pairs()
                .find(|(name, _)| name == "validationToken")
                .map(|(_, token)| token.into_owned());
            let status = if token.is_some() { 200 } else { 202 };
            if token.is_none() {
                kept.lock().unwrap().push(delivery.body);
            }
            let body = Bytes::from(token.unwrap_or_default());
            let answer = WebhookAnswer::Answered {
                status,
                content_type: "text/plain".into(),
                body,
                took: Duration::ZERO,
            };
            Box::pin(async move { answer })
        },
    )
}

#[tokio::test]
async fn in_process_a_subscription_is_made_and_hears_of_a_contact_without_any_socket() {
    let kept = Arc::default();
    let world = world();
    let ambient = Ambient::simulated("2026-11-23T08:00:00Z".parse().unwrap(), 1);
    let transport = SimTransport::new(world, ambient).with_webhook(echo(Arc::clone(&kept)));
    let token = token(&transport, "https://login.microsoftonline.com").await;
    let graph = "https://graph.microsoft.com/v1.0";
    let body = subscription("https://hooks.example/n", "2026-11-24T08:00:00Z");
    let made = transport
        .send(request(
            "POST",
            &format!("{graph}/subscriptions"),
            &token,
            Some(body),
        ))
        .await
        .unwrap();
    assert_eq!(made.status(), 201);
    let url = format!("{graph}/users/{USER}/contacts");
    transport
        .send(request("POST", &url, &token, Some(json!({ "givenName": "Ada" }))))
        .await
        .unwrap();
    assert_eq!(transport.deliver_due().await, 1);
    assert_eq!(kept.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn in_process_a_hung_request_costs_a_minute_of_simulated_time_and_a_foreign_host_is_remembered() {
    let start = "2026-11-23T08:00:00Z".parse().unwrap();
    let ambient = Ambient::simulated(start, 1);
    let transport = SimTransport::new(world(), ambient.clone());
    let token = token(&transport, "https://login.microsoftonline.com").await;
    transport
        .world()
        .lock()
        .unwrap()
        .add_fault(Rule::new(Fault::Hang { committed: false }).times(1));
    transport
        .world()
        .lock()
        .unwrap()
        .add_fault(Rule::new(Fault::Reset { committed: false }).times(1));
    let url = format!("https://graph.microsoft.com/v1.0/users/{USER}/contacts");
    let send = async |url: &str| transport.send(request("GET", url, &token, None)).await;
    assert!(matches!(send(&url).await, Err(TransportError::Timeout(_))));
    assert_eq!(ambient.now().duration_since(start).as_secs(), 60);
    assert!(matches!(send(&url).await, Err(TransportError::Interrupted(_))));
    assert!(matches!(
        send("https://evil.example/v1.0/x").await,
        Err(TransportError::Connect(_))
    ));
    assert_eq!(transport.strangers(), (1, 1));
}

#[tokio::test]
async fn over_http_requests_are_served_the_line_is_cut_on_demand_and_operators_see_it_all() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = graph_sim::http::serve(listener, world(), Ambient::system(), true).unwrap();
    let client = HttpTransport::new(&HttpConfig {
        plain_http: true,
        ..HttpConfig::default()
    })
    .unwrap();
    let token = token(&client, server.url()).await;
    let url = format!("{}/v1.0/users/{USER}/contacts", server.url());
    let order = async |name: &str, body: Value| {
        let url = format!("{}/_sim/{name}", server.url());
        let answer = client.send(request("POST", &url, "", Some(body))).await.unwrap();
        serde_json::from_slice::<Value>(answer.body()).unwrap()
    };
    let edit = json!({ "kind": "create_contact", "members": { "givenName": "Ada" } });
    let made = order("edit", json!({ "tenant": TENANT, "user": USER, "edit": edit })).await;
    order("fault", json!({ "aim": { "operation": "list_contacts", "times": 1 }, "fault": { "kind": "reset", "committed": false } })).await;
    let cut = client.send(request("GET", &url, &token, None)).await;
    assert!(matches!(cut, Err(TransportError::Interrupted(_))), "{cut:?}");
    let list = client.send(request("GET", &url, &token, None)).await.unwrap();
    assert_eq!(list.status(), 200);
    let ask = format!(
        "{}/_sim/mailbox?tenant={TENANT}&user=ada@contoso.example",
        server.url()
    );
    let truth = client.send(request("GET", &ask, "", None)).await.unwrap();
    let truth: Value = serde_json::from_slice(truth.body()).unwrap();
    assert_eq!(
        truth["contacts"][made["id"].as_str().unwrap()]["givenName"],
        "Ada"
    );
    let unknown = order("dance", json!({})).await;
    assert!(unknown["error"].as_str().unwrap().contains("dance"));
}
