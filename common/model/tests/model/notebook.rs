//! The data of the challenge's notebook, split as the notebook splits it.

use std::{collections::HashSet, fs, path::PathBuf};

use domain::{
    Sample,
    row::{Column, RawRow, judge},
};
use serde_json::Value;

/// A line of the file, the header being line 1, and the sample on it, unless it is rejected.
pub(crate) type Line = (u64, Option<Sample>);

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

pub(crate) struct Notebook {
    pub(crate) reference: Value,
    pub(crate) lines: Vec<Line>,
}

impl Notebook {
    pub(crate) fn read() -> Option<Self> {
        let folder = shared_data()?;
        let reference = fs::read(folder.join("notebook-reference.json")).unwrap();
        let csv = fs::read(folder.join("diamonds.csv")).unwrap();
        Some(Self {
            reference: serde_json::from_slice(&reference).unwrap(),
            lines: lines(&csv),
        })
    }

    pub(crate) fn numbers(&self, name: &str) -> Vec<u64> {
        self.reference[name]
            .as_array()
            .unwrap()
            .iter()
            .map(|number| number.as_u64().unwrap())
            .collect()
    }

    pub(crate) fn sample(&self, line: u64) -> Sample {
        self.lines
            .iter()
            .find(|(number, _)| *number == line)
            .unwrap()
            .1
            .unwrap()
    }

    pub(crate) fn training(&self) -> Vec<Sample> {
        let test: HashSet<u64> = self.numbers("test_lines").into_iter().collect();
        self.lines
            .iter()
            .filter(|(line, _)| !test.contains(line))
            .filter_map(|(_, sample)| *sample)
            .collect()
    }

    pub(crate) fn test(&self) -> Vec<Sample> {
        self.numbers("test_lines")
            .into_iter()
            .map(|line| self.sample(line))
            .collect()
    }
}

/// Every sample of the file, in its order; none where it is absent.
pub(crate) fn samples() -> Option<Vec<Sample>> {
    Some(
        Notebook::read()?
            .lines
            .into_iter()
            .filter_map(|(_, sample)| sample)
            .collect(),
    )
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
