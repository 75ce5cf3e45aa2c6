//! Reading a data file: bytes in, samples and every fault out. Pure.

use std::collections::HashMap;

use domain::{
    Sample,
    file::{ReasonCount, RowCounts},
    row::{Column, Fault, RawRow, judge},
};

/// How many lines a reason names.
const FIRST_LINES: usize = 10;

/// A row that was rejected.
#[derive(Debug, PartialEq)]
pub(crate) struct RejectedRow {
    /// Its line in the file, counted from 1.
    pub(crate) line: u64,
    /// Every reason.
    pub(crate) faults: Vec<Fault>,
    /// Its text as it stands in the file.
    pub(crate) text: Vec<u8>,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) samples: Vec<Sample>,
    pub(crate) rejected: Vec<RejectedRow>,
    pub(crate) ignored_columns: Vec<String>,
    /// Why no row could be read, or the file as a whole must be rejected.
    pub(crate) rejection: Option<String>,
}

/// Where each column stands.
struct Header {
    positions: [usize; 10],
    width: usize,
    ignored: Vec<String>,
}

impl Reading {
    /// Reads `bytes`; rejects the file when more than `max_rejected_share` of its rows are bad.
    pub(crate) fn of(bytes: &[u8], max_rejected_share: f64) -> Self {
        match read(bytes) {
            Ok(reading) => reading.judged(max_rejected_share),
            Err(rejection) => Self {
                rejection: Some(rejection),
                ..Self::default()
            },
        }
    }

    pub(crate) fn counts(&self) -> RowCounts {
        let (accepted, rejected) = (self.samples.len() as u64, self.rejected.len() as u64);
        RowCounts {
            rows_read: accepted + rejected,
            rows_accepted: accepted,
            rows_known: 0,
            rows_rejected: rejected,
        }
    }

    /// The reasons for rejected rows, most frequent first.
    pub(crate) fn reasons(&self) -> Vec<ReasonCount> {
        let mut lines: HashMap<Fault, Vec<u64>> = HashMap::new();
        for row in &self.rejected {
            for fault in &row.faults {
                lines.entry(*fault).or_default().push(row.line);
            }
        }
        let mut reasons: Vec<_> = lines.into_iter().collect();
        reasons.sort_by_key(|(fault, lines)| (std::cmp::Reverse(lines.len()), *fault));
        let count = |(fault, lines): (Fault, Vec<u64>)| ReasonCount {
            reason: fault.to_string(),
            count: lines.len() as u64,
            lines: lines.into_iter().take(FIRST_LINES).collect(),
        };
        reasons.into_iter().map(count).collect()
    }

    fn judged(mut self, max_rejected_share: f64) -> Self {
        let counts = self.counts();
        if counts.rows_read == 0 {
            self.rejection = Some("the file has a header and no rows".to_owned());
        } else if counts.rows_rejected as f64 > max_rejected_share * counts.rows_read as f64 {
            let percent = max_rejected_share * 100.0;
            self.rejection = Some(format!(
                "{} of {} rows break a rule, more than {percent} %; mend them and drop the file again",
                counts.rows_rejected, counts.rows_read
            ));
        }
        self
    }
}

fn read(bytes: &[u8]) -> Result<Reading, String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("the file is UTF-16; save it as UTF-8".to_owned());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(bytes))
        .from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    if !reader
        .read_byte_record(&mut record)
        .map_err(|error| error.to_string())?
    {
        return Err("the file is empty".to_owned());
    }
    let header = header(&record)?;
    let mut reading = Reading {
        ignored_columns: header.ignored.clone(),
        ..Reading::default()
    };
    while reader
        .read_byte_record(&mut record)
        .map_err(|error| error.to_string())?
    {
        let line = record.position().map_or(0, csv::Position::line);
        match row(&record, &header) {
            Ok(sample) => reading.samples.push(sample),
            Err(faults) => {
                let start = record.position().map_or(0, csv::Position::byte) as usize;
                let text = bytes
                    .get(start..reader.position().byte() as usize)
                    .unwrap_or_default();
                reading.rejected.push(RejectedRow {
                    line,
                    faults,
                    text: text.trim_ascii().to_vec(),
                });
            }
        }
    }
    Ok(reading)
}

fn delimiter(bytes: &[u8]) -> u8 {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |wanted: u8| first.iter().filter(|byte| **byte == wanted).count();
    if count(b';') > count(b',') { b';' } else { b',' }
}

fn header(record: &csv::ByteRecord) -> Result<Header, String> {
    let names: Vec<_> = record
        .iter()
        .map(|name| String::from_utf8_lossy(name).trim().to_lowercase())
        .collect();
    let mut positions = [0; 10];
    let mut missing = Vec::new();
    for (slot, column) in positions.iter_mut().zip(Column::ALL) {
        let mut found = names
            .iter()
            .enumerate()
            .filter(|(_, name)| *name == column.name());
        match found.next() {
            Some((position, _)) => *slot = position,
            None => missing.push(column.name()),
        }
        if found.next().is_some() {
            return Err(format!(
                "column {} stands in the header more than once",
                column.name()
            ));
        }
    }
    if !missing.is_empty() {
        return Err(format!(
            "the header lacks {}; the first line must name the columns",
            missing.join(", ")
        ));
    }
    let ignored = names
        .iter()
        .filter(|name| Column::ALL.iter().all(|column| column.name() != *name));
    Ok(Header {
        positions,
        width: names.len(),
        ignored: ignored.map(|name| name.replace('\0', "\u{fffd}")).collect(),
    })
}

fn row(record: &csv::ByteRecord, header: &Header) -> Result<Sample, Vec<Fault>> {
    if record.len() != header.width {
        return Err(vec![Fault::FieldCount]);
    }
    let mut texts = [""; 10];
    for (text, position) in texts.iter_mut().zip(header.positions) {
        let field = record.get(position).unwrap_or_default();
        *text = std::str::from_utf8(field).map_err(|_| vec![Fault::NotUtf8])?;
    }
    judge(&RawRow(texts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "carat,cut,color,clarity,depth,table,price,x,y,z\n";
    const GOOD: &str = "1.1,Ideal,H,SI2,62.0,55.0,4733,6.61,6.65,4.11\n";

    #[test]
    fn a_bad_row_is_named_by_line_reason_and_text() {
        let bad = GOOD.replace("4733", "-5");
        let reading = Reading::of(format!("{HEADER}{GOOD}{bad}{GOOD}").as_bytes(), 0.5);
        assert_eq!(reading.samples.len(), 2);
        let [row] = &reading.rejected[..] else {
            panic!("{reading:?}")
        };
        assert_eq!(
            (row.line, String::from_utf8_lossy(&row.text).as_ref()),
            (3, bad.trim())
        );
        assert_eq!(reading.reasons()[0].reason, "price must be greater than 0");
    }

    #[test]
    fn columns_are_found_by_name_in_any_order_case_and_dialect() {
        let text = "\u{feff};PRICE;\"Carat\";cut;color;clarity;depth;table;x;y;z;shop\r\n\
                    0;4733; 1.10 ;ideal;H;SI2;62;55;6.61;6.65;4.11;a\r\n";
        let reading = Reading::of(text.as_bytes(), 0.2);
        assert_eq!(
            reading.samples,
            Reading::of(format!("{HEADER}{GOOD}").as_bytes(), 0.2).samples
        );
        assert_eq!(reading.ignored_columns, ["", "shop"]);
    }

    #[test]
    fn too_many_bad_rows_reject_the_file() {
        let reading = Reading::of(format!("{HEADER}{GOOD}1,2\n").as_bytes(), 0.2);
        assert!(reading.rejection.unwrap().contains("1 of 2 rows"));
    }

    #[test]
    fn a_missing_column_is_named() {
        let rejection = Reading::of(b"carat,cut\n1,Ideal\n", 0.2).rejection.unwrap();
        assert!(rejection.contains("color, clarity"), "{rejection}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_counted_in_full(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut file = HEADER.as_bytes().to_vec();
            file.extend(bytes);
            let counts = Reading::of(&file, 1.0).counts();
            prop_assert_eq!(counts.rows_read, counts.rows_accepted + counts.rows_rejected);
        }
    }
}
