//! XGBoost itself: samples in its form, and one tree after another.

use domain::Sample;
use xgboost_rs::{Booster, DMatrix, XGBError};

use super::Parameters;
use crate::{features, learn::target::Target};

/// Samples as XGBoost wants them, for one thread at a time.
pub(super) struct Table {
    matrix: DMatrix,
    prices: Vec<f64>,
    /// Of what is fitted, in US dollars.
    mean_target: f64,
}

impl Table {
    pub(super) fn of(samples: &[Sample], target: &Target) -> Result<Self, XGBError> {
        let mut matrix = matrix(samples)?;
        let targets = samples.iter().map(|sample| target.price(sample));
        let mean_target = targets.clone().sum::<f64>() / samples.len() as f64;
        matrix.set_labels(&targets.map(|price| price as f32).collect::<Vec<_>>())?;
        Ok(Self {
            matrix,
            prices: samples.iter().map(|sample| sample.price.get()).collect(),
            mean_target,
        })
    }
}

/// The features in XGBoost's own form; what it is made from is gone when it is made.
fn matrix(samples: &[Sample]) -> Result<DMatrix, XGBError> {
    let (columns, number) = (features::NAMES.len(), size_of::<f32>());
    let mut rows: Vec<f32> = Vec::with_capacity(samples.len() * columns);
    rows.extend(
        samples
            .iter()
            .flat_map(|sample| features::row(&sample.diamond.into())),
    );
    // Row by row, by the strides; the crate's own way from rows takes zeros, the worst grades, as missing.
    DMatrix::from_col_major_f32(
        &rows,
        columns * number,
        number,
        samples.len(),
        columns,
        1,
        f32::NAN,
    )
}

/// A model that grows.
pub(super) struct Boosting<'t> {
    booster: Booster,
    fitting: &'t Table,
    rounds: i32,
}

impl<'t> Boosting<'t> {
    /// A model of no tree yet. Its random numbers are the thread's own, so it must grow on one thread, and no other
    /// may grow there meanwhile.
    pub(super) fn new(
        fitting: &'t Table,
        others: &[&Table],
        parameters: &Parameters,
        seed: u64,
    ) -> Result<Self, XGBError> {
        let matrices: Vec<&DMatrix> = [fitting]
            .iter()
            .chain(others)
            .map(|table| &table.matrix)
            .collect();
        let settings = parameters.settings(fitting.mean_target, seed);
        let booster = Booster::new_with_json_config(&matrices, settings)?;
        Ok(Self {
            booster,
            fitting,
            rounds: 0,
        })
    }

    /// Adds a tree.
    pub(super) fn grow(&mut self) -> Result<(), XGBError> {
        self.booster.update(&self.fitting.matrix, self.rounds)?;
        self.rounds += 1;
        Ok(())
    }

    /// The mean absolute error over `table`, in dollars.
    pub(super) fn mae(&self, table: &Table) -> Result<f64, XGBError> {
        let predicted = self.booster.predict(&table.matrix)?;
        let errors = predicted
            .iter()
            .zip(&table.prices)
            .map(|(predicted, price)| (f64::from(*predicted) - price).abs());
        Ok(errors.sum::<f64>() / table.prices.len() as f64)
    }

    /// The model in XGBoost's JSON, with the names of the features.
    pub(super) fn to_json(&self) -> Result<Vec<u8>, XGBError> {
        let json = self.booster.save_to_buffer("json".to_owned())?;
        // The crate cannot set them.
        let names = format!("\"feature_names\":{:?}", features::NAMES).replace(", ", ",");
        Ok(json.replacen("\"feature_names\":[]", &names, 1).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use serde_json::Value;

    const PARAMETERS: Parameters = Parameters {
        lambda: 0.25,
        alpha: 0.125,
        colsample_bytree: 0.7,
        subsample: 0.6,
        learning_rate: 0.15,
        max_depth: 4,
        min_child_weight: 3,
    };

    fn table(samples: &[Sample]) -> Result<Table, XGBError> {
        Table::of(samples, &Target::of(samples))
    }

    fn grown(table: &Table, trees: u32) -> Boosting<'_> {
        let mut model = Boosting::new(table, &[], &PARAMETERS, 5).unwrap();
        (0..trees).for_each(|_| model.grow().unwrap());
        model
    }

    /// Every value that has this name, wherever it is in `config`.
    fn values(config: &Value, name: &str) -> Vec<Value> {
        let nested: Vec<Value> = match config {
            Value::Object(fields) => fields.values().flat_map(|field| values(field, name)).collect(),
            Value::Array(items) => items.iter().flat_map(|item| values(item, name)).collect(),
            _ => Vec::new(),
        };
        config.get(name).cloned().into_iter().chain(nested).collect()
    }

    /// The crate does not say when a setting is refused, nor XGBoost when it knows none of that name.
    #[test]
    fn every_setting_reaches_xgboost() {
        let table = table(&fixture::samples(100)).unwrap();
        let config: Value = serde_json::from_str(&grown(&table, 1).booster.save_config()).unwrap();
        for (name, set) in PARAMETERS.settings(table.mean_target, 5) {
            let found = values(&config, &name);
            let is_set = |value: &&Value| {
                let text = value.as_str().unwrap_or_default();
                let numbers = text.parse::<f32>().ok().zip(set.parse::<f32>().ok());
                text == set || numbers.is_some_and(|(found, set)| found == set)
            };
            let told_otherwise = name == "verbosity" || name == "objective" || name == "booster";
            assert!(
                told_otherwise || found.iter().any(|value| is_set(&value)),
                "{name} is {found:?}, not {set}"
            );
        }
        assert!(config.to_string().contains("reg:squarederror"));
    }

    #[test]
    fn the_model_carries_the_names_of_its_features_and_is_read_back_by_xgboost() {
        let table = table(&fixture::samples(200)).unwrap();
        let model = grown(&table, 30);
        let json = model.to_json().unwrap();
        let parsed: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(
            parsed["learner"]["feature_names"],
            serde_json::json!(features::NAMES)
        );
        let again = Booster::load_buffer(&json).unwrap();
        assert_eq!(
            again.predict(&table.matrix).unwrap(),
            model.booster.predict(&table.matrix).unwrap()
        );
        assert_eq!(
            again.save_to_buffer("json".to_owned()).unwrap().into_bytes(),
            json
        );
    }

    #[test]
    fn as_many_trees_grow_as_asked_for() {
        let table = table(&fixture::samples(100)).unwrap();
        let json: Value = serde_json::from_slice(&grown(&table, 17).to_json().unwrap()).unwrap();
        let trees = &json["learner"]["gradient_booster"]["model"]["trees"];
        assert_eq!(trees.as_array().map(Vec::len), Some(17));
    }

    #[test]
    fn growing_fits_better() {
        let table = table(&fixture::samples(300)).unwrap();
        let error = |trees| grown(&table, trees).mae(&table).unwrap();
        assert!(error(60) < 0.2 * error(1), "{} and {}", error(60), error(1));
    }

    /// A zero is the worst grade, and must not be taken for a gap: then nothing would tell it from one.
    #[test]
    fn zeros_are_values() {
        let table = table(&fixture::samples(200)).unwrap();
        let json: Value = serde_json::from_slice(&grown(&table, 30).to_json().unwrap()).unwrap();
        let trees = json["learner"]["gradient_booster"]["model"]["trees"]
            .as_array()
            .unwrap()
            .clone();
        let goes_left = |tree: &Value| {
            tree["default_left"]
                .as_array()
                .unwrap()
                .iter()
                .any(|left| left == 1)
        };
        assert!(
            !trees.iter().any(goes_left),
            "a split was chosen for its missing values"
        );
    }

    #[test]
    fn absurd_samples_are_refused() {
        let mut samples = fixture::samples(100);
        samples[7].diamond.carat = fixture::carat(1e300);
        let refused = table(&samples).and_then(|table| Boosting::new(&table, &[], &PARAMETERS, 1)?.grow());
        assert!(refused.is_err());
    }

    /// F9: one absurd price is fitted as a plausible one, so that the other prices are learned.
    #[test]
    fn one_absurd_price_is_no_hindrance() {
        let clean = fixture::samples(300);
        for absurd in [1e7, 1e300] {
            let mut samples = clean.clone();
            samples[7].price = domain::Price::try_from(absurd).unwrap();
            let model = table(&samples).unwrap();
            let mae = grown(&model, 60).mae(&table(&clean).unwrap()).unwrap();
            let best = grown(&table(&clean).unwrap(), 60)
                .mae(&table(&clean).unwrap())
                .unwrap();
            assert!(mae < 2.0 * best, "{mae} beside {absurd}, {best} without");
        }
    }
}
