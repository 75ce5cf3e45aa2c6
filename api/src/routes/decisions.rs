//! `POST /v1/files/{sha256}/accept`, `/reject`, `/withdraw`: an operator decides on a data file.
//!
//! The decision is written down here, and carried out by ingest.

use axum::{Json, extract::State, http::StatusCode};
use domain::{
    decision::Verb,
    file::{DataFile, FileStatus},
};
use serde::Deserialize;
use storage::decisions::{Order, Ordered};
use utoipa::ToSchema;

use super::files::{STATUSES, missing};
use crate::{
    access::Operator,
    input::{Faults, Fields, FromJson, Json as Sent, JsonBody, Params, Place, Segment, canonical},
    problem::Problem,
    service::App,
};

const LONGEST_REASON: usize = 1000;
const NO_ROWS: &str = "the file is withdrawn and its rows are no longer kept, so it cannot be accepted again: \
    drop its rows as a new file, such as the same one with an empty line more at its end";

/// Why an operator decides so.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    /// For the record, in 1 to 1000 characters, not all of them blank.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"\S",
        example = "checked with the shop"
    )]
    reason: String,
}

impl Why {
    /// What was said, without blanks around it.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }
}

impl FromJson for Why {
    fn from_json(json: &Sent, place: &Place, faults: &mut Faults) -> Option<Self> {
        let what = format!("why, in 1 to {LONGEST_REASON} characters");
        let fields = Fields::of(json, place, &["reason"], faults)?;
        let reason = fields.required("reason", &what, faults)?;
        let place = fields.at("reason");
        let reason = reason
            .text("reason", "checked with the shop", &place, faults)?
            .trim();
        if !(1..=LONGEST_REASON).contains(&reason.chars().count()) {
            faults.add(&place, format!("reason has to say {what}"));
            return None;
        }
        Some(Self {
            reason: reason.to_owned(),
        })
    }
}

type Answer = Result<(StatusCode, Json<DataFile>), Problem>;

/// Accept a file
///
/// Makes a held file part of the dataset, or a withdrawn one again.
///
/// The answer shows the decision as not applied yet; that follows within seconds.
#[utoipa::path(post, path = "/v1/files/{sha256}/accept", tag = "operators", operation_id = "acceptFile",
    params(("sha256" = String, Path, description = "The file's digest.", pattern = "^[0-9a-f]{64}$", example = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03")), request_body = Why,
    security(("operator_key" = [])), responses((status = 202, description = "The file, with the decision", body = DataFile)))]
pub(crate) async fn accept(
    app: State<App>,
    operator: Operator,
    sha256: Segment,
    none: Params<()>,
    why: JsonBody<Why>,
) -> Answer {
    decide(Verb::Accept, app, operator, sha256, none, why).await
}

/// Reject a file
///
/// Nothing of a held file is used.
///
/// The answer shows the decision as not applied yet; that follows within seconds.
#[utoipa::path(post, path = "/v1/files/{sha256}/reject", tag = "operators", operation_id = "rejectFile",
    params(("sha256" = String, Path, description = "The file's digest.", pattern = "^[0-9a-f]{64}$", example = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03")), request_body = Why,
    security(("operator_key" = [])), responses((status = 202, description = "The file, with the decision", body = DataFile)))]
pub(crate) async fn reject(
    app: State<App>,
    operator: Operator,
    sha256: Segment,
    none: Params<()>,
    why: JsonBody<Why>,
) -> Answer {
    decide(Verb::Reject, app, operator, sha256, none, why).await
}

/// Withdraw a file
///
/// Takes an accepted file out of the dataset, from the next version on.
///
/// The answer shows the decision as not applied yet; that follows within seconds.
#[utoipa::path(post, path = "/v1/files/{sha256}/withdraw", tag = "operators", operation_id = "withdrawFile",
    params(("sha256" = String, Path, description = "The file's digest.", pattern = "^[0-9a-f]{64}$", example = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03")), request_body = Why,
    security(("operator_key" = [])), responses((status = 202, description = "The file, with the decision", body = DataFile)))]
pub(crate) async fn withdraw(
    app: State<App>,
    operator: Operator,
    sha256: Segment,
    none: Params<()>,
    why: JsonBody<Why>,
) -> Answer {
    decide(Verb::Withdraw, app, operator, sha256, none, why).await
}

async fn decide(
    verb: Verb,
    State(app): State<App>,
    Operator(key): Operator,
    Segment(sha256): Segment,
    Params(()): Params<()>,
    JsonBody(why): JsonBody<Why>,
) -> Answer {
    let order = Order {
        sha256: canonical(&sha256).ok_or_else(missing)?,
        verb,
        reason: why.reason,
        decided_by: key.name,
    };
    match app.registry()?.decide(&order, &app.backend.store).await? {
        Ordered::Written(file) => Ok((StatusCode::ACCEPTED, Json(*file))),
        Ordered::NoSuchFile => Err(missing()),
        Ordered::Undecided => Err(Problem::new(
            StatusCode::CONFLICT,
            "an earlier decision on the file is not carried out yet: try again once it is",
        )),
        Ordered::NoRows => Err(Problem::new(StatusCode::CONFLICT, NO_ROWS)),
        Ordered::Unfit(status) => Err(Problem::new(StatusCode::CONFLICT, unfit(verb, status))),
    }
}

/// Why `verb` cannot be decided on a file of this status, and what can.
fn unfit(verb: Verb, status: FileStatus) -> String {
    let decided = match verb {
        Verb::Accept => "accepted",
        Verb::Reject => "rejected",
        Verb::Withdraw => "withdrawn",
    };
    let fitting = STATUSES.into_iter().filter(|status| verb.fits(*status));
    let fitting: Vec<_> = fitting.map(FileStatus::name).collect();
    let instead = match status {
        FileStatus::Held => "accept it or reject it",
        FileStatus::Accepted => "withdraw it to take it out of the dataset",
        FileStatus::Rejected => "drop it again to have it judged anew",
        FileStatus::Withdrawn => "accept it to take it in again",
    };
    format!(
        "the file is {status}; only {} files can be {decided}: {instead}",
        fitting.join(" or ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_the_file_is_and_what_fits_it() {
        assert_eq!(
            unfit(Verb::Accept, FileStatus::Rejected),
            "the file is rejected; only held or withdrawn files can be accepted: drop it again to have it judged anew"
        );
        assert_eq!(
            unfit(Verb::Reject, FileStatus::Accepted),
            "the file is accepted; only held files can be rejected: withdraw it to take it out of the dataset"
        );
    }
}
