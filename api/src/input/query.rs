//! Queries of requests.

use std::{borrow::Cow, str::FromStr};

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use chrono::{DateTime, Utc};
use url::form_urlencoded;

use super::{Faults, Place, fields::shown};
use crate::problem::Problem;

/// Parameters of one query; no route has a quarter of these.
const MOST_PARAMETERS: usize = 64;

/// What can be read from a query.
pub(crate) trait FromQuery: Sized {
    /// The parameters there are; any other is a fault.
    fn known() -> Vec<&'static str>;

    /// Reads it, or adds at least one fault.
    fn from_query(query: &Query, faults: &mut Faults) -> Option<Self>;
}

/// The parameters of a query, decoded.
pub(crate) struct Query<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

/// The query, read; its faults are a problem.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: FromQuery, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        query(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

/// Reads a query, whole or with all its faults.
pub(crate) fn query<T: FromQuery>(text: &str) -> Result<T, Problem> {
    let parameters: Vec<_> = form_urlencoded::parse(text.as_bytes())
        .take(MOST_PARAMETERS + 1)
        .collect();
    if parameters.len() > MOST_PARAMETERS {
        let detail = format!("the query has more than {MOST_PARAMETERS} parameters; send fewer");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let parameters = Query(parameters);
    let mut faults = Faults::default();
    // Most have none; the list of known names is made for nothing then.
    if !parameters.0.is_empty() {
        parameters.check_names(&T::known(), &mut faults);
    }
    let read = T::from_query(&parameters, &mut faults);
    faults.check()?;
    read.ok_or_else(Problem::broken)
}

impl Query<'_> {
    fn check_names(&self, known: &[&str], faults: &mut Faults) {
        let mut is_there = vec![false; known.len()];
        for (name, _) in &self.0 {
            let here = Place::Parameter(name);
            match known.iter().position(|known| known == name) {
                Some(position) if !is_there[position] => is_there[position] = true,
                Some(_) => faults.add(&here, format_args!("{name} is given twice; send it once")),
                None => {
                    let known = match known {
                        [] => "none".to_owned(),
                        known => known.join(", "),
                    };
                    let name = shown(name);
                    faults.add(
                        &here,
                        format_args!("{name} is not a parameter here; there are: {known}"),
                    );
                }
            }
        }
    }

    /// A parameter's text.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(parameter, _)| parameter == name);
        found.map(|(_, value)| value.as_ref())
    }

    /// A parameter that has to be there.
    pub(crate) fn required(&self, name: &'static str, what: &str, faults: &mut Faults) -> Option<&str> {
        let found = self.get(name);
        if found.is_none() {
            faults.add(&Place::Parameter(name), format!("{name} is missing; send {what}"));
        }
        found
    }

    /// A parameter that may be left out, read by `parse`; `what` it should be is told when it is not.
    #[expect(clippy::option_option, reason = "wrong, absent and there are three things")]
    pub(crate) fn optional<T>(
        &self,
        name: &'static str,
        what: &str,
        parse: impl FnOnce(&str) -> Option<T>,
        faults: &mut Faults,
    ) -> Option<Option<T>> {
        let Some(text) = self.get(name) else {
            return Some(None);
        };
        let parsed = parse(text);
        if parsed.is_none() {
            faults.add(
                &Place::Parameter(name),
                format!("{name} has to be {what}, and is {}", shown(text)),
            );
        }
        parsed.map(Some)
    }

    /// A whole number within bounds; `default` when it is left out.
    pub(crate) fn whole(
        &self,
        name: &'static str,
        within: std::ops::RangeInclusive<u64>,
        default: u64,
        faults: &mut Faults,
    ) -> Option<u64> {
        let what = format!("a whole number from {} to {}", within.start(), within.end());
        let parse = |text: &str| digits(text).filter(|number| within.contains(number));
        Some(self.optional(name, &what, parse, faults)?.unwrap_or(default))
    }

    /// `true` or `false`; false when it is left out.
    pub(crate) fn flag(&self, name: &'static str, faults: &mut Faults) -> Option<bool> {
        let parse = |text: &str| text.parse().ok();
        Some(
            self.optional(name, "true or false", parse, faults)?
                .unwrap_or(false),
        )
    }

    /// A time (<https://www.rfc-editor.org/rfc/rfc3339>).
    #[expect(clippy::option_option, reason = "wrong, absent and there are three things")]
    pub(crate) fn time(&self, name: &'static str, faults: &mut Faults) -> Option<Option<DateTime<Utc>>> {
        self.optional(
            name,
            "a time such as 2026-01-31T12:00:00Z (a + in it is written %2B)",
            |text| Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc()),
            faults,
        )
    }

    /// One of a closed list of names.
    #[expect(clippy::option_option, reason = "wrong, absent and there are three things")]
    pub(crate) fn one_of<T: FromStr>(
        &self,
        name: &'static str,
        names: &[&str],
        faults: &mut Faults,
    ) -> Option<Option<T>> {
        let what = format!("one of {}", names.join(", "));
        self.optional(name, &what, |text| text.parse().ok(), faults)
    }
}

/// Digits alone: no sign, no blanks.
pub(crate) fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// A query without parameters.
impl FromQuery for () {
    fn known() -> Vec<&'static str> {
        Vec::new()
    }

    fn from_query(_: &Query, _: &mut Faults) -> Option<Self> {
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Wanted;

    impl FromQuery for Wanted {
        fn known() -> Vec<&'static str> {
            vec!["n", "explain", "since"]
        }

        fn from_query(query: &Query, faults: &mut Faults) -> Option<Self> {
            let n = query.whole("n", 1..=1000, 5, faults);
            let explain = query.flag("explain", faults);
            let since = query.time("since", faults);
            (n.is_some() && explain.is_some() && since.is_some()).then_some(Self)
        }
    }

    #[test]
    fn every_fault_of_a_query_is_named_at_once() {
        let problem = query::<Wanted>("n=+5&explain=yes&limit=2&n=6&since=yesterday")
            .err()
            .unwrap();
        let problem = serde_json::to_value(problem).unwrap();
        let said: Vec<_> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|fault| {
                format!(
                    "{}: {}",
                    fault["pointer"].as_str().unwrap(),
                    fault["detail"].as_str().unwrap()
                )
            })
            .collect();
        assert_eq!(
            said,
            [
                r#"limit: "limit" is not a parameter here; there are: n, explain, since"#,
                "n: n is given twice; send it once",
                r#"n: n has to be a whole number from 1 to 1000, and is " 5""#,
                r#"explain: explain has to be true or false, and is "yes""#,
                r#"since: since has to be a time such as 2026-01-31T12:00:00Z (a + in it is written %2B), and is "yesterday""#,
            ]
        );
    }

    /// S5: thousands of parameters were compared with each other.
    #[test]
    fn a_query_has_so_many_parameters_and_no_more() {
        let many = ["a&".repeat(15_900), "n&".repeat(15_900)].concat();
        let problem = query::<Wanted>(&many).err().unwrap();
        assert_eq!(
            problem.detail(),
            "the query has more than 64 parameters; send fewer"
        );
        let most = "n=1&".repeat(MOST_PARAMETERS);
        let problem = query::<Wanted>(&most).err().unwrap();
        assert_eq!(
            problem.detail(),
            "n is given twice; send it once; there are 63 faults"
        );
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        assert!(query::<Wanted>("").is_ok());
        assert!(query::<Wanted>("since=2026-01-31T12:00:00%2B01:00&explain=true&n=1000").is_ok());
    }
}
