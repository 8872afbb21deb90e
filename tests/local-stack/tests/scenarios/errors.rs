//! What the handlers log. An error is a failure of the story, unless it says that the error has to come.
//!
//! Each story runs on a thread of its own, and what listens is that thread's default subscriber.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// What has been logged as an error since the watch began. Dropped with errors in it, it fails the test.
pub(crate) struct Errors {
    seen: Lines,
    _watch: DefaultGuard,
}

impl Errors {
    pub(crate) fn watch() -> Self {
        let seen = Lines::default();
        let layer = seen.clone().with_filter(LevelFilter::ERROR);
        let watch = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        Self { seen, _watch: watch }
    }

    /// The story expects errors with this text, at least one, and takes them away.
    pub(crate) fn expect(&self, text: &str) {
        let mut seen = self.seen.0.lock().unwrap();
        let before = seen.len();
        seen.retain(|error| !error.contains(text));
        assert!(seen.len() < before, "no error says {text:?}: {seen:?}");
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let seen = self.seen.0.lock().unwrap();
            assert_eq!(*seen, Vec::<String>::new(), "errors were logged");
        }
    }
}

/// Everything that is logged at any level by what runs in Lambda, the libraries included.
pub(crate) struct Log {
    seen: Lines,
    _watch: DefaultGuard,
}

impl Log {
    pub(crate) fn of_everything() -> Self {
        let seen = Lines::default();
        // The model of AWS is a server in this process: what it logs, nobody deploys.
        let deployed = filter_fn(|of| {
            !["dynoxide", "local_stack", "hyper", "h2"]
                .iter()
                .any(|it| of.target().starts_with(it))
        });
        let layer = seen.clone().with_filter(deployed);
        let watch = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        Self { seen, _watch: watch }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen.0.lock().unwrap().clone()
    }
}

/// Events and the fields of spans, one line each.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn push(&self, name: &str, record: impl FnOnce(&mut Line)) {
        let mut line = Line(format!("{name}: "));
        record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.push(event.metadata().target(), |line| event.record(line));
    }

    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.push(span.metadata().name(), |line| span.record(line));
    }

    fn on_record(&self, _: &Id, fields: &Record<'_>, _: Context<'_, S>) {
        self.push("span", |line| fields.record(line));
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}
