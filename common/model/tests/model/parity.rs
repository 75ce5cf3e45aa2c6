//! The challenge's notebook, number by number: scikit-learn's log-linear fit on the same lines.

use domain::Sample;
use model::{Artifact, Predictor, Ranges, Trained, learn::linear, score};
use serde_json::Value;

use crate::notebook::Notebook;

fn fit(notebook: &Notebook) -> Artifact {
    let trained = Trained::linear(linear::fit(&notebook.training()).unwrap());
    let ranges = Ranges::calibrate(trained.predictor(), &notebook.test());
    Artifact::new(trained, ranges)
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
    let artifact: Value = serde_json::from_slice(fit(&notebook).json()).unwrap();
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
    let score = score(fit(&notebook).predictor(), &notebook.test()).unwrap();
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
    let loaded = Artifact::load(fit(&notebook).json().to_vec()).unwrap();
    let (predictor, ..) = loaded.into_parts();
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
