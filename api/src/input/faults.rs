//! The faults of a request, each with its place.

use std::fmt;

use axum::http::StatusCode;

use crate::problem::{Fault, Problem};

/// How many faults an answer lists; how many more there are is said.
const MOST_LISTED: usize = 1000;

/// All faults found so far.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    listed: Vec<Fault>,
    found: usize,
}

/// A place in a JSON body, as a JSON pointer (<https://www.rfc-editor.org/rfc/rfc6901>).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// The whole.
    Root,
    /// A field of an object.
    Field(&'a Place<'a>, &'a str),
    /// An item of a list, counted from 0.
    Item(&'a Place<'a>, usize),
    /// A parameter of the query.
    Parameter(&'a str),
}

impl Faults {
    pub(crate) fn add(&mut self, place: &Place, detail: impl Into<String>) {
        self.found += 1;
        if self.listed.len() < MOST_LISTED {
            self.listed.push(Fault {
                pointer: place.to_string(),
                detail: detail.into(),
            });
        }
    }

    /// A problem if there is any.
    pub(crate) fn check(self) -> Result<(), Problem> {
        if self.found == 0 {
            return Ok(());
        }
        Err(self.into())
    }
}

impl From<Faults> for Problem {
    fn from(faults: Faults) -> Self {
        let first = faults.listed.first().map_or("", |fault| fault.detail.as_str());
        let detail = match faults.found {
            0 | 1 => first.to_owned(),
            found if found > MOST_LISTED => {
                format!("{first}; there are {found} faults, and the first {MOST_LISTED} are listed")
            }
            found => format!("{first}; there are {found} faults"),
        };
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).with_faults(faults.listed)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(parent, name) => write!(f, "{parent}/{}", name.replace('~', "~0").replace('/', "~1")),
            Self::Item(parent, position) => write!(f, "{parent}/{position}"),
            Self::Parameter(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
impl Faults {
    /// How many there are.
    pub(crate) fn found(&self) -> usize {
        self.found
    }

    /// Each as `pointer: detail`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |fault: &Fault| format!("{}: {}", fault.pointer, fault.detail);
        self.listed.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_json_pointer() {
        let diamonds = Place::Field(&Place::Root, "diamonds");
        let third = Place::Item(&diamonds, 3);
        assert_eq!(Place::Field(&third, "carat").to_string(), "/diamonds/3/carat");
        assert_eq!(Place::Field(&Place::Root, "a/b~c").to_string(), "/a~1b~0c");
    }

    #[test]
    fn faults_are_counted_beyond_those_that_are_listed() {
        let mut faults = Faults::default();
        for position in 0..=MOST_LISTED {
            faults.add(&Place::Item(&Place::Root, position), "wrong");
        }
        let problem = serde_json::to_value(Problem::from(faults)).unwrap();
        assert_eq!(problem["errors"].as_array().unwrap().len(), MOST_LISTED);
        assert_eq!(
            problem["detail"],
            "wrong; there are 1001 faults, and the first 1000 are listed"
        );
    }
}
