//! The OpenAPI document: what the routes say of themselves, and what holds for all of them.
//!
//! Which errors a route can answer follows from what it takes: it is added here, so that no route forgets one.

use domain::{Clarity, Color, Cut};
use serde_json::{Value, json};
use utoipa::{
    OpenApi,
    openapi::{
        Content, ObjectBuilder, OpenApi as Document, Ref, RefOr, Response, ResponseBuilder, Schema, Type,
        path::{Operation, Parameter, ParameterIn},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::problem::{BROKEN, Fault, Problem};

const OPERATOR: &str = "operator_key";
const CLIENT: &str = "client_key";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Lapidary",
        description = "Diamond prices, explained and on record.\n\nErrors are RFC 9457 problems that say what to do. \
            Every answer has an `x-request-id`, and an `x-model-version` where a model answered. \
            Rates are told by `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10)."
    ),
    components(schemas(Problem, Fault, super::events::EventType)),
    tags(
        (name = "prices", description = "What a diamond costs, and what such diamonds were sold for."),
        (name = "models", description = "What was trained, and what serves."),
        (name = "data", description = "What came in, and what it came to."),
        (name = "events", description = "What happened, and what happens."),
        (name = "operators", description = "Deciding, for operators' keys."),
    )
)]
struct Description;

/// The document without its routes.
pub(super) fn begun() -> Document {
    let mut document = Description::openapi();
    let components = document.components.get_or_insert_default();
    for (name, says) in [
        (
            OPERATOR,
            "An operator's key; `api keys add --name NAME --role operator` makes one.",
        ),
        (
            CLIENT,
            "A client's or an operator's key, where the setting `api.require_key` asks for one.",
        ),
    ] {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(says));
        components.add_security_scheme(name, SecurityScheme::Http(scheme.build()));
    }
    document
}

/// Adds what every route has in common.
pub(super) fn complete(mut document: Document) -> Document {
    let components = document.components.get_or_insert_default();
    for (quality, says, names) in [
        ("Cut", "How well the stone was cut, worst first.", Cut::NAMES),
        ("Color", "How colorless the stone is, worst first.", Color::NAMES),
        (
            "Clarity",
            "How free of inclusions the stone is, worst first.",
            Clarity::NAMES,
        ),
    ] {
        components.schemas.insert(quality.to_owned(), grades(says, names));
    }
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            complete_operation(operation);
        }
    }
    document
}

/// A quality, whose grades the derived schema would call by the names that they have in the code.
fn grades(says: &str, names: &[&str]) -> RefOr<Schema> {
    let example = names.last().map(|name| json!(name));
    let grades = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(says))
        .examples(example)
        .enum_values(Some(names.iter().copied()));
    RefOr::T(Schema::Object(grades.build()))
}

fn complete_operation(operation: &mut Operation) {
    let for_operators = operation.security.is_some();
    if !for_operators {
        // With a key or, where none is required, without.
        let key = SecurityRequirement::new::<_, [&str; 0], &str>(CLIENT, []);
        operation.security = Some(vec![key, SecurityRequirement::default()]);
    }
    let answers = &mut operation.responses.responses;
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let parameters = parameters.iter().filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    });
    let parameters: Vec<_> = parameters.collect();
    for (status, detail) in refusals(&parameters, operation.request_body.is_some(), for_operators) {
        let added = RefOr::T(refusal(status, detail));
        answers.entry(status.to_string()).or_insert(added);
    }
}

/// The statuses of refusals, each with what one says.
fn refusals(parameters: &[&Parameter], has_body: bool, for_operators: bool) -> Vec<(u16, &'static str)> {
    let mut refusals = vec![
        (
            401,
            "this needs a key; send a key, as the header `Authorization: Bearer KEY`",
        ),
        (
            421,
            "the API is not called by the name that the header `host` gives; call it by its IP address",
        ),
        (
            422,
            "\"colour\" is not a parameter here; there are: limit, cursor",
        ),
        (
            429,
            "more than 200 requests a second came from this address; wait a moment",
        ),
        (500, BROKEN),
        (
            503,
            "no model serves yet: drop a data file into the inbox, and try again in a moment",
        ),
    ];
    let names_something =
        |parameter: &&&Parameter| parameter.parameter_in == ParameterIn::Path || parameter.name == "at";
    if parameters.iter().any(|parameter| names_something(&parameter)) {
        refusals.push((
            404,
            "there is no such model version; GET /v1/models lists those there are",
        ));
    }
    if has_body {
        refusals.extend([
            (400, "the body is not JSON: a missing `:` at line 1, column 9"),
            (
                408,
                "the body did not arrive in time; send it at once, or less of it",
            ),
            (413, "the body is larger than 4194304 bytes; send less at a time"),
            (
                415,
                "send the body as JSON, with the header content-type: application/json",
            ),
        ]);
    }
    if for_operators {
        refusals.extend([
            (403, "this key is a client's, and only operators may do this"),
            (409, "model 3 is champion already"),
        ]);
    }
    refusals
}

fn refusal(status: u16, detail: &str) -> Response {
    let title = axum::http::StatusCode::from_u16(status).ok();
    let title = title
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default();
    let errors: Value = match status {
        422 => json!([{"pointer": "colour", "detail": detail}]),
        _ => json!([]),
    };
    let example =
        json!({"type": "about:blank", "title": title, "status": status, "detail": detail, "errors": errors});
    let mut content = Content::new(Some(Ref::from_schema_name("Problem")));
    content.example = Some(example);
    ResponseBuilder::new()
        .description(title)
        .content("application/problem+json", content)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        let (_, document) = super::super::described().split_for_parts();
        serde_json::to_value(complete(document)).unwrap()
    }

    #[test]
    fn the_document_is_pinned() {
        insta::assert_json_snapshot!(document());
    }

    #[test]
    fn every_operation_is_named_described_and_grouped_and_every_parameter_explained() {
        for (path, item) in document()["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                for field in ["summary", "operationId", "tags", "security", "responses"] {
                    assert!(!operation[field].is_null(), "{method} {path} has no {field}");
                }
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    assert!(
                        parameter["description"].is_string(),
                        "{method} {path}: {parameter}"
                    );
                }
            }
        }
    }

    /// Whether a schema shows what a value looks like, itself or by all of its parts.
    fn has_example(schema: &Value, schemas: &Value) -> bool {
        let says = |name: &str| schema.get(name).is_some();
        if ["example", "examples", "enum", "const"].into_iter().any(says) || schema["type"] == "null" {
            return true;
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap();
            return has_example(&schemas[name], schemas);
        }
        let kinds = ["oneOf", "anyOf", "allOf"].into_iter();
        let alternatives = kinds.filter_map(|kind| schema[kind].as_array()).flatten();
        let properties = schema["properties"].as_object().into_iter();
        let properties = properties.flat_map(serde_json::Map::values);
        let parts: Vec<_> = alternatives
            .chain(properties)
            .chain(schema.get("items"))
            .collect();
        !parts.is_empty() && parts.into_iter().all(|part| has_example(part, schemas))
    }

    #[test]
    fn all_that_is_sent_and_answered_has_an_example() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        let items = document["paths"].as_object().unwrap().values();
        for operation in items.flat_map(|item| item.as_object().unwrap().values()) {
            let answers = operation["responses"].as_object().unwrap().values();
            let contents = answers.chain([&operation["requestBody"]]);
            let contents = contents.filter_map(|it| it["content"].as_object());
            let contents = contents.flat_map(serde_json::Map::values);
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            for shown in contents.chain(parameters) {
                let example = shown.get("example").is_some() || has_example(&shown["schema"], schemas);
                assert!(example, "{}: {shown}", operation["operationId"]);
            }
        }
    }
}
