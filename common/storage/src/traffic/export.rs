//! Records as Parquet.

use std::{borrow::Cow, fs::File};

use domain::traffic::{RecordedBody, Shortened, TrafficRecord};
use polars::{io::parquet::write::BatchedWriter, prelude::*};

use crate::StorageError;

/// Writes records to a Parquet file: one row group for each part that is added.
pub struct TrafficParquet {
    writer: BatchedWriter<File>,
}

impl TrafficParquet {
    /// Begins a file.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn new(file: File) -> Result<Self, StorageError> {
        let nothing = frame(&[]).map_err(bad)?;
        let writer = ParquetWriter::new(file)
            .with_compression(ParquetCompression::Snappy)
            .batched(nothing.schema())
            .map_err(bad)?;
        Ok(Self { writer })
    }

    /// Adds records.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write(&mut self, records: &[TrafficRecord]) -> Result<(), StorageError> {
        let frame = frame(records).map_err(bad)?;
        self.writer.write_batch(&frame).map_err(bad)
    }

    /// Ends the file; without this it is no Parquet.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn finish(self) -> Result<(), StorageError> {
        self.writer.finish().map(drop).map_err(bad)
    }
}

fn frame(records: &[TrafficRecord]) -> PolarsResult<DataFrame> {
    let columns = [texts(records), numbers(records), bodies(records)].concat();
    DataFrame::new(records.len(), columns)
}

fn texts(records: &[TrafficRecord]) -> Vec<Column> {
    let column = |name: &str, text: &dyn Fn(&TrafficRecord) -> Option<String>| {
        let values: Vec<_> = records.iter().map(text).collect();
        Column::new(name.into(), values)
    };
    vec![
        column("id", &|it| Some(it.id.to_string())),
        column("at", &|it| Some(it.at.to_rfc3339())),
        column("method", &|it| Some(it.method.to_string())),
        column("path", &|it| Some(it.path.clone())),
        column("query", &|it| it.query.clone()),
        column("key_id", &|it| it.key_id.map(|id| id.to_string())),
        column("client", &|it| it.client.as_deref().map(str::to_owned)),
        column("request_headers", &|it| Some(headers(&it.request_headers))),
        column("request_sha256", &|it| sha256(&it.request_body)),
        column("response_sha256", &|it| sha256(&it.response_body)),
        column("shortened", &|it| shortened(&it.shortened)),
    ]
}

/// As a JSON object.
fn headers(headers: &[(Cow<'static, str>, String)]) -> String {
    let object: serde_json::Map<_, _> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_str().into()))
        .collect();
    serde_json::Value::Object(object).to_string()
}

/// Whose beginning alone is kept: a JSON object of their digests; none as a rule.
fn shortened(shortened: &[Shortened]) -> Option<String> {
    let entry = |it: &Shortened| {
        let digest = serde_json::json!({"sha256": it.digest.sha256, "bytes": it.digest.bytes});
        (it.field.to_string(), digest)
    };
    let object: serde_json::Map<_, _> = shortened.iter().map(entry).collect();
    (!object.is_empty()).then(|| serde_json::Value::Object(object).to_string())
}

fn numbers(records: &[TrafficRecord]) -> Vec<Column> {
    let column = |name: &str, number: &dyn Fn(&TrafficRecord) -> Option<i64>| {
        let values: Vec<_> = records.iter().map(number).collect();
        Column::new(name.into(), values)
    };
    let length = |body: &RecordedBody| {
        let bytes = body.digest.map_or(body.bytes.len() as u64, |digest| digest.bytes);
        Some(bytes.cast_signed())
    };
    vec![
        column("status", &|it| Some(i64::from(it.status))),
        column("duration_us", &|it| Some(it.duration_us.cast_signed())),
        column("model_version", &|it| it.model_version.map(Into::into)),
        column("request_bytes", &|it| length(&it.request_body)),
        column("response_bytes", &|it| length(&it.response_body)),
        column("repeats", &|it| Some(i64::from(it.repeats))),
    ]
}

fn bodies(records: &[TrafficRecord]) -> Vec<Column> {
    let column = |name: &str, body: &dyn Fn(&TrafficRecord) -> bytes::Bytes| {
        let values: Vec<_> = records.iter().map(body).collect();
        let values: Vec<&[u8]> = values.iter().map(AsRef::as_ref).collect();
        Column::new(name.into(), values)
    };
    vec![
        column("request_body", &|it| it.request_body.bytes.clone()),
        column("response_body", &|it| it.response_body.bytes.clone()),
    ]
}

/// Of a body that is not kept whole.
fn sha256(body: &RecordedBody) -> Option<String> {
    body.digest.map(|digest| digest.sha256.to_string())
}

fn bad(error: PolarsError) -> StorageError {
    StorageError::Export(error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn headers_become_an_object_whatever_is_in_them() {
        let object = |all: &[_]| serde_json::from_str::<Value>(&headers(all)).unwrap();
        let odd = [
            ("accept".into(), "*/*".to_owned()),
            ("user-agent".into(), "a\"\\\u{1}".to_owned()),
        ];
        assert_eq!(object(&odd), json!({"accept": "*/*", "user-agent": "a\"\\\u{1}"}));
        assert_eq!(object(&[]), json!({}));
    }
}
