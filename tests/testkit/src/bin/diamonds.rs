//! The command that writes files of diamonds.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use testkit::generate::{
    BadSize, Defect, Diamonds, Expectation, FileDefect, Format, RowDefect, Shift, Size, Written,
};

const EXAMPLES: &str = "\
Examples:
  A file of 1,000 rows to look at:
    diamonds | head
  A file to drop into the inbox (it is renamed when it is whole):
    diamonds --rows 50000 --seed 7 --out inbox/more.csv
  A gigabyte:
    diamonds --bytes 1GB --out big.csv
  Packed:
    diamonds --rows 50000 --format csv.gz --out more.csv.gz
  With bad rows, and a list of them:
    diamonds --defect negative-price=0.02 --defect short-row --out bad.csv --expected bad.expected.csv
  As a spreadsheet somewhere in Europe saves it:
    diamonds --defect bom --defect semicolon --defect crlf --defect quoted --out sheet.csv
  With prices that tripled overnight:
    diamonds --rows 5000 --shift price=3 --out drifted.csv
  A gzip of 1 MB that expands to 1 GB:
    diamonds --bytes 1GB --defect gzip-bomb --out bomb.csv.gz";

/// Write a data file of made-up diamonds: valid, or with any defect you name.
///
/// The same arguments give the same rows on every machine.
#[derive(Parser)]
#[command(name = "diamonds", after_help = EXAMPLES, after_long_help = long_help(), max_term_width = 110)]
struct Arguments {
    /// How many rows
    #[arg(long, value_name = "N", default_value_t = 1000, conflicts_with = "bytes")]
    rows: u64,
    /// Or how many bytes of text at least, such as 500KB, 64MiB or 1GB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    bytes: Option<Size>,
    /// Another seed, other diamonds
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Where to write; it appears there when it is whole [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How to pack it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Multiply a column (carat, depth, table, price, x, y or z) in every row; repeatable
    #[arg(long = "shift", value_name = "FEATURE=FACTOR")]
    shifts: Vec<Shift>,
    /// Make a defect, of 1 % of the rows unless a SHARE from 0 to 1 is given; repeatable; `--help` lists the kinds
    #[arg(long = "defect", value_name = "KIND[=SHARE]")]
    defects: Vec<Defect>,
    /// Where to write which lines are bad and why, as CSV
    #[arg(long, value_name = "FILE")]
    expected: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(written) => {
            eprintln!("{} rows, {} bytes of text", written.rows, written.bytes);
            ExitCode::SUCCESS
        }
        // Whoever reads has had enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("diamonds: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn run(arguments: &Arguments) -> Result<Written> {
    let Some(path) = &arguments.out else {
        return write(arguments, io::stdout().lock());
    };
    if fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return write(arguments, create(path)?);
    }
    let part = beside(path);
    let written = write(arguments, create(&part)?)?;
    fs::rename(part, path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(written)
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

/// A name that the inbox waits for until it is renamed.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn write(arguments: &Arguments, out: impl Write) -> Result<Written> {
    let diamonds = diamonds(arguments);
    let Some(path) = &arguments.expected else {
        return Ok(diamonds.write_to(out)?);
    };
    let mut list = BufWriter::new(create(path)?);
    writeln!(list, "line,defect,reason")?;
    let mut listed = Ok(());
    let written = diamonds.write_and_tell(out, |expectation| {
        if listed.is_ok() {
            listed = note(&mut list, expectation);
        }
    })?;
    listed.and_then(|()| list.flush())?;
    Ok(written)
}

fn note(list: &mut impl Write, Expectation { line, defect }: Expectation) -> io::Result<()> {
    let reason = defect.fault().map(|fault| fault.to_string()).unwrap_or_default();
    writeln!(list, "{line},{},\"{reason}\"", name(defect))
}

fn diamonds(arguments: &Arguments) -> Diamonds {
    let size = arguments.bytes.unwrap_or(Size::Rows(arguments.rows));
    let plain = Diamonds::sized(size, arguments.seed).packed(arguments.format);
    let defects = arguments.defects.iter().copied();
    let defective = defects.fold(plain, Diamonds::with);
    arguments
        .shifts
        .iter()
        .copied()
        .fold(defective, Diamonds::shifted)
}

fn parse_size(text: &str) -> Result<Size, BadSize> {
    text.parse()
}

fn long_help() -> String {
    let (rows, files) = (kinds::<RowDefect>(), kinds::<FileDefect>());
    format!("Defects of rows:\n{rows}\nDefects of the whole file:\n{files}\n{EXAMPLES}")
}

fn kinds<T: ValueEnum>() -> String {
    let values = T::value_variants()
        .iter()
        .filter_map(ValueEnum::to_possible_value);
    let line = |value: clap::builder::PossibleValue| {
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        format!("  {:<18} {help}\n", value.get_name())
    };
    values.map(line).collect()
}

fn name(defect: RowDefect) -> String {
    let value = defect.to_possible_value();
    value.map(|value| value.get_name().to_owned()).unwrap_or_default()
}
