//! What is read, what is refused, and that a walk is right.

use std::cell::Cell;

use super::*;
use crate::{
    pauses,
    trees::{
        MAX_DEPTH, TreeFault,
        form::TreeForm,
        testing::{self, Sketch},
    },
};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

fn small() -> Sketch {
    let right = Sketch::split(4, 60.0, true, [Sketch::leaf(-5.0, 3.0), Sketch::leaf(7.0, 2.0)]);
    Sketch::split(0, 1.0, false, [Sketch::leaf(-50.0, 4.0), right])
}

fn chain(depth: u32) -> Sketch {
    (0..depth).fold(Sketch::leaf(1.0, 1.0), |below, _| {
        Sketch::split(0, 1.0, true, [Sketch::leaf(0.0, 1.0), below])
    })
}

/// What reading says, causes included, after `value` was put at `pointer` beneath `learner`.
fn refusal(pointer: &str, value: Value) -> String {
    let mut json = testing::json(&[small()]);
    *json["learner"].pointer_mut(pointer).unwrap() = value;
    crate::trees::chain(&Forest::read(&json.to_string()).unwrap_err())
}

#[rstest]
#[case("/gradient_booster/name", json!("dart"), r#"booster "dart" is not read; only gbtree is"#)]
#[case("/objective/name", json!("reg:gamma"), r#"objective "reg:gamma" is not read; only reg:squarederror is"#)]
#[case("/learner_model_param/num_feature", json!("8"), "the model has 8 features, and a diamond has 9")]
#[case("/learner_model_param/base_score", json!("NaN"), r#"base score "NaN" is not a finite number"#)]
#[case("/learner_model_param/base_score", json!("1e99"), r#"base score "1e99" is not a finite number"#)]
#[case("/feature_names", json!(["carat", "color"]), r#"feature 1 is named "color", and should be "cut""#)]
#[case("/gradient_booster/model/tree_info", json!([1]), "the trees belong to more than one class, or some to none")]
#[case("/gradient_booster/model/tree_info", json!([]), "the trees belong to more than one class, or some to none")]
fn another_kind_of_model_is_refused(#[case] pointer: &str, #[case] value: Value, #[case] reason: &str) {
    assert_eq!(refusal(pointer, value), reason);
}

/// The nodes are 0 with children 1 and 2, and 2 with children 3 and 4.
#[rstest]
#[case("left_children/0", json!(0), "node 0 has two parents or is its own descendant")]
#[case("left_children/2", json!(1), "node 1 has two parents or is its own descendant")]
#[case("left_children/2", json!(5), "node 2 has a child that does not exist")]
#[case("left_children/2", json!(-2), "node 2 has a child that does not exist")]
#[case("right_children/0", json!(-1), "node 0 has one child only")]
#[case("split_indices/2", json!(9), "node 2 splits by a feature that does not exist")]
#[case("split_indices/2", json!(4_294_967_295_u32), "node 2 splits by a feature that does not exist")]
#[case("split_type/2", json!(1), "node 2 splits by categories, which are not read")]
#[case("sum_hessian/4", json!(0.0), "the cover of node 4 is not above 0")]
#[case("sum_hessian/1", json!(-1.0), "the cover of node 1 is not above 0")]
#[case("sum_hessian", json!([1.0]), "it has no nodes, or its arrays differ in length")]
#[case("left_children", json!([]), "it has no nodes, or its arrays differ in length")]
fn a_tree_that_is_none_is_refused(#[case] place: &str, #[case] value: Value, #[case] reason: &str) {
    let found = refusal(&format!("/gradient_booster/model/trees/0/{place}"), value);
    assert_eq!(found, format!("tree 0 cannot be walked: {reason}"));
}

#[test]
fn a_threshold_or_a_leaf_that_is_not_finite_is_refused() {
    let found = refusal("/gradient_booster/model/trees/0/split_conditions/3", json!(1e39));
    assert!(found.contains("number out of range"), "{found}");
    for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut form: TreeForm = serde_json::from_value(small().json()).unwrap();
        form.split_conditions[3] = number;
        assert_eq!(Tree::try_from(&form), Err(TreeFault::NotFinite(3)));
    }
}

#[rstest]
#[case("left_children/0", json!("1"))]
#[case("split_conditions/0", json!(null))]
#[case("split_conditions/0", json!([]))]
#[case("sum_hessian", json!({}))]
fn another_shape_is_refused(#[case] place: &str, #[case] value: Value) {
    let found = refusal(&format!("/gradient_booster/model/trees/0/{place}"), value);
    assert!(
        found.starts_with("this is not the JSON of an XGBoost model: invalid type"),
        "{found}"
    );
}

#[test]
fn a_forest_as_deep_as_is_read_is_read_and_a_deeper_one_is_refused() {
    let row = [2.0; 9];
    assert_eq!(testing::forest(&[chain(MAX_DEPTH)]).predict(&row), 1001.0);
    let error = Forest::read(&testing::json(&[chain(MAX_DEPTH + 1)]).to_string()).unwrap_err();
    assert_eq!(
        crate::trees::chain(&error),
        "tree 0 cannot be walked: it is more than 12 deep"
    );
}

#[test]
fn more_trees_than_memory_is_given_to_are_refused() {
    let mut trees = vec![Sketch::leaf(0.0, 1.0); MAX_PLACES >> MAX_DEPTH];
    assert!(Forest::read(&testing::json(&trees).to_string()).is_ok());
    trees[7] = chain(MAX_DEPTH);
    assert!(Forest::read(&testing::json(&trees).to_string()).is_ok());
    trees.push(Sketch::leaf(0.0, 1.0));
    let error = Forest::read(&testing::json(&trees).to_string()).unwrap_err();
    assert!(
        matches!(
            error,
            ForestError::TooLarge {
                trees: 4097,
                depth: 12
            }
        ),
        "{error}"
    );
}

/// Trees of one question each, no two the same: whether the weight is below 0, 1, 2, …
fn asking(questions: u32) -> Result<Forest, ForestError> {
    let trees: Vec<_> = (0..questions)
        .map(|threshold| {
            let leaves = [Sketch::leaf(1.0, 1.0), Sketch::leaf(2.0, 1.0)];
            Sketch::split(0, threshold as f32, true, leaves)
        })
        .collect();
    Forest::read(&testing::json(&trees).to_string())
}

#[test]
fn as_many_different_questions_as_are_told_apart_are_read_and_more_are_refused() {
    let most = asking(65_536).unwrap();
    assert_eq!(most.predict(&[0.5; 9]), 1000.0 + 65_535.0 + 2.0);
    assert_eq!(most.predict(&[65_535.0; 9]), 1000.0 + 65_536.0 * 2.0);
    let error = asking(65_537).unwrap_err();
    assert!(
        matches!(error, ForestError::TooManyQuestions { questions: 65_537 }),
        "{error}"
    );
}

#[test]
fn nodes_that_pruning_left_behind_do_not_matter() {
    let mut json = testing::json(&[small()]);
    let tree = &mut json["learner"]["gradient_booster"]["model"]["trees"][0];
    tree["left_children"][2] = json!(-1);
    tree["right_children"][2] = json!(-1);
    tree["split_conditions"][2] = json!(11.0);
    tree["split_indices"][3] = json!(4_294_967_295_u32);
    tree["sum_hessian"][4] = json!(0.0);
    assert_eq!(
        Forest::read(&json.to_string()).unwrap().predict(&[3.0; 9]),
        1011.0
    );
}

#[test]
fn a_forest_without_trees_predicts_its_base_score() {
    assert_eq!(testing::forest(&[]).predict(&[f32::NAN; 9]), 1000.0);
}

/// Every place in `json` that holds neither fields nor items, as a pointer.
fn ends(json: &Value, pointer: &str, found: &mut Vec<String>) {
    match json {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| ends(value, &format!("{pointer}/{name}"), found)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(place, value)| ends(value, &format!("{pointer}/{place}"), found)),
        _ => found.push(pointer.to_owned()),
    }
}

fn oddities() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-2_i64..12).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(3e38)),
        Just(json!(null)),
        Just(json!([])),
        Just(json!("1")),
        Just(json!(true)),
    ]
}

proptest! {
    #[test]
    fn a_walk_comes_to_the_leaves_that_the_plain_way_does(
        trees in proptest::collection::vec(testing::trees(6, 9), 0..12),
        rows in proptest::collection::vec(testing::rows(), 1..20),
    ) {
        let forest = testing::forest(&trees);
        let batch = forest.predict_batch(&rows);
        for (row, batch) in rows.iter().zip(batch) {
            let sum = trees.iter().fold(1000.0, |sum, tree| sum + tree.value(row));
            prop_assert_eq!(forest.predict(row).to_bits(), sum.to_bits());
            prop_assert_eq!(batch.to_bits(), sum.to_bits());
        }
    }

    #[test]
    fn a_forest_with_odd_numbers_is_refused_or_walked_but_never_panics(
        trees in proptest::collection::vec(testing::trees(4, 9), 1..4),
        oddities in proptest::collection::vec((any::<proptest::sample::Index>(), oddities()), 1..4),
        row in testing::rows(),
    ) {
        let mut json = testing::json(&trees);
        let mut places = Vec::new();
        ends(&json, "", &mut places);
        for (place, oddity) in oddities {
            *json.pointer_mut(&places[place.index(places.len())]).unwrap() = oddity;
        }
        if let Ok(forest) = Forest::read(&json.to_string()) {
            prop_assert!(!forest.predict(&row).is_nan());
            prop_assert!(!forest.contributions(&row).base.is_nan());
        }
    }

    #[test]
    fn no_text_makes_reading_panic(
        trees in proptest::collection::vec(testing::trees(3, 9), 0..3),
        (place, byte) in (any::<proptest::sample::Index>(), 0x20_u8..0x7f),
        kept in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = testing::json(&trees).to_string().into_bytes();
        prop_assert!(Forest::read(&String::from_utf8_lossy(&bytes[..kept.index(bytes.len())])).is_err());
        let place = place.index(bytes.len());
        bytes[place] = byte;
        drop(Forest::read(&String::from_utf8_lossy(&bytes)));
    }
}

#[test]
fn whoever_reads_a_forest_or_explains_a_price_pauses_after_every_tree() {
    thread_local! {
        static PAUSES: Cell<usize> = const { Cell::new(0) };
    }
    let trees: Vec<_> = (0..50).map(|_| small()).collect();
    let json = testing::json(&trees).to_string();
    pauses::on_this_thread(|| PAUSES.set(PAUSES.get() + 1));
    let forest = Forest::read(&json).unwrap();
    // While it is parsed, measured, asked for its questions, and laid out.
    assert!(PAUSES.get() >= 4 * 50, "{}", PAUSES.get());
    PAUSES.set(0);
    let _ = forest.contributions(&[0.0; 9]);
    assert_eq!(PAUSES.get(), 50);
}
