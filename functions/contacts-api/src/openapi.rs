//! The API's description: `OpenAPI` 3.1, made from the handlers.
//!
//! Knows what holds for all operations, so that each handler describes only what is its own. It must not know an
//! operation.

use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ArrayBuilder, Schema};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, Info, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    ResponseBuilder, ServerBuilder, ServerVariableBuilder, path::PathItem,
};
use utoipa::{PartialSchema, ToSchema, openapi::tag::TagBuilder};

use crate::problem::{MEDIA_TYPE, Problem};

const SIGV4: &str = "sigv4";

/// The description before any operation is in it.
pub(crate) fn blank() -> OpenApi {
    let mut components = Components::new();
    components.add_security_scheme(SIGV4, signature());
    let mut schemas = Vec::new();
    Problem::schemas(&mut schemas);
    components.schemas.extend(schemas);
    components
        .schemas
        .insert(Problem::name().into_owned(), Problem::schema());

    let server = ServerBuilder::new().url("https://{functionUrl}").parameter(
        "functionUrl",
        ServerVariableBuilder::new().default_value("example.lambda-url.eu-central-1.on.aws"),
    );
    let tag = |name, text| TagBuilder::new().name(name).description(Some(text)).build();
    OpenApiBuilder::new()
        .info(info())
        .servers(Some([server.build()]))
        .tags(Some([
            tag(
                "mailboxes",
                "Which mailboxes are kept in sync, and how they stand.",
            ),
            tag(
                "contacts",
                "The mirror: what Outlook has or is to have, readable and writable without Outlook.",
            ),
            tag(
                "conflicts",
                "What both sides had changed, who got his way, and deciding otherwise.",
            ),
            tag(
                "history",
                "What contacts were before, who changed them and why, bringing it back, and erasing a person.",
            ),
            tag("service", "The API itself."),
        ]))
        .components(Some(components))
        .security(Some([SecurityRequirement::new(SIGV4, Vec::<String>::new())]))
        .build()
}

fn info() -> Info {
    InfoBuilder::new()
        .title("outlook-contact-sync")
        .version("1")
        .description(Some(
            "Keeps the Outlook contacts of many mailboxes equal to a mirror, and serves the mirror. Any request may be \
             repeated: a contact is created once under its external id or its Idempotency-Key, and changed by who has \
             seen its present version. Every error is a problem (RFC 9457).",
        ))
        .license(Some(
            LicenseBuilder::new()
                .name("Apache-2.0")
                .identifier(Some("Apache-2.0"))
                .build(),
        ))
        .build()
}

/// `OpenAPI` has no scheme of its own for AWS signatures; this is how API Gateway writes it.
fn signature() -> SecurityScheme {
    let text =
        "AWS Signature Version 4 for the service `lambda`, by a principal with lambda:InvokeFunctionUrl.";
    SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
        "Authorization",
        text,
    )))
}

/// Completes a description that has all its operations: failures inside are possible everywhere, and every error
/// has the same body.
pub(crate) fn complete(api: &mut OpenApi) {
    api.components.iter_mut().for_each(name_items);
    for (path, item) in &mut api.paths.paths {
        for operation in operations(item) {
            let responses = &mut operation.responses.responses;
            if path.contains("mailboxes") {
                let inside = ResponseBuilder::new().description("A fault on this side");
                responses.insert("500".to_owned(), RefOr::T(inside.build()));
                let later = ResponseBuilder::new()
                    .description("No room at the moment: repeat after `Retry-After` seconds");
                responses.insert("503".to_owned(), RefOr::T(later.build()));
            }
            for (status, response) in responses {
                let RefOr::T(response) = response else { continue };
                if status.starts_with(['4', '5']) {
                    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name())));
                    response
                        .content
                        .insert(MEDIA_TYPE.to_owned(), RefOr::T(problem.build()));
                }
            }
        }
    }
}

/// Generic schemas come out with their argument written out in them. Named, it is one type for who generates a client.
fn name_items(components: &mut Components) {
    for (name, schema) in &mut components.schemas {
        let Some(item) = name.strip_prefix("Page_") else {
            continue;
        };
        if let RefOr::T(Schema::Object(page)) = schema {
            let items = ArrayBuilder::new()
                .description(Some("The items."))
                .items(Ref::from_schema_name(item));
            page.properties.insert("items".to_owned(), items.into());
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.post,
        &mut item.put,
        &mut item.patch,
        &mut item.delete,
    ]
    .into_iter()
    .flatten()
}
