//! Boosted trees beside XGBoost's own library.

use domain::{PartialDiamond, Sample};
use model::{Artifact, Ranges, Trained, trees::Forest};
use rstest::rstest;
use serde_json::Value;
use xgboost_rs::Booster;

use crate::{
    boosted::{self, Recipe, Row},
    notebook,
};

const SMALL: Recipe = Recipe {
    trees: 60,
    depth: 5,
    gamma: 0.0,
};

#[track_caller]
fn assert_same_bits(booster: &Booster, forest: &Forest, rows: &[Row]) {
    let theirs = booster.predict(&boosted::matrix(rows)).unwrap();
    let batch = forest.predict_batch(rows);
    assert_eq!((theirs.len(), batch.len()), (rows.len(), rows.len()));
    for (((row, theirs), batch), position) in rows.iter().zip(&theirs).zip(&batch).zip(0..) {
        let single = forest.predict(row);
        assert_eq!(
            (single.to_bits(), batch.to_bits()),
            (theirs.to_bits(), theirs.to_bits()),
            "row {position} {row:?}: {single} alone, {batch} in a batch, {theirs} by XGBoost"
        );
    }
}

/// XGBoost's own contributions are summed in single precision.
#[track_caller]
fn assert_near_contributions(booster: &Booster, forest: &Forest, rows: &[Row]) {
    let (theirs, _) = booster.predict_contributions(&boosted::matrix(rows)).unwrap();
    let (theirs, _) = theirs.as_chunks::<10>();
    assert_eq!(theirs.len(), rows.len());
    for (row, theirs) in rows.iter().zip(theirs) {
        let ours = forest.contributions(row);
        let size = theirs
            .iter()
            .fold(1.0, |size: f32, effect| size.max(effect.abs()));
        let [effects @ .., base] = theirs;
        let pairs = ours.effects.iter().zip(effects).chain([(&ours.base, base)]);
        for (ours, theirs) in pairs {
            let off = (*ours as f32 - theirs).abs();
            assert!(off < 2e-5 * size, "{ours} and {theirs} for {row:?}");
        }
    }
}

#[track_caller]
fn assert_sum(forest: &Forest, rows: &[Row]) {
    for row in rows {
        let parts = forest.contributions(row);
        let sum = parts.base + parts.effects.iter().sum::<f64>();
        let price = f64::from(forest.predict(row));
        assert!(
            (sum - price).abs() < 1e-5 * price.abs().max(1.0),
            "{sum} and {price}"
        );
    }
}

fn read(booster: &Booster) -> Forest {
    Forest::read(&boosted::json(booster)).unwrap()
}

#[rstest]
#[case::stumps(1, 0.0)]
#[case::shallow(3, 0.0)]
#[case::usual(5, 0.0)]
#[case::deep(9, 0.0)]
#[case::deepest(12, 0.0)]
#[case::pruned(7, 3e6)]
fn every_price_is_that_of_xgboost_bit_for_bit(#[case] depth: u32, #[case] gamma: f32) {
    let samples = boosted::generated(1_500, u64::from(depth));
    let rows = boosted::rows(&samples);
    let recipe = Recipe {
        depth,
        gamma,
        ..SMALL
    };
    let booster = boosted::train(&rows, &samples, recipe);
    assert_same_bits(&booster, &read(&booster), &rows);
    assert_same_bits(&booster, &read(&booster), &boosted::with_gaps(&rows, 1));
}

/// Trained on gaps, the trees learn where to send a missing value: both ways.
#[test]
fn a_missing_value_goes_where_training_sent_it() {
    let samples = boosted::generated(1_500, 7);
    let gaps = boosted::with_gaps(&boosted::rows(&samples), 2);
    let booster = boosted::train(&gaps, &samples, SMALL);
    let json: Value = serde_json::from_str(&boosted::json(&booster)).unwrap();
    let sent_left = json["learner"]["gradient_booster"]["model"]["trees"][0]["default_left"].to_string();
    assert!(sent_left.contains('1') && sent_left.contains('0'), "{sent_left}");
    assert_same_bits(&booster, &read(&booster), &gaps);
    assert_near_contributions(&booster, &read(&booster), &gaps[..100]);
    assert_sum(&read(&booster), &gaps);
}

#[test]
fn every_price_of_the_shared_data_is_that_of_xgboost_bit_for_bit() {
    let Some(samples) = notebook::samples() else {
        return;
    };
    let rows = boosted::rows(&samples);
    let recipe = Recipe { trees: 750, ..SMALL };
    let booster = boosted::train(&rows, &samples, recipe);
    assert_eq!(rows.len(), 4_989);
    assert_same_bits(&booster, &read(&booster), &rows);
    assert_same_bits(&booster, &read(&booster), &boosted::with_gaps(&rows, 3));
    assert_near_contributions(&booster, &read(&booster), &rows[..200]);
    assert_sum(&read(&booster), &rows[..500]);
}

#[rstest]
#[case::stumps(1)]
#[case::usual(5)]
#[case::deep(9)]
fn contributions_are_those_of_xgboost(#[case] depth: u32) {
    let samples = boosted::generated(1_000, 11);
    let rows = boosted::rows(&samples);
    let booster = boosted::train(&rows, &samples, Recipe { depth, ..SMALL });
    assert_near_contributions(&booster, &read(&booster), &rows[..100]);
    assert_sum(&read(&booster), &rows);
}

fn model(samples: &[Sample]) -> (Booster, Trained) {
    let booster = boosted::train(&boosted::rows(samples), samples, SMALL);
    let trained = Trained::trees(boosted::json(&booster).as_bytes(), samples).unwrap();
    (booster, trained)
}

fn artifact(trained: Trained, calibration: &[Sample]) -> Artifact {
    let ranges = Ranges::calibrate(trained.predictor(), calibration);
    Artifact::new(trained, ranges)
}

#[test]
fn an_artifact_of_trees_comes_back_from_its_bytes_and_holds_xgboosts_own() {
    let samples = boosted::generated(800, 5);
    let (booster, model) = model(&samples);
    let artifact = artifact(model, &samples);
    let loaded = Artifact::load(artifact.json().to_vec()).unwrap();
    assert!(loaded == artifact);
    let open_form = Artifact::open_form(artifact.json()).unwrap();
    assert_eq!(open_form, boosted::json(&booster));
    let again = Booster::load_buffer(open_form.as_bytes()).unwrap();
    assert_same_bits(&again, &read(&booster), &boosted::rows(&samples));
}

#[test]
fn a_threshold_or_a_leaf_that_was_changed_is_noticed() {
    let samples = boosted::generated(800, 5);
    let (_, model) = model(&samples);
    let text = String::from_utf8(artifact(model, &samples).json().to_vec()).unwrap();
    let changed = text.replacen(r#""base_score":"#, r#""base_score":"1E0","_":"#, 1);
    assert_ne!(changed, text);
    let error = Artifact::load(changed.into_bytes()).unwrap_err();
    assert!(matches!(error, model::ArtifactError::Golden { .. }), "{error}");
}

#[test]
fn a_diamond_described_by_weight_and_grades_gets_nearly_its_price() {
    let samples = boosted::generated(3_000, 9);
    let (_, model) = model(&samples);
    let model = model.predictor();
    let mut errors: Vec<f64> = samples
        .iter()
        .map(|sample| {
            let complete = PartialDiamond::from(sample.diamond);
            (model.predict(&complete.masked()) / model.predict(&complete))
                .ln()
                .abs()
        })
        .collect();
    errors.sort_by(f64::total_cmp);
    assert!(
        errors[1_500] < 0.03,
        "half are off by more than {}",
        errors[1_500]
    );
    assert!(errors[2_850] < 0.15, "5 % are off by more than {}", errors[2_850]);
}

#[test]
fn what_no_sample_had_is_unusual() {
    let samples = boosted::generated(800, 5);
    let (_, model) = model(&samples);
    let model = model.predictor();
    let usual = PartialDiamond::from(samples[3].diamond);
    assert!(model.unusual(&usual).is_empty());
    let strange = PartialDiamond {
        carat: domain::Carat::try_from(30.0).unwrap(),
        table: Some(domain::Percent::try_from(5.0).unwrap()),
        ..usual
    };
    assert_eq!(model.unusual(&strange), ["carat", "table"]);
}
