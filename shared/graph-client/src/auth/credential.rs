//! What the app proves itself with, and where that comes from: the seam to a secret store.
//!
//! Knows the forms of a credential and their fields in a token request. Must not know any store.

use std::future::Future;
use std::pin::Pin;

use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded::Serializer;

/// Gives the app's credential for a tenant.
pub trait CredentialSource: Send + Sync {
    /// The credential to use for `tenant`.
    fn credential<'a>(&'a self, tenant: &'a str, freshness: Freshness) -> CredentialFuture<'a>;
}

/// What [`CredentialSource::credential`] gives; boxed, so that sources can be exchanged at run time.
pub type CredentialFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Credential, CredentialError>> + Send + 'a>>;

/// How new a credential must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// A remembered one will do.
    Cached,
    /// The one before was refused: ask the store again, it may have been rotated.
    Reread,
}

/// Why there is no credential.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The store has none for this tenant.
    #[error("there is no credential for the tenant")]
    Missing,
    /// The store has one that can't be read as a credential.
    #[error("the credential is malformed")]
    Malformed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store could not be asked.
    #[error("the credential store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What the app proves itself with. Other forms (certificate, federated assertion) become variants here.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A client secret (facts 9.1).
    ClientSecret {
        /// The app registration's application id.
        client_id: String,
        /// The secret's value (not its id).
        secret: SecretString,
    },
}

impl Credential {
    /// The body of a token request.
    pub(super) fn form(&self, scope: &str) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials")
            .append_pair("scope", scope);
        match self {
            Self::ClientSecret { client_id, secret } => form
                .append_pair("client_id", client_id)
                .append_pair("client_secret", secret.expose_secret())
                .finish(),
        }
    }

    /// True where sending `other` would be sending this again.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.form("") == other.form("")
    }
}

/// One credential for every tenant, known from the start.
#[derive(Clone, Debug)]
pub struct FixedCredential(pub Credential);

impl CredentialSource for FixedCredential {
    fn credential<'a>(&'a self, _tenant: &'a str, _freshness: Freshness) -> CredentialFuture<'a> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_encoded_in_the_form_and_never_printed() {
        let credential = Credential::ClientSecret {
            client_id: "app".into(),
            secret: "a&b=c~d+é".into(),
        };
        assert_eq!(
            credential.form("https://graph.microsoft.com/.default"),
            "grant_type=client_credentials&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default&client_id=app\
             &client_secret=a%26b%3Dc%7Ed%2B%C3%A9"
        );
        assert!(!format!("{credential:?}").contains("b=c"));
    }
}
