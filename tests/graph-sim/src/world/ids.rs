//! Ids, change keys and tokens: made from the seed, shaped like Graph's.
//!
//! Knows how an id looks. Must not know what it names.

use data_encoding::{BASE64URL, BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest, Sha256};

/// A digest of the parts, the same on every machine.
fn digest(parts: &[&str]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().to_vec()
}

/// A GUID in its usual form.
pub(crate) fn guid(parts: &[&str]) -> String {
    let hex = HEXLOWER.encode(&digest(parts)[..16]);
    format!(
        "{}-{}-4{}-a{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..32]
    )
}

/// An opaque token that can't be guessed from others.
pub(crate) fn opaque(parts: &[&str]) -> String {
    BASE64URL_NOPAD.encode(&digest(parts))
}

/// An immutable item id: about 72 characters, case-sensitive, with `=` at its end (facts 10).
pub(crate) fn immutable(mailbox: &str, number: u64) -> String {
    let number = number.to_string();
    let first = digest(&["item", mailbox, &number]);
    let second = digest(&["item", &number, mailbox]);
    format!(
        "AAkALgAA{}",
        BASE64URL.encode(&[&first[..], &second[..14]].concat())
    )
}

/// A classic item id: about 140 characters, another one after each move (facts 1.1, 10).
pub(crate) fn classic(immutable: &str, moves: u32) -> String {
    let moves = moves.to_string();
    let parts: Vec<u8> = ["a", "b", "c"]
        .iter()
        .flat_map(|salt| digest(&[salt, immutable, &moves]))
        .collect();
    format!(
        "AAMkAGI2{}",
        BASE64URL.encode(&[&parts[..], &parts[..1]].concat())
    )
}

/// A folder id, constant for the life of the folder (facts 3).
pub(crate) fn folder(mailbox: &str, number: u64) -> String {
    let number = number.to_string();
    let bytes = [
        digest(&["folder", mailbox, &number]),
        digest(&["folder", &number, mailbox]),
    ]
    .concat();
    format!("AQMkADAw{}", BASE64URL.encode(&bytes[..49]))
}

/// The version of an item (facts 1.1).
pub(crate) fn change_key(item: &str, version: u64) -> String {
    format!(
        "EQAAABYAAAD{}",
        &BASE64URL_NOPAD.encode(&digest(&["version", item, &version.to_string()]))[..29]
    )
}

/// True where `id` could be the id of an item or folder at all; anything else is malformed (facts 8).
pub(crate) fn plausible(id: &str) -> bool {
    id.len() >= 40 && ["AAkA", "AAMk", "AQMk"].iter().any(|start| id.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_those_of_graph_and_differ_by_what_they_name() {
        let item = immutable("mailbox", 1);
        assert!(
            plausible(&item) && item.ends_with('=') && (68..=76).contains(&item.len()),
            "{item}"
        );
        assert_ne!(classic(&item, 0), classic(&item, 1));
        assert!(
            (136..=150).contains(&classic(&item, 0).len()),
            "{}",
            classic(&item, 0).len()
        );
        assert!(plausible(&folder("mailbox", 1)) && !plausible("contacts"));
        assert_eq!(guid(&["a"]).len(), 36);
    }
}
