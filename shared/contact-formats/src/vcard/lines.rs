//! A text as cards, and a card as content lines (RFC 6350 3.2).
//!
//! Must not know what a property means.

use calcard::vcard::VCardEntry;
use calcard::{Entry, Parser};

use super::{Fault, MAX_CARDS, MAX_PROPERTIES, MAX_TEXT, Problem};

/// Octets of a folded line, its end not counted.
const WIDTH: usize = 75;

/// Octets in which a property's name and parameters are looked for before it is joined with the next line: it is
/// looked at again for each, and a text of many lines should not cost their square.
const HEAD: usize = 1_000;

/// A card's content lines, without its `BEGIN`, `END` and `VERSION`.
pub(super) struct Card {
    /// Which one of the text, from 1.
    pub(super) number: usize,
    /// Whether it is older than 4.0.
    pub(super) legacy: bool,
    pub(super) lines: Vec<Line>,
}

/// A content line, unfolded.
pub(super) struct Line {
    /// The number of its first physical line, from 1.
    pub(super) number: usize,
    pub(super) text: String,
}

/// The cards of a text, and what is wrong with its frame.
pub(super) fn cards(text: &str) -> (Vec<Card>, Vec<Problem>) {
    let mut cards: Vec<Card> = Vec::new();
    let mut problems = Vec::new();
    let whole = |detail| Problem {
        card: 0,
        line: None,
        property: None,
        detail,
    };
    if text.len() > MAX_TEXT {
        return (cards, vec![whole(Fault::TextTooLong)]);
    }

    let mut open = false;
    for line in unfolded(text.trim_start_matches('\u{feff}')) {
        let mut problem = |card: usize, property, detail| {
            problems.push(Problem {
                card,
                line: Some(line.number),
                property,
                detail,
            });
        };
        let number = cards.len();
        let frame = line.text.trim();
        if frame.is_empty() {
            continue;
        }
        if frame.eq_ignore_ascii_case("BEGIN:VCARD") {
            if open {
                problem(number, None, Fault::NoEnd);
            }
            if number == MAX_CARDS {
                return (Vec::new(), vec![whole(Fault::TooManyCards)]);
            }
            open = true;
            cards.push(Card {
                number: number + 1,
                legacy: false,
                lines: Vec::new(),
            });
            continue;
        }
        let Some(card) = cards.last_mut().filter(|_| open) else {
            problem(0, None, Fault::OutsideCards);
            return (Vec::new(), problems); // one is enough: this is no text of cards
        };
        if frame.eq_ignore_ascii_case("END:VCARD") {
            open = false;
        } else if let Some(version) = version(frame) {
            match version {
                "2.1" | "3.0" => card.legacy = true,
                "4.0" => {}
                _ => problem(number, Some("VERSION"), Fault::Version),
            }
        } else if card.lines.len() < MAX_PROPERTIES {
            card.lines.push(line);
        } else {
            problem(number, None, Fault::TooManyProperties);
            return (Vec::new(), problems);
        }
    }
    if open {
        problems.push(Problem {
            card: cards.len(),
            ..whole(Fault::NoEnd)
        });
    }
    if cards.is_empty() && problems.is_empty() {
        problems.push(whole(Fault::NoCard));
    }
    (cards, problems)
}

fn version(line: &str) -> Option<&str> {
    let (name, version) = line.split_once(':')?;
    name.eq_ignore_ascii_case("VERSION").then(|| version.trim())
}

fn unfolded(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (index, physical) in text.split('\n').enumerate() {
        let physical = physical.strip_suffix('\r').unwrap_or(physical);
        if let Some(last) = lines.last_mut() {
            if let Some(rest) = physical.strip_prefix([' ', '\t']) {
                last.text.push_str(rest);
                continue;
            }
            if goes_on(&last.text, physical) {
                if let Some(soft_break) = last.text.strip_suffix('=').map(str::len) {
                    last.text.truncate(soft_break);
                }
                last.text.push_str(physical);
                continue;
            }
        }
        lines.push(Line {
            number: index + 1,
            text: physical.to_owned(),
        });
    }
    lines
}

/// Whether version 2.1 goes on without a fold: after a soft break of quoted-printable, and in base64.
fn goes_on(line: &str, next: &str) -> bool {
    let has = |head: &str, what: &str| {
        let mut parameters = head.split([';', '=', ',']).skip(1);
        parameters.any(|each| each.eq_ignore_ascii_case(what))
    };
    let Some(colon) = line.bytes().take(HEAD).position(|byte| byte == b':') else {
        return false;
    };
    let head = &line[..colon];
    if line.ends_with('=') && has(head, "QUOTED-PRINTABLE") {
        return true;
    }
    let base64 = |each: u8| each.is_ascii_alphanumeric() || b"+/=".contains(&each);
    !next.is_empty() && next.bytes().all(base64) && (has(head, "BASE64") || has(head, "B"))
}

/// A content line as a property; None if it is none.
pub(super) fn property(line: &str, legacy: bool) -> Option<VCardEntry> {
    value(line)?;
    let mut text = String::with_capacity(line.len() + 16);
    if legacy {
        text.push_str("VERSION:3.0\r\n");
    }
    text.push_str(line);
    text.push_str("\r\n");
    match Parser::new(&text).vcard() {
        Entry::VCard(mut card) => card.entries.pop(),
        Entry::ICalendar(_)
        | Entry::InvalidLine(_)
        | Entry::UnexpectedComponentEnd { .. }
        | Entry::UnterminatedComponent(_)
        | Entry::TooManyComponents
        | Entry::Eof
        | _ => None,
    }
}

/// What follows a content line's first colon outside of quotes. None where there is no such colon, or no name before it.
pub(super) fn value(line: &str) -> Option<&str> {
    let mut quoted = false;
    let colon = line.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == b':' && !quoted
    })?;
    let named = line.starts_with(|first: char| first.is_ascii_alphanumeric());
    named.then(|| &line[colon + 1..])
}

/// A property as a content line of version 4.0, unfolded.
pub(super) fn line(property: &VCardEntry) -> Option<String> {
    let mut folded = String::new();
    property.write_to(&mut folded, true).ok()?;
    unfolded(&folded).into_iter().next().map(|line| line.text)
}

/// Adds a content line, folded between characters.
pub(super) fn fold(out: &mut String, line: &str) {
    let mut width = 0;
    for each in line.chars() {
        if width + each.len_utf8() > WIDTH {
            out.push_str("\r\n ");
            width = 1;
        }
        out.push(each);
        width += each.len_utf8();
    }
    out.push_str("\r\n");
}
