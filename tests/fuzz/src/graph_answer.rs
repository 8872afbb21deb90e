//! Answers of Graph and of its login: a line with the name of an operation, then answers in the order in which they are
//! given, each behind a line `---`: a status, headers, an empty line, a body. The operation `login` takes its tokens from
//! the answers as well; for the others there always is one. When the answers are used up, the line is cut.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use ambient::Ambient;
use bytes::Bytes;
use graph_client::{
    Cloud, ContactFields, Creation, Credential, DeltaPage, Endpoints, FixedCredential, GraphClient,
    MailboxClient, NewSubscription, Next, Page, ReadFrom, StampSearch, Tenant, Transport, TransportError,
};
use http::{HeaderValue, Request, Response, header};
use jiff::Timestamp;
use serde_json::json;

use crate::request::Parts;
use crate::{cloud, wait};

const GRAPH: &str = "graph.microsoft.com";
const LOGIN: &str = "login.microsoftonline.com";

/// Seconds that all calls of one input may take together: what Graph asks for beyond is not slept out.
const PATIENCE: i64 = 15 * 60;

/// Requests of one operation without an answer, retries and tokens included.
const SPARE_REQUESTS: usize = 100;

/// Lists the rest of which is not read.
const MOST_PAGES: usize = 10;

/// Carries out an operation on these answers.
///
/// # Panics
/// Where another host is asked or would be, or there is no end.
pub fn run(data: &[u8]) {
    let mut parts = data.split_inclusive(|byte| *byte == b'\n');
    let name = parts.next().unwrap_or_default();
    let Ok(name) = str::from_utf8(name) else { return };
    let script = Script::of(name.trim() == "login", &data[name.len()..]);
    let most = script.answers().len() + SPARE_REQUESTS;
    let ambient = script.ambient.clone();
    let client = GraphClient::new(
        Arc::clone(&script),
        Endpoints::from_cloud(Cloud::Global),
        Arc::new(FixedCredential(Credential::ClientSecret {
            client_id: "app".to_owned(),
            secret: "secret".into(),
        })),
        ambient.clone(),
        HeaderValue::from_static("fuzz/1"),
    );
    wait(carry_out(
        name.trim(),
        &client.mailbox("contoso.example", "ada"),
        &client.tenant("contoso.example"),
    ));
    assert!(client.requests_sent() <= most as u64, "there is no end");
    let waited = ambient.now().duration_since(cloud::NOW).as_secs();
    assert!(waited <= PATIENCE, "{waited} s were slept out");
}

async fn carry_out<T: Transport>(name: &str, mailbox: &MailboxClient<'_, T>, tenant: &Tenant<'_, T>) {
    match name {
        "delta" | "login" => {
            let mut page = mailbox.contact_delta("folder", ReadFrom::Start).await;
            for _ in 0..MOST_PAGES {
                let Some(link) = following(page) else { break };
                page = mailbox.contact_delta("folder", ReadFrom::Link(&link)).await;
            }
        }
        "folder-delta" => {
            let page = mailbox.folder_delta(ReadFrom::Start).await;
            if let Some(link) = following(page) {
                let _ = mailbox.folder_delta(ReadFrom::Link(&link)).await;
            }
        }
        "list" => {
            let mut page = mailbox.list_contacts(None, ReadFrom::Start).await;
            for _ in 0..MOST_PAGES {
                let Some(link) = next(page) else { break };
                page = mailbox.list_contacts(None, ReadFrom::Link(&link)).await;
            }
        }
        "stamped" => drop(next(
            mailbox
                .list_stamped_contacts(Some("folder"), ReadFrom::Start)
                .await,
        )),
        "versions" => drop(next(mailbox.list_contact_versions(None, ReadFrom::Start).await)),
        "folders" => drop(mailbox.contact_folder_tree().await),
        "folder" => drop(mailbox.contact_folder("folder").await),
        "default-folder" => drop(mailbox.default_folder_id().await),
        "contact" => drop(mailbox.contact("id").await),
        "create" => drop(mailbox.create_contact(None, &ContactFields::default()).await),
        "update" => drop(
            mailbox
                .update_contact("id", Some("W/\"1\""), &ContactFields::default())
                .await,
        ),
        "delete" => drop(mailbox.delete_contact("id", None).await),
        "batch" => {
            let ids: Vec<String> = (0..23).map(|number| format!("id-{number}")).collect();
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            assert_eq!(
                mailbox.contacts(&ids).await.len(),
                ids.len(),
                "an answer for each"
            );
        }
        "stamps" => {
            let searches = ["con_a", "con_b"].map(|stamp| StampSearch { folder: None, stamp });
            assert_eq!(mailbox.contacts_by_stamp(&searches).await.len(), searches.len());
        }
        "photo" => drop(mailbox.photo("id").await),
        "photos" => assert_eq!(mailbox.photos(&["a", "b", "c"]).await.len(), 3),
        "put-photo" => drop(mailbox.put_photo("id", Bytes::from_static(b"\xff\xd8\xff")).await),
        "subscribe" => {
            let new = NewSubscription {
                resource: "users/ada/contacts".to_owned(),
                notification_url: "https://notify.example/".to_owned(),
                lifecycle_notification_url: "https://notify.example/".to_owned(),
                expires_at: cloud::NOW,
                client_state: "state".into(),
            };
            if let Ok(Creation::Created(it) | Creation::Adopted(it)) = tenant.create_subscription(&new).await
            {
                assert!(it.expiration_date_time <= Timestamp::MAX);
            }
        }
        "renew" => drop(tenant.renew_subscription("id", cloud::NOW).await),
        "renew-many" => {
            let renewals = [("a", cloud::NOW), ("b", cloud::NOW)];
            assert_eq!(tenant.renew_subscriptions(&renewals).await.len(), renewals.len());
        }
        "reauthorize" => drop(tenant.reauthorize_subscription("id").await),
        "unsubscribe" => drop(tenant.delete_subscription("id").await),
        _ => drop(tenant.list_subscriptions().await),
    }
}

/// The link to go on with. One to another host would have failed the page.
fn following<R>(page: Result<DeltaPage<R>, graph_client::GraphError>) -> Option<String> {
    match page.ok()?.next {
        Next::Page(link) => Some(admitted(link)),
        Next::Done(link) => {
            admitted(link);
            None
        }
    }
}

fn next<R>(page: Result<Page<R>, graph_client::GraphError>) -> Option<String> {
    page.ok()?.next.map(admitted)
}

fn admitted(link: String) -> String {
    let url = url::Url::parse(&link).ok();
    let place = url.as_ref().map(|url| (url.scheme(), url.host_str()));
    assert_eq!(
        place,
        Some(("https", Some(GRAPH))),
        "a link to nowhere of ours: {link}"
    );
    link
}

/// The other end of the line.
struct Script {
    ambient: Ambient,
    /// Whether the login is answered from the script.
    login: bool,
    answers: Mutex<VecDeque<Response<Bytes>>>,
}

impl Script {
    fn of(login: bool, text: &[u8]) -> Arc<Self> {
        let mut answers = VecDeque::new();
        let mut rest = text;
        while let Some(at) = rest.windows(4).position(|four| four == b"---\n") {
            answers.extend(answer(&rest[..at]));
            rest = &rest[at + 4..];
        }
        answers.extend(answer(rest));
        Arc::new(Self {
            ambient: Ambient::simulated(cloud::NOW, 7),
            login,
            answers: Mutex::new(answers),
        })
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, VecDeque<Response<Bytes>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer, if its first line is a status.
fn answer(text: &[u8]) -> Option<Response<Bytes>> {
    let parts = Parts::of(text)?;
    let status: u16 = parts.first.trim().parse().ok()?;
    let mut response = Response::builder().status(status);
    for (name, value) in &parts.headers {
        response = response.header(*name, *value);
    }
    response.body(Bytes::copy_from_slice(parts.body)).ok()
}

impl Transport for Script {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        // So that calls really overlap.
        tokio::task::yield_now().await;
        let host = request.uri().host().unwrap_or_default();
        assert_eq!(request.uri().scheme_str(), Some("https"));
        assert!([GRAPH, LOGIN].contains(&host), "asked {host}");
        let has_token = request.headers().contains_key(header::AUTHORIZATION);
        assert!(!has_token || host == GRAPH, "{host} was shown a token");
        if host == LOGIN && !self.login {
            let token = json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": "token" });
            return Ok(Response::new(Bytes::from(token.to_string())));
        }
        let next = self.answers().pop_front();
        next.ok_or_else(|| TransportError::Interrupted("cut".into()))
    }
}
