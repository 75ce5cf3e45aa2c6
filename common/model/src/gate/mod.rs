//! The gate: whether a challenger becomes champion, and why.

mod bootstrap;
mod checks;
mod reason;
mod selection;

use domain::{
    ModelVersion, Sample,
    metrics::Score,
    verdict::{Check, Contender, Difference, Verdict},
};

use crate::{Predictor, score};
use reason::{Opponent, Standing};
pub(crate) use selection::LARGEST_LOG_ERROR;
use selection::Selection;

/// What a challenger must achieve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GateRules {
    /// By more than how much its error must be below the champion's, in US dollars on a diamond of the holdout's
    /// median price; a negative number counts as 0.
    pub min_gain: f64,
    /// The least R² on the logarithm of the holdout's prices.
    pub min_r2: f64,
}

/// The new model.
#[derive(Debug, Clone, Copy)]
pub struct Challenger<'a> {
    /// The model as it came from its learner.
    pub trained: &'a Predictor,
    /// The model as it came back from the object store; or why it did not.
    pub stored: Result<&'a Predictor, &'a str>,
}

/// The model that serves now.
#[derive(Debug, Clone, Copy)]
pub struct Champion<'a> {
    /// Its version.
    pub version: ModelVersion,
    /// The model; or why its artifact cannot be used.
    pub predictor: Result<&'a Predictor, &'a str>,
    /// Whether an operator has frozen it.
    pub frozen: bool,
}

/// A decision on a challenger that has no version yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    promoted: bool,
    reason: String,
    challenger_mae: f64,
    champion: Option<Contender>,
    difference: Option<Difference>,
    checks: Vec<Check>,
}

impl Judgement {
    /// Whether the challenger becomes champion.
    #[must_use]
    pub fn promoted(&self) -> bool {
        self.promoted
    }

    /// The verdict, now that the challenger is model `version`.
    #[must_use]
    pub fn into_verdict(self, version: ModelVersion) -> Verdict {
        Verdict {
            promoted: self.promoted,
            reason: self.reason,
            challenger: Contender {
                version,
                mae: self.challenger_mae,
            },
            champion: self.champion,
            difference: self.difference,
            checks: self.checks,
        }
    }
}

/// Scores challenger and champion on the same `holdout` and decides between them.
///
/// The lower mean error wins, errors being distances between the logarithms of price and prediction, limited to 2, if it is
/// lower by more than the rules ask for and every check passes; without a champion, or with one whose artifact cannot be used, the checks alone decide. A frozen
/// champion is never replaced; the reason says who would have won. The bootstrap interval of the
/// difference is shown and decides nothing. A MAE that is not finite, or of no samples, is written
/// as the largest number; a challenger with such a one never wins.
#[must_use]
pub fn judge(
    challenger: Challenger<'_>,
    champion: Option<Champion<'_>>,
    holdout: &[Sample],
    rules: &GateRules,
) -> Judgement {
    let score = score(challenger.trained, holdout);
    let selection = Selection::of(challenger.trained, holdout);
    let checks = checks::all(challenger, holdout, score.as_ref(), selection, rules);
    let challenger_mae = mae(score.as_ref());
    let contender = champion.map(|champion| contender(champion, holdout));
    let opponent = match champion.map(|champion| champion.predictor) {
        Some(Ok(predictor)) => Opponent::Champion(Standing {
            error: error(Selection::of(predictor, holdout)),
            mae: contender.map_or(f64::MAX, |contender| contender.mae),
        }),
        Some(Err(why)) => Opponent::Unusable(why),
        None => Opponent::Nobody,
    };
    let standing = Standing {
        error: error(selection),
        mae: challenger_mae,
    };
    let price = selection::median_price(holdout).unwrap_or_default();
    let mut decision = reason::decide(&checks, standing, opponent, price, rules);
    if champion.is_some_and(|champion| champion.frozen) {
        decision = decision.frozen();
    }
    let difference = champion
        .and_then(|champion| bootstrap::difference(champion.predictor.ok()?, challenger.trained, holdout));
    Judgement {
        promoted: decision.promoted,
        reason: decision.reason,
        challenger_mae,
        champion: contender,
        difference,
        checks,
    }
}

fn contender(champion: Champion<'_>, holdout: &[Sample]) -> Contender {
    let score = champion
        .predictor
        .ok()
        .and_then(|predictor| score(predictor, holdout));
    Contender {
        version: champion.version,
        mae: mae(score.as_ref()),
    }
}

/// Of no samples, the largest.
fn error(selection: Option<Selection>) -> f64 {
    selection.map_or(LARGEST_LOG_ERROR, |selection| selection.error)
}

fn mae(score: Option<&Score>) -> f64 {
    score.map_or(f64::MAX, |score| score.errors.mae)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use proptest::prelude::*;

    const RULES: GateRules = GateRules {
        min_gain: 0.0,
        min_r2: 0.0,
    };

    fn champion(predictor: &Predictor) -> Option<Champion<'_>> {
        Some(Champion {
            version: ModelVersion::FIRST,
            predictor: Ok(predictor),
            frozen: false,
        })
    }

    /// A challenger that came back from the store as it was.
    fn stored(trained: &Predictor) -> Challenger<'_> {
        Challenger {
            trained,
            stored: Ok(trained),
        }
    }

    fn verdict(challenger: &Predictor, champion: Option<Champion<'_>>, rules: &GateRules) -> Verdict {
        let judgement = judge(stored(challenger), champion, &fixture::samples(200), rules);
        judgement.into_verdict(ModelVersion::FIRST.next())
    }

    #[test]
    fn a_frozen_champion_is_not_replaced_and_the_reason_says_who_would_have_won() {
        let (better, worse) = (fixture::predictor(1.0), fixture::predictor(1.2));
        let frozen = |predictor| {
            champion(predictor).map(|champion| Champion {
                frozen: true,
                ..champion
            })
        };
        let won = verdict(&better, frozen(&worse), &RULES);
        assert!(!won.promoted);
        assert!(
            won.reason
                .starts_with("the champion is frozen; otherwise this model would replace it: holdout error"),
            "{}",
            won.reason
        );
        let lost = verdict(&worse, frozen(&better), &RULES);
        assert!(!lost.promoted);
        assert!(
            lost.reason.starts_with("the champion's holdout error"),
            "{}",
            lost.reason
        );
    }

    #[test]
    fn a_champion_whose_artifact_cannot_be_used_is_replaced_if_the_checks_pass() {
        let good = fixture::predictor(1.0);
        let damaged = Some(Champion {
            version: ModelVersion::FIRST,
            predictor: Err("its SHA-256 is wrong"),
            frozen: false,
        });
        let judged = verdict(&good, damaged, &RULES);
        assert!(judged.promoted, "{}", judged.reason);
        assert!(
            judged.reason.contains("its SHA-256 is wrong"),
            "{}",
            judged.reason
        );
        assert_eq!(judged.difference, None);
        let strict = GateRules { min_r2: 0.5, ..RULES };
        assert!(!verdict(&fixture::predictor(3.0), damaged, &strict).promoted);
    }

    #[test]
    fn an_artifact_that_comes_back_otherwise_or_not_at_all_is_not_promoted() {
        let (trained, other) = (fixture::predictor(1.0), fixture::predictor(1.000_000_1));
        for (stored, told) in [
            (Ok(&other), "200 of 200"),
            (Err("it is missing"), "it is missing"),
        ] {
            let challenger = Challenger {
                trained: &trained,
                stored,
            };
            let judged =
                judge(challenger, None, &fixture::samples(200), &RULES).into_verdict(ModelVersion::FIRST);
            assert!(!judged.promoted);
            assert!(judged.reason.contains(told), "{}", judged.reason);
        }
    }

    #[test]
    fn a_verdict_tells_its_figures() {
        let (better, worse) = (fixture::predictor(1.0), fixture::predictor(1.2));
        let verdict = verdict(&better, champion(&worse), &RULES);
        let figures = fixture::rounded(serde_json::to_value(verdict).unwrap());
        insta::with_settings!({sort_maps => true}, { insta::assert_json_snapshot!(figures) });
    }

    #[test]
    fn the_first_model_wins_if_its_checks_pass() {
        let verdict = verdict(&fixture::predictor(1.0), None, &RULES);
        assert!(verdict.promoted, "{}", verdict.reason);
        assert!(verdict.reason.starts_with("first model"), "{}", verdict.reason);
        assert_eq!((verdict.champion, verdict.difference), (None, None));
    }

    #[test]
    fn a_model_below_the_floor_is_not_promoted_even_alone() {
        let verdict = verdict(
            &fixture::predictor(3.0),
            None,
            &GateRules { min_r2: 0.5, ..RULES },
        );
        assert!(!verdict.promoted);
        assert!(verdict.reason.contains("r2 at least 0.5"), "{}", verdict.reason);
    }

    #[test]
    fn a_model_below_the_floor_does_not_replace_a_worse_champion() {
        let (bad, worse) = (fixture::predictor(3.0), fixture::predictor(5.0));
        assert!(!verdict(&bad, champion(&worse), &GateRules { min_r2: 0.5, ..RULES }).promoted);
    }

    #[test]
    fn an_empty_holdout_promotes_nobody() {
        let judgement = judge(stored(&fixture::predictor(1.0)), None, &[], &RULES);
        let verdict = judgement.into_verdict(ModelVersion::FIRST);
        assert!(!verdict.promoted);
        assert!(
            verdict.reason.contains("holdout has samples"),
            "{}",
            verdict.reason
        );
    }

    #[test]
    fn an_error_that_is_not_finite_never_wins_and_can_be_stored() {
        let absurd = fixture::predictor(f64::MAX);
        let rules = GateRules {
            min_r2: f64::MIN,
            ..RULES
        };
        for champion in [None, champion(&absurd)] {
            let verdict = verdict(&absurd, champion, &rules);
            assert!(!verdict.promoted, "{}", verdict.reason);
            let json = serde_json::to_string(&verdict).unwrap();
            assert_eq!(serde_json::from_str::<Verdict>(&json).unwrap(), verdict);
        }
    }

    /// F9: one absurd price in the holdout changes no decision, though the MAE of both is all but that price.
    #[test]
    fn one_absurd_price_turns_no_decision() {
        let mut holdout = fixture::samples(200);
        holdout[7].price = domain::Price::try_from(1e9).unwrap();
        let (better, worse) = (fixture::predictor(1.0), fixture::predictor(1.2));
        let rules = GateRules { min_r2: 0.5, ..RULES };
        let judged = |challenger: &Predictor, champion| {
            judge(stored(challenger), champion, &holdout, &rules).into_verdict(ModelVersion::FIRST.next())
        };
        let first = judged(&better, None);
        assert!(first.promoted, "{}", first.reason);
        assert!(first.challenger.mae > 1e6, "the published MAE is not limited");
        let won = judged(&better, champion(&worse));
        assert!(won.promoted, "{}", won.reason);
        assert!(won.difference.unwrap().low > 0.0);
        assert!(!judged(&worse, champion(&better)).promoted);
    }

    #[test]
    fn an_absurd_champion_is_replaced() {
        let absurd = fixture::predictor(f64::MAX);
        assert!(verdict(&fixture::predictor(1.0), champion(&absurd), &RULES).promoted);
    }

    #[test]
    fn a_model_does_not_replace_its_equal() {
        let model = fixture::predictor(1.0);
        let verdict = verdict(&model, champion(&model), &RULES);
        assert!(!verdict.promoted);
        assert!(
            verdict.reason.contains("equals the champion's"),
            "{}",
            verdict.reason
        );
    }

    proptest! {
        #[test]
        fn a_larger_error_is_never_promoted(
            (challenger, reigning) in (0.3..3.0, 0.3..3.0),
            min_gain in prop_oneof![-1e3..1e3, Just(f64::NAN), Just(f64::NEG_INFINITY)],
        ) {
            let (challenger, reigning) = (fixture::predictor(challenger), fixture::predictor(reigning));
            let rules = GateRules { min_gain, min_r2: f64::MIN };
            let verdict = verdict(&challenger, champion(&reigning), &rules);
            let samples = fixture::samples(200);
            let error = |predictor| Selection::of(predictor, &samples).unwrap().error;
            let gain = (error(&reigning) - error(&challenger)) * selection::median_price(&samples).unwrap();
            prop_assert_eq!(verdict.promoted, gain > min_gain.max(0.0), "{}", verdict.reason);
        }

        #[test]
        fn of_two_models_at_most_one_replaces_the_other((a, b) in (0.3..3.0, 0.3..3.0)) {
            let (a, b) = (fixture::predictor(a), fixture::predictor(b));
            let rules = GateRules { min_r2: f64::MIN, ..RULES };
            prop_assert!(
                !(verdict(&a, champion(&b), &rules).promoted && verdict(&b, champion(&a), &rules).promoted)
            );
        }
    }
}
