//! The validation handshake (facts 5.2): Graph sends a token in the query, and wants it back, decoded, as plain text.
//!
//! Knows the query string alone. Must not know notifications.

use lambda_http::http::Uri;
use url::form_urlencoded;

/// Tokens of Graph are about 150 characters long; nobody documents a limit.
const LONGEST_TOKEN: usize = 4096;

/// The handshake in a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// The request is none.
    Absent,
    /// The token to answer with.
    Token(String),
    /// A token that Graph would not send: empty, too long, or with control characters in it.
    Refused,
}

/// Reads the first `validationToken` of the query: percent-decoded once, and `+` is a space, since that is how Graph
/// writes its tokens ("Validation: Testing client application reachability ...").
pub(crate) fn handshake(uri: &Uri) -> Handshake {
    let mut pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    match pairs.find(|(name, _)| name == "validationToken") {
        None => Handshake::Absent,
        Some((_, token)) if token.is_empty() || token.len() > LONGEST_TOKEN => Handshake::Refused,
        Some((_, token)) if token.contains(char::is_control) => Handshake::Refused,
        Some((_, token)) => Handshake::Token(token.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: &Handshake) {
        assert_eq!(
            handshake(&format!("https://h/notify?{query}").parse().unwrap()),
            *expected,
            "{query}"
        );
    }

    fn token(text: &str) -> Handshake {
        Handshake::Token(text.to_owned())
    }

    #[test]
    fn the_token_is_decoded_exactly_once() {
        check(
            "validationToken=Validation%3a+Testing+client",
            &token("Validation: Testing client"),
        );
        check("validationToken=a%20b%2Bc", &token("a b+c"));
        check("validationToken=100%2525", &token("100%25"));
        check("tenant=x&validationToken=a%26b&validationToken=c", &token("a&b"));
        check(
            "validationToken=%3Cscript%3Ealert(1)%3C/script%3E",
            &token("<script>alert(1)</script>"),
        );
        check(
            &format!("validationToken={}", "x".repeat(4096)),
            &token(&"x".repeat(4096)),
        );
    }

    #[test]
    fn a_token_that_graph_would_not_send_is_refused() {
        for value in ["", "a%0d%0aSet-Cookie:x", "%00", "%C2%85", &"x".repeat(4097)] {
            check(&format!("validationToken={value}"), &Handshake::Refused);
        }
        for query in ["", "x=y", "validationtoken=a", "=validationToken"] {
            check(query, &Handshake::Absent);
        }
    }
}
