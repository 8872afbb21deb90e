//! A contact's photo, which both sides may change: when two are the same, and who gets his way.
//!
//! A photo is its hash here. Must not know bytes beyond hashing them, nor where they are kept.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::merge::Winner;
use crate::record::Policy;

/// The largest photo that Outlook takes, in bytes (facts 1.5).
pub const LARGEST: usize = 4 << 20;

/// The name under which a photo is told of beside a contact's members: in conflicts and events.
pub const PHOTO: &str = "photo";

/// A photo's SHA-256, in 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhotoHash(String);

/// No hash of a photo.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not 64 hexadecimal digits")]
pub struct InvalidHash;

impl PhotoHash {
    /// Of a photo's bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(HEXLOWER.encode(&Sha256::digest(bytes)))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PhotoHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let valid = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidHash)
        }
    }
}

impl TryFrom<String> for PhotoHash {
    type Error = InvalidHash;

    fn try_from(text: String) -> Result<Self, InvalidHash> {
        text.parse()
    }
}

impl From<PhotoHash> for String {
    fn from(hash: PhotoHash) -> String {
        hash.0
    }
}

impl fmt::Display for PhotoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is to be done about a photo that was set here, now that Outlook's own has been looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Outlook has it already.
    Agreed,
    /// Outlook's is as it was: it gets ours.
    Send,
    /// Both sides have changed it.
    Clash(Winner),
}

/// What is to be done about the photo `wanted` here. `base` is what Outlook had when both sides last agreed, `theirs`
/// what it has now; `None`: no photo. `replaced` are photos that were set here before it and have never been confirmed:
/// Outlook may have one of them, and that is no change of Outlook's.
///
/// Graph tells no time for a photo, and nowhere says that a photo changes the time of its contact. So where the later
/// one wins it is ours, of which alone the time is known.
pub fn step(
    wanted: &PhotoHash,
    replaced: &[PhotoHash],
    base: Option<&PhotoHash>,
    theirs: Option<&PhotoHash>,
    policy: Policy,
) -> Step {
    if theirs == Some(wanted) {
        Step::Agreed
    } else if theirs == base || theirs.is_some_and(|theirs| replaced.contains(theirs)) {
        Step::Send
    } else {
        Step::Clash(match policy {
            Policy::OutlookWins => Winner::Outlook,
            Policy::LastWriteWins | Policy::PlatformWins => Winner::Platform,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_is_sent_where_outlooks_is_as_it_was_and_a_policy_decides_where_it_is_not() {
        use Policy::{LastWriteWins, OutlookWins, PlatformWins};
        let [ours, old, new, earlier] =
            [b"ours", b"olds", b"news", b"then"].map(|bytes| PhotoHash::of(bytes));
        let (ours, old, new, earlier) = (&ours, Some(&old), Some(&new), &earlier);
        for (base, theirs, policy, expected) in [
            (None, None, LastWriteWins, Step::Send),
            (old, old, OutlookWins, Step::Send),
            (old, Some(earlier), OutlookWins, Step::Send),
            (None, Some(ours), OutlookWins, Step::Agreed),
            (old, Some(ours), OutlookWins, Step::Agreed),
            (old, new, LastWriteWins, Step::Clash(Winner::Platform)),
            (old, new, PlatformWins, Step::Clash(Winner::Platform)),
            (old, new, OutlookWins, Step::Clash(Winner::Outlook)),
            (old, None, OutlookWins, Step::Clash(Winner::Outlook)),
            (None, new, LastWriteWins, Step::Clash(Winner::Platform)),
        ] {
            let replaced = std::slice::from_ref(earlier);
            let step = step(ours, replaced, base, theirs, policy);
            assert_eq!(step, expected, "{base:?} {theirs:?} {policy:?}");
        }
    }

    #[test]
    fn a_hash_has_one_spelling() {
        let hash = PhotoHash::of(b"abc");
        assert_eq!(hash.as_str().parse(), Ok(hash.clone()));
        assert_eq!(
            hash.as_str().to_uppercase().parse::<PhotoHash>(),
            Err(InvalidHash)
        );
        assert_eq!(hash.as_str()[1..].parse::<PhotoHash>(), Err(InvalidHash));
    }
}
