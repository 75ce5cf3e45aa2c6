//! `GET /v1/events`: the history.

use serde_json::Value;
use storage::events::{EventFilter, PastEvent};

use super::{
    super::list::{Filter, List, ListJson, Listed, Part, Times, during, is_number, list},
    EventType, TYPES,
};
use crate::{
    input::{Faults, Params, Query},
    problem::Problem,
    registry::Registry,
};

impl Filter for EventFilter {
    const NAMES: &'static [&'static str] = &["type", "since", "until"];

    fn is_cursor(text: &str) -> bool {
        is_number(text)
    }

    fn read(query: &Query, faults: &mut Faults) -> Option<Self> {
        let name = name(query, faults);
        let during = during(query, faults);
        Some(Self {
            name: name?,
            during: during?,
        })
    }
}

/// The type that is wanted.
#[expect(clippy::option_option, reason = "wrong, absent and there are three things")]
pub(super) fn name(query: &Query, faults: &mut Faults) -> Option<Option<String>> {
    let what = format!("one of {}", TYPES.join(", "));
    let known = |text: &str| TYPES.contains(&text).then(|| text.to_owned());
    query.optional("type", &what, known, faults)
}

/// List events
///
/// CloudEvents 1.0 in the order of their commits, oldest first; none is ever added before one that was seen.
#[utoipa::path(get, path = "/v1/events", tag = "events", operation_id = "events",
    params(("type" = Option<EventType>, Query, description = "Only of this type.", example = "model.ready"), Times, Part, ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before; left out for the first part.", pattern = "^[0-9]{1,18}$", example = "17")),
    responses((status = 200, description = "Oldest first", body = List<Value>,
        example = json!({"items": [{"specversion": "1.0", "id": "0198c2f0-5b1e-7cc4-b7a5-2f6a3c1d9e88", "source": "urn:lapidary", "type": "dataset.ready", "subject": "datasets/2", "time": "2026-01-31T12:00:00Z", "datacontenttype": "application/json", "dataschema": "urn:lapidary:dataset.ready:1", "data": {"dataset_version": 2, "rows": 53775}}], "next_cursor": null}))))]
pub(crate) async fn events(
    Params(Listed(filter, page)): Params<Listed<EventFilter>>,
    registry: Registry,
) -> Result<ListJson, Problem> {
    let (registry, filter) = (&registry, &filter);
    list(page, |page| async move {
        let events = registry.events(filter, &page).await?;
        Ok(events.map(|event: PastEvent| (event.seq.to_string(), event.body)))
    })
    .await
}
