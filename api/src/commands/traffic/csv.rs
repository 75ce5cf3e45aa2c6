//! Records as CSV: bodies as text where they are that, else as base64.

use std::{fs::File, io::BufWriter};

use domain::traffic::{RecordedBody, TrafficRecord};

use crate::base64::base64;

const COLUMNS: [&str; 17] = [
    "id",
    "at",
    "method",
    "path",
    "query",
    "status",
    "duration_us",
    "model_version",
    "key_id",
    "client",
    "request_body",
    "request_encoding",
    "request_sha256",
    "response_body",
    "response_encoding",
    "response_sha256",
    "request_headers",
];

pub(super) struct CsvFile {
    writer: csv::Writer<BufWriter<File>>,
}

impl CsvFile {
    pub(super) fn new(file: File) -> anyhow::Result<Self> {
        let mut writer = csv::Writer::from_writer(BufWriter::new(file));
        writer.write_record(COLUMNS)?;
        Ok(Self { writer })
    }

    pub(super) fn write(&mut self, records: &[TrafficRecord]) -> anyhow::Result<()> {
        for record in records {
            self.writer.write_record(row(record))?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        let file = self
            .writer
            .into_inner()
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(file.into_inner()?.sync_all()?)
    }
}

fn row(record: &TrafficRecord) -> [String; 17] {
    let [request, request_encoding, request_sha256] = body(&record.request_body);
    let [response, response_encoding, response_sha256] = body(&record.response_body);
    let headers = record.request_headers.iter();
    let headers: Vec<_> = headers.map(|(name, value)| format!("{name}: {value}")).collect();
    [
        record.id.to_string(),
        record.at.to_rfc3339(),
        record.method.to_string(),
        record.path.clone(),
        record.query.clone().unwrap_or_default(),
        record.status.to_string(),
        record.duration_us.to_string(),
        record.model_version.map_or(String::new(), |it| it.to_string()),
        record.key_id.map_or(String::new(), |it| it.to_string()),
        record.client.as_deref().unwrap_or_default().to_owned(),
        request,
        request_encoding,
        request_sha256,
        response,
        response_encoding,
        response_sha256,
        headers.join("\n"),
    ]
}

/// The body, how it is written, and the digest where it is not the whole one.
fn body(body: &RecordedBody) -> [String; 3] {
    let sha256 = body.digest.map_or(String::new(), |it| it.sha256.to_string());
    match std::str::from_utf8(&body.bytes) {
        Ok(text) => [text.to_owned(), "text".to_owned(), sha256],
        Err(_) => [base64(&body.bytes), "base64".to_owned(), sha256],
    }
}
