//! What the samples of a data file look like, and whether they look like the dataset so far.
//!
//! A [`Sampler`] sees every sample of the file while it streams by; [`Profile::of`] then describes the
//! file, compares it with the [`Distribution`] of the dataset, and gives the file's own to be stored.

mod bottom;
mod distribution;
mod drift;
mod feature;
mod histogram;
mod quartiles;
mod sampler;
#[cfg(test)]
mod testing;
mod totals;

use serde::{Deserialize, Serialize};

pub use self::{
    distribution::Distribution,
    feature::{GRADE_NAMES, Grades, NUMBER_NAMES, NUMBERS, Numbers},
    sampler::{SAMPLED_ROWS, Sampler},
};
use self::{
    drift::{Drift, Finding},
    quartiles::quartiles,
    totals::{Span, Totals},
};
use crate::{Clarity, Color, Cut};

/// What the samples of a data file look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Profile {
    /// How many samples quartiles and indices are taken from: all, but of more than 100,000 only that
    /// many at random. Extremes, means and grades are always those of all.
    #[cfg_attr(feature = "openapi", schema(example = 53_920))]
    pub sampled_rows: u64,
    /// The numeric features.
    pub numbers: Numbers<NumberProfile>,
    /// The graded features.
    pub grades: Grades<GradeProfile>,
    /// The features that are spread differently than in the dataset so far.
    #[cfg_attr(feature = "openapi", schema(example = json!(["carat"])))]
    pub drifted: Vec<String>,
}

/// How the values of one numeric feature are spread, in its own unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NumberProfile {
    /// The least value.
    #[cfg_attr(feature = "openapi", schema(example = 0.2))]
    pub min: f64,
    /// A quarter of the values lie below it.
    #[cfg_attr(feature = "openapi", schema(example = 0.4))]
    pub q1: f64,
    /// Half of the values lie below it.
    #[cfg_attr(feature = "openapi", schema(example = 0.7))]
    pub median: f64,
    /// Three quarters of the values lie below it.
    #[cfg_attr(feature = "openapi", schema(example = 1.04))]
    pub q3: f64,
    /// The greatest value.
    #[cfg_attr(feature = "openapi", schema(example = 5.01))]
    pub max: f64,
    /// The arithmetic mean.
    #[cfg_attr(feature = "openapi", schema(example = 0.8))]
    pub mean: f64,
    /// Population stability index against the dataset so far (0 is equal); null when there is none yet.
    #[cfg_attr(feature = "openapi", schema(example = 0.02))]
    pub psi: Option<f64>,
}

/// How often each grade of one graded feature occurs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GradeProfile {
    /// Every grade, worst first.
    pub shares: Vec<GradeShare>,
    /// Population stability index against the dataset so far (0 is equal); null when there is none yet.
    #[cfg_attr(feature = "openapi", schema(example = 0.02))]
    pub psi: Option<f64>,
}

/// How often one grade occurs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GradeShare {
    /// The grade.
    #[cfg_attr(feature = "openapi", schema(example = "Ideal"))]
    pub grade: String,
    /// Its share of the samples, 0 to 1.
    #[cfg_attr(feature = "openapi", schema(example = 0.4))]
    pub share: f64,
}

impl Profile {
    /// Describes what `sampler` saw; nothing, if it saw no sample.
    ///
    /// A feature has drifted from `reference`, the dataset so far, when its population stability index
    /// exceeds `limit` (0.25 by custom) by more than rows drawn at random would explain.
    #[must_use]
    pub fn of(
        sampler: Sampler,
        reference: Option<&Distribution>,
        limit: f64,
    ) -> Option<(Self, Distribution)> {
        let (totals, columns) = sampler.finish();
        let distribution = Distribution::of(&totals, &columns);
        let drift = reference
            .filter(|reference| reference.rows() > 0)
            .map(|reference| Drift::between(&distribution, reference, limit));
        let profile = Self {
            sampled_rows: columns[0].len() as u64,
            numbers: number_profiles(&totals, &columns, drift.as_ref())?,
            grades: grade_profiles(&totals, drift.as_ref()),
            drifted: drift.as_ref().map(drifted).unwrap_or_default(),
        };
        Some((profile, distribution))
    }
}

fn number_profiles(
    totals: &Totals,
    columns: &[Vec<f64>; NUMBERS],
    drift: Option<&Drift>,
) -> Option<Numbers<NumberProfile>> {
    let spans = totals.spans();
    let profile = |feature: usize| {
        let Span { min, mean, max } = spans[feature];
        let [q1, median, q3] = quartiles(&columns[feature])?;
        let psi = drift.map(|drift| drift.numbers[feature].psi);
        Some(NumberProfile {
            min,
            q1,
            median,
            q3,
            max,
            mean,
            psi,
        })
    };
    let [carat, depth, table, price, x, y, z] = std::array::from_fn(profile);
    Some([carat?, depth?, table?, price?, x?, y?, z?].into())
}

fn grade_profiles(totals: &Totals, drift: Option<&Drift>) -> Grades<GradeProfile> {
    let profile = |names: &[&str], counts: &[u64], finding: Option<Finding>| GradeProfile {
        shares: shares(names, counts, totals.rows),
        psi: finding.map(|finding| finding.psi),
    };
    let findings = drift.map(|drift| drift.grades);
    Grades {
        cut: profile(Cut::NAMES, &totals.cut, findings.map(|of| of.cut)),
        color: profile(Color::NAMES, &totals.color, findings.map(|of| of.color)),
        clarity: profile(Clarity::NAMES, &totals.clarity, findings.map(|of| of.clarity)),
    }
}

fn shares(names: &[&str], counts: &[u64], rows: u64) -> Vec<GradeShare> {
    let shares = names.iter().zip(counts).map(|(name, count)| GradeShare {
        grade: (*name).to_owned(),
        share: *count as f64 / rows as f64,
    });
    shares.collect()
}

fn drifted(drift: &Drift) -> Vec<String> {
    let names = NUMBER_NAMES.into_iter().chain(GRADE_NAMES);
    let findings = drift.numbers.iter().chain(drift.grades.each());
    let drifted = names.zip(findings).filter(|(_, finding)| finding.drifted);
    drifted.map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests;
