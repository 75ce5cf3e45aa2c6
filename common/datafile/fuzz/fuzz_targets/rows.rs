//! Any bytes are a rejection, or rows that are accepted or rejected, whatever the size of a block.

#![no_main]

use datafile::{Limits, ReadError, RejectedRow, Rejection, Splitter, Tally, read_block, write_rejected};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((size, file)) = input.split_first() else {
        return;
    };
    let small = read(file, 1 + usize::from(*size));
    assert_eq!(small, read(file, 1 << 20), "the size of a block decides something");
});

fn read(file: &[u8], block_bytes: usize) -> Result<(Tally, Vec<RejectedRow>), Rejection> {
    let limits = Limits {
        record_bytes: 200,
        expanded_bytes: 1 << 20,
        block_bytes,
        ..Limits::default()
    };
    let rejection = |error| match error {
        ReadError::Rejected(rejection) => rejection,
        ReadError::Io(error) => panic!("a slice cannot fail: {error}"),
    };
    let mut splitter = Splitter::open(file, limits).map_err(rejection)?;
    let (mut tally, mut accepted, mut rejected) = (Tally::default(), 0, Vec::new());
    while let Some(block) = splitter.next_block().map_err(rejection)? {
        let rows = read_block(&block, splitter.header())?;
        tally.add(&rows);
        accepted += rows.samples.len() as u64;
        rejected.extend(rows.rejected);
    }
    check(&tally, accepted, &rejected);
    Ok((tally, rejected))
}

fn check(tally: &Tally, accepted: u64, rejected: &[RejectedRow]) {
    let counts = tally.counts();
    assert_eq!(counts.rows_read, accepted + rejected.len() as u64);
    assert_eq!(counts.rows_rejected, rejected.len() as u64);
    let faults: usize = rejected.iter().map(|row| row.faults.len()).sum();
    let told: u64 = tally.reasons().iter().map(|reason| reason.count).sum();
    assert_eq!(told, faults as u64);
    assert!(rejected.iter().all(|row| !row.faults.is_empty()));
    let mut out = Vec::new();
    assert!(write_rejected(&mut out, rejected).is_ok());
}
