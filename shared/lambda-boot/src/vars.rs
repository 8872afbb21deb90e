//! Configuration out of environment variables.
//!
//! Knows how to report every missing or unreadable variable at once. Must not know which variables there are.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::de::DeserializeOwned;

/// Reads variables through a lookup, and remembers what was wrong with them.
///
/// An empty variable counts as unset, because a template can't leave one out.
///
/// ```
/// # use lambda_boot::{Vars, VarsError};
/// struct Config { queue: String, page: u32 }
///
/// let config = Vars::read(
///     |name| (name == "QUEUE_URL").then(|| "https://sqs.example/queue".to_owned()),
///     |vars| Config { queue: vars.required("QUEUE_URL"), page: vars.parsed("PAGE", 100) },
/// )?;
/// assert_eq!((config.queue.as_str(), config.page), ("https://sqs.example/queue", 100));
/// # Ok::<_, VarsError>(())
/// ```
pub struct Vars<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: BTreeMap<String, String>,
}

/// Every variable that is missing or unreadable, by name. Values are not shown: some are secret.
#[derive(Debug, thiserror::Error)]
#[error("the environment is incomplete: {}", list(.problems))]
pub struct VarsError {
    /// What is wrong with each variable.
    pub problems: BTreeMap<String, String>,
}

impl Vars<'_> {
    /// Builds a configuration, and returns it only where no variable had a problem.
    pub fn read<C>(
        lookup: impl Fn(&str) -> Option<String>,
        build: impl FnOnce(&mut Vars<'_>) -> C,
    ) -> Result<C, VarsError> {
        let mut vars = Vars {
            lookup: &lookup,
            problems: BTreeMap::new(),
        };
        let config = build(&mut vars);
        if vars.problems.is_empty() {
            Ok(config)
        } else {
            Err(VarsError {
                problems: vars.problems,
            })
        }
    }

    /// A variable that must be set. Where it is not, the default value takes its place until [`Vars::read`] fails.
    pub fn required<T>(&mut self, name: &str) -> T
    where
        T: FromStr<Err: Display> + Default,
    {
        if self.value(name).is_none() {
            self.problems.insert(name.to_owned(), "is not set".to_owned());
        }
        self.optional(name).unwrap_or_default()
    }

    /// A variable that may be missing.
    pub fn optional<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        match self.value(name)?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.problems
                    .insert(name.to_owned(), format!("can't be read: {error}"));
                None
            }
        }
    }

    /// A variable that may be missing, and what stands for it then.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str, default: T) -> T {
        self.optional(name).unwrap_or(default)
    }

    /// A variable that holds one of the words by which serde knows the values of a type; the default where it is not
    /// set.
    pub fn word<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        let word = self.optional::<Word<T>>(name);
        word.map(|word| word.0).unwrap_or_default()
    }

    fn value(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }
}

/// A value by its word.
struct Word<T>(T);

impl<T: DeserializeOwned> FromStr for Word<T> {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        serde_json::from_value(text.into())
            .map(Self)
            .map_err(|_| UnknownWord)
    }
}

/// No value is known by this word.
#[derive(Debug, thiserror::Error)]
#[error("none of the words that it may be")]
struct UnknownWord;

/// The lookup of this process; only a `main.rs` hands it to [`Vars::read`].
#[expect(clippy::disallowed_methods, reason = "this is the place the rule points to")]
pub fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn list(problems: &BTreeMap<String, String>) -> String {
    problems
        .iter()
        .map(|(name, problem)| format!("{name} {problem}"))
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_reported_at_once_and_no_value_is_shown() {
        let env = |name: &str| match name {
            "PAGE" => Some("many-secret".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let error = Vars::read(env, |vars| {
            (
                vars.required::<String>("QUEUE"),
                vars.required::<String>("EMPTY"),
                vars.parsed("PAGE", 5_u32),
            )
        });
        assert_eq!(
            error.unwrap_err().to_string(),
            "the environment is incomplete: EMPTY is not set; PAGE can't be read: invalid digit found in string; \
             QUEUE is not set"
        );
    }
}
