//! The challenge's notebook, number by number: scikit-learn's log-linear fit on the same lines.

use std::{collections::HashSet, fs, path::PathBuf};

use domain::{
    ModelKind, Sample,
    row::{Column, RawRow, judge},
};
use model::{
    Artifact, Predictor,
    learn::{Settings, train},
    score,
};
use serde_json::Value;

/// A line of the file, the header being line 1, and the sample on it, unless it is rejected.
type Line = (u64, Option<Sample>);

fn shared_data() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?).join("../../../shared/data");
    if folder.join("notebook-reference.json").exists() {
        return Some(folder);
    }
    eprintln!(
        "skipped: there is no notebook-reference.json in {}",
        folder.display()
    );
    None
}

struct Notebook {
    reference: Value,
    lines: Vec<Line>,
}

impl Notebook {
    fn read() -> Option<Self> {
        let folder = shared_data()?;
        let reference = fs::read(folder.join("notebook-reference.json")).unwrap();
        let csv = fs::read(folder.join("diamonds.csv")).unwrap();
        Some(Self {
            reference: serde_json::from_slice(&reference).unwrap(),
            lines: lines(&csv),
        })
    }

    fn numbers(&self, name: &str) -> Vec<u64> {
        self.reference[name]
            .as_array()
            .unwrap()
            .iter()
            .map(|number| number.as_u64().unwrap())
            .collect()
    }

    fn sample(&self, line: u64) -> Sample {
        self.lines
            .iter()
            .find(|(number, _)| *number == line)
            .unwrap()
            .1
            .unwrap()
    }

    fn training(&self) -> Vec<Sample> {
        let test: HashSet<u64> = self.numbers("test_lines").into_iter().collect();
        self.lines
            .iter()
            .filter(|(line, _)| !test.contains(line))
            .filter_map(|(_, sample)| *sample)
            .collect()
    }

    fn test(&self) -> Vec<Sample> {
        self.numbers("test_lines")
            .into_iter()
            .map(|line| self.sample(line))
            .collect()
    }

    fn fit(&self) -> Artifact {
        let settings = Settings {
            seed: 42,
            min_rows: 100,
        };
        train(ModelKind::Linear, &self.training(), &settings)
            .unwrap()
            .artifact
    }
}

fn lines(csv: &[u8]) -> Vec<Line> {
    let mut reader = csv::Reader::from_reader(csv);
    let header = reader.headers().unwrap().clone();
    let places = Column::ALL.map(|column| header.iter().position(|name| name == column.name()).unwrap());
    let line = |record: csv::StringRecord| {
        let row = RawRow(places.map(|place| &record[place]));
        (record.position().unwrap().line(), judge(&row).ok())
    };
    reader.records().map(|record| line(record.unwrap())).collect()
}

#[track_caller]
fn assert_near(name: &str, found: f64, expected: f64) {
    let off = ((found - expected) / expected).abs();
    assert!(
        off <= 1e-6,
        "{name} is {found}, and {expected} in the notebook: {off:e} off"
    );
}

#[test]
fn exactly_the_wrong_lines_are_rejected() {
    let Some(notebook) = Notebook::read() else { return };
    let rejected = notebook.lines.iter().filter(|(_, sample)| sample.is_none());
    let rejected: Vec<u64> = rejected.map(|(line, _)| *line).collect();
    assert_eq!(rejected, notebook.numbers("rejected_lines"));
    assert_eq!(rejected.len(), 11);
    assert_eq!(notebook.training().len() + notebook.test().len(), 4_989);
}

#[test]
fn the_coefficients_are_those_of_the_notebook() {
    let Some(notebook) = Notebook::read() else { return };
    let artifact: Value = serde_json::from_slice(&notebook.fit().to_bytes()).unwrap();
    let predictor = &artifact["predictor"]["model"];
    let expected = &notebook.reference["linear_log"];
    assert_near(
        "intercept",
        predictor["intercept"].as_f64().unwrap(),
        expected["intercept"].as_f64().unwrap(),
    );
    let coefficients = expected["coefficients"].as_object().unwrap();
    for (name, coefficient) in coefficients {
        let found = match name.split_once('_') {
            Some((quality, grade)) => &predictor[quality]["effects"][grade],
            None => &predictor[name],
        };
        assert_near(name, found.as_f64().unwrap(), coefficient.as_f64().unwrap());
    }
    let effects = |quality: &str| predictor[quality]["effects"].as_object().unwrap().len();
    assert_eq!(
        2 + effects("cut") + effects("color") + effects("clarity"),
        coefficients.len()
    );
}

#[test]
fn the_errors_on_the_test_lines_are_those_of_the_notebook() {
    let Some(notebook) = Notebook::read() else { return };
    let score = score(notebook.fit().predictor(), &notebook.test()).unwrap();
    let expected = &notebook.reference["linear_log"];
    assert_near("MAE", score.errors.mae, expected["mae"].as_f64().unwrap());
    assert_near("R²", score.errors.r2.unwrap(), expected["r2"].as_f64().unwrap());
    assert_eq!(
        format!("{:.2} {:.4}", score.errors.mae, score.errors.r2.unwrap()),
        "561.54 0.9054"
    );
}

#[test]
fn the_first_predictions_are_those_of_the_notebook_even_after_loading() {
    let Some(notebook) = Notebook::read() else { return };
    let predictor = Artifact::load(&notebook.fit().to_bytes())
        .unwrap()
        .into_predictor();
    let expected = notebook.reference["linear_log"]["first_test_predictions"]
        .as_array()
        .unwrap();
    assert_eq!(expected.len(), 20);
    for prediction in expected {
        let line = prediction["line"].as_u64().unwrap();
        let found = predict(&predictor, notebook.sample(line));
        assert_near(
            &format!("line {line}"),
            found,
            prediction["price"].as_f64().unwrap(),
        );
    }
}

fn predict(predictor: &Predictor, sample: Sample) -> f64 {
    predictor.predict(&sample.diamond.into())
}
