//! Reading generated files back.

use csv::{ByteRecord, Position, ReaderBuilder};
use domain::row::{Fault, RawRow, judge};

/// Every record, the header first, with the line it begins in. The csv crate counts the lines of CRLF files from
/// the line feed before a record on, so they are counted here.
pub fn records(bytes: &[u8], delimiter: u8) -> Vec<(u64, ByteRecord)> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(bytes);
    let (mut line, mut counted) = (1, 0);
    let mut numbered = |record: ByteRecord| {
        let at = record.position().map_or(0, Position::byte) as usize;
        let begin = at + usize::from(bytes[at] == b'\n');
        line += bytes[counted..begin]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count() as u64;
        counted = begin;
        (line, record)
    };
    let records = reader.byte_records().map_while(Result::ok);
    records.map(&mut numbered).collect()
}

/// What is wrong with every bad row below a header with the columns in their order.
pub fn faults(bytes: &[u8], delimiter: u8) -> Vec<(u64, Vec<Fault>)> {
    let all = records(bytes, delimiter);
    let width = all[0].1.len();
    let judged = all[1..]
        .iter()
        .map(|(line, record)| (*line, judged(record, width)));
    judged
        .filter_map(|(line, faults)| Some((line, faults.err()?)))
        .collect()
}

fn judged(record: &ByteRecord, width: usize) -> Result<(), Vec<Fault>> {
    if record.len() != width {
        return Err(vec![Fault::FieldCount]);
    }
    let mut texts = [""; 10];
    for (text, field) in texts.iter_mut().zip(record) {
        *text = std::str::from_utf8(field).map_err(|_| vec![Fault::NotUtf8])?;
    }
    judge(&RawRow(texts)).map(drop)
}
