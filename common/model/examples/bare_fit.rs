//! Fits boosted trees on the training side of a CSV with XGBoost alone, and prints the most memory that took, in MiB.
//!
//! `cargo run --release -p model --features learners --example bare_fit -- FILE.csv PARAMETERS.json`, the parameters
//! being those of a model in the registry. It is what `make bench-memory` holds the trainer against: the matrix, and
//! nothing else. A few trees will do, for trees take no memory to speak of.

use std::{collections::HashMap, env, error::Error, fs};

use domain::{
    DiamondHash, Sample, Side,
    row::{Column, RawRow, judge},
};
use serde_json::Value;
use xgboost_rs::{Booster, DMatrix};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const TREES: i32 = 20;
const COLUMNS: usize = 9;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, parameters] = arguments.as_slice() else {
        return Err("usage: bare_fit FILE.csv PARAMETERS.json".into());
    };
    let parameters: Value = serde_json::from_str(parameters)?;
    let (table, mean) = table(file)?;
    let mut booster = Booster::new_with_json_config(&[&table], settings(&parameters, mean)?)?;
    for round in 0..TREES {
        booster.update(&table, round)?;
    }
    println!("{}", peak_mib()?);
    Ok(())
}

/// Rows and targets in XGBoost's own form, and the mean price.
fn table(file: &str) -> Result<(DMatrix, f32)> {
    let (mut rows, mut prices): (Vec<f32>, Vec<f32>) = (Vec::new(), Vec::new());
    let mut reader = csv::Reader::from_path(file)?;
    let header = reader.headers()?.clone();
    let place = |column: Column| header.iter().position(|name| name == column.name());
    let places: Vec<usize> = Column::ALL.into_iter().filter_map(place).collect();
    let places: [usize; Column::ALL.len()] = places.try_into().map_err(|_| "a column is missing")?;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        let row = places.map(|place| record.get(place).unwrap_or_default());
        let Ok(sample) = judge(&RawRow(row)) else { continue };
        if DiamondHash::of(&sample.diamond).side() == Side::Training {
            rows.extend(features(&sample));
            prices.push(sample.price.get() as f32);
        }
    }
    let mean = prices.iter().map(|price| f64::from(*price)).sum::<f64>() / prices.len() as f64;
    let number = size_of::<f32>();
    let mut table = DMatrix::from_col_major_f32(
        &rows,
        COLUMNS * number,
        number,
        prices.len(),
        COLUMNS,
        1,
        f32::NAN,
    )?;
    table.set_labels(&prices)?;
    Ok((table, mean as f32))
}

fn features(sample: &Sample) -> [f32; COLUMNS] {
    let diamond = &sample.diamond;
    let grades = [diamond.cut.rank(), diamond.color.rank(), diamond.clarity.rank()].map(|rank| rank as f32);
    let [cut, color, clarity] = grades;
    let [depth, table] = [diamond.depth, diamond.table].map(|percent| percent.get() as f32);
    let [x, y, z] = [diamond.x, diamond.y, diamond.z].map(|length| length.get() as f32);
    let carat = diamond.carat.get() as f32;
    [carat, cut, color, clarity, depth, table, x, y, z]
}

/// As the trainer sets them, but for the seed.
fn settings(parameters: &Value, base_score: f32) -> Result<HashMap<String, String>> {
    let found = [
        "lambda",
        "alpha",
        "colsample_bytree",
        "subsample",
        "learning_rate",
        "max_depth",
        "min_child_weight",
    ];
    let mut settings: HashMap<String, String> = [
        ("base_score", base_score.to_string()),
        ("objective", "reg:squarederror".to_owned()),
        ("tree_method", "hist".to_owned()),
        ("max_bin", "128".to_owned()),
        ("nthread", "1".to_owned()),
        ("verbosity", "0".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for name in found {
        let value = parameters.get(name).ok_or("a parameter is missing")?;
        settings.insert(name.to_owned(), value.to_string());
    }
    Ok(settings)
}

fn peak_mib() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line
        .and_then(|line| line.trim().strip_suffix("kB"))
        .ok_or("no VmHWM")?;
    Ok(kib.trim().parse::<f64>()? / 1024.0)
}
