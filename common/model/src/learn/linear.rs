//! The learner of the log-linear model: ordinary least squares on the logarithm of the price.

use std::collections::BTreeMap;

use domain::{Clarity, Color, Cut, Sample};
use linfa::{Dataset, traits::Fit};
use linfa_linear::LinearRegression;
use ndarray::Array1;
use serde_json::json;

use super::{
    Fitted, LearnError,
    columns::{self, Column, Grades},
    problem::Problem,
    rank::{self, Deficiency},
    target::Target,
};
use crate::{
    Trained,
    estimate::PowerLaw,
    linear::{LinearForm, LinearModel, QualityForm},
    range::TrainedOn,
};

/// The fewest samples that a model is fitted on: one per coefficient where every grade is there
/// (intercept, carat, x, and every grade but the three references).
pub const MIN_SAMPLES: usize = 3 + Cut::ALL.len() + Color::ALL.len() + Clarity::ALL.len() - 3;

/// Fits the model; the same samples in the same order give the same model, bit for bit.
///
/// # Errors
///
/// Where there are fewer than [`MIN_SAMPLES`], only one grade of a quality, or features that
/// follow from each other.
pub fn fit(samples: &[Sample]) -> Result<LinearModel, LearnError> {
    LearnError::unless_enough(samples.len(), MIN_SAMPLES)?;
    let form = blank(samples)?;
    let columns = columns(samples)?;
    let target = Target::of(samples);
    let problem = Problem::over(samples, |part| Problem {
        design: columns::design(part, &columns),
        targets: log_prices(part, &target),
    })?;
    rank::check(&problem.design).map_err(|deficiency| describe(&deficiency, &columns))?;
    let coefficients = least_squares(problem)?;
    filled(form, &columns, coefficients, samples)
}

/// [`fit`], with what a run tells of it.
pub(super) fn learn(samples: &[Sample]) -> Result<Fitted, LearnError> {
    Ok(Fitted {
        trained: Trained::linear(fit(samples)?),
        parameters: json!({"target": "log price", "features": ["carat", "x", "cut", "color", "clarity"]}),
        trials: Vec::new(),
        validation: None,
    })
}

/// The model as far as it is known without the regression.
pub(super) fn blank(samples: &[Sample]) -> Result<LinearForm, LearnError> {
    Ok(LinearForm {
        intercept: 0.0,
        carat: 0.0,
        x: 0.0,
        cut: QualityForm {
            reference: Grades::of(samples)?.reference,
            effects: BTreeMap::new(),
        },
        color: QualityForm {
            reference: Grades::of(samples)?.reference,
            effects: BTreeMap::new(),
        },
        clarity: QualityForm {
            reference: Grades::of(samples)?.reference,
            effects: BTreeMap::new(),
        },
        mean_terms: [0.0; 5],
        missing_x: PowerLaw::fit(samples, |sample| sample.diamond.x.get()),
        trained_on: trained_on(samples)?,
    })
}

fn trained_on(samples: &[Sample]) -> Result<TrainedOn, LearnError> {
    let none = LearnError::TooFewSamples {
        have: 0,
        needed: MIN_SAMPLES,
    };
    TrainedOn::over(samples).ok_or(none)
}

pub(super) fn columns(samples: &[Sample]) -> Result<Vec<Column>, LearnError> {
    let mut columns = vec![Column::Intercept, Column::Carat, Column::X];
    columns.extend(Grades::of(samples)?.others.into_iter().map(Column::Cut));
    columns.extend(Grades::of(samples)?.others.into_iter().map(Column::Color));
    columns.extend(Grades::of(samples)?.others.into_iter().map(Column::Clarity));
    Ok(columns)
}

fn describe(deficiency: &Deficiency, columns: &[Column]) -> LearnError {
    let name = |column: &usize| columns.get(*column).map_or_else(String::new, Column::to_string);
    match deficiency {
        Deficiency::TooLarge(column) => LearnError::TooLarge { column: name(column) },
        Deficiency::Combination(column) => LearnError::Collinear { column: name(column) },
    }
}

/// What is regressed on.
pub(super) fn log_prices(samples: &[Sample], target: &Target) -> Array1<f64> {
    samples.iter().map(|sample| target.log_price(sample)).collect()
}

/// The coefficients of the columns of the design (the intercept is one of them).
fn least_squares(problem: Problem) -> Result<Array1<f64>, LearnError> {
    let regression = LinearRegression::new().with_intercept(false);
    let fitted = regression.fit(&Dataset::new(problem.design, problem.targets));
    fitted
        .map(|fitted| fitted.params().clone())
        .map_err(|error| LearnError::Solver(Box::new(error)))
}

/// The model whose `columns` have these coefficients, with what its terms are on average over `samples`.
pub(super) fn filled(
    mut form: LinearForm,
    columns: &[Column],
    coefficients: impl IntoIterator<Item = f64>,
    samples: &[Sample],
) -> Result<LinearModel, LearnError> {
    for (column, coefficient) in columns.iter().zip(coefficients) {
        write(&mut form, *column, coefficient);
    }
    let model = LinearModel::try_from(form.clone())?;
    let mut sums = [0.0; 5];
    for sample in samples {
        let terms = model.terms(&sample.diamond.into());
        sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
    }
    let mean_terms = sums.map(|sum| sum / samples.len() as f64);
    Ok(LinearModel::try_from(LinearForm { mean_terms, ..form })?)
}

fn write(form: &mut LinearForm, column: Column, coefficient: f64) {
    match column {
        Column::Intercept => form.intercept = coefficient,
        Column::Carat => form.carat = coefficient,
        Column::X => form.x = coefficient,
        Column::Cut(cut) => drop(form.cut.effects.insert(cut, coefficient)),
        Column::Color(color) => drop(form.color.effects.insert(color, coefficient)),
        Column::Clarity(clarity) => drop(form.clarity.effects.insert(clarity, coefficient)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, carat, millimeters};
    use domain::{PartialDiamond, Price};
    use proptest::prelude::*;

    fn failure(change: impl Fn(&mut Sample)) -> String {
        let mut samples = fixture::samples(300);
        samples.iter_mut().for_each(change);
        fit(&samples).unwrap_err().to_string()
    }

    /// Samples whose log prices follow from `form` exactly.
    fn exact(form: &LinearForm) -> Vec<Sample> {
        let model = LinearModel::try_from(form.clone()).unwrap();
        let priced = |sample: Sample| Sample {
            price: Price::try_from(model.predict(&sample.diamond.into())).unwrap(),
            ..sample
        };
        fixture::samples(400).into_iter().map(priced).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_coefficients_behind_exact_prices_are_found(
            (intercept, carat, x) in (-3.0..3.0, -1.0..1.0, 0.1..1.5),
            effects in proptest::collection::vec(-0.5..1.0, 7),
        ) {
            let mut form = LinearForm { intercept, carat, x, ..fixture::linear_form() };
            form.clarity.effects = Clarity::ALL[1..].iter().copied().zip(effects).collect();
            let found = LinearForm::from(fit(&exact(&form)).unwrap());
            let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
            prop_assert!(near(found.intercept, intercept) && near(found.carat, carat) && near(found.x, x));
            for (grade, effect) in &form.clarity.effects {
                prop_assert!(near(found.clarity.effects[grade], *effect), "{}", grade);
            }
        }

        #[test]
        fn no_samples_make_fitting_panic(
            rows in proptest::collection::vec((fixture::partial_diamonds(), 1e-300..1e300), 0..60),
        ) {
            let sample = |(partial, price): (PartialDiamond, f64)| Sample {
                diamond: domain::Diamond {
                    carat: partial.carat, cut: partial.cut, color: partial.color, clarity: partial.clarity,
                    x: partial.x.unwrap_or(millimeters(5.0)), ..fixture::diamond()
                },
                price: Price::try_from(price).unwrap(),
            };
            let samples: Vec<Sample> = rows.into_iter().map(sample).collect();
            if let Ok(model) = fit(&samples) {
                prop_assert!(LinearForm::from(model).intercept.is_finite());
            }
        }
    }

    #[test]
    fn a_grade_that_is_not_there_gets_no_effect_and_no_reference() {
        let mut samples = fixture::samples(300);
        samples.retain(|sample| sample.diamond.cut != Cut::Fair && sample.diamond.color != Color::J);
        let form = LinearForm::from(fit(&samples).unwrap());
        assert_eq!(form.cut.reference, Cut::Good);
        assert_eq!(form.cut.effects.len(), 3);
        assert!(!form.color.effects.contains_key(&Color::J));
    }

    #[test]
    fn too_few_samples_are_counted() {
        assert!(matches!(
            fit(&fixture::samples(19)),
            Err(LearnError::TooFewSamples { have: 19, needed: 20 })
        ));
        assert!(fit(&[]).is_err());
    }

    #[test]
    fn one_grade_of_a_quality_is_named() {
        assert_eq!(
            failure(|sample| sample.diamond.cut = Cut::Ideal),
            "every training sample has cut Ideal: its effect cannot be told; add samples of another cut"
        );
        assert!(failure(|sample| sample.diamond.clarity = Clarity::IF).contains("clarity IF"));
    }

    #[test]
    fn features_that_follow_from_each_other_are_named() {
        let carats_alike = failure(|sample| sample.diamond.carat = carat(0.7));
        assert!(
            carats_alike.starts_with("carat is constant or follows"),
            "{carats_alike}"
        );
        let x_from_carat =
            failure(|sample| sample.diamond.x = millimeters(2.0 * sample.diamond.carat.get() + 3.0));
        assert!(
            x_from_carat.starts_with("x is constant or follows"),
            "{x_from_carat}"
        );
        let confounded = failure(|sample| sample.diamond.color = Color::ALL[sample.diamond.cut.rank()]);
        assert!(confounded.starts_with("color "), "{confounded}");
    }

    #[test]
    fn absurd_values_are_named() {
        let huge = failure(|sample| sample.diamond.x = millimeters(1e200 * sample.diamond.x.get()));
        assert_eq!(
            huge,
            "x has values too large to fit; look for absurd ones among the training samples"
        );
    }
}
