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
    /// A column holds something that is neither number nor text.
    #[error(
        "column {column} of the Parquet file is of type {kind}; write numbers as numbers and grades as text"
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
        let (names, rows) = guarded(|| describe(&file))?;
        Ok(Self {
            file,
            names,
            rows,
            next: 0,
        })
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

fn describe(file: &File) -> Result<(Vec<String>, usize), TableError> {
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
    let names = reader.schema().map_err(damaged)?;
    let names = names.iter_names().map(ToString::to_string).collect();
    Ok((names, reader.num_rows().map_err(damaged)?))
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
    let kind = column.dtype();
    let wrong = || TableError::Type {
        column: name.to_owned(),
        kind: kind.to_string(),
    };
    if !(kind.is_primitive_numeric() || matches!(kind, DataType::String | DataType::Null)) {
        return Err(wrong());
    }
    let texts = column.cast(&DataType::String).map_err(|_| wrong())?;
    texts.str().cloned().map_err(|_| wrong())
}

fn damaged(reason: impl ToString) -> TableError {
    let text = reason.to_string();
    TableError::Damaged(text.lines().next().unwrap_or_default().to_owned())
}
