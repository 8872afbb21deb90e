//! Texts that both formats treat alike. Must not know properties.

/// With line feeds as the only line ends.
pub(crate) fn with_line_feeds(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Whether it begins with a URI's scheme.
pub(crate) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|each| each.is_ascii_alphanumeric() || "+-.".contains(each))
        && !rest.is_empty()
        && !text.contains(|each: char| each.is_whitespace() || each.is_control())
}

/// A phone number out of what may be a `tel:` URI.
pub(crate) fn phone(text: &str) -> &str {
    match text.get(..4) {
        Some(scheme) if scheme.eq_ignore_ascii_case("tel:") => &text[4..],
        Some(_) | None => text,
    }
}
