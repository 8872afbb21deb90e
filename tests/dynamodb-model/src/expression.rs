//! Conditions: as much of the language of expressions as the store speaks.
//!
//! `AND`, `OR`, `NOT` and brackets; comparisons, `BETWEEN`, `begins_with`, `attribute_exists` and `attribute_not_exists` of
//! attributes of the top level. Names are `#alias` or plain, values `:alias`. Must not know where an expression is from.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::{Item, Refusal};

/// The names and values that expressions of a request speak of.
#[derive(Clone, Copy)]
pub(crate) struct Aliases<'a> {
    pub(crate) names: &'a BTreeMap<String, String>,
    pub(crate) values: &'a Item,
}

impl<'a> Aliases<'a> {
    /// The attribute's name that stands for this one.
    pub(crate) fn name(self, alias: &'a str) -> Result<&'a str, Refusal> {
        if alias.contains(['.', '[']) {
            return Err(unknown(alias));
        }
        if !alias.starts_with('#') {
            return Ok(alias);
        }
        let name = self.names.get(alias);
        name.map(String::as_str)
            .ok_or_else(|| Refusal::Invalid(format!("the name {alias} is not defined")))
    }

    fn value(self, alias: &str) -> Result<&'a Value, Refusal> {
        let value = self.values.get(alias);
        value.ok_or_else(|| Refusal::Invalid(format!("the value {alias} is not defined")))
    }
}

/// A condition on an item.
pub(crate) enum Condition<'a> {
    All(Vec<Condition<'a>>),
    Any(Vec<Condition<'a>>),
    Not(Box<Condition<'a>>),
    Exists(&'a str),
    Begins(&'a str, &'a Value),
    Between(&'a str, &'a Value, &'a Value),
    Compare(&'a str, Comparison, &'a Value),
}

/// A comparator.
#[derive(Clone, Copy)]
pub(crate) enum Comparison {
    Is,
    IsNot,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl<'a> Condition<'a> {
    pub(crate) fn parse(text: &'a str, aliases: Aliases<'a>) -> Result<Self, Refusal> {
        let mut parser = Parser {
            words: words(text).peekable(),
            aliases,
        };
        let condition = parser.any()?;
        match parser.words.next() {
            None => Ok(condition),
            Some(word) => Err(unknown(word)),
        }
    }

    /// The one text that this attribute has to be.
    pub(crate) fn text_of(&self, attribute: &str) -> Option<&'a str> {
        match self {
            Self::Compare(name, Comparison::Is, value) if *name == attribute => text(value),
            Self::All(conditions) => conditions.iter().find_map(|one| one.text_of(attribute)),
            Self::Any(conditions) => match &conditions[..] {
                [condition] => condition.text_of(attribute),
                _ => None,
            },
            Self::Not(_) | Self::Exists(_) | Self::Begins(..) | Self::Between(..) | Self::Compare(..) => None,
        }
    }

    /// True where the item fulfils it. An item that is not there has no attributes.
    pub(crate) fn holds(&self, item: Option<&Item>) -> bool {
        let attribute = |name: &str| item.and_then(|item| item.get(name));
        match self {
            Self::All(conditions) => conditions.iter().all(|one| one.holds(item)),
            Self::Any(conditions) => conditions.iter().any(|one| one.holds(item)),
            Self::Not(condition) => !condition.holds(item),
            Self::Exists(name) => attribute(name).is_some(),
            Self::Begins(name, prefix) => match (attribute(name).and_then(text), text(prefix)) {
                (Some(text), Some(prefix)) => text.starts_with(prefix),
                _ => false,
            },
            Self::Between(name, first, last) => attribute(name).is_some_and(|value| {
                Comparison::AtLeast.holds(value, first) && Comparison::AtMost.holds(value, last)
            }),
            Self::Compare(name, Comparison::IsNot, value) => attribute(name) != Some(value),
            Self::Compare(name, comparison, value) => {
                attribute(name).is_some_and(|attribute| comparison.holds(attribute, value))
            }
        }
    }
}

impl Comparison {
    fn holds(self, one: &Value, other: &Value) -> bool {
        let Some(order) = order(one, other) else {
            return match self {
                Self::Is => one == other,
                Self::IsNot => one != other,
                Self::Less | Self::AtMost | Self::Greater | Self::AtLeast => false,
            };
        };
        match self {
            Self::Is => order.is_eq(),
            Self::IsNot => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

/// The order of two texts or two whole numbers; `None`: they have none.
fn order(one: &Value, other: &Value) -> Option<Ordering> {
    if let (Some(one), Some(other)) = (text(one), text(other)) {
        return Some(one.cmp(other));
    }
    let number = |value: &Value| value.get("N")?.as_str()?.parse::<i128>().ok();
    Some(number(one)?.cmp(&number(other)?))
}

/// What an attribute is, where it is a text.
pub(crate) fn text(attribute: &Value) -> Option<&str> {
    attribute.get("S")?.as_str()
}

fn unknown(word: &str) -> Refusal {
    Refusal::NotModelled(format!("{word:?} in an expression"))
}

/// Names, values, comparators, brackets and commas.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let end = match first {
            '<' | '>' if rest[1..].starts_with(['=', '>']) => 2,
            '(' | ')' | ',' | '=' | '<' | '>' => 1,
            _ => {
                let end = rest.find(|it: char| it.is_whitespace() || "(),=<>".contains(it));
                end.unwrap_or(rest.len())
            }
        };
        let (word, behind) = rest.split_at(end);
        rest = behind;
        Some(word)
    })
}

struct Parser<'a, W: Iterator<Item = &'a str>> {
    words: std::iter::Peekable<W>,
    aliases: Aliases<'a>,
}

impl<'a, W: Iterator<Item = &'a str>> Parser<'a, W> {
    fn takes(&mut self, word: &str) -> bool {
        self.words
            .next_if(|next| next.eq_ignore_ascii_case(word))
            .is_some()
    }

    fn expects(&mut self, word: &str) -> Result<(), Refusal> {
        if self.takes(word) {
            return Ok(());
        }
        Err(unknown(self.words.next().unwrap_or("the end")))
    }

    fn next(&mut self) -> Result<&'a str, Refusal> {
        self.words.next().ok_or_else(|| unknown("the end"))
    }

    fn value(&mut self) -> Result<&'a Value, Refusal> {
        let word = self.next()?;
        if !word.starts_with(':') {
            return Err(unknown(word));
        }
        self.aliases.value(word)
    }

    fn any(&mut self) -> Result<Condition<'a>, Refusal> {
        let mut conditions = vec![self.all()?];
        while self.takes("OR") {
            conditions.push(self.all()?);
        }
        Ok(Condition::Any(conditions))
    }

    fn all(&mut self) -> Result<Condition<'a>, Refusal> {
        let mut conditions = vec![self.one()?];
        while self.takes("AND") {
            conditions.push(self.one()?);
        }
        Ok(Condition::All(conditions))
    }

    fn one(&mut self) -> Result<Condition<'a>, Refusal> {
        if self.takes("NOT") {
            return Ok(Condition::Not(Box::new(self.one()?)));
        }
        if self.takes("(") {
            let condition = self.any()?;
            self.expects(")")?;
            return Ok(condition);
        }
        let word = self.next()?;
        if self.takes("(") {
            return self.call(word);
        }
        let name = self.aliases.name(word)?;
        let comparison = match self.next()? {
            "=" => Comparison::Is,
            "<>" => Comparison::IsNot,
            "<" => Comparison::Less,
            "<=" => Comparison::AtMost,
            ">" => Comparison::Greater,
            ">=" => Comparison::AtLeast,
            word if word.eq_ignore_ascii_case("BETWEEN") => {
                let first = self.value()?;
                self.expects("AND")?;
                return Ok(Condition::Between(name, first, self.value()?));
            }
            word => return Err(unknown(word)),
        };
        Ok(Condition::Compare(name, comparison, self.value()?))
    }

    fn call(&mut self, function: &str) -> Result<Condition<'a>, Refusal> {
        let name = self.next()?;
        let name = self.aliases.name(name)?;
        let condition = match function {
            "attribute_exists" => Condition::Exists(name),
            "attribute_not_exists" => Condition::Not(Box::new(Condition::Exists(name))),
            "begins_with" => {
                self.expects(",")?;
                Condition::Begins(name, self.value()?)
            }
            _ => return Err(unknown(function)),
        };
        self.expects(")")?;
        Ok(condition)
    }
}
