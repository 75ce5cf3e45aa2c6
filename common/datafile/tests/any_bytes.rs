//! Whatever is dropped in: every row is accepted or rejected, and nothing panics.

mod reading;

use datafile::{Limits, ReadError, gzip};
use proptest::prelude::*;
use reading::{GOOD, HEADER, Reading, rejection, small};

/// Checks what must be true of any file, with blocks of any size.
fn check(file: &[u8], block_bytes: usize) -> Result<(), TestCaseError> {
    let limits = Limits {
        block_bytes,
        ..small()
    };
    let Ok(reading) = Reading::of(file, limits) else {
        return Ok(());
    };
    let counts = reading.tally.counts();
    prop_assert_eq!(counts.rows_accepted, reading.samples.len() as u64);
    prop_assert_eq!(counts.rows_rejected, reading.rejected.len() as u64);
    prop_assert_eq!(counts.rows_read, counts.rows_accepted + counts.rows_rejected);
    let faults: usize = reading.rejected.iter().map(|row| row.faults.len()).sum();
    let told: u64 = reading.tally.reasons().iter().map(|reason| reason.count).sum();
    prop_assert_eq!(told, faults as u64);
    prop_assert!(reading.rejected.iter().all(|row| !row.faults.is_empty()));
    prop_assert!(reading.rejected.is_sorted_by(|a, b| a.line < b.line));
    // Each row stands in the file just as it is told.
    let mut rest = file;
    for row in &reading.rejected {
        let at = rest.windows(row.text.len()).position(|text| text == row.text);
        prop_assert!(at.is_some(), "{:?}", row);
        rest = &rest[at.unwrap_or_default() + row.text.len()..];
    }
    let whole = Reading::of(file, small()).map(|reading| reading.rejected);
    prop_assert_eq!(whole.ok(), Some(reading.rejected));
    Ok(())
}

/// A good file of several rows, with one byte range replaced by other bytes, several times.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let cut = (
        any::<prop::sample::Index>(),
        0usize..4,
        prop::collection::vec(byte(), 0..4),
    );
    prop::collection::vec(cut, 0..8).prop_map(|cuts| {
        let row = format!("\"1\",{GOOD}\r\n2,{GOOD}\n");
        let mut file = format!("\"\",{HEADER}\n{}", row.repeat(3)).into_bytes();
        for (at, len, bytes) in cuts {
            let at = at.index(file.len());
            let to = (at + len).min(file.len());
            file.splice(at..to, bytes);
        }
        file
    })
}

/// The bytes that decide something, more often than others.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        3 => prop::sample::select(b",;\"\r\n\t -.0a\0\xe9\xc3".to_vec()),
        1 => any::<u8>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn any_bytes_are_a_rejection_or_counted_rows(file in prop::collection::vec(byte(), 0..300), block in 1usize..400) {
        check(&file, block)?;
    }

    #[test]
    fn any_bytes_after_a_header_are_counted_in_full(body in prop::collection::vec(byte(), 0..300), block in 1usize..400) {
        check(&[HEADER.as_bytes(), b"\n", &body].concat(), block)?;
    }

    #[test]
    fn a_mutated_file_is_counted_in_full(file in mutated(), block in 1usize..400) {
        check(&file, block)?;
    }

    #[test]
    fn the_size_of_a_block_decides_nothing(file in mutated(), block in 1usize..400) {
        let limits = |block_bytes| Limits { record_bytes: 150, block_bytes, ..Limits::default() };
        prop_assert_eq!(rejection(&file, limits(block)), rejection(&file, limits(1 << 20)));
    }

    #[test]
    fn any_bytes_unpack_or_reject(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        bytes.splice(0..0, *b"\x1f\x8b\x08\0\0\0\0\0\0\0");
        let error = std::io::Read::read_to_end(&mut gzip::Reader::new(&bytes[..]), &mut Vec::new()).err();
        prop_assert!(!matches!(error.map(ReadError::from), Some(ReadError::Io(_))));
    }
}
