//! What a file is, by its first bytes, when it is not UTF-8 text.

use std::fmt;

use memchr::memmem;

use crate::Rejection;

/// A format that is not text. The text says what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Packed by gzip.
    Gzip,
    /// Packed by Zstandard.
    Zstandard,
    /// Packed by bzip2.
    Bzip2,
    /// Packed by xz.
    Xz,
    /// A zip archive of anything else than a spreadsheet.
    Zip,
    /// A workbook, old (`.xls`) or new (`.xlsx`).
    Excel,
    /// An OpenDocument spreadsheet (`.ods`).
    OpenDocument,
    /// A Parquet table.
    Parquet,
    /// A PNG image.
    Png,
    /// A JPEG image.
    Jpeg,
    /// A PDF document.
    Pdf,
    /// No format known here, and not text.
    Binary,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "the file is gzip; name it NAME.csv.gz",
            Self::Zstandard => "the file is packed by Zstandard; use gzip and name it NAME.csv.gz",
            Self::Bzip2 => "the file is packed by bzip2; use gzip and name it NAME.csv.gz",
            Self::Xz => "the file is packed by xz; use gzip and name it NAME.csv.gz",
            Self::Zip => "the file is a zip archive; drop the files inside it",
            Self::Excel => "the file is an Excel workbook; export it as CSV",
            Self::OpenDocument => "the file is an OpenDocument spreadsheet; export it as CSV",
            Self::Parquet => "the file is Parquet; name it NAME.parquet",
            Self::Png => "the file is a PNG image; export the table as CSV",
            Self::Jpeg => "the file is a JPEG image; export the table as CSV",
            Self::Pdf => "the file is a PDF document; export the table as CSV",
            Self::Binary => "the file is not text; export the table as CSV",
        })
    }
}

/// The UTF-8 byte order mark, which some programs write first.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// First bytes that no text file starts with.
const MAGIC: [(&[u8], Format); 8] = [
    (b"\x1f\x8b", Format::Gzip),
    (b"\x28\xb5\x2f\xfd", Format::Zstandard),
    (b"\xfd7zXZ\0", Format::Xz),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Format::Excel),
    (b"PAR1\x15", Format::Parquet),
    (b"\x89PNG\r\n\x1a\n", Format::Png),
    (b"\xff\xd8\xff", Format::Jpeg),
    (b"%PDF-", Format::Pdf),
];

/// How much of a zip archive is searched for what it holds, in bytes.
const ZIP_HEAD: usize = 4096;

/// How many bytes tell UTF-16 that has no mark.
const UTF16_HEAD: usize = 64;

/// Rejects a file by its first bytes when they are not those of UTF-8 text.
pub(crate) fn check(head: &[u8]) -> Result<(), Rejection> {
    if is_utf16(head) {
        return Err(Rejection::Utf16);
    }
    match format(head) {
        Some(what) => Err(Rejection::NotText { what }),
        None => Ok(()),
    }
}

/// Whether a text has bytes that no text editor writes, so that it is damaged or binary
/// rather than in another encoding.
pub(crate) fn has_controls(text: &[u8]) -> bool {
    text.iter()
        .any(|byte| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n'))
}

fn is_utf16(head: &[u8]) -> bool {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return true;
    }
    let head = &head[..head.len().min(UTF16_HEAD)];
    let units = || head.chunks_exact(2);
    let little = units().all(|unit| unit[0] != 0 && unit[1] == 0);
    let big = units().all(|unit| unit[0] == 0 && unit[1] != 0);
    units().len() >= 4 && (little || big)
}

fn format(head: &[u8]) -> Option<Format> {
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Some(zipped(&head[..head.len().min(ZIP_HEAD)]));
    }
    // The digit after "BZh" is the block size; what follows begins the first block.
    if head.starts_with(b"BZh") && head.get(4..10) == Some(b"1AY&SY") {
        return Some(Format::Bzip2);
    }
    let known = MAGIC.iter().find(|(magic, _)| head.starts_with(magic));
    known.map(|(_, format)| *format)
}

fn zipped(head: &[u8]) -> Format {
    let holds = |name: &[u8]| memmem::find(head, name).is_some();
    if holds(b"opendocument.spreadsheet") {
        Format::OpenDocument
    } else if holds(b"[Content_Types].xml") || holds(b"xl/") {
        Format::Excel
    } else {
        Format::Zip
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(b"\x1f\x8b\x08\0", "the file is gzip; name it NAME.csv.gz")]
    #[case(
        b"\x28\xb5\x2f\xfd\0",
        "the file is packed by Zstandard; use gzip and name it NAME.csv.gz"
    )]
    #[case(
        b"BZh91AY&SY\0",
        "the file is packed by bzip2; use gzip and name it NAME.csv.gz"
    )]
    #[case(b"\xfd7zXZ\0\0", "the file is packed by xz; use gzip and name it NAME.csv.gz")]
    #[case(
        b"PK\x03\x04\x14\0data.csv",
        "the file is a zip archive; drop the files inside it"
    )]
    #[case(
        b"PK\x03\x04\x14\0[Content_Types].xml",
        "the file is an Excel workbook; export it as CSV"
    )]
    #[case(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0",
        "the file is an Excel workbook; export it as CSV"
    )]
    #[case(
        b"PK\x03\x04\x14\0mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
        "the file is an OpenDocument spreadsheet; export it as CSV"
    )]
    #[case(b"PAR1\x15\x04\x15", "the file is Parquet; name it NAME.parquet")]
    #[case(b"\x89PNG\r\n\x1a\n\0", "the file is a PNG image; export the table as CSV")]
    #[case(b"\xff\xd8\xff\xe0", "the file is a JPEG image; export the table as CSV")]
    #[case(b"%PDF-1.4\n", "the file is a PDF document; export the table as CSV")]
    #[case(b"\xff\xfec\0a\0", "the file is UTF-16; save it as UTF-8")]
    #[case(b"\xfe\xff\0c\0a", "the file is UTF-16; save it as UTF-8")]
    #[case(b"c\0a\0r\0a\0t\0,\0", "the file is UTF-16; save it as UTF-8")]
    #[case(b"\0c\0a\0r\0a\0t\0,", "the file is UTF-16; save it as UTF-8")]
    fn what_is_not_text_is_named(#[case] head: &[u8], #[case] text: &str) {
        assert_eq!(check(head).unwrap_err().to_string(), text);
    }

    #[rstest]
    #[case(b"")]
    #[case(b"a\0")]
    #[case(b"PAR1,carat,cut")]
    #[case(b"BZh,carat,cut")]
    #[case(b"PK,carat,cut")]
    #[case("\u{feff}carat;caf\u{e9}".as_bytes())]
    fn text_passes(#[case] head: &[u8]) {
        assert_eq!(check(head), Ok(()));
    }
}
