//! Microsoft Graph for contacts: auth, transport, retries, delta, batch, subscriptions.
//!
//! Knows Microsoft Graph v1.0 as `facts.md` describes it. Must not know anything of ours: no mirror, no queue, no
//! store. The files build on each other in this order, each using only those before it:
//! `transport`, `endpoints`, `error`, `classify`, `retry`, `exchange`, `auth`, `client`, `page`, `delta`, `batch`,
//! `resources`; `model` has the wire types.
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use ambient::Ambient;
//! use graph_client::{
//!     Cloud, Credential, Endpoints, FixedCredential, GraphClient, HttpConfig, HttpTransport, Next, ReadFrom,
//! };
//!
//! let endpoints = Endpoints::from_cloud(Cloud::Global);
//! let config = HttpConfig { plain_http: endpoints.plain_http(), ..HttpConfig::default() };
//! let credential = Credential::ClientSecret { client_id: "app".to_owned(), secret: "secret".into() };
//! let graph = GraphClient::new(
//!     HttpTransport::new(&config)?,
//!     endpoints,
//!     Arc::new(FixedCredential(credential)),
//!     Ambient::system(),
//!     http::HeaderValue::from_static("example/1.0"),
//! );
//! let mailbox = graph.mailbox("contoso.onmicrosoft.com", "ada@contoso.com");
//! if let Some(folder) = mailbox.default_folder_id().await? {
//!     let mut page = mailbox.contact_delta(&folder, ReadFrom::Start).await?;
//!     while let Next::Page(link) = page.next {
//!         page = mailbox.contact_delta(&folder, ReadFrom::Link(&link)).await?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod auth;
mod batch;
mod classify;
mod client;
mod delta;
mod endpoints;
mod error;
mod exchange;
mod model;
mod page;
mod resources;
mod retry;
mod transport;

pub use auth::{
    Credential, CredentialError, CredentialFuture, CredentialSource, FixedCredential, Freshness, TokenPolicy,
};
pub use batch::{BatchAnswer, BatchOutcome, BatchRequest};
pub use classify::Subject;
pub use client::GraphClient;
pub use delta::{DeltaPage, Next, Removed, RemovedReason};
pub use endpoints::{Cloud, EndpointError, Endpoints, ForeignLink, UnfitSegment};
pub use error::{DecodeError, ErrorKind, GraphError, MailboxProblem};
pub use model::{
    Contact, ContactFields, ContactFolder, EmailAddress, ExtendedProperty, Field, NewSubscription,
    PhysicalAddress, STAMP_PROPERTY, Subscription,
};
pub use page::{Listing, Page, ReadFrom, Unreadable};
pub use resources::{ContactWrite, Creation, MailboxClient, StampSearch, Tenant, Written};
pub use retry::{Repeat, RetryPolicy};
pub use transport::{HttpConfig, HttpTransport, Transport, TransportError};
