//! A text as a request or an answer: a first line, headers, an empty line, a body.
//!
//! A corpus of such texts can be read and written by people, and an engine finds its way in them. Lenient: whatever is
//! not there is empty. Must not know what the parts mean.

/// The parts of a text.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    /// The first line.
    pub(crate) first: &'a str,
    /// The lines up to the first empty one, each at its first colon.
    pub(crate) headers: Vec<(&'a str, &'a str)>,
    /// All that follows.
    pub(crate) body: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Takes a text apart. `None` where what comes before the body is no UTF-8.
    pub(crate) fn of(data: &'a [u8]) -> Option<Self> {
        let (head, body) = match data.windows(2).position(|two| two == b"\n\n") {
            Some(at) => (&data[..at], &data[at + 2..]),
            None => (data, [].as_slice()),
        };
        let mut lines = str::from_utf8(head).ok()?.split('\n');
        let first = lines.next().unwrap_or_default();
        let headers = lines.filter_map(|line| line.split_once(':'));
        Some(Self {
            first,
            headers: headers.map(|(name, value)| (name.trim(), value.trim())).collect(),
            body,
        })
    }
}
