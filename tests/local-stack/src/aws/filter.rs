//! The filter patterns of event source mappings: which records a function is invoked for.
//!
//! Knows as much of the language as the template uses: nested members, lists of texts, `exists` and `prefix`. Whatever
//! else a pattern says is refused, so that no filter passes more here than on AWS. It must not know what a record is.

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

/// One pattern.
#[derive(Clone, Debug)]
pub struct Filter(Value);

impl Filter {
    /// Reads a pattern, as the template has it.
    pub(super) fn parse(pattern: &str) -> anyhow::Result<Self> {
        let pattern = serde_json::from_str(pattern).context("a filter's pattern is no JSON")?;
        check(&pattern).with_context(|| format!("the pattern {pattern}"))?;
        Ok(Self(pattern))
    }

    /// True where the record has what the pattern asks for.
    pub fn passes(&self, record: &Value) -> bool {
        fits(&self.0, Some(record))
    }
}

fn check(pattern: &Value) -> anyhow::Result<()> {
    let members = pattern.as_object().context("is no object")?;
    ensure!(!members.is_empty(), "asks for nothing");
    for rule in members.values() {
        match rule {
            Value::Object(_) => check(rule)?,
            Value::Array(alternatives) => {
                for one in alternatives {
                    let known = one.is_string() || one["exists"].is_boolean() || one["prefix"].is_string();
                    ensure!(known, "{one} is not modelled");
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                bail!("{rule} is no rule")
            }
        }
    }
    Ok(())
}

fn fits(rule: &Value, value: Option<&Value>) -> bool {
    match rule {
        Value::Object(members) => members
            .iter()
            .all(|(name, rule)| fits(rule, value.and_then(|value| value.get(name)))),
        Value::Array(alternatives) => alternatives.iter().any(|one| is(one, value)),
        // `check` lets nothing else pass.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A leaf: `exists` is about leaves alone, so an object doesn't count.
fn is(one: &Value, value: Option<&Value>) -> bool {
    let value = value.filter(|value| !value.is_object());
    if let Some(exists) = one["exists"].as_bool() {
        return value.is_some() == exists;
    }
    let text = value.and_then(Value::as_str);
    match one["prefix"].as_str() {
        Some(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
        None => value == Some(one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_passes_where_every_member_fits_one_of_its_alternatives() {
        let record =
            json!({ "eventName": "INSERT", "dynamodb": { "NewImage": { "version": { "N": "3" } } } });
        for (pattern, passes) in [
            (r#"{"eventName":["INSERT","MODIFY"]}"#, true),
            (r#"{"eventName":["REMOVE"]}"#, false),
            (r#"{"eventName":[{"prefix":"INS"}]}"#, true),
            (
                r#"{"dynamodb":{"NewImage":{"version":{"N":[{"exists":true}]}}}}"#,
                true,
            ),
            (
                r#"{"dynamodb":{"OldImage":{"version":{"N":[{"exists":true}]}}}}"#,
                false,
            ),
            (
                r#"{"dynamodb":{"OldImage":{"version":{"N":[{"exists":false}]}}}}"#,
                true,
            ),
            (
                r#"{"dynamodb":{"NewImage":{"version":[{"exists":true}]}}}"#,
                false,
            ),
            (
                r#"{"eventName":["INSERT"],"dynamodb":{"Keys":{"sk":{"S":["MAILBOX"]}}}}"#,
                false,
            ),
        ] {
            assert_eq!(
                Filter::parse(pattern).unwrap().passes(&record),
                passes,
                "{pattern}"
            );
        }
    }

    #[test]
    fn what_is_not_modelled_is_refused() {
        for pattern in [
            r#"{"a":[{"numeric":["=",1]}]}"#,
            r#"{"a":"b"}"#,
            "{}",
            "[]",
            "no json",
        ] {
            assert!(Filter::parse(pattern).is_err(), "{pattern}");
        }
    }
}
