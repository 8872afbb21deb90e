//! Logs: one JSON object a line on standard output, in the form that Lambda's JSON log format knows.
//!
//! Knows levels and where to write. Must not let contact data or secrets through that were not meant for a log.

use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;

use crate::process_env;

/// What a more talkative level must not open up: at DEBUG and TRACE these print requests and answers, and with them
/// tokens and contacts.
const CAPPED: &str = "aws=info,hyper=info,h2=info,rustls=info,reqwest=info,lambda_runtime=info";

/// Starts logging for a function, and makes panics part of the log. Once per process; a second call changes nothing.
///
/// JSON always, not only where `AWS_LAMBDA_LOG_FORMAT` says so: queries over the logs need the fields.
pub fn telemetry(function: &'static str) {
    let started = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_env_filter(EnvFilter::new(directives(process_env)))
        .try_init();
    if started.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
        tracing::debug!(function, "logging has started");
    }
}

/// Lambda's own setting goes first (the template's `LoggingConfig` sets it), with the foreign crates capped;
/// `RUST_LOG` is for a developer, who gets exactly what was asked for.
fn directives(env: impl Fn(&str) -> Option<String>) -> String {
    let level = env("AWS_LAMBDA_LOG_LEVEL").map(|level| level.to_lowercase());
    match level.as_deref() {
        Some(level @ ("trace" | "debug")) => format!("{level},{CAPPED}"),
        Some(level @ ("info" | "warn" | "error")) => level.to_owned(),
        Some("fatal") => "error".to_owned(), // tracing has no such level
        _ => env("RUST_LOG")
            .filter(|directives| !directives.is_empty())
            .unwrap_or_else(|| "info".to_owned()),
    }
}

/// A panic's place always; its words only where they are a literal of the source. A formatted message may quote the
/// value that was being worked on, and so a contact (`unwrap` prints the error, slicing prints the text).
fn log_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let words = info
        .payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("(left out: it may quote data)");
    tracing::error!(panic.place = place, panic.words = words, "panicked");
}

/// An error with all its sources, for the one place that handles and logs it: our errors don't repeat their sources.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambdas_level_goes_before_rust_log_and_caps_what_would_print_requests() {
        let check = |lambda: Option<&'static str>, rust: Option<&'static str>, expected: &str| {
            let env = move |name: &str| if name == "RUST_LOG" { rust } else { lambda }.map(str::to_owned);
            assert_eq!(directives(env), expected);
        };
        check(None, None, "info");
        check(None, Some("sync_engine=trace"), "sync_engine=trace");
        check(Some("WARN"), Some("trace"), "warn");
        check(Some("FATAL"), None, "error");
        check(Some("DEBUG"), None, &format!("debug,{CAPPED}"));
        check(Some("LOUD"), None, "info");
    }

    #[test]
    fn an_error_is_told_with_all_its_sources() {
        #[derive(Debug, thiserror::Error)]
        #[error("the message can't be read")]
        struct Outer(#[source] std::num::ParseIntError);
        let error = Outer("x".parse::<u8>().unwrap_err());
        assert_eq!(
            chain(&error),
            "the message can't be read: invalid digit found in string"
        );
    }

    #[test]
    fn a_panic_that_quotes_data_leaves_only_its_place_in_the_log() {
        use std::io::Write;
        use std::sync::{Arc, Mutex};

        #[derive(Clone, Default)]
        struct Log(Arc<Mutex<Vec<u8>>>);
        impl Write for Log {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }

        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_writer(move || writer.clone())
            .finish();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(log_panic));
        tracing::subscriber::with_default(subscriber, || {
            let name = "Ada Lovelace";
            let _ = std::panic::catch_unwind(|| panic!("can't read {name}"));
            let _ = std::panic::catch_unwind(|| panic!("a literal"));
        });
        std::panic::set_hook(before);

        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.matches("telemetry.rs:").count(), 2, "{log}");
        assert!(log.contains("a literal") && !log.contains("Ada"), "{log}");
    }
}
