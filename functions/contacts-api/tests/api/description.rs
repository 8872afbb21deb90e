//! The description agrees with the code, with the copy in the repository, and with every answer of every test.

use std::sync::LazyLock;

use axum::http::Uri;
use serde_json::{Value, json};

use crate::world::{Answer, World};

static DESCRIPTION: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(contacts_api::openapi()).unwrap());

const COPY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "how a developer asks for the copy to be rewritten"
)]
fn the_copy_in_the_repository_is_the_description_that_the_code_gives() {
    let description = format!("{:#}\n", *DESCRIPTION);
    if std::env::var("UPDATE_OPENAPI").is_ok() {
        std::fs::write(COPY, &description).unwrap();
    }
    let copy = std::fs::read_to_string(COPY).unwrap_or_default();
    assert!(
        copy == description,
        "rewrite docs/openapi.json: UPDATE_OPENAPI=1 cargo test -p contacts-api"
    );
}

#[tokio::test]
async fn the_api_serves_its_description() {
    let api = World::start().await;
    assert_eq!(api.get("/v1/openapi.json").await.expect(200).body, *DESCRIPTION);
    assert_eq!(
        api.get("/v1/health").await.expect(200).body,
        json!({"status": "ok"})
    );
}

#[test]
fn the_description_is_whole() {
    assert_eq!(DESCRIPTION["openapi"], "3.1.0");
    let mut references = Vec::new();
    collect(&DESCRIPTION, "$ref", &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let target = DESCRIPTION.pointer(reference.as_str().unwrap().trim_start_matches('#'));
        assert!(target.is_some(), "{reference} names nothing");
    }
    for (path, item) in DESCRIPTION["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let known = ["operationId", "summary", "tags", "responses"];
            assert!(
                known.iter().all(|member| operation.get(member).is_some()),
                "{method} {path}"
            );
        }
    }
    let mut names = Vec::new();
    collect(&DESCRIPTION, "operationId", &mut names);
    let count = names.len();
    names.sort_by_key(ToString::to_string);
    names.dedup();
    assert_eq!(names.len(), count, "operation ids are unique");
}

/// Fails unless the description has this answer: its path, method, status, media type and body, and the parameters
/// that were taken.
#[track_caller]
pub(crate) fn check(method: &str, uri: &Uri, answer: &Answer) {
    let path = uri.path();
    let mut schema = if let Some(operation) = operation(method, path) {
        let response = &operation["responses"][answer.status.to_string()];
        assert!(
            response.is_object(),
            "{method} {path} answered with {}, which is not described",
            answer.status
        );
        if answer.status == 304 {
            return;
        }
        let media_type = answer.header("content-type");
        let content = &response["content"][media_type];
        assert!(
            content.is_object(),
            "{method} {path}: {} as {media_type:?} is not described",
            answer.status
        );
        if answer.status == 200 {
            let described: Vec<_> = operation["parameters"].as_array().into_iter().flatten().collect();
            for parameter in uri
                .query()
                .unwrap_or_default()
                .split('&')
                .filter(|pair| !pair.is_empty())
            {
                let name = parameter.split('=').next();
                let known = described
                    .iter()
                    .any(|known| known["in"] == "query" && known["name"].as_str() == name);
                assert!(known, "{method} {path} took {parameter}, which is not described");
            }
        }
        content["schema"].clone()
    } else {
        // No operation, so none could describe that there is none.
        assert!(
            matches!(answer.status, 404 | 405),
            "{method} {path} answered, and is not described"
        );
        json!({"$ref": "#/components/schemas/Problem"})
    };
    schema["components"] = DESCRIPTION["components"].clone();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(&answer.body)
        .map(|error| format!("{error}"))
        .collect();
    assert!(
        errors.is_empty(),
        "{method} {path}: {errors:?} in {:#}",
        answer.body
    );
}

fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let fits = |template: &str| {
        let (parts, wanted): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
        parts.len() == wanted.len()
            && parts
                .iter()
                .zip(wanted)
                .all(|(part, wanted)| wanted.starts_with('{') || *part == wanted)
    };
    let (_, item) = DESCRIPTION["paths"]
        .as_object()?
        .iter()
        .find(|(template, _)| fits(template))?;
    item.get(method)
}

fn collect<'v>(value: &'v Value, member: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get(member).filter(|value| value.is_string()));
            members.values().for_each(|value| collect(value, member, found));
        }
        Value::Array(elements) => elements.iter().for_each(|value| collect(value, member, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
