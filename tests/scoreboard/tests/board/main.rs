//! The judge finds what there is to find, and nothing else; the scripts can be read.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod judging;
mod scripts;
