//! From the text of a record to its fields.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use domain::row::Fault;
use memchr::{memchr, memchr_iter};

use crate::{header::Header, record::Record};

/// The texts of the ten columns.
pub(crate) type Texts<'a> = [&'a str; 10];

/// Takes records apart; keeps its buffers from one record to the next.
#[derive(Debug)]
pub(crate) struct Fields {
    delimiter: u8,
    /// Made for the first record with a quote: its table takes longer to build than many rows to read.
    reader: Option<Reader>,
    output: Vec<u8>,
    ends: Vec<usize>,
}

impl Fields {
    pub(crate) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            reader: None,
            output: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// The texts of the columns in `record`, whose text is `text`.
    pub(crate) fn texts<'a>(
        &'a mut self,
        record: &Record<'_>,
        text: &'a str,
        header: &Header,
    ) -> Result<Texts<'a>, Fault> {
        if !record.quoted {
            // Without quotes, `csv` cuts at the delimiter and nowhere else. Fields are so short that looking at every byte is faster than `memchr`.
            let cuts = text
                .bytes()
                .enumerate()
                .filter(|(_, byte)| *byte == header.delimiter());
            let ends = cuts.map(|(at, _)| at).chain([text.len()]);
            return columns(header, text, ends, 1).ok_or(Fault::FieldCount);
        }
        let (bytes, ends) = self
            .unescaped(text.as_bytes(), header.width())
            .ok_or(Fault::FieldCount)?;
        let text = str::from_utf8(bytes).map_err(|_| Fault::NotUtf8)?;
        let texts = columns(header, text, ends.iter().copied(), 0).ok_or(Fault::FieldCount)?;
        Ok(texts.map(value))
    }

    /// The fields of a record one after another without their quotes, and where each ends;
    /// nothing when there are more than `most`.
    fn unescaped(&mut self, text: &[u8], most: usize) -> Option<(&[u8], &[usize])> {
        grow(&mut self.output, text.len() + 1);
        grow(&mut self.ends, most + 1);
        let reader = self.reader.get_or_insert_with(|| reader(self.delimiter));
        let (_, _, written, begun) = reader.read_record(text, &mut self.output, &mut self.ends[..=most]);
        let (output, ends) = (&mut self.output[written..], &mut self.ends[begun..=most]);
        let (result, _, _, last) = reader.read_record(b"\n", output, ends);
        let count = begun + last;
        if result != ReadRecordResult::Record || count > most {
            restart(reader);
            return None;
        }
        Some((&self.output[..written], &self.ends[..count]))
    }
}

fn reader(delimiter: u8) -> Reader {
    let mut reader = ReaderBuilder::new().delimiter(delimiter).build();
    restart(&mut reader);
    reader
}

/// Makes `reader` forget a record that was not read to its end.
fn restart(reader: &mut Reader) {
    reader.reset();
    // A reader that has read nothing takes U+FEFF for a byte order mark, which only a file begins with.
    reader.read_record(b"\n", &mut [0], &mut [0]);
}

/// Makes `buffer` at least `len` long.
fn grow<T: Copy + Default>(buffer: &mut Vec<T>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, T::default());
    }
}

/// Picks the columns out of `text`, whose fields end at `ends` and are `gap` bytes apart;
/// nothing when there are more or fewer fields than in the header.
fn columns<'a>(
    header: &Header,
    text: &'a str,
    ends: impl Iterator<Item = usize>,
    gap: usize,
) -> Option<Texts<'a>> {
    let mut texts = [""; 10];
    let mut start = 0;
    let mut slots = header.slots().iter();
    for end in ends {
        if let Some(column) = slots.next()? {
            texts[*column as usize] = &text[start..end];
        }
        start = end + gap;
    }
    slots.next().is_none().then_some(texts)
}

/// A text without blanks and quotes around it.
///
/// With a blank before it, a quote does not open a quoted field and is still there.
fn unquoted(text: &str) -> &str {
    let trimmed = text.trim();
    let inner = trimmed.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.unwrap_or(trimmed)
}

/// The same for a value. Where there is no quote left, the blanks are left to [`domain::row::judge`]:
/// looking for them twice takes long.
fn value(text: &str) -> &str {
    match text.as_bytes().last() {
        Some(last) if last.is_ascii_alphanumeric() => text,
        _ => unquoted(text),
    }
}

/// The names in a header, without blanks and quotes around them.
pub(crate) fn names(text: &[u8], delimiter: u8) -> Vec<String> {
    let name = |name: &[u8]| unquoted(&String::from_utf8_lossy(name)).trim().to_owned();
    if memchr(b'"', text).is_none() {
        return text.split(|byte| *byte == delimiter).map(name).collect();
    }
    let most = memchr_iter(delimiter, text).count() + 1;
    let mut fields = Fields::new(delimiter);
    let (bytes, ends) = fields.unescaped(text, most).unwrap_or_default();
    let starts = [0].into_iter().chain(ends.iter().copied());
    starts
        .zip(ends)
        .map(|(start, end)| name(&bytes[start..*end]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(b"carat,cut", &["carat", "cut"])]
    #[case(b" Carat , \"cut\"", &["Carat", "cut"])]
    #[case(b"\"carat\",\"a,b\"", &["carat", "a,b"])]
    #[case(b",x,", &["", "x", ""])]
    #[case(b"\"\"", &[""])]
    #[case(b"\"a\"b,c", &["ab", "c"])]
    fn names_lose_blanks_and_quotes(#[case] text: &[u8], #[case] expected: &[&str]) {
        assert_eq!(names(text, b','), expected);
    }

    #[test]
    fn a_record_with_too_many_fields_leaves_nothing_behind() {
        let mut fields = Fields::new(b',');
        for many in [&b"\"a\",b,c"[..], b"\"a\",b,c,d,e,f", b"\"a\",b,\"c"] {
            assert_eq!(fields.unescaped(many, 2), None);
            assert_eq!(fields.unescaped(b"\"d\",e", 2), Some((&b"de"[..], &[1, 2][..])));
        }
    }

    #[test]
    fn a_mark_inside_a_file_is_text() {
        let mut fields = Fields::new(b',');
        let text = "\u{feff},\"a\"".as_bytes();
        assert_eq!(fields.unescaped(text, 2).map(|(bytes, _)| bytes.len()), Some(4));
    }
}
