//! The `clientState` of a subscription: proof that a notification comes from Graph, checked without a read.
//!
//! It carries the mailbox's id and a MAC over it, under a key that only this deployment knows:
//! `1.<mailbox id>.<MAC>`, 84 characters of the 128 that Graph allows (facts 5.3). Knows nothing of where the
//! key is kept.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::ids::MailboxId;

/// The keys that sign and check: the first one signs, every one checks, so that a key can be rotated while
/// subscriptions still carry states of the one before. Never printed.
#[derive(Clone)]
pub struct ClientStateKeys(Vec<Vec<u8>>);

/// There was no key, or one shorter than 32 bytes.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a clientState key needs at least 32 bytes, and there must be at least one key")]
pub struct WeakKey;

impl ClientStateKeys {
    /// The current key, followed by those that still check.
    pub fn new(keys: impl IntoIterator<Item = Vec<u8>>) -> Result<Self, WeakKey> {
        let keys: Vec<_> = keys.into_iter().collect();
        if keys.is_empty() || keys.iter().any(|key| key.len() < 32) {
            return Err(WeakKey);
        }
        Ok(Self(keys))
    }

    /// The state to give to Graph with a subscription of this mailbox.
    pub fn sign(&self, mailbox: &MailboxId) -> String {
        let tag = self
            .0
            .first()
            .map(|key| mac(key, mailbox).finalize().into_bytes());
        format!(
            "1.{mailbox}.{}",
            BASE64URL_NOPAD.encode(tag.as_deref().unwrap_or_default())
        )
    }

    /// A name of the key that signs: it tells a subscription that was signed by an older one, and nothing of the key.
    pub fn signing_key(&self) -> String {
        let key = self.0.first().map(Vec::as_slice).unwrap_or_default();
        let tag = Sha256::new()
            .chain_update(b"outlook-contact-sync key name 1\0")
            .chain_update(key)
            .finalize();
        BASE64URL_NOPAD.encode(&tag[..6])
    }

    /// The mailbox that the state was signed for; `None` where it was not signed by one of these keys. Takes
    /// constant time in the MAC's bytes.
    pub fn verify(&self, state: &str) -> Option<MailboxId> {
        let (mailbox, tag) = state.strip_prefix("1.")?.split_once('.')?;
        let mailbox: MailboxId = mailbox.parse().ok()?;
        let tag = BASE64URL_NOPAD.decode(tag.as_bytes()).ok()?;
        // Every key is tried, whichever fits, so that time tells nothing about which one did.
        let genuine = self.0.iter().fold(false, |found, key| {
            found | mac(key, &mailbox).verify_slice(&tag).is_ok()
        });
        genuine.then_some(mailbox)
    }
}

impl std::fmt::Debug for ClientStateKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientStateKeys({} keys)", self.0.len())
    }
}

fn mac(key: &[u8], mailbox: &MailboxId) -> Hmac<Sha256> {
    // HMAC takes keys of any length; the fallback can't be reached and would only ever fail to verify.
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key)
        .unwrap_or_else(|_| KeyInit::new(&hmac::digest::array::Array::default()));
    mac.update(b"outlook-contact-sync clientState 1\0");
    mac.update(mailbox.as_str().as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{TenantId, UserId};

    fn keys(seeds: &[u8]) -> ClientStateKeys {
        ClientStateKeys::new(seeds.iter().map(|seed| vec![*seed; 32])).unwrap()
    }

    fn mailbox() -> MailboxId {
        MailboxId::derive(
            &TenantId::new("contoso.example"),
            &UserId::new("ada@contoso.example"),
        )
    }

    #[test]
    fn a_state_is_checked_by_the_key_that_signed_it_and_by_a_rotated_set_that_still_holds_it() {
        let state = keys(&[1]).sign(&mailbox());
        assert!(state.len() <= 128, "{} characters", state.len());
        assert_eq!(keys(&[1]).verify(&state), Some(mailbox()));
        assert_eq!(keys(&[2, 1]).verify(&state), Some(mailbox()));
        assert_eq!(keys(&[2]).verify(&state), None);
    }

    #[test]
    fn a_state_with_any_character_changed_is_refused() {
        let (keys, state) = (keys(&[1]), keys(&[1]).sign(&mailbox()));
        for at in 0..state.len() {
            let mut forged = state.clone().into_bytes();
            forged[at] = if forged[at] == b'a' { b'b' } else { b'a' };
            let forged = String::from_utf8(forged).unwrap();
            // The last character of the MAC holds two unused bits; the decoder refuses those that set them.
            assert_eq!(keys.verify(&forged), None, "{forged}");
        }
        for garbage in ["", "1.", "1..", "2.x.y", "1.mbx_.", "é", &"x".repeat(5000)] {
            assert_eq!(keys.verify(garbage), None);
        }
    }

    #[test]
    fn weak_keys_are_refused_and_keys_are_never_printed() {
        assert_eq!(ClientStateKeys::new([vec![1; 31]]).err(), Some(WeakKey));
        assert_eq!(ClientStateKeys::new([]).err(), Some(WeakKey));
        assert_eq!(format!("{:?}", keys(b"k")), "ClientStateKeys(1 keys)");
    }
}
