//! The conditions that a champion must meet, whoever reigns.

use domain::{Sample, metrics::Score, verdict::Check};

use super::{Challenger, GateRules, selection::Selection};
use crate::{Predictor, golden};

/// Checks a challenger with its score on the holdout (none where the holdout is empty).
pub(super) fn all(
    challenger: Challenger<'_>,
    holdout: &[Sample],
    score: Option<&Score>,
    selection: Option<Selection>,
    rules: &GateRules,
) -> Vec<Check> {
    vec![
        has_samples(score),
        finite_mae(score),
        r2(selection, rules.min_r2),
        golden_prices(challenger.trained),
        comes_back(challenger, holdout),
    ]
}

fn check(name: impl Into<String>, passed: bool, detail: String) -> Check {
    Check {
        name: name.into(),
        passed,
        detail,
    }
}

fn has_samples(score: Option<&Score>) -> Check {
    let n = score.map_or(0, |score| score.errors.n);
    check("holdout has samples", n > 0, format!("{n} samples"))
}

fn finite_mae(score: Option<&Score>) -> Check {
    let name = "holdout MAE is finite";
    match score.map(|score| score.errors.mae) {
        Some(mae) if mae < f64::MAX => check(name, true, super::reason::usd(mae)),
        Some(_) => check(name, false, "an error is too large for a number".to_owned()),
        None => check(name, false, "no samples".to_owned()),
    }
}

/// On the logarithm of the price, for one absurd price would decide otherwise.
fn r2(selection: Option<Selection>, floor: f64) -> Check {
    let name = format!("r2 at least {floor}");
    match selection.map(|selection| selection.r2) {
        Some(Some(r2)) => check(name, r2 >= floor, format!("r2 is {r2:.4}")),
        Some(None) => check(name, false, "the prices of the holdout do not vary".to_owned()),
        None => check(name, false, "no samples".to_owned()),
    }
}

fn golden_prices(challenger: &Predictor) -> Check {
    let name = "prices of golden diamonds are finite and positive";
    let golden = golden::diamonds(challenger.trained_on());
    let prices = golden.iter().map(|diamond| challenger.predict(diamond));
    let good = prices.filter(|price| price.is_finite() && *price > 0.0).count();
    check(
        name,
        good == golden.len(),
        format!("{good} of {} are", golden.len()),
    )
}

/// What is served is what was stored, so that must predict the same, bit for bit.
fn comes_back(challenger: Challenger<'_>, holdout: &[Sample]) -> Check {
    let name = "the stored artifact predicts the same";
    let stored = match challenger.stored {
        Ok(stored) => stored,
        Err(why) => return check(name, false, why.to_owned()),
    };
    let differs = |sample: &&Sample| {
        let price = |predictor: &Predictor| predictor.predict(&sample.diamond.into()).to_bits();
        price(challenger.trained) != price(stored)
    };
    let different = holdout.iter().filter(differs).count();
    let detail = match different {
        0 => format!("on all {} samples", holdout.len()),
        _ => format!("it differs on {different} of {} samples", holdout.len()),
    };
    check(name, different == 0, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fixture, linear::LinearForm, score};
    use rstest::rstest;

    const RULES: GateRules = GateRules {
        min_gain: 0.0,
        min_r2: 0.5,
    };

    fn failed(challenger: &Predictor, samples: usize, rules: &GateRules) -> Vec<String> {
        let samples = fixture::samples(samples);
        let score = score(challenger, &samples);
        let stored = Challenger {
            trained: challenger,
            stored: Ok(challenger),
        };
        let selection = Selection::of(challenger, &samples);
        let checks = all(stored, &samples, score.as_ref(), selection, rules);
        checks
            .into_iter()
            .filter(|check| !check.passed)
            .map(|check| check.name)
            .collect()
    }

    #[test]
    fn a_good_model_passes_every_check() {
        assert!(failed(&fixture::predictor(1.0), 200, &RULES).is_empty());
    }

    #[rstest]
    #[case::overflow(1e3)]
    #[case::underflow(-1e3)]
    fn a_golden_price_that_no_stone_can_have_fails(#[case] intercept: f64) {
        let form = LinearForm {
            intercept,
            ..fixture::linear_form()
        };
        let absurd = Predictor::Linear(form.try_into().unwrap());
        let failed = failed(
            &absurd,
            200,
            &GateRules {
                min_r2: f64::MIN,
                ..RULES
            },
        );
        assert!(
            failed.contains(&"prices of golden diamonds are finite and positive".to_owned()),
            "{failed:?}"
        );
    }

    #[test]
    fn prices_that_do_not_vary_prove_nothing() {
        assert_eq!(failed(&fixture::predictor(1.0), 1, &RULES), ["r2 at least 0.5"]);
    }

    #[test]
    fn an_r2_exactly_at_the_floor_passes() {
        let model = fixture::predictor(1.1);
        let reached = Selection::of(&model, &fixture::samples(50)).unwrap().r2.unwrap();
        assert!(
            failed(
                &model,
                50,
                &GateRules {
                    min_r2: reached,
                    ..RULES
                }
            )
            .is_empty()
        );
    }
}
