//! Records as CSV: bodies as text where they are that, else as base64.

use std::{fs::File, io::BufWriter};

use domain::traffic::{RecordedBody, TrafficRecord};

use crate::base64::base64;

const COLUMNS: [&str; 19] = [
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
    "shortened",
    "repeats",
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
            self.writer.write_record(row(record).map(harmless))?;
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

fn row(record: &TrafficRecord) -> [String; 19] {
    let [request, request_encoding, request_sha256] = body(&record.request_body);
    let [response, response_encoding, response_sha256] = body(&record.response_body);
    let headers = record.request_headers.iter();
    let headers: Vec<_> = headers.map(|(name, value)| format!("{name}: {value}")).collect();
    let shortened = record.shortened.iter();
    let shortened: Vec<_> = shortened
        .map(|it| format!("{} {} {}", it.field, it.digest.sha256, it.digest.bytes))
        .collect();
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
        shortened.join("\n"),
        record.repeats.to_string(),
    ]
}

/// What clients sent may begin like a formula, which a spreadsheet would run when the file is opened: then a `'` comes
/// first (<https://owasp.org/www-community/attacks/CSV_Injection>).
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{cell}")
    } else {
        cell
    }
}

/// The body, how it is written, and the digest where it is not the whole one.
fn body(body: &RecordedBody) -> [String; 3] {
    let sha256 = body.digest.map_or(String::new(), |it| it.sha256.to_string());
    match std::str::from_utf8(&body.bytes) {
        Ok(text) => [text.to_owned(), "text".to_owned(), sha256],
        Err(_) => [base64(&body.bytes), "base64".to_owned(), sha256],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S18: what clients sent is not run by whoever opens the file.
    #[test]
    fn a_cell_is_no_formula() {
        for formula in [
            "=cmd|' /C calc'!A0",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
        ] {
            assert_eq!(harmless(formula.to_owned()), format!("'{formula}"));
        }
        for plain in ["", "200", "carat=1", "'=1", "{\"carat\":-1}"] {
            assert_eq!(harmless(plain.to_owned()), plain);
        }
    }
}
