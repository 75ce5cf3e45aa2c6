//! Whole files: what is dropped in, and what comes of it.

mod reading;

use std::io::{self, Read};

use datafile::{Limits, ReadError, Rejection, Splitter};
use reading::{GOOD, HEADER, Reading, rejection, small};
use rstest::rstest;

fn file(rows: &str) -> String {
    format!("{HEADER}\n{rows}")
}

#[rstest]
#[case::lf(file(&format!("{GOOD}\n{GOOD}\n")))]
#[case::crlf(file(&format!("{GOOD}\n{GOOD}\n")).replace('\n', "\r\n"))]
#[case::cr(file(&format!("{GOOD}\n{GOOD}\n")).replace('\n', "\r"))]
#[case::no_last_line_end(file(&format!("{GOOD}\n{GOOD}")))]
#[case::mark(format!("\u{feff}{}", file(&format!("{GOOD}\n{GOOD}\n"))))]
#[case::mark_and_quotes(format!("\u{feff}\"carat\"{}\n{GOOD}\n{GOOD}\n", &HEADER[5..]))]
#[case::semicolons(file(&format!("{GOOD}\n{GOOD}\n")).replace(',', ";"))]
#[case::tabs(file(&format!("{GOOD}\n{GOOD}\n")).replace(',', "\t"))]
#[case::blank_lines(format!("\r\n \n{}", file(&format!("\n{GOOD}\n\r\n  \n{GOOD}\n\n"))))]
#[case::upper_case(format!("{}\n{GOOD}\n{GOOD}\n", HEADER.to_uppercase()))]
#[case::blanks(file(&format!("{GOOD}\n{GOOD}\n")).replace(',', " , "))]
#[case::quotes(file(&format!("{GOOD}\n{GOOD}\n")).replace(',', "\",\"").replace('\n', "\"\n\"").trim_matches('"').replacen("carat", "\"carat", 1))]
#[case::blanks_before_quotes(file(&format!("{GOOD}\n{GOOD}\n")).replace(",Ideal", ", \"Ideal\"").replace(",4733", ", \"4733\" "))]
#[case::index_and_extra(format!(",{HEADER},shop\n0,{GOOD},\"a\nb\"\n1,{GOOD},6\" wide\n"))]
#[case::other_order(format!("{}\n{}\n{}\n", reversed(HEADER), reversed(GOOD), reversed(GOOD)))]
fn every_dialect_gives_the_same_samples(#[case] text: String) {
    let expected = Reading::of(file(&format!("{GOOD}\n{GOOD}\n")).as_bytes(), Limits::default()).unwrap();
    assert_eq!(expected.samples.len(), 2);
    for limits in [Limits::default(), small()] {
        let reading = Reading::of(text.as_bytes(), limits).unwrap();
        assert_eq!(
            (&reading.rejected, &reading.samples),
            (&vec![], &expected.samples),
            "{text}"
        );
    }
}

fn reversed(line: &str) -> String {
    line.split(',').rev().collect::<Vec<_>>().join(",")
}

#[rstest]
#[case::lf("\n")]
#[case::crlf("\r\n")]
#[case::cr("\r")]
fn lines_are_exact_through_blank_lines_and_quoted_line_ends(#[case] end: &str) {
    let text = format!("\n{HEADER},note\n{GOOD},\"two\nlines\"\n\n-{GOOD},\n{GOOD},\"\n\"\n{GOOD}\n")
        .replace('\n', end);
    let reading = Reading::of(text.as_bytes(), small()).unwrap();
    let lines: Vec<_> = reading.rejected.iter().map(|row| row.line).collect();
    assert_eq!((lines, reading.samples.len()), (vec![6, 9], 2));
}

#[rstest]
#[case::more(&format!("{GOOD},1"), "the row has more or fewer fields than the header")]
#[case::fewer("1.1,Ideal", "the row has more or fewer fields than the header")]
#[case::more_with_quotes(&format!("\"1\",{GOOD}"), "the row has more or fewer fields than the header")]
#[case::decimal_comma(&GOOD.replace("6.61", "\"6,61\""), "x is not a number (decimals are written 1.5)")]
#[case::negative(&GOOD.replace("4733", "-5"), "price must be greater than 0")]
#[case::missing(&GOOD.replace("Ideal", ""), "cut is missing")]
#[case::missing_in_quotes(&GOOD.replace("Ideal", " \"\" "), "cut is missing")]
#[case::nul(&GOOD.replace("Ideal", "Ide\0al"), "cut must be one of Fair, Good, Very Good, Premium, Ideal")]
#[case::quote_inside(&GOOD.replace("Ideal", "Id\"eal"), "cut must be one of Fair, Good, Very Good, Premium, Ideal")]
fn a_bad_row_is_named_by_line_text_and_reason(#[case] row: &str, #[case] reason: &str) {
    let text = file(&format!("{GOOD}\n{row}\n{GOOD}\n"));
    let reading = Reading::of(text.as_bytes(), Limits::default()).unwrap();
    assert_eq!(reading.samples.len(), 2);
    let [bad] = &reading.rejected[..] else {
        panic!("{:?}", reading.rejected)
    };
    assert_eq!((bad.line, &*bad.text), (3, row.as_bytes()));
    assert_eq!(
        bad.faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [reason]
    );
}

#[test]
fn a_decimal_comma_between_semicolons_is_explained() {
    let text = file(GOOD).replace(',', ";").replace('.', ",");
    let reading = Reading::of(text.as_bytes(), Limits::default()).unwrap();
    let reason = reading.rejected[0].faults[0].to_string();
    assert_eq!(reason, "carat is not a number (decimals are written 1.5)");
}

#[test]
fn a_damaged_row_is_a_bad_row() {
    let text = [file(GOOD).as_bytes(), b"\n1.1,\0\xff,Ideal\n", GOOD.as_bytes()].concat();
    let reading = Reading::of(&text, Limits::default()).unwrap();
    assert_eq!(reading.samples.len(), 2);
    assert_eq!(
        reading.rejected[0].faults[0].to_string(),
        "the row is not UTF-8 text"
    );
    assert_eq!(reading.rejected[0].text, b"1.1,\0\xff,Ideal");
}

#[rstest]
#[case::empty(b"".to_vec(), "the file is empty")]
#[case::mark_only("\u{feff}".into(), "the file is empty")]
#[case::blank(b" \r\n\n\t".to_vec(), "the file is empty")]
#[case::no_rows(format!("{HEADER}\n\n \n").into(), "the file has a header and no rows")]
#[case::no_rows_no_line_end(HEADER.into(), "the file has a header and no rows")]
#[case::utf_16(file(GOOD).encode_utf16().flat_map(u16::to_le_bytes).collect(), "the file is UTF-16; save it as UTF-8")]
#[case::utf_16_marked(format!("\u{feff}{HEADER}").encode_utf16().flat_map(u16::to_be_bytes).collect(), "the file is UTF-16; save it as UTF-8")]
#[case::gzip(b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "the file is gzip; name it NAME.csv.gz")]
#[case::latin_1([format!("{HEADER},shop\n{GOOD},a\n{GOOD},\"b\nK").as_bytes(), b"\xf6ln\"\n"].concat(), "line 4 holds the byte 0xF6, which is not UTF-8; the file seems to be Latin-1 or Windows-1252: save it as UTF-8")]
#[case::open_quote(file(&format!("{GOOD}\n{GOOD}\n1,\"a\nb")).into(), "the quote opened on line 4 is never closed; close it, or double a quote that is part of a value")]
#[case::long(file(&format!("{GOOD}\n\"{}", "ab\n".repeat(50))).into(), "the record on line 3 is longer than 100 bytes; is a quote left open there?")]
#[case::long_line(file(&format!("{GOOD}\n{:<101}\n{GOOD}", "a")).into(), "the record on line 3 is longer than 100 bytes; is a quote left open there?")]
#[case::large(file(&format!("{GOOD}\n").repeat(90)).into(), "the file holds more than 4000 bytes (unpacked); split it into smaller files")]
#[case::bad(file("1,2\n").into(), "1 of 1 rows break a rule, more than 20 %; none of its rows are used: mend those rows, and drop the whole file again")]
fn a_bad_file_is_explained(#[case] file: Vec<u8>, #[case] message: &str) {
    for block_bytes in [1, 64, 1 << 20] {
        let limits = Limits {
            record_bytes: 100,
            expanded_bytes: 4000,
            block_bytes,
            ..Limits::default()
        };
        assert_eq!(
            rejection(&file, limits).unwrap().to_string(),
            message,
            "blocks of {block_bytes}"
        );
    }
}

#[test]
fn a_record_at_the_limit_passes() {
    let note = "n".repeat(100 - GOOD.len() - 1);
    for end in ["", "\n", "\r\n"] {
        for block_bytes in [1, 64, 1 << 20] {
            let text = format!("{HEADER},note\n{GOOD},{note}{end}");
            let limits = Limits {
                record_bytes: 100,
                block_bytes,
                ..Limits::default()
            };
            assert_eq!(rejection(text.as_bytes(), limits), None, "{end:?}");
        }
    }
}

#[test]
fn an_endless_record_is_not_read_whole() {
    let (text, limits) = (file(""), Limits::default());
    let long = 8 << 20;
    let mut source = text.as_bytes().chain(io::repeat(b'a').take(long));
    let mut splitter = Splitter::open(&mut source, limits).unwrap();
    let error = splitter.next_block().unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::Rejected(Rejection::LongRecord {
                line: 2,
                limit: 1_048_576
            })
        ),
        "{error:?}"
    );
    let read = long - source.get_ref().1.limit();
    assert!(read <= limits.record_bytes as u64 + 2, "{read} bytes were read");
}

#[test]
fn a_failing_source_is_no_rejection() {
    #[derive(Debug)]
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk on fire"))
        }
    }
    let error = Splitter::open(HEADER.as_bytes().chain(Failing), Limits::default()).unwrap_err();
    assert!(matches!(error, ReadError::Io(_)), "{error:?}");
}
