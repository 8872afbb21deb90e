//! Access tokens: whose credential, from where, for how long.
//!
//! Knows the token endpoint (facts 9). Must not know what the tokens are used for.

mod credential;
mod tokens;

pub use credential::{
    Credential, CredentialError, CredentialFuture, CredentialSource, FixedCredential, Freshness,
};
pub use tokens::TokenPolicy;
pub(crate) use tokens::{Asking, Tokens};
