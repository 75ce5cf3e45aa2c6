//! `NAME.rejected.csv`: the rejected rows, each with its line and its reasons.

use std::io::{self, Write};

use crate::RejectedRow;

/// Writes the header.
///
/// # Errors
///
/// When `out` fails.
pub fn write_rejected_header(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"line,reasons,row\n")
}

/// Writes one line for each row. Its bytes stay as they were but for doubled quotes, and an apostrophe before one that
/// a spreadsheet would take for a formula.
///
/// # Errors
///
/// When `out` fails.
pub fn write_rejected(out: &mut impl Write, rows: &[RejectedRow]) -> io::Result<()> {
    for row in rows {
        write!(out, "{},\"", row.line)?;
        for (position, fault) in row.faults.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(out, "{separator}{fault}")?;
        }
        out.write_all(b"\",\"")?;
        if is_formula(&row.text) {
            out.write_all(b"'")?;
        }
        write_doubled(out, &row.text)?;
        out.write_all(b"\"\n")?;
    }
    Ok(())
}

/// Whether a spreadsheet may calculate, or call programs, when it shows this text. A row that begins with a negative
/// number and holds nothing but plain values is left as it is.
fn is_formula(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b" .,;\t+-_/".contains(byte);
    match text.first() {
        Some(b'=' | b'@' | b'\t' | b'\r') => true,
        Some(b'+' | b'-') => !text.iter().all(is_plain),
        _ => false,
    }
}

/// Writes `text` with every quote doubled, as inside of quotes.
fn write_doubled(out: &mut impl Write, text: &[u8]) -> io::Result<()> {
    for (position, part) in text.split(|byte| *byte == b'"').enumerate() {
        let separator: &[u8] = if position == 0 { b"" } else { b"\"\"" };
        out.write_all(separator)?;
        out.write_all(part)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::row::{Column, Fault, Problem};
    use proptest::prelude::*;

    fn written(rows: &[RejectedRow]) -> Vec<u8> {
        let mut out = Vec::new();
        write_rejected_header(&mut out).unwrap();
        write_rejected(&mut out, rows).unwrap();
        out
    }

    #[test]
    fn a_row_stands_beside_its_line_and_reasons() {
        let row = RejectedRow {
            line: 7,
            faults: vec![
                Fault::Value(Column::Cut, Problem::UnknownGrade),
                Fault::Value(Column::Price, Problem::NotPositive),
            ],
            text: b"1.1,\"Best\",-5".to_vec(),
        };
        assert_eq!(
            String::from_utf8(written(&[row])).unwrap(),
            "line,reasons,row\n\
             7,\"cut must be one of Fair, Good, Very Good, Premium, Ideal; price must be greater than 0\",\
             \"1.1,\"\"Best\"\",-5\"\n"
        );
    }

    /// S18: no row is a formula, and plain ones stay as they are.
    #[test]
    fn a_row_that_a_spreadsheet_would_calculate_is_made_harmless() {
        let shown = |text: &str| {
            let row = RejectedRow {
                line: 2,
                faults: vec![Fault::FieldCount],
                text: text.as_bytes().to_vec(),
            };
            let bytes = written(&[row]);
            let mut reader = csv::Reader::from_reader(&bytes[..]);
            let record = reader.records().next().unwrap().unwrap();
            record[2].to_owned()
        };
        let formulas = [
            "=cmd|'/C calc'!A0,Ideal",
            "@SUM(A1:A9)",
            "+cmd|'/C calc'!A0",
            "-2+3+cmd|'/C calc'!A0,Ideal",
            "-1.5,=HYPERLINK(\"http://a.example\"),H",
            "\t=1+1",
            "\r=1+1",
        ];
        for formula in formulas {
            assert_eq!(shown(formula), format!("'{formula}"));
        }
        for plain in [
            "-1.5,Very Good,H,SI2,62,55,4733,6.61,6.65,4.11",
            "-1e-3;Ideal",
            "+.5",
            "1,=2",
            "",
        ] {
            assert_eq!(shown(plain), plain);
        }
    }

    proptest! {
        #[test]
        fn any_row_is_read_back_as_it_was(text in proptest::collection::vec(any::<u8>(), 0..60), line in 2u64..) {
            let row = RejectedRow { line, faults: vec![Fault::FieldCount], text: text.clone() };
            let bytes = written(&[row.clone(), row]);
            let records: Vec<_> = csv::Reader::from_reader(&bytes[..]).into_byte_records().map(Result::unwrap).collect();
            prop_assert_eq!(records.len(), 2);
            prop_assert_eq!(String::from_utf8_lossy(&records[1][0]), line.to_string());
            let shown = &records[1][2];
            prop_assert_eq!(shown.strip_prefix(b"'").filter(|_| is_formula(&text)).unwrap_or(shown), &text[..]);
        }
    }
}
