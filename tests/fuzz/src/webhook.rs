//! Events of the webhook's function URL: `METHOD query`, an empty line, a body. `{state}` in the body stands for a
//! `clientState` that we have signed, since nobody can make one up.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use ambient::Ambient;
use aws_lambda_events::lambda_function_urls::LambdaFunctionUrlRequest;
use lambda_boot::MetricSink;
use lambda_runtime::{Context, LambdaEvent};
use receive_notifications::{Backend, Config, Receiver, edge};
use serde_json::{Value, json};
use sync_core::client_state::ClientStateKeys;
use url::form_urlencoded;

use crate::cloud::{self, Cloud, config};
use crate::request::Parts;
use crate::wait;

/// How often an AWS client was built.
static CONNECTED: AtomicU32 = AtomicU32::new(0);

static CLOUD: LazyLock<Cloud> = LazyLock::new(Cloud::default);

static KEYS: LazyLock<Option<ClientStateKeys>> =
    LazyLock::new(|| ClientStateKeys::new([cloud::KEY.as_bytes().to_vec()]).ok());

/// Sends an event to a receiver that has connected to nothing.
///
/// # Panics
/// Where something is echoed that is no token, something is queued that nobody has signed, or a client is built for what
/// needs none.
pub fn run(data: &[u8]) {
    let Some(parts) = Parts::of(data) else { return };
    let (method, query) = parts.first.split_once(' ').unwrap_or((parts.first, ""));
    let mut event = LambdaFunctionUrlRequest::default();
    event.request_context.http.method = Some(method.to_owned());
    event.raw_query_string = Some(query.to_owned());
    let state = KEYS.as_ref().map(|keys| keys.sign(&cloud::mailbox()));
    let body = match str::from_utf8(parts.body) {
        Ok(text) => text.replace("{state}", &state.unwrap_or_default()).into_bytes(),
        Err(_) => parts.body.to_vec(),
    };
    event.is_base64_encoded = str::from_utf8(&body).is_err();
    event.body = Some(match String::from_utf8(body.clone()) {
        Ok(text) => text,
        Err(_) => data_encoding::BASE64.encode(&body),
    });

    let before = CONNECTED.load(Ordering::Relaxed);
    let answer = wait(edge::serve(
        &receiver(),
        LambdaEvent::new(event, Context::default()),
    ));
    let connected = CONNECTED.load(Ordering::Relaxed) - before;
    let sent = CLOUD.take_sent();
    let said = answer.body.unwrap_or_default();
    match answer.status_code {
        200 => {
            assert_eq!(method, "POST");
            assert_eq!(Some(said), token(query), "nothing but the token is echoed");
            let kind = answer
                .headers
                .get("content-type")
                .map(|kind| kind.as_bytes().to_vec());
            assert_eq!(kind.as_deref(), Some(b"text/plain; charset=utf-8".as_slice()));
            assert_eq!((connected, sent.len()), (0, 0), "a handshake needs nobody");
        }
        202 => {
            assert!(said.is_empty());
            genuine(&sent, &body);
        }
        400 | 405 | 413 => assert!(said.is_empty() && connected == 0 && sent.is_empty()),
        other => panic!("answered with {other}"),
    }
}

/// Everything that was queued is in the name of somebody whose signature is in the body.
fn genuine(sent: &[(String, Value)], body: &[u8]) {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let items = body["value"].as_array().into_iter().flatten();
    let signed: BTreeSet<(String, String)> = items
        .filter_map(|item| {
            let state = item["clientState"].as_str()?;
            let mailbox = KEYS.as_ref()?.verify(state)?;
            Some((mailbox.to_string(), item["subscriptionId"].as_str()?.to_owned()))
        })
        .collect();
    for (queue, entry) in sent {
        let job: Value = entry["MessageBody"]
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let text = |name: &str| job[name].as_str().unwrap_or_default().to_owned();
        let (mailbox, subscription) = (text("mailbox"), text("subscription"));
        assert!(
            queue != "work.fifo" || entry["MessageGroupId"] == mailbox.as_str(),
            "the group is the mailbox"
        );
        assert!(
            signed.contains(&(mailbox, subscription)),
            "queued without a signature: {job}"
        );
    }
}

/// What Graph's handshake wants back.
fn token(query: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "validationToken")
        .map(|(_, token)| token.into_owned())
}

fn receiver() -> Receiver {
    let ambient = Ambient::simulated(cloud::NOW, 7);
    let clock = ambient.clone();
    let connect = move || {
        CONNECTED.fetch_add(1, Ordering::Relaxed);
        let backend = backend(clock.clone());
        async move {
            match backend {
                Ok(backend) => backend,
                Err(error) => panic!("{error}"),
            }
        }
    };
    Receiver::new(connect, ambient, MetricSink::memory())
}

fn backend(ambient: Ambient) -> Result<Backend, lambda_boot::VarsError> {
    let config = Config::from_env(|name| {
        Some(match name {
            "WORK_QUEUE_URL" => "https://sqs.test/1/work.fifo".to_owned(),
            "LIFECYCLE_QUEUE_URL" => "https://sqs.test/1/lifecycle".to_owned(),
            name => json!(name).to_string(),
        })
    })?;
    let sqs = aws_sdk_sqs::Client::from_conf(config!(aws_sdk_sqs, CLOUD).build());
    let secrets = aws_sdk_secretsmanager::Client::from_conf(config!(aws_sdk_secretsmanager, CLOUD).build());
    Ok(Backend::new(&sqs, secrets, config, ambient))
}
