//! Generated files as a whole.

use std::io::Read as _;

use flate2::read::{DeflateDecoder, GzDecoder};
use testkit::generate::{Diamonds, FileDefect, Format, Size};

use crate::reader::{faults, records};

fn header(defect: FileDefect) -> String {
    let bytes = Diamonds::new(3, 7).with(defect).to_bytes();
    let line = bytes.split(|byte| b"\r\n".contains(byte)).next();
    String::from_utf8_lossy(line.unwrap_or_default()).into_owned()
}

fn unpacked(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut text)?;
    Ok(text)
}

#[test]
fn a_file_of_so_many_bytes_ends_with_the_row_that_reaches_them() {
    let bytes = Diamonds::sized(Size::Bytes(300_000), 7).to_bytes();
    assert!((300_000..300_100).contains(&bytes.len()), "{}", bytes.len());
    assert!(bytes.ends_with(b"\n"));
}

#[test]
fn what_was_written_is_told() {
    let mut bytes = Vec::new();
    let written = Diamonds::new(5_000, 7).write_to(&mut bytes).unwrap();
    assert_eq!((written.rows, written.bytes), (5_000, bytes.len() as u64));
}

#[test]
fn a_header_shows_its_defect() {
    let plain = "carat,cut,color,clarity,depth,table,price,x,y,z";
    assert_eq!(header(FileDefect::Bom), format!("\u{feff}{plain}"));
    assert_eq!(header(FileDefect::Semicolon), plain.replace(',', ";"));
    assert_eq!(header(FileDefect::Tab), plain.replace(',', "\t"));
    assert_eq!(header(FileDefect::UpperCaseHeader), plain.to_uppercase());
    assert_eq!(
        header(FileDefect::Quoted),
        format!("\"{}\"", plain.replace(',', "\",\""))
    );
    assert_eq!(header(FileDefect::IndexColumn), format!(",{plain}"));
    assert_eq!(header(FileDefect::ExtraColumn), format!("{plain},shop"));
    assert_eq!(
        header(FileDefect::Blanks),
        format!(" {} ", plain.replace(',', " , "))
    );
    assert_eq!(header(FileDefect::MissingColumn), plain.replace(",clarity", ""));
    assert_eq!(header(FileDefect::RepeatedColumn), format!("{plain},carat"));
    assert_ne!(header(FileDefect::ShuffledColumns), plain);
    assert!(
        header(FileDefect::NoHeader).starts_with("0."),
        "{}",
        header(FileDefect::NoHeader)
    );
}

#[test]
fn lines_end_as_they_are_told() {
    let lines = |defect| Diamonds::new(3, 7).with(defect).to_bytes();
    let count = |bytes: &[u8], ending: u8| bytes.iter().filter(|byte| **byte == ending).count();
    let (crlf, cr) = (lines(FileDefect::Crlf), lines(FileDefect::Cr));
    assert_eq!((count(&crlf, b'\r'), count(&crlf, b'\n')), (4, 4));
    assert_eq!((count(&cr, b'\r'), count(&cr, b'\n')), (4, 0));
}

#[test]
fn values_in_other_spellings_are_the_same_values() {
    for defect in [
        FileDefect::Exponents,
        FileDefect::Blanks,
        FileDefect::Quoted,
        FileDefect::ExtraColumn,
    ] {
        let bytes = Diamonds::new(100, 7).with(defect).to_bytes();
        assert_eq!(faults(&bytes, b','), [], "{defect:?}");
        assert_ne!(bytes, Diamonds::new(100, 7).to_bytes());
    }
}

#[test]
fn letters_are_encoded_as_they_are_told() {
    let bytes = |defect| Diamonds::new(4, 7).with(defect).to_bytes();
    assert!(
        String::from_utf8(bytes(FileDefect::ExtraColumn))
            .unwrap()
            .contains("Café")
    );
    let latin = bytes(FileDefect::Latin1);
    assert!(std::str::from_utf8(&latin).is_err() && latin.windows(4).any(|four| four == b"Caf\xe9"));
    let wide = bytes(FileDefect::Utf16);
    let units = wide[2..]
        .chunks(2)
        .map(|two| u16::from_le_bytes([two[0], two[1]]));
    let text: String = char::decode_utf16(units).map(|letter| letter.unwrap()).collect();
    assert!(wide.starts_with(&[0xff, 0xfe]));
    assert_eq!(text.into_bytes(), Diamonds::new(4, 7).to_bytes());
}

#[test]
fn files_without_rows_have_none() {
    let bytes = |defect| Diamonds::new(4, 7).with(defect).to_bytes();
    assert_eq!(bytes(FileDefect::Empty), b"");
    assert_eq!(bytes(FileDefect::HeaderOnly), Diamonds::new(0, 7).to_bytes());
}

#[test]
fn an_open_quote_swallows_every_row_and_an_endless_line_ends_the_file() {
    let open = Diamonds::new(4, 7).with(FileDefect::OpenQuote).to_bytes();
    assert_eq!(records(&open, b',').len(), 2);
    let endless = Diamonds::new(4, 7).with(FileDefect::EndlessLine).to_bytes();
    let last = endless.split(|byte| *byte == b'\n').next_back().unwrap();
    assert_eq!(last.len(), 2 * 1024 * 1024);
}

#[test]
fn gzip_holds_the_same_text_unless_its_end_is_cut_off() {
    let plain = Diamonds::new(5_000, 7);
    let packed = plain.clone().packed(Format::CsvGz).to_bytes();
    assert_eq!(unpacked(&packed).unwrap(), plain.to_bytes());
    let cut = plain.with(FileDefect::GzipCut).to_bytes();
    assert!(packed.starts_with(&cut) && cut.len() + 64 == packed.len());
    assert!(unpacked(&cut).is_err());
}

#[test]
fn a_gzip_bomb_expands_a_thousand_times() {
    let packed = Diamonds::new(40, 7).with(FileDefect::GzipBomb).to_bytes();
    let text = unpacked(&packed).unwrap();
    assert!(
        text.len() / packed.len() > 900,
        "{} of {}",
        packed.len(),
        text.len()
    );
    assert_eq!(faults(&text, b','), []);
}

#[test]
fn a_picture_and_an_archive_are_real() {
    let picture = Diamonds::new(4, 7).with(FileDefect::Png).to_bytes();
    assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n") && picture.len() == 67);
    let archive = Diamonds::new(4, 7).with(FileDefect::Zip).to_bytes();
    assert!(archive.starts_with(b"PK\x03\x04"));
    let mut text = Vec::new();
    let data = &archive[30 + "diamonds.csv".len()..];
    DeflateDecoder::new(data).read_to_end(&mut text).unwrap();
    assert_eq!(text, Diamonds::new(4, 7).to_bytes());
}

#[test]
fn pieces_do_not_show() {
    for defect in [FileDefect::Utf16, FileDefect::Bom] {
        let bytes = Diamonds::new(10_000, 7).with(defect).to_bytes();
        let marks = |mark: &[u8]| bytes.windows(mark.len()).filter(|window| *window == mark).count();
        assert_eq!(marks(b"\xff\xfe") + marks(b"\xef\xbb\xbf"), 1, "{defect:?}");
    }
}
