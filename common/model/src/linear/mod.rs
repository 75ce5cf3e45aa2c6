//! The log-linear model: the logarithm of the price is a sum of effects.
//!
//! log price = intercept + carat · b₁ + x · b₂ + effect of cut + effect of color + effect of clarity
//!
//! This is the model of the xtream challenge's notebook (scikit-learn on `pandas.get_dummies`). The
//! alphabetically first grade that training saw is each quality's reference, with effect 0.

mod effects;
mod form;

use domain::{Clarity, Color, Cut, Millimeters, PartialDiamond};
use serde::{Deserialize, Serialize};

use crate::{
    estimate::PowerLaw,
    range::TrainedOn,
    reasons::{self, Explanation},
};
use effects::GradeEffects;
#[cfg(feature = "learners")]
pub(crate) use form::LinearFault;
pub(crate) use form::LinearForm;
#[cfg(any(test, feature = "learners"))]
pub(crate) use form::QualityForm;

/// The features it knows; it ignores the others.
pub(crate) const FEATURES: [&str; 5] = ["carat", "cut", "color", "clarity", "x"];

/// A log-linear model, its effects resolved for quick prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "LinearForm", into = "LinearForm")]
pub struct LinearModel {
    intercept: f64,
    /// Per carat.
    carat: f64,
    /// Per millimeter of x.
    x: f64,
    cut: GradeEffects<Cut>,
    color: GradeEffects<Color>,
    clarity: GradeEffects<Clarity>,
    /// Estimates x where it is not given.
    missing_x: PowerLaw,
    /// What each of [`FEATURES`] adds to the logarithm of the price, on average over training.
    mean_terms: [f64; 5],
    trained_on: TrainedOn,
}

impl LinearModel {
    /// The price of `diamond`, in US dollars.
    #[must_use]
    pub fn predict(&self, diamond: &PartialDiamond) -> f64 {
        self.terms(diamond)
            .iter()
            .fold(self.intercept, |sum, term| sum + term)
            .exp()
    }

    /// What each of [`FEATURES`] adds to the logarithm of the price.
    pub(crate) fn terms(&self, diamond: &PartialDiamond) -> [f64; 5] {
        let x = diamond
            .x
            .map_or_else(|| self.missing_x.estimate(diamond.carat), Millimeters::get);
        [
            self.carat * diamond.carat.get(),
            self.cut.effect(diamond.cut),
            self.color.effect(diamond.color),
            self.clarity.effect(diamond.clarity),
            self.x * x,
        ]
    }

    /// What the price of `diamond` is made of. The base is the price where every feature adds to the logarithm what it
    /// added on average over training; a log-linear price is no sum of dollars, so the effects are Shapley values.
    #[must_use]
    pub fn explain(&self, diamond: &PartialDiamond) -> Option<Explanation> {
        let base = (self.intercept + self.mean_terms.iter().sum::<f64>()).exp();
        let terms = self.terms(diamond);
        let factors: [f64; 5] = std::array::from_fn(|place| (terms[place] - self.mean_terms[place]).exp());
        let effects = reasons::of_product(base, factors);
        let effects: Vec<_> = FEATURES.into_iter().zip(effects).collect();
        reasons::explanation(diamond, self.predict(diamond), base, &effects)
    }

    /// The names of the features in which `diamond` is unlike every training sample, among those
    /// that the model knows. A missing x is not unusual.
    #[must_use]
    pub fn unusual(&self, diamond: &PartialDiamond) -> Vec<&'static str> {
        let mut unusual = self.trained_on.unusual(diamond);
        unusual.retain(|feature| FEATURES.contains(feature));
        unusual
    }

    pub(crate) fn trained_on(&self) -> &TrainedOn {
        &self.trained_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use domain::Carat;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_prediction_equals_the_formula(diamond in fixture::partial_diamonds()) {
            let form = fixture::linear_form();
            let model = LinearModel::try_from(form.clone()).unwrap();
            let carat = diamond.carat.get();
            let x = match diamond.x {
                Some(x) => x.get(),
                None => (form.missing_x.intercept + form.missing_x.log_carat * carat.ln()).exp(),
            };
            let effect = |effects: Option<&f64>| effects.copied().unwrap_or(0.0);
            let log_price = form.intercept + form.carat * carat
                + effect(form.cut.effects.get(&diamond.cut))
                + effect(form.color.effects.get(&diamond.color))
                + effect(form.clarity.effects.get(&diamond.clarity)) + form.x * x;
            prop_assert_eq!(model.predict(&diamond).to_bits(), log_price.exp().to_bits());
        }
    }

    #[test]
    fn what_training_saw_is_not_unusual() {
        let model = fixture::linear_model();
        let mut diamond = fixture::partial_diamond();
        assert!(model.unusual(&diamond).is_empty());
        diamond.x = None;
        assert!(model.unusual(&diamond).is_empty());
    }

    #[test]
    fn what_training_never_saw_is_named() {
        let diamond = PartialDiamond {
            carat: Carat::try_from(7.0).unwrap(),
            cut: Cut::Premium,
            color: Color::J,
            clarity: Clarity::IF,
            z: Some(Millimeters::try_from(99.0).unwrap()),
            x: Some(Millimeters::try_from(0.5).unwrap()),
            ..fixture::partial_diamond()
        };
        assert_eq!(
            fixture::linear_model().unusual(&diamond),
            ["carat", "cut", "color", "clarity", "x"]
        );
    }

    #[test]
    fn a_grade_that_training_never_saw_has_no_effect() {
        let model = fixture::linear_model();
        let reference = PartialDiamond {
            cut: Cut::Fair,
            ..fixture::partial_diamond()
        };
        let unseen = PartialDiamond {
            cut: Cut::Premium,
            ..reference
        };
        assert_eq!(model.predict(&unseen), model.predict(&reference));
    }
}
