//! How the OpenAPI document says that a route needs a key.

use utoipa::openapi::{
    OpenApi,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

/// Adds the scheme that operators' routes name.
pub(super) fn described(mut api: OpenApi) -> OpenApi {
    let operator_key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "An operator's key; `api keys add --name NAME --role operator` makes one.",
        ))
        .build();
    api.components
        .get_or_insert_default()
        .add_security_scheme("operator_key", SecurityScheme::Http(operator_key));
    api
}
