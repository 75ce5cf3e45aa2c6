//! What is around the text: nothing, gzip, an archive; or a picture instead of it.

use std::io::{self, Write};

use flate2::{Compression, write::GzEncoder};

use super::{
    defect::{Defect, FileDefect},
    diamonds::{Diamonds, Format},
    file::{self, Expectation, Written},
    zip,
};

/// How many bytes a cut-off gzip lacks.
const CUT: usize = 64;

/// One gray point.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\
    \0\0\0\nIDATx\x9cch\0\0\0\x82\0\x81w\xcdr\xb6\0\0\0\0IEND\xaeB`\x82";

enum Container {
    Plain,
    Gzip,
    GzipCut,
    Zip,
    Png,
}

/// Writes a file, and tells of every row that a defect struck.
pub(super) fn write(
    diamonds: &Diamonds,
    out: &mut dyn Write,
    tell: &mut dyn FnMut(Expectation),
) -> io::Result<Written> {
    match container(diamonds) {
        Container::Plain => file::write(diamonds, out, tell),
        Container::Gzip => gzip(diamonds, out, tell),
        Container::GzipCut => gzip(
            diamonds,
            &mut CutOff {
                out,
                held: Vec::new(),
            },
            tell,
        ),
        Container::Zip => zip::write(diamonds, out, tell),
        Container::Png => picture(out),
    }
}

/// The last defect that says so decides, then the format.
fn container(diamonds: &Diamonds) -> Container {
    let container = |defect: &Defect| match defect {
        Defect::File(FileDefect::GzipCut) => Some(Container::GzipCut),
        Defect::File(FileDefect::GzipBomb) => Some(Container::Gzip),
        Defect::File(FileDefect::Zip) => Some(Container::Zip),
        Defect::File(FileDefect::Png) => Some(Container::Png),
        _ => None,
    };
    let by_defect = diamonds.defects.iter().rev().find_map(container);
    by_defect.unwrap_or(match diamonds.format {
        Format::Csv => Container::Plain,
        Format::CsvGz => Container::Gzip,
    })
}

fn gzip(diamonds: &Diamonds, out: &mut dyn Write, tell: &mut dyn FnMut(Expectation)) -> io::Result<Written> {
    let mut encoder = GzEncoder::new(out, Compression::default());
    let written = file::write(diamonds, &mut encoder, tell)?;
    encoder.finish()?;
    Ok(written)
}

fn picture(out: &mut dyn Write) -> io::Result<Written> {
    out.write_all(PNG)?;
    Ok(Written {
        rows: 0,
        bytes: PNG.len() as u64,
    })
}

/// Keeps the last bytes to itself.
struct CutOff<'a> {
    out: &'a mut dyn Write,
    held: Vec<u8>,
}

impl Write for CutOff<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        let surplus = self.held.len().saturating_sub(CUT);
        self.out.write_all(&self.held[..surplus])?;
        self.held.drain(..surplus);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
