//! The rows of generated files as a reader sees them.

use csv::ByteRecord;
use domain::{Sha256, row::Column};
use testkit::generate::{Diamonds, Expectation, FileDefect, RowDefect, Shift};

use crate::reader::{faults, records};

const EVERY_ROW_DEFECT: [RowDefect; 13] = [
    RowDefect::NegativePrice,
    RowDefect::ZeroX,
    RowDefect::MissingCarat,
    RowDefect::TextNumber,
    RowDefect::UnknownCut,
    RowDefect::Nan,
    RowDefect::Infinite,
    RowDefect::DepthAbove100,
    RowDefect::ShortRow,
    RowDefect::LongRow,
    RowDefect::NotUtf8Binary,
    RowDefect::QuotedNewline,
    RowDefect::Repeated,
];

#[test]
fn the_same_arguments_give_the_same_bytes_for_ever() {
    let plain = Diamonds::new(1_000, 7).to_bytes();
    assert_eq!(
        Sha256::of(&plain).to_string(),
        "6789686fb6dac409dc0786833f6c6c13ed1761e40bc47bd5b2a66cd32863ba03"
    );
    let all = EVERY_ROW_DEFECT.into_iter();
    let marred = all.fold(Diamonds::new(1_000, 7), |diamonds, defect| {
        diamonds.with(defect.in_share(0.01))
    });
    assert_eq!(
        Sha256::of(&marred.to_bytes()).to_string(),
        "7c134f0a77b4c4fe3a06e66e56ed36254a8258f7afdf5fa167d320b5ca8c77bd"
    );
}

#[test]
fn another_seed_gives_other_rows() {
    let rows = |seed| records(&Diamonds::new(1_000, seed).to_bytes(), b',');
    let same = rows(7).iter().zip(rows(8)).filter(|(a, b)| a.1 == b.1).count();
    assert_eq!(same, 1, "the header alone");
}

#[test]
fn a_longer_file_begins_like_a_shorter_one() {
    let (short, long) = (
        Diamonds::new(10, 7).to_bytes(),
        Diamonds::new(10_000, 7).to_bytes(),
    );
    assert!(long.starts_with(&short));
}

#[test]
fn every_row_of_a_plain_file_follows_the_rules() {
    let bytes = Diamonds::new(10_000, 7).to_bytes();
    assert_eq!(records(&bytes, b',').len(), 10_001);
    assert_eq!(faults(&bytes, b','), []);
}

#[test]
fn every_bad_row_has_the_line_and_the_fault_that_were_told() {
    for dialect in [
        FileDefect::Crlf,
        FileDefect::Quoted,
        FileDefect::Semicolon,
        FileDefect::Blanks,
    ] {
        let all = EVERY_ROW_DEFECT.into_iter();
        let diamonds = all.fold(Diamonds::new(2_000, 7).with(dialect), |diamonds, defect| {
            diamonds.with(defect.in_share(0.02))
        });
        let (bytes, expected) = diamonds.to_bytes_with_expectations();
        let delimiter = if dialect == FileDefect::Semicolon {
            b';'
        } else {
            b','
        };
        let bad = |row: Expectation| Some((row.line, vec![row.defect.fault()?]));
        let told: Vec<_> = expected.into_iter().filter_map(bad).collect();
        let found = faults(&bytes, delimiter);
        let differing = found.iter().zip(&told).find(|(found, told)| found != told);
        assert_eq!((differing, found.len()), (None, told.len()), "{dialect:?}");
        assert!(told.len() > 11 * 35, "{}", told.len());
    }
}

#[test]
fn a_defect_strikes_its_share_of_the_rows() {
    for defect in EVERY_ROW_DEFECT {
        let strikes = |share| {
            let diamonds = Diamonds::new(1_000, 7).with(defect.in_share(share));
            diamonds.to_bytes_with_expectations().1.len()
        };
        assert_eq!(strikes(0.0), 0, "{defect:?}");
        assert!(
            (45..=55).contains(&strikes(0.05)),
            "{defect:?}: {}",
            strikes(0.05)
        );
        if defect != RowDefect::Repeated {
            assert_eq!(strikes(1.0), 1_000, "{defect:?}");
        }
    }
}

#[test]
fn a_repeated_row_equals_one_before_it() {
    let diamonds = Diamonds::new(1_000, 7).with(RowDefect::Repeated.in_share(0.1));
    let (bytes, expected) = diamonds.to_bytes_with_expectations();
    let lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
    assert!(expected.len() > 90);
    for row in expected {
        let line = row.line as usize;
        assert!(lines[1..line - 1].contains(&lines[line - 1]), "line {line}");
    }
}

#[test]
fn a_note_with_a_line_break_is_one_row_in_two_lines() {
    let diamonds = Diamonds::new(100, 7).with(RowDefect::QuotedNewline.in_share(0.1));
    let (bytes, expected) = diamonds.to_bytes_with_expectations();
    let breaks = bytes.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(breaks, 101 + expected.len());
    assert_eq!(records(&bytes, b',').len(), 101);
    assert_eq!(faults(&bytes, b','), []);
}

#[test]
fn shifted_prices_are_three_times_as_high() {
    let prices = |diamonds: Diamonds| -> Vec<u32> {
        let price =
            |(_, record): &(u64, ByteRecord)| std::str::from_utf8(&record[6]).unwrap().parse().unwrap();
        records(&diamonds.to_bytes(), b',')[1..]
            .iter()
            .map(price)
            .collect()
    };
    let plain = prices(Diamonds::new(100, 7));
    let shifted = prices(Diamonds::new(100, 7).shifted(Shift::new(Column::Price, 3.0)));
    assert!(
        plain
            .iter()
            .zip(shifted)
            .all(|(plain, shifted)| 3 * plain == shifted)
    );
}
