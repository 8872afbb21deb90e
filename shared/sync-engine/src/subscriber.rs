//! Subscriptions: one for each synced folder, created, renewed, repaired and deleted.
//!
//! Knows what Graph promises about notifications and how it breaks the promise (facts 5). Must not know contacts: where
//! notifications may have been lost, it sends a job that looks for itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ambient::Ambient;
use contact_store::{
    Folder, LastError, Mailbox, MailboxState, Phase, Shard, Store, StoreError, Subscription,
};
use graph_client::{
    Creation, ErrorKind, GraphClient, GraphError, NewSubscription, Subscription as Granted, Transport,
};
use jiff::Timestamp;
use job_queue::{JobQueue, LifecycleEvent, LifecycleJob, WorkJob};
use secrecy::SecretString;
use sync_core::client_state::ClientStateKeys;
use sync_core::folders::UNLISTED_DEFAULT;
use sync_core::ids::{FolderId, MailboxId, SubscriptionId, TenantId};
use sync_core::schedule::{self, REAUTHORIZED_FOR, SUBSCRIPTION_LIFE};

use crate::Trouble;
use crate::trouble::Remedy;

/// Subscriptions taken from a shard at each run. What is left is due at the next.
const DUE_AT_ONCE: usize = 500;

/// Subscriptions per mailbox. Outlook allows 1,000 for all apps together (facts 5.1); folders beyond are polled.
const MOST_FOLDERS: usize = 500;

/// How long the making of a subscription is left to the run that has begun it, should it never end.
const CLAIMED_FOR: Duration = Duration::from_mins(2);

/// Keeps every mailbox's subscriptions.
pub struct Subscriber<T> {
    /// Microsoft Graph.
    pub graph: Arc<GraphClient<T>>,
    /// The tables.
    pub store: Arc<Store>,
    /// Where a look at a mailbox is asked for.
    pub work: Arc<JobQueue>,
    /// Time and chance.
    pub ambient: Ambient,
    /// They sign each subscription's `clientState`. Replaced where they have been rotated.
    pub keys: Mutex<ClientStateKeys>,
    /// Where Graph sends both kinds of notifications.
    pub notification_url: String,
    /// Where it looks for what is due.
    pub shards: Vec<Shard>,
}

/// What was done, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriberReport {
    /// Subscriptions made.
    pub created: u64,
    /// Subscriptions renewed.
    pub renewed: u64,
    /// Subscriptions deleted at Graph.
    pub deleted: u64,
    /// Attempts that failed, and will be made again.
    pub failed: u64,
    /// Attempts that Graph put off.
    pub throttled: u64,
}

impl<T: Transport> Subscriber<T> {
    /// Renews or creates what is due. Stops at `deadline`; what is left is due at the next run.
    pub async fn renew_due(&self, deadline: Timestamp) -> Result<SubscriberReport, Trouble> {
        let mut report = SubscriberReport::default();
        let mut trouble = None;
        for &shard in &self.shards {
            let due = self
                .store
                .due_subscriptions(shard, self.ambient.now(), DUE_AT_ONCE)
                .await?;
            let mut tenants: BTreeMap<TenantId, Vec<Subscription>> = BTreeMap::new();
            for subscription in due {
                tenants
                    .entry(subscription.tenant.clone())
                    .or_default()
                    .push(subscription);
            }
            for (tenant, due) in tenants {
                if self.ambient.now() >= deadline {
                    return Ok(report);
                }
                // What goes wrong with one tenant must not keep the others from being renewed.
                if let Err(error) = self.renew_tenant(&tenant, due, &mut report).await {
                    tracing::error!(tenant.id = %tenant, error = error.chain(), "a tenant's subscriptions could not be renewed");
                    trouble = Some(error);
                }
            }
        }
        trouble.map_or(Ok(report), Err)
    }

    async fn renew_tenant(
        &self,
        tenant: &TenantId,
        due: Vec<Subscription>,
        report: &mut SubscriberReport,
    ) -> Result<(), Trouble> {
        let (living, lost) = due.into_iter().partition(|it| self.is_renewable(it));
        self.renew(tenant, living, report).await?;
        self.replace(lost, report).await
    }

    /// Does a job of the lifecycle queue.
    pub async fn handle(&self, job: &LifecycleJob) -> Result<SubscriberReport, Trouble> {
        let mut report = SubscriberReport::default();
        match job {
            LifecycleJob::Ensure { mailbox } => self.ensure(mailbox, &mut report).await?,
            LifecycleJob::Event {
                mailbox,
                subscription,
                event,
            } => {
                self.event(mailbox, subscription, *event, &mut report).await?;
            }
            LifecycleJob::Stray {
                mailbox,
                subscription,
            } => {
                self.stray(mailbox, subscription, &mut report).await?;
            }
        }
        Ok(report)
    }

    fn keys(&self) -> MutexGuard<'_, ClientStateKeys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signs with these from here on.
    pub fn use_keys(&self, keys: ClientStateKeys) {
        *self.keys() = keys;
    }

    /// When a job that ended in trouble is to be tried again.
    pub fn retry_at(&self, trouble: &Trouble, receives: u32) -> Timestamp {
        let now = self.ambient.now();
        match trouble.remedy(now, receives, self.ambient.below(1000)) {
            Remedy::Later(at) | Remedy::Retry(at) => at,
            Remedy::GiveUp(_) => schedule::retry_due(now, receives, self.ambient.below(1000)),
        }
    }

    /// A subscription signed by a key that has been rotated away is replaced: renewing can't change its `clientState`.
    fn is_renewable(&self, subscription: &Subscription) -> bool {
        subscription.id.is_some()
            && subscription
                .expires_at
                .is_some_and(|expires_at| expires_at > self.ambient.now())
            && subscription.signing_key.as_ref() == Some(&self.keys().signing_key())
    }

    async fn renew(
        &self,
        tenant: &TenantId,
        subscriptions: Vec<Subscription>,
        report: &mut SubscriberReport,
    ) -> Result<(), Trouble> {
        let expires_at = self.expiry();
        let renewals: Vec<_> = subscriptions
            .iter()
            .filter_map(|it| Some((it.id.as_ref()?.as_str(), expires_at)))
            .collect();
        let answers = self
            .graph
            .tenant(tenant.as_str())
            .renew_subscriptions(&renewals)
            .await;
        let mut lost = Vec::new();
        for (subscription, answer) in subscriptions.into_iter().zip(answers) {
            match answer {
                Ok(granted) => {
                    self.grant(subscription, &granted).await?;
                    report.renewed += 1;
                }
                // Gone, or not to be renewed any more (facts 5.6).
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Permanent) => {
                    lost.push(subscription);
                }
                Err(error) => self.put_off(subscription, &error, report).await?,
            }
        }
        self.replace(lost, report).await
    }

    /// Creates what does not exist, or no longer. Notifications may have been lost meanwhile, so each mailbox is
    /// looked at.
    async fn replace(
        &self,
        subscriptions: Vec<Subscription>,
        report: &mut SubscriberReport,
    ) -> Result<(), Trouble> {
        let mut look_at = BTreeSet::new();
        for mut subscription in subscriptions {
            let mailbox = self.store.mailbox(&subscription.mailbox).await?;
            let Some(mailbox) = mailbox.filter(is_followed) else {
                self.drop_one(&subscription, report).await?;
                continue;
            };
            // Claimed before anything is made or unmade: two runs that both find it missing would undo each other's
            // work. From here on the state says that one is being made, so that nobody takes it for a stray.
            let old = subscription.id.take();
            subscription.due_at = ambient::add(self.ambient.now(), CLAIMED_FOR);
            if !self.save(&mut subscription).await? {
                continue;
            }
            if let Some(old) = old {
                // It may still live, signed by an old key. One that is gone is a success.
                let tenant = self.graph.tenant(mailbox.tenant.as_str());
                if let Err(error) = tenant.delete_subscription(old.as_str()).await {
                    tracing::debug!(%error, subscription.id = %old, "a subscription is left to end by itself");
                }
            }
            match self.create(&mailbox, &subscription).await {
                Ok(granted) => {
                    subscription.signing_key = Some(self.keys().signing_key());
                    self.grant(subscription, &granted).await?;
                    report.created += 1;
                    look_at.insert(mailbox.id);
                }
                Err(error) => self.put_off(subscription, &error, report).await?,
            }
        }
        self.look_at(look_at).await
    }

    async fn create(&self, mailbox: &Mailbox, subscription: &Subscription) -> Result<Granted, GraphError> {
        let new = NewSubscription {
            resource: subscription.resource.clone(),
            notification_url: self.notification_url.clone(),
            lifecycle_notification_url: self.notification_url.clone(),
            expires_at: self.expiry(),
            client_state: SecretString::from(self.keys().sign(&mailbox.id)),
        };
        let tenant = self.graph.tenant(mailbox.tenant.as_str());
        match tenant.create_subscription(&new).await? {
            Creation::Created(granted) => Ok(granted),
            // Nobody can tell which key signed it: it is taken over by making it anew.
            Creation::Adopted(existing) => {
                tenant.delete_subscription(&existing.id).await?;
                match tenant.create_subscription(&new).await? {
                    Creation::Created(granted) | Creation::Adopted(granted) => Ok(granted),
                }
            }
        }
    }

    async fn grant(&self, mut subscription: Subscription, granted: &Granted) -> Result<(), Trouble> {
        let now = self.ambient.now();
        subscription.id = Some(SubscriptionId::new(granted.id.clone()));
        subscription.expires_at = Some(granted.expiration_date_time);
        subscription.due_at =
            schedule::renewal_due(now, granted.expiration_date_time, self.ambient.below(1000));
        subscription.renewed_at = Some(now);
        subscription.attempts = 0;
        self.save(&mut subscription).await.map(|_| ())
    }

    async fn put_off(
        &self,
        mut subscription: Subscription,
        error: &GraphError,
        report: &mut SubscriberReport,
    ) -> Result<(), Trouble> {
        let now = self.ambient.now();
        if let ErrorKind::Throttled { until } = error.kind() {
            report.throttled += 1;
            subscription.due_at = until;
        } else {
            report.failed += 1;
            subscription.attempts += 1;
            subscription.due_at = schedule::retry_due(now, subscription.attempts, self.ambient.below(1000));
            let code = error
                .code()
                .map_or_else(|| error.kind().to_string(), str::to_owned);
            subscription.last_error = Some(LastError {
                code,
                detail: error.to_string(),
                at: now,
            });
            tracing::warn!(mailbox.id = %subscription.mailbox, %error, "a subscription could not be had");
        }
        self.save(&mut subscription).await.map(|_| ())
    }

    /// False where somebody else wrote it first: then it is theirs.
    async fn save(&self, subscription: &mut Subscription) -> Result<bool, Trouble> {
        match self.store.save_subscription(subscription).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn ensure(&self, mailbox: &MailboxId, report: &mut SubscriberReport) -> Result<(), Trouble> {
        let Some(state) = self.store.mailbox_state(mailbox).await? else {
            return Ok(());
        };
        let wanted = if is_followed(&state.mailbox) {
            wanted(&state)
        } else {
            BTreeMap::new()
        };
        let mut existing: BTreeMap<FolderId, Subscription> = state
            .subscriptions
            .iter()
            .map(|it| (it.folder.clone(), it.clone()))
            .collect();
        let mut pending = Vec::new();
        for (folder, resource) in &wanted {
            if let Some(known) = existing.remove(folder) {
                pending.extend(self.is_unmade(&known).then_some(known));
                continue;
            }
            let mut new = self.new_subscription(&state.mailbox, folder, resource);
            if let Some(unknown) = existing.remove(&FolderId::new(UNLISTED_DEFAULT)) {
                if unknown.resource != *resource {
                    existing.insert(unknown.folder.clone(), unknown);
                } else if unknown.id.is_none() && !self.is_unmade(&unknown) {
                    // It is being made in this moment; under that name it serves as well.
                    continue;
                } else {
                    // The default folder has shown its id: the subscription is the same.
                    if !self.forget(&unknown).await? {
                        continue;
                    }
                    new = Subscription {
                        folder: folder.clone(),
                        rev: 0,
                        ..unknown
                    };
                }
            }
            if self.save(&mut new).await? && new.id.is_none() {
                pending.push(new);
            }
        }
        for unwanted in existing.into_values() {
            self.drop_one(&unwanted, report).await?;
        }
        self.replace(pending, report).await
    }

    /// Neither there nor in the making.
    fn is_unmade(&self, subscription: &Subscription) -> bool {
        subscription.id.is_none() && subscription.due_at <= self.ambient.now()
    }

    fn new_subscription(&self, mailbox: &Mailbox, folder: &FolderId, resource: &str) -> Subscription {
        Subscription {
            mailbox: mailbox.id.clone(),
            tenant: mailbox.tenant.clone(),
            folder: folder.clone(),
            resource: resource.to_owned(),
            id: None,
            signing_key: None,
            expires_at: None,
            due_at: self.ambient.now(),
            attempts: 0,
            last_error: None,
            renewed_at: None,
            rev: 0,
        }
    }

    async fn event(
        &self,
        mailbox: &MailboxId,
        subscription: &SubscriptionId,
        event: LifecycleEvent,
        report: &mut SubscriberReport,
    ) -> Result<(), Trouble> {
        let Some(state) = self.store.mailbox_state(mailbox).await? else {
            return Ok(());
        };
        let known = state
            .subscriptions
            .into_iter()
            .find(|it| it.id.as_ref() == Some(subscription));
        match (event, known) {
            (LifecycleEvent::Missed, _) => self.look_at([mailbox.clone()]).await,
            // One that we do not know is none of ours to keep alive.
            (LifecycleEvent::ReauthorizationRequired | LifecycleEvent::SubscriptionRemoved, None) => Ok(()),
            (LifecycleEvent::ReauthorizationRequired, Some(known)) => {
                let fresh_since = known.renewed_at.map(|at| ambient::add(at, REAUTHORIZED_FOR));
                if fresh_since.is_some_and(|until| until > self.ambient.now()) {
                    return Ok(());
                }
                if !self.is_renewable(&known) {
                    return self.replace(vec![known], report).await;
                }
                let tenant = known.tenant.clone();
                self.renew(&tenant, vec![known], report).await
            }
            (LifecycleEvent::SubscriptionRemoved, Some(known)) => self.replace(vec![known], report).await,
        }
    }

    async fn stray(
        &self,
        mailbox: &MailboxId,
        subscription: &SubscriptionId,
        report: &mut SubscriberReport,
    ) -> Result<(), Trouble> {
        let Some(state) = self.store.mailbox_state(mailbox).await? else {
            return Ok(());
        };
        // While one is being made, its first notification may overtake its id.
        let may_be_ours = state
            .subscriptions
            .iter()
            .any(|it| it.id.is_none() || it.id.as_ref() == Some(subscription));
        if !may_be_ours {
            let tenant = self.graph.tenant(state.mailbox.tenant.as_str());
            tenant.delete_subscription(subscription.as_str()).await?;
            report.deleted += 1;
        }
        Ok(())
    }

    async fn drop_one(
        &self,
        subscription: &Subscription,
        report: &mut SubscriberReport,
    ) -> Result<(), Trouble> {
        if let Some(id) = &subscription.id {
            match self
                .graph
                .tenant(subscription.tenant.as_str())
                .delete_subscription(id.as_str())
                .await
            {
                Ok(()) => report.deleted += 1,
                Err(error) if matches!(error.kind(), ErrorKind::Throttled { .. } | ErrorKind::Transient) => {
                    return Err(error.into());
                }
                // Graph no longer lets us: it ends by itself within a week.
                Err(error) => tracing::warn!(%error, "a subscription is left to end by itself"),
            }
        }
        self.forget(subscription).await.map(|_| ())
    }

    /// False where somebody else has it in hand.
    async fn forget(&self, subscription: &Subscription) -> Result<bool, Trouble> {
        match self.store.delete_subscription(subscription).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn look_at(&self, mailboxes: impl IntoIterator<Item = MailboxId>) -> Result<(), Trouble> {
        let requested_at = self.ambient.now();
        let jobs: Vec<_> = mailboxes
            .into_iter()
            .map(|mailbox| WorkJob::Sync {
                mailbox,
                requested_at,
            })
            .collect();
        Ok(self.work.send(&jobs, &self.ambient.uuid().to_string()).await?)
    }

    fn expiry(&self) -> Timestamp {
        ambient::add(self.ambient.now(), SUBSCRIPTION_LIFE)
    }
}

/// Whether changes of this mailbox are to be notified.
fn is_followed(mailbox: &Mailbox) -> bool {
    match mailbox.phase {
        Phase::Enrolled | Phase::Syncing | Phase::Live | Phase::Unavailable { .. } => true,
        Phase::Paused | Phase::Removing => false,
    }
}

/// The folders to be watched, and what Graph calls their contacts.
fn wanted(state: &MailboxState) -> BTreeMap<FolderId, String> {
    let user = &state.mailbox.user;
    let resource = |folder: &Folder| {
        if folder.is_default {
            format!("users/{user}/contacts")
        } else {
            format!("users/{user}/contactFolders/{}/contacts", folder.id)
        }
    };
    let synced = state.folders.iter().filter(|folder| folder.in_scope);
    let mut wanted: BTreeMap<_, _> = synced
        .take(MOST_FOLDERS)
        .map(|folder| (folder.id.clone(), resource(folder)))
        .collect();
    if !state.folders.iter().any(|folder| folder.is_default) {
        wanted.insert(FolderId::new(UNLISTED_DEFAULT), format!("users/{user}/contacts"));
    }
    wanted
}
