use std::{fs, path::Path};

use domain::row::{RawRow, judge};
use proptest::prelude::*;

use super::*;
use crate::testing::unwatched;

const HEADER: &str = "carat,cut,color,clarity,depth,table,price,x,y,z\n";
const GOOD: &str = "1.1,Ideal,H,SI2,62.0,55.0,4733,6.61,6.65,4.11";

fn rules(scratch: &Path) -> Rules {
    Rules {
        scratch: scratch.to_owned(),
        max_rejected_share: 0.2,
        limits: Limits {
            expanded_bytes: 10_000,
            ..Limits::default()
        },
    }
}

fn reading_of(name: &str, bytes: &[u8]) -> Reading {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let opened = open(&path).unwrap().unwrap();
    read(&opened, &rules(folder.path()), &unwatched()).unwrap()
}

fn table() -> Vec<u8> {
    rows_of_table(30)
}

fn rows_of_table(rows: usize) -> Vec<u8> {
    let fields: Vec<_> = GOOD.split(',').collect();
    let sample = judge(&RawRow(fields.try_into().unwrap())).unwrap();
    storage::batch::write(&vec![sample; rows]).unwrap()
}

/// F2: a table of few bytes may hold rows without end.
#[test]
fn a_table_is_measured_by_what_it_unpacks_to() {
    let (small, large) = (rows_of_table(200), rows_of_table(250));
    assert!(large.len() < 10_000);
    let rejection = |bytes: &[u8]| reading_of("a.parquet", bytes).rejection();
    assert_eq!(rejection(&small), None);
    assert_eq!(
        rejection(&large).as_deref(),
        Some("the file holds more than 10000 bytes (unpacked); split it into smaller files")
    );
}

#[test]
fn the_digest_is_of_every_byte_even_when_reading_stopped_early() {
    let open_quote = format!("{HEADER}\"{GOOD}\n{}", "x".repeat(5000));
    let too_long = format!("{HEADER}{}", "1\n".repeat(4000));
    for (name, bytes) in [
        ("a.csv", format!("{HEADER}{GOOD}\n").into_bytes()),
        ("a.csv", open_quote.into_bytes()),
        ("a.csv", too_long.into_bytes()),
        ("a.csv", b"PK\x03\x04 and so on".to_vec()),
        ("a.csv.gz", b"\x1f\x8b no gzip".to_vec()),
        ("a.parquet", table()),
        ("a.parquet", b"PAR1 no table".to_vec()),
    ] {
        assert_eq!(reading_of(name, &bytes).sha256, Sha256::of(&bytes), "{name}");
    }
}

#[test]
fn a_list_of_rejected_rows_beyond_the_limit_rejects_the_file() {
    let reading = reading_of("a.csv", format!("{HEADER}{}", "1\n".repeat(4000)).as_bytes());
    let rejection = reading.rejection().unwrap();
    assert!(
        rejection.starts_with("the list of its bad rows would hold more than 10000 bytes"),
        "{rejection}"
    );
    assert!(reading.rejected.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_damaged_table_is_read_or_rejected_and_its_rows_add_up(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20), cut in 0_usize..50) {
        let mut bytes = table();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len() - cut);
        let counts = reading_of("a.parquet", &bytes).tally.counts();
        prop_assert_eq!(counts.rows_read, counts.rows_accepted + counts.rows_rejected);
    }
}
