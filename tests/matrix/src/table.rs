//! The table: what is left of the contact, whoever it is that prevails.
//!
//! Written to be read. It must not know why somebody prevails.

use std::sync::LazyLock;

use crate::Act;
use crate::contact::{Folder, Mark, State};

/// Thirty-six rows: what is done in Outlook and on the platform; then what both sides have in the end, if Outlook acts
/// first and that is synced, if the platform does, and if both act before anything is synced and Outlook prevails, or
/// the platform does; then what they clash about.
///
/// A contact is `title/department/office @folder`, each Outlook's (`O`), the platform's (`P`) or as it was (`-`); `=` is
/// what stands to its left. A contact that one side makes is no business of the other's, and both sides have it in the
/// end; it is not shown.
const TABLE: &str = "
nothing    | nothing    | -/-/- @- | =        | =        | =        |
nothing    | create     | -/-/- @- | =        | =        | =        |
nothing    | edit same  | P/-/- @- | =        | =        | =        |
nothing    | edit other | -/-/P @- | =        | =        | =        |
nothing    | delete     | gone     | =        | =        | =        |
nothing    | move       | -/-/- @P | =        | =        | =        |

create     | nothing    | -/-/- @- | =        | =        | =        |
create     | create     | -/-/- @- | =        | =        | =        |
create     | edit same  | P/-/- @- | =        | =        | =        |
create     | edit other | -/-/P @- | =        | =        | =        |
create     | delete     | gone     | =        | =        | =        |
create     | move       | -/-/- @P | =        | =        | =        |

edit same  | nothing    | O/-/- @- | =        | =        | =        |
edit same  | create     | O/-/- @- | =        | =        | =        |
edit same  | edit same  | P/-/- @- | O/-/- @- | =        | P/-/- @- | title
edit same  | edit other | O/-/P @- | =        | =        | =        |
edit same  | delete     | gone     | =        | O/-/- @- | gone     | being
edit same  | move       | O/-/- @P | =        | =        | =        |

edit other | nothing    | -/O/- @- | =        | =        | =        |
edit other | create     | -/O/- @- | =        | =        | =        |
edit other | edit same  | P/O/- @- | =        | =        | =        |
edit other | edit other | -/O/P @- | =        | =        | =        |
edit other | delete     | gone     | =        | -/O/- @- | gone     | being
edit other | move       | -/O/- @P | =        | =        | =        |

delete     | nothing    | gone     | =        | =        | =        |
delete     | create     | gone     | =        | =        | =        |
delete     | edit same  | gone     | =        | =        | P/-/- @- | being
delete     | edit other | gone     | =        | =        | -/-/P @- | being
delete     | delete     | gone     | =        | =        | =        |
delete     | move       | gone     | =        | =        | -/-/- @P | being

move       | nothing    | -/-/- @O | =        | =        | =        |
move       | create     | -/-/- @O | =        | =        | =        |
move       | edit same  | P/-/- @O | =        | =        | =        |
move       | edit other | -/-/P @O | =        | =        | =        |
move       | delete     | gone     | =        | -/-/- @O | gone     | being
move       | move       | -/-/- @P | -/-/- @O | =        | -/-/- @P | folder
";

/// What both sides have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// The job title.
    Title,
    /// Where it lies.
    Folder,
    /// Whether it is there: one has deleted what the other has changed.
    Being,
}

/// A row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) outlook: Act,
    pub(crate) platform: Act,
    pub(crate) outlook_first: Option<State>,
    pub(crate) platform_first: Option<State>,
    pub(crate) outlook_prevails: Option<State>,
    pub(crate) platform_prevails: Option<State>,
    pub(crate) clash: Option<Clash>,
}

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.is_empty());
    lines.map(read).collect()
});

/// The row of two acts.
pub(crate) fn row(outlook: Act, platform: Act) -> Row {
    let found = ROWS
        .iter()
        .find(|row| row.outlook == outlook && row.platform == platform);
    *found.unwrap_or_else(|| misprint("a row is missing"))
}

fn read(line: &str) -> Row {
    let mut words: Vec<&str> = line.split('|').map(str::trim).collect();
    for at in 1..words.len() {
        if words[at] == "=" {
            words[at] = words[at - 1];
        }
    }
    let &[outlook, platform, first, second, third, fourth, clash] = words.as_slice() else {
        misprint(line)
    };
    Row {
        outlook: act(outlook),
        platform: act(platform),
        outlook_first: state(first),
        platform_first: state(second),
        outlook_prevails: state(third),
        platform_prevails: state(fourth),
        clash: match clash {
            "" => None,
            "title" => Some(Clash::Title),
            "folder" => Some(Clash::Folder),
            "being" => Some(Clash::Being),
            other => misprint(other),
        },
    }
}

fn act(word: &str) -> Act {
    let found = Act::ALL.into_iter().find(|act| act.name() == word);
    found.unwrap_or_else(|| misprint(word))
}

fn state(word: &str) -> Option<State> {
    if word == "gone" {
        return None;
    }
    let mark = |letter: &str| match letter {
        "-" => Mark::Before,
        "O" => Mark::Outlook,
        "P" => Mark::Platform,
        other => misprint(other),
    };
    let (members, folder) = word.split_once(" @").unwrap_or_else(|| misprint(word));
    let marks: Vec<Mark> = members.split('/').map(mark).collect();
    let &[title, department, office] = marks.as_slice() else {
        misprint(word)
    };
    Some(State {
        title,
        department,
        office,
        folder: match folder {
            "-" => Folder::Before,
            "O" => Folder::Outlook,
            "P" => Folder::Platform,
            other => misprint(other),
        },
    })
}

#[expect(
    clippy::panic,
    reason = "the table is a constant: whoever writes it wrong finds out at once"
)]
fn misprint(what: &str) -> ! {
    panic!("the matrix is misprinted at {what:?}")
}
