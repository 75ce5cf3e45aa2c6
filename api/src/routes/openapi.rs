//! The OpenAPI document: what the routes say of themselves, and what holds for all of them.

use utoipa::{
    OpenApi,
    openapi::{
        OpenApi as Document,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

#[derive(OpenApi)]
#[openapi(info(title = "Lapidary", description = "Diamond prices, explained and on record."))]
struct Description;

/// The document without its routes.
pub(super) fn begun() -> Document {
    let mut document = Description::openapi();
    let operator_key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "An operator's key; `api keys add --name NAME --role operator` makes one.",
        ))
        .build();
    document
        .components
        .get_or_insert_default()
        .add_security_scheme("operator_key", SecurityScheme::Http(operator_key));
    document
}

/// Adds what every route has in common.
pub(super) fn complete(document: Document) -> Document {
    document
}
