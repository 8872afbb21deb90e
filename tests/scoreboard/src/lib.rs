//! The scoreboard's judgement: scripts, histories, verdicts and tables.
//!
//! Knows what two sides acknowledged and what is there at the end. Must not know HTTP, Graph, nor whose program is judged.

mod history;
mod judge;
mod script;
mod table;

pub use history::{Act, Card, Deed, Ending, Event, History, Members, Side};
pub use judge::{Fault, Verdict, apart, judge};
pub use script::{Script, Step};
pub use table::{Row, details, summary};
