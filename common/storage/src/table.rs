//! Parquet files that others wrote: their rows as texts, a part at a time.

use std::{fs::File, panic::catch_unwind};

use polars::prelude::*;

/// Rows of one part; memory is bounded by it, and by the largest row group.
const PART: usize = 1 << 16;
/// A row group is decoded as a whole: one that holds more bytes is refused.
const LARGEST_ROW_GROUP: usize = 256 << 20;

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
    rows: usize,
    next: usize,
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
    /// When the bytes are damaged, or a column is of another type.
    pub fn read(&mut self, positions: &[usize]) -> Result<Option<Texts>, TableError> {
        if self.next >= self.rows {
            return Ok(None);
        }
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
        let texts = guarded(|| texts(&self.file, self.next, &names))?;
        self.next += PART;
        Ok(Some(texts))
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
        rows: reader.num_rows().map_err(damaged)?,
        next: 0,
        file,
    })
}

/// The types that become texts: what data science writes, but for small integers and categories.
fn is_read(kind: &ArrowDataType) -> bool {
    use ArrowDataType::{Float32, Float64, Int32, Int64, LargeUtf8, Null, UInt32, UInt64, Utf8, Utf8View};
    matches!(
        kind,
        Float32 | Float64 | Int32 | Int64 | UInt32 | UInt64 | Utf8 | LargeUtf8 | Utf8View | Null
    )
}

fn texts(file: &File, offset: usize, names: &[String]) -> Result<Texts, TableError> {
    let frame = ParquetReader::new(file.try_clone().map_err(damaged)?)
        .with_columns(Some(names.to_vec()))
        .with_slice(Some((offset, PART)))
        .finish()
        .map_err(damaged)?;
    let columns = names
        .iter()
        .map(|name| text_column(&frame, name))
        .collect::<Result<_, _>>()?;
    Ok(Texts {
        columns,
        height: frame.height(),
    })
}

fn text_column(frame: &DataFrame, name: &str) -> Result<StringChunked, TableError> {
    let column = frame.column(name).map_err(damaged)?;
    let texts = column.cast(&DataType::String).map_err(damaged)?;
    texts.str().cloned().map_err(damaged)
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
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes).finish(frame).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        Table::open(file).unwrap()
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
