//! Every kind of file, and the exact report that it gets.

use std::collections::BTreeMap;

use anyhow::Result;
use domain::{
    Sample,
    row::{RawRow, judge},
};
use serde_json::{Value, json};
use testkit::{
    World,
    generate::{Defect, Diamonds, FileDefect, Format, RowDefect},
    in_world, until,
};

use crate::data::HEADER;

const ROWS: u64 = 200;
/// What a report says that is the same every time.
const STEADY: [&str; 9] = [
    "status",
    "rejection",
    "held",
    "rows_read",
    "rows_accepted",
    "rows_known",
    "rows_rejected",
    "reasons",
    "ignored_columns",
];

/// A file of the table: its name, and its content.
type Case = (String, Vec<u8>);

fn with(name: &str, seed: u64, defects: &[Defect]) -> Case {
    let file = defects
        .iter()
        .fold(Diamonds::new(ROWS, seed), |file, defect| file.with(*defect));
    (format!("{name}.csv"), file.to_bytes())
}

fn packed(name: &str, seed: u64, defect: FileDefect) -> Case {
    let file = Diamonds::new(ROWS, seed).packed(Format::CsvGz).with(defect);
    (format!("{name}.csv.gz"), file.to_bytes())
}

fn defective_rows() -> Vec<Case> {
    let defects = [
        ("negative-price", RowDefect::NegativePrice),
        ("zero-x", RowDefect::ZeroX),
        ("missing-carat", RowDefect::MissingCarat),
        ("text-number", RowDefect::TextNumber),
        ("unknown-cut", RowDefect::UnknownCut),
        ("nan", RowDefect::Nan),
        ("infinite", RowDefect::Infinite),
        ("depth-above-100", RowDefect::DepthAbove100),
        ("short-row", RowDefect::ShortRow),
        ("long-row", RowDefect::LongRow),
        ("not-utf8-binary", RowDefect::NotUtf8Binary),
        ("quoted-newline", RowDefect::QuotedNewline),
        ("repeated", RowDefect::Repeated),
    ];
    let case = |(seed, (name, defect)): (u64, (&str, RowDefect))| with(name, seed, &[defect.in_share(0.05)]);
    let mut cases: Vec<_> = (100..).zip(defects).map(case).collect();
    let many = [RowDefect::ZeroX.in_share(0.3)];
    cases.push(with("too-many-bad-rows", 199, &many));
    let lines = [
        RowDefect::QuotedNewline.in_share(0.3),
        RowDefect::NegativePrice.in_share(0.05),
    ];
    cases.push(with("bad-rows-among-quoted-newlines", 198, &lines));
    cases
}

fn defective_files() -> Vec<Case> {
    let defects = [
        ("bom", FileDefect::Bom),
        ("crlf", FileDefect::Crlf),
        ("cr", FileDefect::Cr),
        ("semicolon", FileDefect::Semicolon),
        ("tab", FileDefect::Tab),
        ("upper-case-header", FileDefect::UpperCaseHeader),
        ("quoted", FileDefect::Quoted),
        ("index-column", FileDefect::IndexColumn),
        ("extra-column", FileDefect::ExtraColumn),
        ("blanks", FileDefect::Blanks),
        ("exponents", FileDefect::Exponents),
        ("shuffled-columns", FileDefect::ShuffledColumns),
        ("utf16", FileDefect::Utf16),
        ("latin1", FileDefect::Latin1),
        ("no-header", FileDefect::NoHeader),
        ("missing-column", FileDefect::MissingColumn),
        ("repeated-column", FileDefect::RepeatedColumn),
        ("empty", FileDefect::Empty),
        ("header-only", FileDefect::HeaderOnly),
        ("open-quote", FileDefect::OpenQuote),
        ("endless-line", FileDefect::EndlessLine),
        ("png", FileDefect::Png),
        ("zip", FileDefect::Zip),
    ];
    let case = |(seed, (name, defect)): (u64, (&str, FileDefect))| with(name, seed, &[defect.into()]);
    let mut cases: Vec<_> = (200..).zip(defects).map(case).collect();
    cases.push(packed("gzip-cut", 300, FileDefect::GzipCut));
    cases.push(packed("gzip-bomb", 301, FileDefect::GzipBomb));
    cases.push(packed("gzip", 302, FileDefect::Crlf));
    let gzip_under_csv = Diamonds::new(ROWS, 303).packed(Format::CsvGz).to_bytes();
    cases.push(("gzip-as-csv.csv".to_owned(), gzip_under_csv));
    cases
}

fn samples(seed: u64) -> Vec<Sample> {
    let text = Diamonds::new(ROWS, seed).to_bytes();
    let text = String::from_utf8_lossy(&text);
    let fields = |line: &str| -> Option<Sample> {
        let fields: Vec<_> = line.split(',').collect();
        judge(&RawRow(fields.try_into().ok()?)).ok()
    };
    text.lines().skip(1).filter_map(fields).collect()
}

fn tables() -> Result<Vec<Case>> {
    let good = storage::batch::write(&samples(400))?;
    let cut = good[..good.len() - 100].to_vec();
    Ok(vec![
        ("parquet.parquet".to_owned(), good),
        ("parquet-cut.parquet".to_owned(), cut),
        (
            "parquet-as-csv.csv".to_owned(),
            storage::batch::write(&samples(401))?,
        ),
        ("csv-as-parquet.parquet".to_owned(), HEADER.as_bytes().to_vec()),
    ])
}

/// The folder that a file came to, and the steady part of its report.
async fn outcome(world: &World, name: &str) -> Result<Value> {
    let folder = until(&format!("{name} to be put away"), async || {
        let is_in = |folder: &&str| world.path("inbox").join(folder).join(name).exists();
        Ok(["accepted", "held", "rejected"].into_iter().find(is_in))
    })
    .await?;
    let report = world.report(folder, name).await?;
    let (read, accepted, rejected) = (
        &report["rows_read"],
        &report["rows_accepted"],
        &report["rows_rejected"],
    );
    assert_eq!(
        read.as_u64(),
        accepted.as_u64().zip(rejected.as_u64()).map(|(a, b)| a + b),
        "{name}"
    );
    let steady = STEADY.map(|field| (field, report[field].clone()));
    Ok(json!({"folder": folder, "report": BTreeMap::from(steady)}))
}

#[tokio::test]
async fn every_kind_of_file_gets_the_report_that_it_deserves() -> Result<()> {
    in_world(|world| async move {
        // A bomb must go off within a limit that the good files keep.
        let limit = [("LAPIDARY__INGEST__MAX_FILE_BYTES", "20000000")];
        let ingest = world.start("ingest", &limit).await?;
        let cases = [defective_rows(), defective_files(), tables()?].concat();
        for (name, content) in &cases {
            world.drop_file(name, content)?;
        }
        let mut outcomes = BTreeMap::new();
        for (name, _) in &cases {
            outcomes.insert(name.clone(), outcome(&world, name).await?);
        }
        assert_eq!(outcomes.len(), cases.len());
        insta::assert_json_snapshot!("reports", outcomes);
        drop(ingest);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_same_rows_in_another_form_are_known() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let plain = Diamonds::new(ROWS, 1);
        world.drop_file("plain.csv", &plain.to_bytes())?;
        world.report("accepted", "plain.csv").await?;
        let forms = [
            ("crlf.csv", plain.clone().with(FileDefect::Crlf).to_bytes()),
            (
                "exponents.csv",
                plain.clone().with(FileDefect::Exponents).to_bytes(),
            ),
            ("packed.csv.gz", plain.clone().packed(Format::CsvGz).to_bytes()),
            ("table.parquet", storage::batch::write(&samples(1))?),
        ];
        for (name, content) in forms {
            world.drop_file(name, &content)?;
            let report = world.report("accepted", name).await?;
            assert_eq!(
                (&report["rows_accepted"], &report["rows_known"]),
                (&json!(ROWS), &json!(ROWS)),
                "{name}"
            );
        }
        let rows = "SELECT min(rows) = max(rows) AND count(*) = 5 AS same FROM datasets";
        assert_eq!(world.database.query(rows).await?, [json!({"same": true})]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_list_of_rejected_rows_has_each_with_its_line_reasons_and_text() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let defects = [
            RowDefect::ZeroX.in_share(0.05),
            RowDefect::QuotedNewline.in_share(0.2),
            RowDefect::ShortRow.in_share(0.05),
        ];
        let file = defects
            .iter()
            .fold(Diamonds::new(5000, 3), |file, defect| file.with(*defect));
        let (bytes, expected) = file.to_bytes_with_expectations();
        world.drop_file("a.csv", &bytes)?;
        let report = world.report("accepted", "a.csv").await?;
        let expected: Vec<_> = expected
            .iter()
            .filter_map(|row| Some((row.line.to_string(), row.defect.fault()?.to_string())))
            .collect();
        assert_eq!(report["rows_rejected"], expected.len());
        let list = std::fs::read(world.path("inbox/accepted/a.csv.rejected.csv"))?;
        let mut rows = csv::Reader::from_reader(&list[..]);
        let listed: Vec<_> = rows
            .records()
            .map(|row| row.map(|row| (row[0].to_owned(), row[1].to_owned())))
            .collect::<Result<_, _>>()?;
        assert_eq!(listed, expected);
        Ok(())
    })
    .await
}
