//! The faults of a request, each with its place.

use std::fmt;

use axum::http::StatusCode;

use crate::problem::{Fault, Problem};

/// How many faults an answer lists; how many more there are is said.
const MOST_LISTED: usize = 100;
/// How much of a place is told: names in it are the client's.
const LONGEST_POINTER: usize = 200;

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
    /// Adds one; what is wrong is put into words only where it is listed.
    pub(crate) fn add(&mut self, place: &Place, detail: impl fmt::Display) {
        self.found += 1;
        if self.listed.len() < MOST_LISTED {
            self.listed.push(Fault {
                pointer: short(place.to_string()),
                detail: detail.to_string(),
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

/// A name as long as a body would make an answer as long as that.
fn short(mut pointer: String) -> String {
    if pointer.len() > LONGEST_POINTER {
        pointer.truncate(pointer.floor_char_boundary(LONGEST_POINTER));
        pointer.push('…');
    }
    pointer
}

impl From<Faults> for Problem {
    fn from(faults: Faults) -> Self {
        let first = faults.listed.first().map_or("", |fault| fault.detail.as_str());
        let detail = match faults.found {
            0 | 1 => first.to_owned(),
            found if found > MOST_LISTED => {
                let more = found - MOST_LISTED;
                format!("{first}; {MOST_LISTED} faults are listed, and there are {more} more")
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

    /// S13: what nobody is told is not put into words.
    #[test]
    fn the_words_of_a_fault_that_is_not_listed_are_not_made() {
        let made = std::cell::Cell::new(0);
        let words = fmt::from_fn(|_| {
            made.set(made.get() + 1);
            Ok(())
        });
        let mut faults = Faults::default();
        for _ in 0..120_000 {
            faults.add(&Place::Root, &words);
        }
        assert_eq!((made.get(), faults.found()), (MOST_LISTED, 120_000));
    }

    #[test]
    fn the_place_of_a_fault_is_short() {
        let mut faults = Faults::default();
        faults.add(&Place::Parameter(&"é".repeat(1000)), "wrong");
        assert_eq!(faults.listed[0].pointer.chars().count(), 101);
    }

    /// S13: of more faults than are listed, the number is told.
    #[test]
    fn faults_are_counted_beyond_those_that_are_listed() {
        let mut faults = Faults::default();
        for position in 0..120_000 {
            faults.add(&Place::Item(&Place::Root, position), "wrong");
        }
        let problem = serde_json::to_value(Problem::from(faults)).unwrap();
        assert_eq!(problem["errors"].as_array().unwrap().len(), MOST_LISTED);
        assert_eq!(
            problem["detail"],
            "wrong; 100 faults are listed, and there are 119900 more"
        );
    }
}
