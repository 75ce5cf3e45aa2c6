//! `GET /v1/promotions`: who was champion when, and why.

use domain::{ModelVersion, model::Promotion};
use storage::promotions::PromotionFilter;

use super::{
    list::{Filter, List, ListJson, Listed, Part, Times, during, is_number, list},
    runs::small,
};
use crate::{
    input::{Faults, Params, Query},
    problem::Problem,
    registry::Registry,
};

impl Filter for PromotionFilter {
    const NAMES: &'static [&'static str] = &["model_version", "since", "until"];

    fn is_cursor(text: &str) -> bool {
        is_number(text)
    }

    fn read(query: &Query, faults: &mut Faults) -> Option<Self> {
        let version = |text: &str| ModelVersion::try_from(small(text)?).ok();
        let model_version = query.optional("model_version", "a model version, such as 3", version, faults);
        let during = during(query, faults);
        Some(Self {
            model_version: model_version?,
            during: during?,
        })
    }
}

/// List promotions
///
/// Newest first: by the gate, by hand, and rollbacks.
#[utoipa::path(get, path = "/v1/promotions", tag = "models", operation_id = "promotions",
    params(("model_version" = Option<u32>, Query, description = "Only of this model.", minimum = 1, example = 3), Times, Part, ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before; left out for the first part.", pattern = "^[0-9]{1,18}$", example = "17")),
    responses((status = 200, description = "Newest first", body = List<Promotion>)))]
pub(crate) async fn promotions(
    Params(Listed(filter, page)): Params<Listed<PromotionFilter>>,
    registry: Registry,
) -> Result<ListJson, Problem> {
    let registry = &registry;
    list(page, |page| async move {
        let promotions = registry.promotions(filter, &page).await?;
        Ok(promotions.map(|promotion| (promotion.promotion.to_string(), promotion)))
    })
    .await
}
