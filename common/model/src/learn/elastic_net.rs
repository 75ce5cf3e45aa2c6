//! The learner of the elastic net: least squares on the logarithm of the price, the coefficients pulled towards 0.
//!
//! The pull (Zou and Hastie, "Regularization and variable selection via the elastic net", 2005) is felt by columns
//! brought to mean 0 and deviation 1, so that it does not depend on units. Unlike the linear kind it has a solution
//! where features follow from each other.

use domain::Sample;
use linfa::{Dataset, traits::Fit as _};
use ndarray::{Array1, Array2, Axis};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Fitted, LearnError, columns,
    columns::Column,
    linear::{self, log_prices},
    problem::{self, Problem},
    target::Target,
};
use crate::{Trained, linear::LinearModel};

/// The coefficients are found once none of them moves by more than this in a step.
const TOLERANCE: f64 = 1e-9;
const MAX_ITERATIONS: u32 = 100_000;

/// How strongly the coefficients are pulled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The weight of the pull; 0 is least squares.
    pub penalty: f64,
    /// The share of it that makes coefficients 0 altogether, 0 to 1.
    pub l1_ratio: f64,
}

/// Fits the model; the same samples in the same order give the same model, bit for bit.
pub(super) fn learn(samples: &[Sample], settings: &Settings) -> Result<Fitted, LearnError> {
    let model = fit(samples, settings)?;
    Ok(Fitted {
        trained: Trained::elastic_net(model),
        parameters: json!({
            "target": "log price", "features": ["carat", "x", "cut", "color", "clarity"],
            "penalty": settings.penalty, "l1_ratio": settings.l1_ratio,
        }),
        trials: Vec::new(),
        validation: None,
    })
}

fn fit(samples: &[Sample], settings: &Settings) -> Result<LinearModel, LearnError> {
    LearnError::unless_enough(samples.len(), linear::MIN_SAMPLES)?;
    let (form, columns) = (linear::blank(samples)?, linear::columns(samples)?);
    // The first column is the intercept, which nothing pulls at.
    let scales = Scales::of(samples, &columns[1..]);
    let target = Target::of(samples);
    let mean = samples.iter().map(|sample| target.log_price(sample)).sum::<f64>() / samples.len() as f64;
    let problem = Problem::over(samples, |part| Problem {
        design: scales.apply(columns::design(part, &columns[1..])),
        targets: log_prices(part, &target) - mean,
    })?;
    // The pull is weighed against the squares of each row, of which the problem may have fewer than there are samples.
    let penalty = settings.penalty * (samples.len() as f64 / problem.design.nrows() as f64);
    let params = linfa_elasticnet::ElasticNet::params()
        .penalty(penalty)
        .l1_ratio(settings.l1_ratio)
        .with_intercept(false)
        .tolerance(TOLERANCE)
        .max_iterations(MAX_ITERATIONS);
    let fitted = params.fit(&Dataset::new(problem.design, problem.targets));
    let fitted = fitted.map_err(|error| LearnError::Solver(Box::new(error)))?;
    let coefficients = scales.undo(mean, fitted.hyperplane());
    linear::filled(form, &columns, coefficients, samples)
}

/// Mean and standard deviation of each column.
struct Scales {
    means: Array1<f64>,
    deviations: Array1<f64>,
}

impl Scales {
    /// Of the `columns` of at least one sample.
    fn of(samples: &[Sample], columns: &[Column]) -> Self {
        let mean = |of: &dyn Fn(Array2<f64>) -> Array2<f64>| {
            let sums = problem::blocks(samples)
                .map(|block| of(columns::design(block, columns)).sum_axis(Axis(0)))
                .fold(Array1::zeros(columns.len()), |sums, block| sums + block);
            sums / samples.len() as f64
        };
        let means = mean(&|design| design);
        let deviations = mean(&|design| (design - &means).pow2()).sqrt();
        // A column that does not vary is all zeros then, and keeps the coefficient 0.
        let deviations = deviations.mapv(|deviation| if deviation > 0.0 { deviation } else { 1.0 });
        Self { means, deviations }
    }

    fn apply(&self, design: Array2<f64>) -> Array2<f64> {
        (design - &self.means) / &self.deviations
    }

    /// The intercept and the coefficients of the columns as they were.
    fn undo(&self, intercept: f64, scaled: &Array1<f64>) -> Vec<f64> {
        let coefficients = scaled / &self.deviations;
        let mut all = vec![intercept - coefficients.dot(&self.means)];
        all.extend(coefficients);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fixture, linear::LinearForm};

    fn form(penalty: f64, l1_ratio: f64) -> LinearForm {
        let settings = Settings { penalty, l1_ratio };
        fit(&fixture::samples(400), &settings).unwrap().into()
    }

    #[test]
    fn without_a_pull_it_is_least_squares() {
        let (net, squares) = (
            form(0.0, 0.5),
            LinearForm::from(linear::fit(&fixture::samples(400)).unwrap()),
        );
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-5, "{a} {b}");
        near(net.intercept, squares.intercept);
        near(net.carat, squares.carat);
        near(net.x, squares.x);
        for (grade, effect) in &squares.clarity.effects {
            near(net.clarity.effects[grade], *effect);
        }
    }

    #[test]
    fn a_strong_pull_leaves_the_mean_of_the_log_prices() {
        let form = form(1e3, 0.5);
        let samples = fixture::samples(400);
        let prices = log_prices(&samples, &Target::of(&samples));
        assert!((form.intercept - prices.mean().unwrap()).abs() < 1e-9, "{form:?}");
        assert_eq!((form.carat, form.x), (0.0, 0.0));
    }

    #[test]
    fn a_stronger_pull_makes_smaller_coefficients() {
        assert!(form(0.1, 0.0).x.abs() < form(0.001, 0.0).x.abs());
    }

    #[test]
    fn features_that_follow_from_each_other_are_no_hindrance() {
        let mut samples = fixture::samples(400);
        for sample in &mut samples {
            sample.diamond.x = fixture::millimeters(2.0 * sample.diamond.carat.get() + 3.0);
        }
        assert!(linear::fit(&samples).is_err());
        let settings = Settings {
            penalty: 0.001,
            l1_ratio: 0.5,
        };
        assert!(fit(&samples, &settings).is_ok());
    }
}
