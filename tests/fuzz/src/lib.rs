//! Hostile input for everything that reads what others send, as functions from bytes: libFuzzer calls them with what it
//! makes up (`fuzz_targets`), and `cargo test` with the files of `corpus`, on every platform and without an engine.
//!
//! Knows what must hold whatever comes in. Must not know the network: what the functions talk to is played in this
//! process (`cloud`, `graph_answer`). A target that finds its law broken panics.
//!
//! | Target | What is read | What must hold |
//! | --- | --- | --- |
//! | `webhook` | an event of the public function URL | only the token is echoed; nothing is queued that was not signed by us |
//! | `api_body` | a request to the API | never a 5xx; an error is a problem |
//! | `graph_answer` | answers of Graph and of its login | no other host is asked, and the end comes |
//! | `vcard`, `jscontact` | cards to be imported | exported again they say the same, in both formats |
//! | `message` | messages of the queues | what can be read is written and read as the same; the rest comes again |
//! | `stream_record` | records of the tables' streams | told in events that fit the bus, or left alone |

pub mod api_body;
mod cards;
mod cloud;
pub mod graph_answer;
pub mod jscontact;
pub mod message;
mod request;
pub mod stream_record;
pub mod vcard;
pub mod webhook;

/// What runs on one input.
pub type Target = fn(&[u8]);

/// Every target, by the name of its binary and of its corpus.
pub const TARGETS: [(&str, Target); 7] = [
    ("webhook", webhook::run),
    ("api-body", api_body::run),
    ("graph-answer", graph_answer::run),
    ("vcard", vcard::run),
    ("jscontact", jscontact::run),
    ("message", message::run),
    ("stream-record", stream_record::run),
];

/// Runs a future to its end on this thread. What the targets wait for is in this process, and no clock goes on.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: Option<tokio::runtime::Runtime> =
            tokio::runtime::Builder::new_current_thread().enable_all().build().ok();
    }
    RUNTIME.with(|runtime| match runtime {
        Some(runtime) => runtime.block_on(future),
        None => panic!("this machine has no room for a runtime"),
    })
}
