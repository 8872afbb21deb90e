//! Bugs that a test plants, to see whether it would find them.
//!
//! Knows their names, and which one is planted in this thread. Without the feature `seeded-bugs` there is none, and the
//! compiler knows it: nothing of them is left in a function. Must not know what they do: each is one call of [`bug`], at the
//! place of what it breaks.

/// A bug, named by what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A delta link is saved before its page is written.
    LinkBeforePage,
    /// A create whose answer was lost is sent again, and nobody looks for its stamp.
    CreateRepeated,
    /// What the mirror has just so is taken for something new.
    EchoTaken,
    /// Of a contact that is buried no tombstone is left.
    TombstoneDropped,
    /// A removal that delta tells of is believed without a look.
    DeleteWithoutEvidence,
    /// A second edit forgets on what the first one was based.
    BaseNotKept,
    /// Updates and deletes go out without a condition.
    IfMatchNotSent,
    /// The answer to an edit ends the one as well that was made meanwhile.
    EditCleared,
    /// A conflict is decided, and not written down.
    ConflictNotLogged,
}

#[cfg(feature = "seeded-bugs")]
std::thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in this thread, in the place of another one. `None`: there is none.
#[cfg(feature = "seeded-bugs")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// True where this bug is planted.
#[cfg(feature = "seeded-bugs")]
pub fn bug(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// No bug is ever planted.
#[cfg(not(feature = "seeded-bugs"))]
pub const fn bug(_: Bug) -> bool {
    false
}
