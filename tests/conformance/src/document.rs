//! The `OpenAPI` document as data: operations by method and path, and schemas that compile.
//!
//! Knows `OpenAPI` 3.1, as far as the fixture uses it. Must not know exchanges.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// The document: 50 paths of Graph v1.0 about contacts and subscriptions (its credit is in its header).
const TEXT: &str = include_str!("../fixtures/graph-contacts-openapi-3.1.yaml");

/// Why the document can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It isn't YAML.
    #[error("the document is not YAML")]
    Yaml(#[from] serde_norway::Error),
    /// A schema of it doesn't compile.
    #[error("a schema of {place} doesn't compile: {why}")]
    Schema {
        /// Where it stands.
        place: String,
        /// What the compiler said.
        why: String,
    },
}

/// The whole document.
pub(crate) struct Document {
    root: Value,
    templates: Vec<Template>,
}

/// One path of the document.
struct Template {
    path: String,
    segments: Vec<String>,
}

/// One operation.
pub(crate) struct Found<'a> {
    /// Method and path template.
    pub(crate) name: String,
    pub(crate) operation: &'a Value,
}

impl Document {
    pub(crate) fn read() -> Result<Self, ReadError> {
        let root: Value = serde_norway::from_str(TEXT)?;
        let mut templates: Vec<Template> = root["paths"].as_object().map(paths).unwrap_or_default();
        // `/contacts/delta` must be tried before `/contacts/{contact-id}` (facts 13).
        templates.sort_by_key(|template| template.segments.iter().filter(|it| it.starts_with('{')).count());
        Ok(Self { root, templates })
    }

    /// All operations by name.
    pub(crate) fn operations(&self) -> Vec<String> {
        let methods = ["get", "post", "put", "patch", "delete"];
        let of = |template: &Template| {
            let item = &self.root["paths"][&template.path];
            let here = methods.iter().filter(|method| item.get(**method).is_some());
            here.map(|method| name(method, &template.path))
                .collect::<Vec<_>>()
        };
        self.templates.iter().flat_map(of).collect()
    }

    /// The operation that a request asks for. `path` starts after the version.
    pub(crate) fn find(&self, method: &str, path: &str) -> Option<Found<'_>> {
        let segments: Vec<String> = path
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let method = method.to_ascii_lowercase();
        let template = self
            .templates
            .iter()
            .find(|template| template.matches(&segments))?;
        let operation = self.root["paths"][&template.path].get(&method)?;
        Some(Found {
            name: name(&method, &template.path),
            operation,
        })
    }

    /// Follows a `$ref` into the document.
    pub(crate) fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"]
            .as_str()
            .and_then(|reference| reference.strip_prefix('#'))
        {
            Some(pointer) => self.root.pointer(pointer).unwrap_or(&Value::Null),
            None => value,
        }
    }

    /// A validator for a schema of the document; references in it lead into the document.
    pub(crate) fn compile(&self, place: &str, schema: &Value) -> Result<jsonschema::Validator, ReadError> {
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "components": self.root["components"],
            "allOf": [schema],
        });
        let built = jsonschema::options().should_validate_formats(true).build(&whole);
        built.map_err(|error| ReadError::Schema {
            place: place.to_owned(),
            why: error.to_string(),
        })
    }
}

fn paths(paths: &Map<String, Value>) -> Vec<Template> {
    let template = |path: &String| Template {
        path: path.clone(),
        segments: path.split('/').map(str::to_owned).collect(),
    };
    paths.keys().map(template).collect()
}

fn name(method: &str, path: &str) -> String {
    format!("{} {path}", method.to_ascii_uppercase())
}

impl Template {
    fn matches(&self, segments: &[String]) -> bool {
        let fits = |(mine, theirs): (&String, &String)| {
            mine == theirs || (mine.starts_with('{') && !theirs.is_empty() && theirs != "$count")
        };
        self.segments.len() == segments.len() && self.segments.iter().zip(segments).all(fits)
    }
}
