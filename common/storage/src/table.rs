//! Parquet files that others wrote: their rows as texts, a part at a time.

mod pages;

use std::{fs::File, panic::catch_unwind, sync::Arc};

use polars::prelude::*;

/// Rows of one part; memory is bounded by it, and by the largest row group.
const PART: usize = 1 << 16;
/// A row group that holds more bytes when it is decoded is refused.
const LARGEST_ROW_GROUP: usize = 256 << 20;
/// No grade and no number is longer, and a few bytes of a file can say it in every row.
const LONGEST_TEXT: usize = 256;

/// Why a Parquet file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// It is no Parquet, or one that contradicts itself.
    #[error("the Parquet file is damaged or cut off ({0}); write it again")]
    Damaged(String),
    /// It cannot be read in bounded memory.
    #[error("row group {number} of the Parquet file holds {} MiB, more than {} MiB; write it with smaller row groups", bytes >> 20, LARGEST_ROW_GROUP >> 20)]
    RowGroup {
        /// Which one, counted from 1.
        number: usize,
        /// Its size, not compressed.
        bytes: usize,
    },
    /// A text is too long to be a value.
    #[error(
        "row {row} of the Parquet file holds a text of {bytes} bytes in the column {column}, more than {LONGEST_TEXT}; \
         no grade and no number is that long"
    )]
    LongText {
        /// Which row, counted from 1.
        row: usize,
        /// The column.
        column: String,
        /// How long it is.
        bytes: usize,
    },
    /// A column holds something that is read neither as number nor as text.
    #[error(
        "column {column} of the Parquet file is of type {kind}; write numbers as doubles or 64-bit integers, and grades as text"
    )]
    Type {
        /// The column.
        column: String,
        /// What polars calls its type.
        kind: String,
    },
}

/// A Parquet file that is being read.
#[derive(Debug)]
pub struct Table {
    file: File,
    names: Vec<String>,
    kinds: Vec<ArrowDataType>,
    metadata: Arc<FileMetadata>,
    /// The row that comes next, and where it is: in which row group, after how many of its rows.
    next: usize,
    group: usize,
    passed: usize,
}

/// Rows that are decoded at once.
#[derive(Debug, Clone, Copy)]
struct PartRows {
    first: usize,
    count: usize,
}

/// Some rows; a value that is missing is an empty text.
#[derive(Debug)]
pub struct Texts {
    columns: Vec<StringChunked>,
    height: usize,
}

impl Table {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// When it is no Parquet, or has too large a row group.
    pub fn open(file: File) -> Result<Self, TableError> {
        guarded(|| describe(file))
    }

    /// The names of its columns, in order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The next rows of the columns at `positions`, none at the end.
    ///
    /// # Errors
    ///
    /// When the bytes are damaged, a column is of another type, or decoding takes too much memory.
    pub fn read(&mut self, positions: &[usize]) -> Result<Option<Texts>, TableError> {
        if let Some(wrong) = positions
            .iter()
            .find(|position| !is_read(&self.kinds[**position]))
        {
            return Err(TableError::Type {
                column: self.names[*wrong].clone(),
                kind: format!("{:?}", self.kinds[*wrong]),
            });
        }
        let names: Vec<_> = positions
            .iter()
            .map(|position| self.names[*position].clone())
            .collect();
        guarded(|| {
            let part = self.next_part(&names)?;
            part.map(|part| texts(&self.file, &self.metadata, part, &names))
                .transpose()
        })
    }

    /// Some rows of one row group, or several small row groups.
    fn next_part(&mut self, names: &[String]) -> Result<Option<PartRows>, TableError> {
        let mut part = PartRows {
            first: self.next,
            count: 0,
        };
        let mut bytes = 0;
        let metadata = Arc::clone(&self.metadata);
        while let Some(group) = metadata.row_groups.get(self.group) {
            let left = group.num_rows() - self.passed;
            if self.passed == 0 {
                if part.count > 0 && part.count + left > PART {
                    break;
                }
                let decoded = decoded_bytes(&self.file, &metadata, self.group, names)?;
                if decoded > LARGEST_ROW_GROUP {
                    return Err(TableError::RowGroup {
                        number: self.group + 1,
                        bytes: decoded,
                    });
                }
                if part.count > 0 && bytes + decoded > LARGEST_ROW_GROUP {
                    break;
                }
                bytes += decoded;
            }
            let count = left.min(PART - part.count);
            part.count += count;
            self.passed += count;
            if count < left {
                break;
            }
            (self.group, self.passed) = (self.group + 1, 0);
        }
        self.next += part.count;
        Ok((part.count > 0).then_some(part))
    }
}

impl Texts {
    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.height
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.height == 0
    }

    /// The text of one value; empty when it is missing.
    #[must_use]
    pub fn get(&self, column: usize, row: usize) -> &str {
        self.columns[column].get(row).unwrap_or_default()
    }
}

/// polars panics at some damaged files.
fn guarded<T>(read: impl FnOnce() -> Result<T, TableError>) -> Result<T, TableError> {
    catch_unwind(std::panic::AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(TableError::Damaged("it contradicts itself".to_owned())))
}

fn describe(file: File) -> Result<Table, TableError> {
    let mut reader = ParquetReader::new(file.try_clone().map_err(damaged)?);
    let groups = &reader.get_metadata().map_err(damaged)?.row_groups;
    let large = groups
        .iter()
        .position(|group| group.total_byte_size() > LARGEST_ROW_GROUP);
    if let Some(position) = large {
        return Err(TableError::RowGroup {
            number: position + 1,
            bytes: groups[position].total_byte_size(),
        });
    }
    let schema = reader.schema().map_err(damaged)?;
    Ok(Table {
        names: schema.iter_names().map(ToString::to_string).collect(),
        kinds: schema.iter_values().map(|field| field.dtype.clone()).collect(),
        metadata: Arc::clone(reader.get_metadata().map_err(damaged)?),
        next: 0,
        group: 0,
        passed: 0,
        file,
    })
}

/// How many bytes the columns `names` of a row group take when they are decoded, at most; no more is counted once
/// they are too many.
fn decoded_bytes(
    file: &File,
    metadata: &FileMetadata,
    group: usize,
    names: &[String],
) -> Result<usize, TableError> {
    let group = &metadata.row_groups[group];
    let rows = group.num_rows() as u64;
    let mut bytes = 0;
    for name in names {
        let chunks = group.columns_under_root_iter(name).into_iter().flatten();
        for chunk in chunks {
            let limit = LARGEST_ROW_GROUP as u64;
            let sum = pages::add_up(file, chunk.byte_range(), rows, limit).map_err(damaged)?;
            bytes += sum.bytes;
            if bytes > limit {
                return Ok(usize::try_from(bytes).unwrap_or(usize::MAX));
            }
            if sum.values != rows {
                return Err(damaged("its pages contradict its metadata"));
            }
        }
    }
    Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// The types that become texts: what data science writes, but for small integers and categories.
fn is_read(kind: &ArrowDataType) -> bool {
    use ArrowDataType::{Float32, Float64, Int32, Int64, LargeUtf8, Null, UInt32, UInt64, Utf8, Utf8View};
    matches!(
        kind,
        Float32 | Float64 | Int32 | Int64 | UInt32 | UInt64 | Utf8 | LargeUtf8 | Utf8View | Null
    )
}

fn texts(
    file: &File,
    metadata: &Arc<FileMetadata>,
    part: PartRows,
    names: &[String],
) -> Result<Texts, TableError> {
    let mut reader = ParquetReader::new(file.try_clone().map_err(damaged)?);
    reader.set_metadata(Arc::clone(metadata));
    let frame = reader
        .with_columns(Some(names.to_vec()))
        .with_slice(Some((part.first, part.count)))
        .finish()
        .map_err(damaged)?;
    let columns = names
        .iter()
        .map(|name| text_column(&frame, name, part))
        .collect::<Result<_, _>>()?;
    Ok(Texts {
        columns,
        height: part.count,
    })
}

fn text_column(frame: &DataFrame, name: &str, part: PartRows) -> Result<StringChunked, TableError> {
    let column = frame.column(name).map_err(damaged)?;
    if column.len() != part.count {
        return Err(damaged("it has fewer rows than it says"));
    }
    let texts = column.cast(&DataType::String).map_err(damaged)?;
    let texts = texts.str().map_err(damaged)?;
    let too_long = |text: Option<&str>| text.is_some_and(|text| text.len() > LONGEST_TEXT);
    if let Some(at) = texts.iter().position(too_long) {
        return Err(TableError::LongText {
            row: part.first + at + 1,
            column: name.to_owned(),
            bytes: texts.get(at).map_or(0, str::len),
        });
    }
    Ok(texts.clone())
}

fn damaged(reason: impl ToString) -> TableError {
    let text = reason.to_string();
    TableError::Damaged(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn table(frame: &mut DataFrame) -> Table {
        table_in_groups(frame, 1 << 18)
    }

    fn table_in_groups(frame: &mut DataFrame, rows: usize) -> Table {
        let mut bytes = Vec::new();
        let writer = ParquetWriter::new(&mut bytes).with_row_group_size(Some(rows));
        writer.finish(frame).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        Table::open(file).unwrap()
    }

    /// The rows of every part, each as its first column says.
    fn parts(table: &mut Table) -> Vec<Vec<usize>> {
        let mut parts = Vec::new();
        while let Some(texts) = table.read(&[0]).unwrap() {
            let rows = 0..texts.len();
            parts.push(rows.map(|row| texts.get(0, row).parse().unwrap()).collect());
        }
        parts
    }

    #[test]
    fn small_row_groups_are_read_together_and_large_ones_in_parts() {
        let numbers: Vec<i64> = (0..200_000).collect();
        let mut frame = df!("carat" => numbers).unwrap();
        for rows_of_a_group in [200_000, 30_000, 70_000, 1000] {
            let mut table = table_in_groups(&mut frame, rows_of_a_group);
            let groups = table.metadata.row_groups.len();
            let parts = parts(&mut table);
            assert_eq!(parts.concat(), (0..200_000).collect::<Vec<_>>());
            assert!(parts.iter().all(|part| part.len() <= PART));
            assert!(
                parts.len() <= 4 + groups.min(4),
                "{} parts of {groups} groups",
                parts.len()
            );
        }
    }

    /// F2: a text that a file holds once and names in every row.
    #[test]
    fn a_text_longer_than_any_value_is_named_and_never_copied() {
        let mut texts = vec!["Ideal".to_owned(); 20];
        texts[7] = "x".repeat(LONGEST_TEXT);
        let mut frame = df!("cut" => texts.clone()).unwrap();
        assert_eq!(table(&mut frame).read(&[0]).unwrap().unwrap().len(), 20);
        texts[8] = "x".repeat(LONGEST_TEXT + 1);
        let mut frame = df!("cut" => texts).unwrap();
        let error = table_in_groups(&mut frame, 5).read(&[0]).unwrap_err();
        let expected = TableError::LongText {
            row: 9,
            column: "cut".to_owned(),
            bytes: LONGEST_TEXT + 1,
        };
        assert_eq!(error, expected);
    }

    #[test]
    fn numbers_and_texts_of_every_usual_type_are_read_as_texts() {
        let mut frame = df!(
            "carat" => [1.1_f32, 0.23], "price" => [4733_i64, 326], "x" => [Some(6.61), None],
            "depth" => [62_u32, 61], "cut" => ["Ideal", "Fair"]
        )
        .unwrap();
        let texts = table(&mut frame).read(&[4, 0, 1, 2, 3]).unwrap().unwrap();
        let row = |row| [0, 1, 2, 3, 4].map(|column| texts.get(column, row).to_owned());
        assert_eq!(row(0), ["Ideal", "1.1", "4733", "6.61", "62"]);
        assert_eq!(row(1), ["Fair", "0.23", "326", "", "61"]);
    }

    #[test]
    fn a_column_of_another_type_is_named_and_one_that_nobody_asked_for_does_not_matter() {
        let mut frame = df!("carat" => [1.1], "sold" => [true]).unwrap();
        let mut table = table(&mut frame);
        assert_eq!(table.names(), ["carat", "sold"]);
        let error = table.read(&[1]).unwrap_err().to_string();
        assert!(
            error.starts_with("column sold of the Parquet file is of type Boolean;"),
            "{error}"
        );
        assert_eq!(table.read(&[0]).unwrap().unwrap().len(), 1);
    }
}
