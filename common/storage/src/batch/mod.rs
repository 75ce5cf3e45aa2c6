//! Samples as Parquet: one batch holds the accepted rows of one data file, in their order.

mod stream;

use std::io::Cursor;

use domain::{Clarity, Color, Cut, Diamond, Sample};
use polars::prelude::*;

use crate::StorageError;

pub use stream::{BatchReader, BatchWriter, Part, Written};

const NUMBERS: [&str; 7] = ["carat", "depth", "table", "price", "x", "y", "z"];

/// Writes samples as Parquet (columns as in data files; numbers as doubles, grades as text).
///
/// # Errors
///
/// [`StorageError::BadBatch`] when polars refuses.
pub fn write(samples: &[Sample]) -> Result<Vec<u8>, StorageError> {
    let mut frame = frame(samples).map_err(bad)?;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes)
        .with_compression(ParquetCompression::Snappy)
        .finish(&mut frame)
        .map_err(bad)?;
    Ok(bytes)
}

/// Reads what [`write()`] wrote.
///
/// # Errors
///
/// [`StorageError::BadBatch`] when a column is missing, or a value breaks the rules for rows.
pub fn read(bytes: Vec<u8>) -> Result<Vec<Sample>, StorageError> {
    samples_of(&ParquetReader::new(Cursor::new(bytes)).finish().map_err(bad)?)
}

fn samples_of(frame: &DataFrame) -> Result<Vec<Sample>, StorageError> {
    let [carat, depth, table, price, x, y, z] = NUMBERS.map(|name| numbers(frame, name));
    let (carat, depth, table, price) = (carat?, depth?, table?, price?);
    let (x, y, z) = (x?, y?, z?);
    let cut = grades::<Cut>(frame, "cut")?;
    let color = grades::<Color>(frame, "color")?;
    let clarity = grades::<Clarity>(frame, "clarity")?;
    (0..frame.height())
        .map(|row| {
            let diamond = Diamond {
                carat: carat[row].try_into().map_err(bad)?,
                cut: cut[row],
                color: color[row],
                clarity: clarity[row],
                depth: depth[row].try_into().map_err(bad)?,
                table: table[row].try_into().map_err(bad)?,
                x: x[row].try_into().map_err(bad)?,
                y: y[row].try_into().map_err(bad)?,
                z: z[row].try_into().map_err(bad)?,
            };
            Ok(Sample {
                diamond,
                price: price[row].try_into().map_err(bad)?,
            })
        })
        .collect()
}

fn frame(samples: &[Sample]) -> PolarsResult<DataFrame> {
    let number = |name: &str, of: fn(&Sample) -> f64| {
        Column::new(name.into(), samples.iter().map(of).collect::<Vec<_>>())
    };
    let grade = |name: &str, of: fn(&Sample) -> &'static str| {
        Column::new(name.into(), samples.iter().map(of).collect::<Vec<_>>())
    };
    let columns = vec![
        number("carat", |s| s.diamond.carat.get()),
        grade("cut", |s| s.diamond.cut.name()),
        grade("color", |s| s.diamond.color.name()),
        grade("clarity", |s| s.diamond.clarity.name()),
        number("depth", |s| s.diamond.depth.get()),
        number("table", |s| s.diamond.table.get()),
        number("price", |s| s.price.get()),
        number("x", |s| s.diamond.x.get()),
        number("y", |s| s.diamond.y.get()),
        number("z", |s| s.diamond.z.get()),
    ];
    DataFrame::new(samples.len(), columns)
}

fn numbers(frame: &DataFrame, name: &str) -> Result<Vec<f64>, StorageError> {
    let column = frame.column(name).and_then(|column| column.f64()).map_err(bad)?;
    let values: Option<Vec<f64>> = column.iter().collect();
    values.ok_or_else(|| bad(format!("{name} has empty values")))
}

fn grades<T>(frame: &DataFrame, name: &str) -> Result<Vec<T>, StorageError>
where
    T: std::str::FromStr<Err = domain::grade::UnknownGrade>,
{
    let column = frame.column(name).and_then(|column| column.str()).map_err(bad)?;
    column
        .iter()
        .map(|text| text.unwrap_or_default().parse().map_err(bad))
        .collect()
}

fn bad(reason: impl ToString) -> StorageError {
    StorageError::BadBatch(reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::row::{RawRow, judge};

    fn sample(carat: &str) -> Sample {
        judge(&RawRow([
            carat, "Ideal", "H", "SI2", "62.0", "55.0", "4733", "6.61", "6.65", "4.11",
        ]))
        .unwrap()
    }

    #[test]
    fn samples_come_back_as_they_were() {
        let samples: Vec<_> = ["1.1", "0.23", "3.04"].map(sample).into();
        assert_eq!(read(write(&samples).unwrap()).unwrap(), samples);
    }

    #[test]
    fn the_same_samples_make_the_same_bytes() {
        let samples: Vec<_> = ["1.1", "0.23"].map(sample).into();
        assert_eq!(write(&samples).unwrap(), write(&samples).unwrap());
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(matches!(read(b"PAR1".to_vec()), Err(StorageError::BadBatch(_))));
    }
}
