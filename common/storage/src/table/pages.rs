//! How much a column of a row group takes once it is decoded, as the headers of its pages say: the metadata at the
//! end of the file may say anything, and a page of a few bytes may unpack to gigabytes.
//!
//! Page headers are structs of Thrift's compact protocol
//! (<https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>).

use std::{
    fs::File,
    io::{self, BufReader, Read as _, Seek as _, SeekFrom},
    ops::Range,
};

/// The encoding `DELTA_BYTE_ARRAY`: every text may repeat all of the one before it.
const DELTA_BYTE_ARRAY: i64 = 7;
/// Structs within structs; page headers need three.
const MOST_NESTED: u8 = 8;

/// What the pages of one column of a row group add up to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pages {
    /// Values, missing ones included.
    pub(super) values: u64,
    /// Bytes after unpacking, at most.
    pub(super) bytes: u64,
}

/// One page, as its header describes it.
#[derive(Debug, Default)]
struct Page {
    unpacked: i64,
    packed: i64,
    values: i64,
    entries: i64,
    encoding: i64,
}

/// Adds up the pages at `range` of the file, which hold `values` values; stops once they exceed `limit` bytes.
///
/// # Errors
///
/// When they contradict themselves, or the file cannot be read.
pub(super) fn add_up(file: &File, range: Range<u64>, values: u64, limit: u64) -> io::Result<Pages> {
    let mut source = BufReader::new(file);
    source.seek(SeekFrom::Start(range.start))?;
    let mut headers = Headers {
        source,
        left: range.end.saturating_sub(range.start),
    };
    let mut sum = Pages::default();
    while sum.values < values && sum.bytes <= limit {
        let page = headers.next()?;
        sum.values += natural(page.values)?;
        sum.bytes = sum.bytes.saturating_add(page.bytes()?);
        headers.skip(natural(page.packed)?)?;
    }
    Ok(sum)
}

impl Page {
    fn bytes(&self) -> io::Result<u64> {
        let bytes = natural(self.unpacked)?.max(natural(self.packed)?);
        // Every entry of a dictionary takes four bytes or more.
        if natural(self.entries)?.saturating_mul(4) > bytes {
            return Err(contradiction());
        }
        Ok(match self.encoding {
            DELTA_BYTE_ARRAY => bytes.saturating_mul(natural(self.values)?),
            _ => bytes,
        })
    }
}

/// Page headers, and what lies between them.
struct Headers<'a> {
    source: BufReader<&'a File>,
    left: u64,
}

impl Headers<'_> {
    fn next(&mut self) -> io::Result<Page> {
        let mut page = Page::default();
        self.fields(0, 0, &mut page)?;
        Ok(page)
    }

    /// Reads a struct, the field `parent` of the header, or the header itself (0).
    fn fields(&mut self, parent: i64, depth: u8, page: &mut Page) -> io::Result<()> {
        let mut id = 0;
        loop {
            let head = self.byte()?;
            let kind = head & 0x0f;
            if head == 0 {
                return Ok(());
            }
            id = match head >> 4 {
                0 => self.integer()?,
                delta => id + i64::from(delta),
            };
            match kind {
                // Booleans have their value in the kind.
                1 | 2 => {}
                4..=6 => page.set(parent, id, self.integer()?),
                // Of structs within structs nothing is wanted.
                12 if depth == 0 => self.fields(id, 1, page)?,
                _ => self.value(kind, depth)?,
            }
        }
    }

    /// Passes over a value of any kind.
    fn value(&mut self, kind: u8, depth: u8) -> io::Result<()> {
        if depth >= MOST_NESTED {
            return Err(contradiction());
        }
        match kind {
            // In lists, booleans and small numbers take a byte.
            1..=3 => self.skip(1),
            4..=6 => self.integer().map(drop),
            7 => self.skip(8),
            8 => {
                let length = self.varint()?;
                self.skip(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let length = match head >> 4 {
                    15 => self.varint()?,
                    length => u64::from(length),
                };
                (0..length).try_for_each(|_| self.value(head & 0x0f, depth + 1))
            }
            12 => self.fields(-1, depth + 1, &mut Page::default()),
            // Page headers have no maps.
            _ => Err(contradiction()),
        }
    }

    /// Zigzag: 0, -1, 1, -2 …
    fn integer(&mut self) -> io::Result<i64> {
        let bits = self.varint()?;
        Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed())
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(contradiction())
    }

    fn byte(&mut self) -> io::Result<u8> {
        self.left = self.left.checked_sub(1).ok_or_else(contradiction)?;
        let mut byte = [0];
        self.source.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or_else(contradiction)?;
        let bytes = i64::try_from(bytes).map_err(|_| contradiction())?;
        self.source.seek_relative(bytes)
    }
}

impl Page {
    /// The whole number with this id in the struct `parent`.
    fn set(&mut self, parent: i64, id: i64, number: i64) {
        match (parent, id) {
            (0, 2) => self.unpacked = number,
            (0, 3) => self.packed = number,
            // Data pages of the first and the second version.
            (5 | 8, 1) => self.values = number,
            (5, 2) | (8, 4) => self.encoding = number,
            (7, 1) => self.entries = number,
            _ => {}
        }
    }
}

fn natural(number: i64) -> io::Result<u64> {
    u64::try_from(number).map_err(|_| contradiction())
}

fn contradiction() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "its pages contradict themselves")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// The header of a data page of 3 values in 40 bytes, 10 of them packed, `encoding` as zigzag; and those 10 bytes.
    fn page(encoding: u8) -> Vec<u8> {
        let header = [0x15, 0, 0x15, 80, 0x15, 20, 0x2c, 0x15, 6, 0x15, encoding, 0, 0];
        [&header[..], &[9; 10]].concat()
    }

    fn sum(bytes: &[u8], values: u64, limit: u64) -> io::Result<Pages> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        add_up(&file, 0..bytes.len() as u64, values, limit)
    }

    #[test]
    fn pages_are_added_up_until_there_are_enough_values_or_too_many_bytes() {
        let (plain, delta) = (page(0), page(14));
        let two = [&plain[..], &plain].concat();
        let both = |values, bytes| Pages { values, bytes };
        assert_eq!(sum(&two, 6, 1000).unwrap(), both(6, 80));
        assert_eq!(sum(&two, 3, 1000).unwrap(), both(3, 40));
        assert_eq!(sum(&two, 6, 30).unwrap(), both(3, 40));
        assert_eq!(
            sum(&delta, 3, 1000).unwrap(),
            both(3, 120),
            "each text may hold all of the page"
        );
    }

    #[test]
    fn pages_that_are_cut_off_or_say_the_impossible_are_errors() {
        assert!(sum(&page(0), 6, 1000).is_err(), "there is one page only");
        assert!(sum(&page(0)[..8], 3, 1000).is_err());
        let negative = [0x15, 0, 0x15, 81, 0x15, 20, 0x2c, 0x15, 6, 0, 0];
        assert!(sum(&negative, 3, 1000).is_err());
        let full_dictionary = [0x15, 4, 0x15, 80, 0x15, 20, 0x4c, 0x15, 22, 0, 0];
        assert!(sum(&full_dictionary, 3, 1000).is_err());
        assert!(sum(&[0xff; 100], 3, 1000).is_err());
    }
}
