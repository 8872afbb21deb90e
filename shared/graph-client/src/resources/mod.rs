//! One file per resource, one method per call.
//!
//! Each method says where it goes, whether it may be repeated and what its answer becomes; how a call is made is not
//! known here.

mod contacts;
mod folders;
mod lookups;
mod photos;
mod subscriptions;
mod writes;

pub use lookups::StampSearch;
pub use subscriptions::Creation;
pub use writes::{ContactWrite, Written};

use crate::batch::{BatchOutcome, BatchRequest};
use crate::client::GraphClient;
use crate::transport::Transport;

/// One mailbox of one tenant: [`GraphClient::mailbox`].
pub struct MailboxClient<'a, T> {
    pub(crate) client: &'a GraphClient<T>,
    pub(crate) tenant: &'a str,
    pub(crate) user: &'a str,
}

/// One tenant: [`GraphClient::tenant`].
pub struct Tenant<'a, T> {
    pub(crate) client: &'a GraphClient<T>,
    pub(crate) tenant: &'a str,
}

impl<T: Transport> Tenant<'_, T> {
    /// Any calls at once, 20 per request, each retried by itself. The outcomes are in the order of the items.
    pub async fn batch(&self, items: &[BatchRequest]) -> Vec<BatchOutcome> {
        self.client.batch(self.tenant, "batch", items).await
    }
}
