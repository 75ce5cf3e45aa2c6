//! How a log-linear model is written down: its coefficients by name.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use domain::{Clarity, Color, Cut};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor},
};

use super::LinearModel;
use crate::{estimate::PowerLaw, quality::Quality, range::TrainedOn};

/// The model as plain data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LinearForm {
    pub(crate) intercept: f64,
    pub(crate) carat: f64,
    pub(crate) x: f64,
    pub(crate) cut: QualityForm<Cut>,
    pub(crate) color: QualityForm<Color>,
    pub(crate) clarity: QualityForm<Clarity>,
    pub(crate) missing_x: PowerLaw,
    pub(crate) mean_terms: [f64; 5],
    pub(crate) trained_on: TrainedOn,
}

/// The effects of one quality: of every grade that training saw, against the reference.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "G: Quality")]
pub(crate) struct QualityForm<G> {
    pub(crate) reference: G,
    #[serde(deserialize_with = "each_grade_once")]
    pub(crate) effects: BTreeMap<G, f64>,
}

/// Why numbers are no log-linear model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinearFault {
    #[error("a coefficient of {0} is not a finite number")]
    NotFinite(&'static str),
    #[error("{quality} {grade} is the reference and has an effect as well")]
    ReferenceHasEffect {
        quality: &'static str,
        grade: &'static str,
    },
}

impl TryFrom<LinearForm> for LinearModel {
    type Error = LinearFault;

    fn try_from(form: LinearForm) -> Result<Self, LinearFault> {
        let numbers = [
            ("intercept", form.intercept),
            ("carat", form.carat),
            ("x", form.x),
            ("missing_x", form.missing_x.intercept),
            ("missing_x", form.missing_x.log_carat),
        ];
        if form.mean_terms.iter().any(|term| !term.is_finite()) {
            return Err(LinearFault::NotFinite("mean_terms"));
        }
        if let Some((name, _)) = numbers.iter().find(|(_, number)| !number.is_finite()) {
            return Err(LinearFault::NotFinite(name));
        }
        Ok(Self {
            intercept: form.intercept,
            carat: form.carat,
            x: form.x,
            cut: form.cut.try_into()?,
            color: form.color.try_into()?,
            clarity: form.clarity.try_into()?,
            missing_x: form.missing_x,
            mean_terms: form.mean_terms,
            trained_on: form.trained_on,
        })
    }
}

impl From<LinearModel> for LinearForm {
    fn from(model: LinearModel) -> Self {
        Self {
            intercept: model.intercept,
            carat: model.carat,
            x: model.x,
            cut: model.cut.into(),
            color: model.color.into(),
            clarity: model.clarity.into(),
            missing_x: model.missing_x,
            mean_terms: model.mean_terms,
            trained_on: model.trained_on,
        }
    }
}

/// Reads a map of grades and refuses one that is there twice, of which serde would keep the last.
fn each_grade_once<'de, D, G>(deserializer: D) -> Result<BTreeMap<G, f64>, D::Error>
where
    D: Deserializer<'de>,
    G: Quality,
{
    deserializer.deserialize_map(EachOnce(PhantomData))
}

struct EachOnce<G>(PhantomData<G>);

impl<'de, G: Quality> Visitor<'de> for EachOnce<G> {
    type Value = BTreeMap<G, f64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map from grades of {} to numbers", G::NAME)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut effects = BTreeMap::new();
        while let Some((grade, effect)) = map.next_entry::<G, f64>()? {
            if effects.insert(grade, effect).is_some() {
                return Err(A::Error::custom(format_args!(
                    "{} {grade} is there twice",
                    G::NAME
                )));
            }
        }
        Ok(effects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use rstest::rstest;

    fn read(text: &str) -> Result<LinearModel, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn a_model_comes_back_from_its_form_exactly() {
        let model = fixture::linear_model();
        let text = serde_json::to_string(&model).unwrap();
        assert_eq!(read(&text).unwrap(), model);
    }

    #[rstest]
    #[case(r#""E":"#, r#""D":"#, "color D is the reference and has an effect as well")]
    #[case(r#""E":"#, r#""F":-0.1,"F":"#, "color F is there twice")]
    #[case(r#""E":"#, r#""Q":"#, "unknown variant `Q`")]
    #[case(r#""reference":"D""#, r#""reference":"Z""#, "unknown variant `Z`")]
    #[case(r#""intercept":1.0"#, r#""intercept":1e999"#, "number out of range")]
    #[case(r#""intercept":1.0"#, r#""intercept":null"#, "invalid type: null")]
    #[case(r#""low":0.2"#, r#""low":-0.2"#, "must be greater than 0")]
    fn a_form_that_is_no_model_is_refused(#[case] good: &str, #[case] bad: &str, #[case] reason: &str) {
        let text = serde_json::to_string(&fixture::linear_model()).unwrap();
        assert!(text.contains(good), "{text}");
        let error = read(&text.replacen(good, bad, 1)).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn a_number_that_is_not_finite_is_no_coefficient() {
        let form = LinearForm {
            x: f64::NAN,
            ..fixture::linear_form()
        };
        assert_eq!(LinearModel::try_from(form), Err(LinearFault::NotFinite("x")));
        let mut form = fixture::linear_form();
        form.color.effects.insert(Color::E, f64::INFINITY);
        assert_eq!(LinearModel::try_from(form), Err(LinearFault::NotFinite("color")));
    }
}
