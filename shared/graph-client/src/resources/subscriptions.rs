//! Subscriptions (facts 5): <https://learn.microsoft.com/graph/api/resources/subscription>.

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Tenant;
use super::contacts::found;
use crate::batch::BatchRequest;
use crate::classify::Subject;
use crate::client::{Call, Target};
use crate::error::{ErrorKind, GraphError};
use crate::exchange::Answer;
use crate::model::{NewSubscription, Subscription};
use crate::page::{Listing, read_row};
use crate::retry::Repeat;
use crate::transport::Transport;

/// What became of a creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Creation {
    /// A new one.
    Created(Subscription),
    /// The one that existed already for this resource and URL. Its end is not the one asked for: renew it.
    Adopted(Subscription),
}

impl<T: Transport> Tenant<'_, T> {
    /// Creates a subscription, or adopts the one that exists already. Graph calls both URLs before it answers, so the
    /// endpoint must be up. <https://learn.microsoft.com/graph/api/subscription-post-subscriptions>
    pub async fn create_subscription(&self, new: &NewSubscription) -> Result<Creation, GraphError> {
        // Safe to repeat: where the first attempt was carried out, the second ends in 409 and adopts.
        let target = Target::Path(&["subscriptions"]);
        let call = Call::new(
            "subscription.create",
            Method::POST,
            Subject::NewSubscription,
            target,
            Repeat::Safe,
        )
        .body(&new.to_json());
        let refused = match self.client.call(self.tenant, call).await {
            Ok(answer) => return read(&answer).map(Creation::Created),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => error,
            Err(error) => return Err(error),
        };
        let existing = self
            .list_subscriptions()
            .await?
            .rows
            .into_iter()
            .find(|existing| new.is(existing));
        existing.map(Creation::Adopted).ok_or(refused)
    }

    /// Moves a subscription's end; also reauthorizes it. At most 10,080 minutes ahead.
    /// [`ErrorKind::NotFound`]: create it again. <https://learn.microsoft.com/graph/api/subscription-update>
    pub async fn renew_subscription(
        &self,
        id: &str,
        expires_at: Timestamp,
    ) -> Result<Subscription, GraphError> {
        let target = Target::Path(&["subscriptions", id]);
        let call = Call::new(
            "subscription.renew",
            Method::PATCH,
            Subject::Subscription,
            target,
            Repeat::Safe,
        )
        .body(&renewal(expires_at));
        read(&self.client.call(self.tenant, call).await?)
    }

    /// Many renewals through `$batch`, in the order of the ids.
    pub async fn renew_subscriptions(
        &self,
        renewals: &[(&str, Timestamp)],
    ) -> Vec<Result<Subscription, GraphError>> {
        const OPERATION: &str = "subscription.renew_many";
        let failed = |kind| GraphError::new(kind, OPERATION);
        let requests: Vec<_> = renewals
            .iter()
            .map(|(id, expires_at)| {
                let path = ["subscriptions", id];
                BatchRequest::new(Method::PATCH, &path, Subject::Subscription, Repeat::Safe)
                    .map(|request| request.body(renewal(*expires_at)))
                    .map_err(|error| failed(ErrorKind::Permanent).because(error))
            })
            .collect();
        let outcomes = self
            .client
            .batch_of_results(self.tenant, OPERATION, requests)
            .await;
        let row =
            |body: Value| read_row(body).map_err(|row| failed(ErrorKind::Transient).because(row.problem));
        outcomes
            .into_iter()
            .map(|outcome| outcome.and_then(|answer| row(answer.body)))
            .collect()
    }

    /// Answers `reauthorizationRequired`. Never within ten minutes of a renewal (facts 5.5).
    /// <https://learn.microsoft.com/graph/api/subscription-reauthorize>
    pub async fn reauthorize_subscription(&self, id: &str) -> Result<(), GraphError> {
        let target = Target::Path(&["subscriptions", id, "reauthorize"]);
        let call = Call::new(
            "subscription.reauthorize",
            Method::POST,
            Subject::Subscription,
            target,
            Repeat::Safe,
        );
        self.client.call(self.tenant, call).await.map(|_| ())
    }

    /// Deletes a subscription. One that is gone already is a success.
    /// <https://learn.microsoft.com/graph/api/subscription-delete>
    pub async fn delete_subscription(&self, id: &str) -> Result<(), GraphError> {
        let target = Target::Path(&["subscriptions", id]);
        let call = Call::new(
            "subscription.delete",
            Method::DELETE,
            Subject::Subscription,
            target,
            Repeat::Safe,
        );
        found(self.client.call(self.tenant, call).await).map(|_| ())
    }

    /// All subscriptions of this app in the tenant. Throttled hard: 25 requests per 20 s (facts 5.6).
    /// <https://learn.microsoft.com/graph/api/subscription-list>
    pub async fn list_subscriptions(&self) -> Result<Listing<Subscription>, GraphError> {
        let call = Call::get(
            "subscription.list",
            Subject::Subscription,
            Target::Path(&["subscriptions"]),
        );
        self.client.listing(self.tenant, call).await
    }
}

fn renewal(expires_at: Timestamp) -> Value {
    json!({ "expirationDateTime": expires_at.to_string() })
}

fn read(answer: &Answer) -> Result<Subscription, GraphError> {
    read_row(answer.json(Subject::Subscription)?).map_err(|row| answer.unreadable(row.problem))
}
