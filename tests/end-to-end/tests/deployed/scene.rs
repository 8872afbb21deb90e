//! The words of the scenarios: what a user does in Outlook, what an operator asks, what must become true.
//!
//! Talks to the simulator's operator page, the deployed API and the deployed tables, as anybody could from outside.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use aws_config::SdkConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use contact_store::{Store, Tables};
use graph_sim::Snapshot;
use local_aws::{LocalAws, Options};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sync_core::ids::MailboxId;

/// How long anything may take that has to happen by itself, on a machine that does much else. How long it takes is said by
/// the scenarios that measure it.
pub(crate) const SOON: Duration = Duration::from_mins(2);
/// How long a thing may take that waits for a schedule, which fires once a minute.
pub(crate) const AT_THE_NEXT_TICK: Duration = Duration::from_mins(4);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) struct Scene {
    pub(crate) stack: LocalAws,
    pub(crate) store: Store,
    pub(crate) sqs: aws_sdk_sqs::Client,
    http: reqwest::Client,
    api: String,
    webhook: String,
    graph: String,
    app: String,
}

/// A mailbox of the simulated Outlook.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) tenant: String,
    pub(crate) object_id: String,
    pub(crate) id: MailboxId,
}

impl Scene {
    pub(crate) fn start() -> Result<Self> {
        let parameters = [
            ("WorkerTimeoutSeconds", "30"),
            ("WorkVisibilitySeconds", "30"),
            ("RenewSchedule", "rate(1 minute)"),
        ];
        let mut stack = LocalAws::start(&Options {
            parameters: BTreeMap::from(parameters.map(|(name, value)| (name.to_owned(), value.to_owned()))),
            ..Options::default()
        })?;
        // As an operator would: the function is deployed, and its ARN told to the bundle.
        let function = stack.example("conflict-function", &BTreeMap::new())?;
        stack.update(&function)?;
        let environment: BTreeMap<_, _> = stack.environment().into_iter().collect();
        let credentials = Credentials::new("test", "test", None, None, "local");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(environment["AWS_ENDPOINT_URL"].clone())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        let tables = Tables {
            contacts: stack.output("ContactsTableName")?.to_owned(),
            state: stack.output("StateTableName")?.to_owned(),
        };
        Ok(Self {
            store: Store::new(aws_sdk_dynamodb::Client::new(&config), tables),
            sqs: aws_sdk_sqs::Client::new(&config),
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(30))
                .build()?,
            api: stack.url("ContactsApiUrl")?,
            webhook: stack.url("ReceiveNotificationsUrl")?,
            graph: stack.graph["url"]
                .as_str()
                .context("the simulator has no URL")?
                .to_owned(),
            app: stack.graph["app"]
                .as_str()
                .context("the simulator has no app")?
                .to_owned(),
            stack,
        })
    }

    /// A user of a tenant, with contacts in nested folders, enrolled through the API. `number` sets users apart.
    pub(crate) async fn enrolled(
        &self,
        tenant: u32,
        number: u32,
        contacts: usize,
        folders: usize,
    ) -> Result<User> {
        let user = self.user(tenant, number, contacts, folders).await?;
        self.enrol(&user).await?;
        Ok(user)
    }

    pub(crate) async fn user(
        &self,
        tenant: u32,
        number: u32,
        contacts: usize,
        folders: usize,
    ) -> Result<User> {
        let tenant = format!("{tenant:08x}-0000-4000-8000-000000000000");
        let user = format!("{number:08x}-0000-4000-8000-000000000001");
        self.order("consent", json!({ "tenant": tenant, "app": self.app }))
            .await?;
        let principal = format!("user{number}@contoso.example");
        let name = format!("User {number}");
        let mailbox = json!({ "tenant": tenant, "user": user, "principal": principal, "name": name });
        self.order("add-mailbox", mailbox).await?;
        let seed = json!({ "tenant": tenant, "user": user, "contacts": contacts, "folders": folders });
        self.order("seed", seed).await?;
        let id = MailboxId::derive(
            &sync_core::ids::TenantId::new(tenant.as_str()),
            &sync_core::ids::UserId::new(user.as_str()),
        );
        Ok(User {
            tenant,
            object_id: user,
            id,
        })
    }

    pub(crate) async fn enrol(&self, user: &User) -> Result<()> {
        let body = json!({ "tenant": user.tenant, "user": user.object_id });
        let (status, answer) = self.call("POST", "v1/mailboxes", Some(body)).await?;
        ensure!(
            status == StatusCode::CREATED,
            "enrolment answered {status}: {answer}"
        );
        Ok(())
    }

    /// Enrolled, synced and subscribed.
    pub(crate) async fn settled(
        &self,
        tenant: u32,
        number: u32,
        contacts: usize,
        folders: usize,
    ) -> Result<User> {
        let user = self.enrolled(tenant, number, contacts, folders).await?;
        self.until(
            "the mailbox is live, equal and subscribed",
            AT_THE_NEXT_TICK,
            async || {
                let state = self.state(&user).await?;
                Ok(state["phase"] == "live"
                    && self.subscriptions(&user).await? == folders as u64 + 1
                    && self.is_equal(&user).await?)
            },
        )
        .await?;
        Ok(user)
    }

    /// Waits until the next look is the hourly one: until the looks that follow a first sync and a new subscription are
    /// over, a minute or two later.
    pub(crate) async fn until_at_rest(&self, user: &User) -> Result<()> {
        self.until("the mailbox is at rest", AT_THE_NEXT_TICK, async || {
            let state = self.store.mailbox_state(&user.id).await?;
            let state = state.context("the mailbox is not there")?;
            let poll = state
                .timers
                .iter()
                .find(|it| it.kind == contact_store::TimerKind::Poll);
            let newest = state.subscriptions.iter().filter_map(|it| it.renewed_at).max();
            let wait = poll
                .zip(newest)
                .map(|(poll, newest)| poll.due_at.duration_since(newest));
            Ok(wait.is_some_and(|wait| wait.as_mins() > 10))
        })
        .await?;
        // The last look has been sent for; it is over when Graph is asked no more.
        let mut asked = self.ask("counts", Some(user)).await?;
        self.until("Graph is left alone", SOON, async || {
            self.a_moment().await;
            let before = std::mem::replace(&mut asked, self.ask("counts", Some(user)).await?);
            Ok(before == asked)
        })
        .await
        .map(|_| ())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test on real processes takes real time"
    )]
    pub(crate) async fn a_moment(&self) {
        tokio::time::sleep(Duration::from_secs(2)).await;
    }

    /// Asks the deployed API, signed as its function URL demands.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value)> {
        let kind = [("content-type", "application/json")];
        let headers = if body.is_some() { &kind[..] } else { &[] };
        self.call_with(method, path, headers, body).await
    }

    /// The same, with headers that the API is to see.
    pub(crate) async fn call_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<(StatusCode, Value)> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let url = format!("{}{path}", self.api);
        let mut request = self.http.request(method.parse()?, &url);
        for (name, value) in signature(method, &url, &body)? {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_empty() {
            request = request.body(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    /// The mailbox as the API shows it.
    pub(crate) async fn state(&self, user: &User) -> Result<Value> {
        let (status, state) = self
            .call("GET", &format!("v1/mailboxes/{}", user.id), None)
            .await?;
        ensure!(
            status == StatusCode::OK,
            "the mailbox's state answered {status}: {state}"
        );
        Ok(state)
    }

    /// What a user does in Outlook. Answers with the id of the contact or folder that it is about.
    pub(crate) async fn edit(&self, user: &User, edit: Value) -> Result<String> {
        let order = json!({ "tenant": user.tenant, "user": user.object_id, "edit": edit });
        let answer = self.order("edit", order).await?;
        let id = answer["id"]
            .as_str()
            .with_context(|| format!("the edit answered {answer}"))?;
        Ok(id.to_owned())
    }

    /// An order to the simulator's operator.
    pub(crate) async fn order(&self, name: &str, members: Value) -> Result<Value> {
        let answer = self
            .http
            .post(format!("{}/_sim/{name}", self.graph))
            .header("content-type", "application/json")
            .body(members.to_string())
            .send()
            .await?;
        let status = answer.status();
        let answer: Value = serde_json::from_slice(&answer.bytes().await?)?;
        ensure!(status == StatusCode::OK, "the simulator refuses {name}: {answer}");
        Ok(answer)
    }

    pub(crate) async fn ask(&self, name: &str, user: Option<&User>) -> Result<Value> {
        let query = user
            .map(|it| format!("?tenant={}&user={}", it.tenant, it.object_id))
            .unwrap_or_default();
        let url = format!("{}/_sim/{name}{query}", self.graph);
        let answer = self.http.get(url).send().await?.bytes().await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    pub(crate) async fn truth(&self, user: &User) -> Result<Snapshot> {
        Ok(serde_json::from_value(self.ask("mailbox", Some(user)).await?)?)
    }

    /// How often Graph was asked for an operation, of this mailbox.
    pub(crate) async fn asked(&self, user: &User, operation: &str) -> Result<u64> {
        Ok(self.ask("counts", Some(user)).await?[operation]
            .as_u64()
            .unwrap_or_default())
    }

    pub(crate) async fn subscriptions(&self, user: &User) -> Result<u64> {
        Ok(self.ask("state", Some(user)).await?["subscriptions"]
            .as_u64()
            .unwrap_or_default())
    }

    pub(crate) async fn is_equal(&self, user: &User) -> Result<bool> {
        let truth = self.truth(user).await?;
        Ok(local_stack::differences(&self.store, &user.id, &truth, |_| true)
            .await?
            .is_empty())
    }

    pub(crate) async fn until_equal(&self, user: &User, within: Duration) -> Result<Duration> {
        self.until("the mirror is equal to the mailbox", within, async || {
            self.is_equal(user).await
        })
        .await
    }

    /// Says what is done, and how long after now.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test on real processes takes real time"
    )]
    pub(crate) fn progress() -> impl Fn(&str) {
        let begun = Instant::now();
        move |what| {
            let seconds = begun.elapsed().as_secs_f64();
            crate::say(&format!("    {what} after {seconds:.0} s"));
        }
    }

    /// Waits until something has become true, and tells how long that took.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test on real processes takes real time"
    )]
    pub(crate) async fn until(
        &self,
        what: &str,
        within: Duration,
        mut holds: impl AsyncFnMut() -> Result<bool>,
    ) -> Result<Duration> {
        let begun = Instant::now();
        loop {
            if holds().await? {
                return Ok(begun.elapsed());
            }
            if begun.elapsed() > within {
                bail!("not within {within:?}: {what}");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A POST to the notification URL, from anybody.
    pub(crate) async fn notify(&self, query: &str, body: &Value) -> Result<StatusCode> {
        Ok(self
            .http
            .post(format!("{}{query}", self.webhook))
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await?
            .status())
    }

    /// Nothing in a dead-letter queue, nothing that a function's role forbids it, and no bad manners at Graph.
    pub(crate) async fn nothing_left_over(&self) -> Result<()> {
        for queue in [
            "WorkDeadLetterQueueUrl",
            "LifecycleDeadLetterQueueUrl",
            "ChangesDeadLetterQueueUrl",
        ] {
            let url = self.stack.output(queue)?;
            let ask = json!({ "QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessages"] });
            let answer = self.stack.call("sqs", "GetQueueAttributes", &ask)?;
            let count = &answer["Attributes"]["ApproximateNumberOfMessages"];
            ensure!(count == "0", "{queue} holds {count} messages");
        }
        let denied = self.log().lines().filter(|line| line.contains("Denied")).count();
        ensure!(denied == 0, "IAM has refused a function {denied} times");
        let state = self.ask("state", None).await?;
        ensure!(
            state["complaints"] == json!([]),
            "Graph complains: {}",
            state["complaints"]
        );
        Ok(())
    }

    /// What the emulator and the functions said. A byte that is no text hides none of it.
    fn log(&self) -> String {
        let log = std::fs::read(self.stack.logs.join("ministack.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// The end of the emulator's log: what the functions said.
    pub(crate) fn last_words(&self) -> String {
        let log = self.log();
        let telling = log.lines().filter(|line| {
            line.contains("\"level\":\"ERROR\"")
                || line.contains("\"level\":\"WARN\"")
                || line.contains("Denied")
        });
        let lines: Vec<&str> = telling.collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

/// The headers of an AWS signature, version 4, by the local stack's root user.
#[expect(clippy::disallowed_methods, reason = "a signature is for this moment")]
fn signature(method: &str, url: &str, body: &str) -> Result<Vec<(String, String)>> {
    let identity = Credentials::new("test", "test", None, None, "local").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("lambda")
        .time(std::time::SystemTime::now())
        .settings(SigningSettings::default())
        .build()?;
    let request = SignableRequest::new(
        method,
        url,
        std::iter::empty(),
        SignableBody::Bytes(body.as_bytes()),
    )?;
    let (instructions, _) = sign(request, &parameters.into())?.into_parts();
    let headers = instructions.headers();
    Ok(headers
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}
