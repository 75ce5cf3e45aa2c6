//! The fields of a JSON object: which are there, missing, unknown, given twice, or of the wrong type.

use std::{borrow::Cow, fmt};

use super::{Faults, Json, Place};

/// What can be read from a JSON body.
pub(crate) trait FromJson: Sized {
    /// Reads it, or adds at least one fault.
    fn from_json(json: &Json, place: &Place, faults: &mut Faults) -> Option<Self>;
}

/// The fields of one object, none of them unknown.
pub(crate) struct Fields<'j> {
    pairs: &'j [(Cow<'j, str>, Json<'j>)],
    place: &'j Place<'j>,
}

impl<'j> Fields<'j> {
    /// The fields of `json`, which has to be an object that has none but the `known` ones, each once.
    pub(crate) fn of<const N: usize>(
        json: &'j Json<'j>,
        place: &'j Place<'j>,
        known: &[&str; N],
        faults: &mut Faults,
    ) -> Option<Self> {
        let Json::Object(pairs) = json else {
            let names = known.join(", ");
            let here = match place {
                Place::Root => "the body",
                _ => "this",
            };
            faults.add(
                place,
                format_args!("{here} has to be an object with {names}, and is {}", json.what()),
            );
            return None;
        };
        let mut is_there = [false; N];
        for (name, _) in pairs {
            let here = Place::Field(place, name);
            match known.iter().position(|known| known == name) {
                Some(position) if !is_there[position] => is_there[position] = true,
                Some(_) => faults.add(&here, format_args!("{name} is given twice; send it once")),
                None => {
                    let words = fmt::from_fn(|f| {
                        let (name, known) = (shown(name), known.join(", "));
                        write!(f, "{name} is not a field here; there are: {known}")
                    });
                    faults.add(&here, words);
                }
            }
        }
        Some(Self { pairs, place })
    }

    /// A field that has to be there.
    pub(crate) fn required(
        &self,
        name: &'static str,
        what: impl fmt::Display,
        faults: &mut Faults,
    ) -> Option<&'j Json<'j>> {
        let found = self.find(name);
        if found.is_none() {
            faults.add(&self.at(name), format_args!("{name} is missing; send {what}"));
        }
        found
    }

    /// A field that may be absent or null.
    pub(crate) fn optional(&self, name: &str) -> Option<&'j Json<'j>> {
        self.find(name).filter(|json| **json != Json::Null)
    }

    /// Where a field is.
    pub(crate) fn at(&self, name: &'j str) -> Place<'j> {
        Place::Field(self.place, name)
    }

    fn find(&self, name: &str) -> Option<&'j Json<'j>> {
        let found = self.pairs.iter().find(|(field, _)| field == name);
        found.map(|(_, json)| json)
    }
}

impl Json<'_> {
    /// What it is, in words.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    pub(crate) fn number(
        &self,
        name: &str,
        example: &str,
        place: &Place,
        faults: &mut Faults,
    ) -> Option<f64> {
        if let Self::Number(number) = self {
            return Some(*number);
        }
        faults.add(
            place,
            format_args!(
                "{name} has to be a number such as {example}, and is {}",
                self.what()
            ),
        );
        None
    }

    pub(crate) fn text(&self, name: &str, example: &str, place: &Place, faults: &mut Faults) -> Option<&str> {
        if let Self::Text(text) = self {
            return Some(text);
        }
        faults.add(
            place,
            format_args!(
                "{name} has to be a text such as \"{example}\", and is {}",
                self.what()
            ),
        );
        None
    }
}

/// A name that a client made up, shortened.
pub(crate) fn shown(name: &str) -> String {
    let short: String = name.chars().take(40).collect();
    format!("{short:?}")
}
