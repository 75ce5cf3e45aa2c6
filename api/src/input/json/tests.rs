use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(bool) => Value::from(*bool),
        Json::Number(number) => Value::from(*number),
        Json::Text(text) => Value::from(text.as_ref()),
        Json::List(items) => items.iter().map(value).collect(),
        Json::Object(fields) => fields
            .iter()
            .map(|(name, field)| (name.to_string(), value(field)))
            .collect(),
    }
}

/// serde_json's value, with every number as a double.
fn doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64().unwrap()),
        Value::Array(items) => items.into_iter().map(doubles).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, field)| (name, doubles(field)))
            .collect(),
        other => other,
    }
}

fn complaint(text: &str) -> String {
    parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, said) in [
        ("", "the end where a value should be at line 1, column 1"),
        ("{\n  \"carat\" 1}", "a missing `:` at line 2, column 11"),
        ("[1,]", "something that begins no value at line 1, column 4"),
        (
            "{'carat':1}",
            "a missing field name in quotes at line 1, column 2",
        ),
        ("NaN", "something that begins no value at line 1, column 1"),
        ("1 2", "something after the value at line 1, column 3"),
        ("01", "something after the value at line 1, column 2"),
        (
            "\"\\ud800\"",
            "half of a surrogate pair in a text at line 1, column 8",
        ),
    ] {
        assert_eq!(complaint(text), format!("the body is not JSON: {said}"), "{text}");
    }
    let bytes = parse(b"[\"\xff\"]").unwrap_err().to_string();
    assert_eq!(
        bytes,
        "the body is not JSON: text that is not UTF-8 at line 1, column 3"
    );
}

#[test]
fn fields_given_twice_and_numbers_beyond_all_bounds_are_kept() {
    let parsed = parse(br#"{"a":1e999,"a":-1e999}"#).unwrap();
    let Json::Object(fields) = parsed else {
        panic!("{parsed:?}")
    };
    assert_eq!(fields[0], ("a".into(), Json::Number(f64::INFINITY)));
    assert_eq!(fields[1], ("a".into(), Json::Number(f64::NEG_INFINITY)));
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(nested(32).as_bytes()).is_ok());
    assert!(complaint(&nested(33)).contains("more than 32 levels"));
    assert!(complaint(&"[".repeat(4_000_000)).contains("more than 32 levels"));
    let many = |values: usize| format!("[{}1]", "1,".repeat(values - 2));
    assert!(parse(many(MAX_VALUES).as_bytes()).is_ok());
    assert_eq!(parse(many(MAX_VALUES + 1).as_bytes()), Err(NotJson::TooMany));
}

proptest! {
    #[test]
    fn any_bytes_are_judged_as_by_serde_json(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let theirs = serde_json::from_slice::<Value>(&bytes);
        prop_assert_eq!(parse(&bytes).ok().map(|json| value(&json)), theirs.ok().map(doubles));
    }

    #[test]
    fn any_text_of_json_s_own_signs_is_judged_as_by_serde_json(text in r#"[\[\]{}:,"\\/bfnrtu0-9aeE+. -]{0,24}"#) {
        let theirs = serde_json::from_str::<Value>(&text);
        // serde_json refuses numbers that do not fit into a double.
        if !theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range")) {
            prop_assert_eq!(parse(text.as_bytes()).ok().map(|json| value(&json)), theirs.ok().map(doubles));
        }
    }

    #[test]
    fn any_text_survives_its_escapes(text in any::<String>()) {
        let written = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(parse(written.as_bytes()), Ok(Json::Text(text.into())));
    }
}
