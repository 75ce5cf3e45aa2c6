//! Samples, and boosters that XGBoost's own library trains on them.

use std::collections::HashMap;

use domain::{Carat, Clarity, Color, Cut, Diamond, Millimeters, Percent, Price, Sample};
use xgboost_rs::{Booster, DMatrix};

/// A row of features as trees see it.
pub(crate) type Row = [f32; 9];

/// The generator of Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
pub(crate) struct SplitMix64(pub(crate) u64);

impl SplitMix64 {
    /// A number from 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[(self.unit() * items.len() as f64) as usize]
    }

    /// Near normal, with standard deviation 1.
    fn noise(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// Samples whose prices follow from all their features, but for 10 % of noise.
pub(crate) fn generated(count: usize, seed: u64) -> Vec<Sample> {
    let mut random = SplitMix64(seed);
    (0..count).map(|_| generate(&mut random)).collect()
}

fn generate(random: &mut SplitMix64) -> Sample {
    let hundredths = |value: f64| (value * 100.0).round() / 100.0;
    let carat = hundredths(0.2 + 2.8 * random.unit() * random.unit());
    let mut length = |factor: f64| hundredths(factor * carat.cbrt() * (1.0 + 0.01 * random.noise()));
    let (x, y, z) = (length(6.45), length(6.45), length(4.0));
    let (cut, color, clarity) = (
        random.of(Cut::ALL),
        random.of(Color::ALL),
        random.of(Clarity::ALL),
    );
    let depth = 61.5 + 1.5 * random.noise();
    let table = (57.0 + 2.0 * random.noise()).round();
    let log_price = 7.6
        + 1.7 * carat.ln()
        + 0.03 * cut.rank() as f64
        + 0.08 * color.rank() as f64
        + 0.12 * clarity.rank() as f64
        - 0.01 * (depth - 61.5).abs()
        + 0.05 * (x - 6.45 * carat.cbrt())
        + 0.1 * random.noise();
    Sample {
        diamond: Diamond {
            carat: Carat::try_from(carat).unwrap(),
            cut,
            color,
            clarity,
            depth: Percent::try_from(hundredths(depth)).unwrap(),
            table: Percent::try_from(table).unwrap(),
            x: Millimeters::try_from(x).unwrap(),
            y: Millimeters::try_from(y).unwrap(),
            z: Millimeters::try_from(z).unwrap(),
        },
        price: Price::try_from(log_price.exp().round()).unwrap(),
    }
}

pub(crate) fn row(diamond: &Diamond) -> Row {
    [
        diamond.carat.get() as f32,
        diamond.cut.rank() as f32,
        diamond.color.rank() as f32,
        diamond.clarity.rank() as f32,
        diamond.depth.get() as f32,
        diamond.table.get() as f32,
        diamond.x.get() as f32,
        diamond.y.get() as f32,
        diamond.z.get() as f32,
    ]
}

pub(crate) fn rows(samples: &[Sample]) -> Vec<Row> {
    samples.iter().map(|sample| row(&sample.diamond)).collect()
}

/// The same rows, about one value in five missing.
pub(crate) fn with_gaps(rows: &[Row], seed: u64) -> Vec<Row> {
    let mut random = SplitMix64(seed);
    let mut gap = |value: f32| if random.unit() < 0.2 { f32::NAN } else { value };
    rows.iter().map(|row| row.map(&mut gap)).collect()
}

/// Rows as XGBoost takes them. Its own constructor from rows takes zeros as missing.
pub(crate) fn matrix(rows: &[Row]) -> DMatrix {
    let values = rows.as_flattened();
    DMatrix::from_col_major_f32(values, 36, 4, rows.len(), 9, 1, f32::NAN).unwrap()
}

/// How a booster is trained.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipe {
    pub(crate) trees: i32,
    pub(crate) depth: u32,
    /// The least gain of a split; above 0, nodes are pruned.
    pub(crate) gamma: f32,
}

pub(crate) fn train(rows: &[Row], samples: &[Sample], recipe: Recipe) -> Booster {
    let prices: Vec<f32> = samples.iter().map(|sample| sample.price.get() as f32).collect();
    let mut matrix = matrix(rows);
    matrix.set_labels(&prices).unwrap();
    let mean = prices.iter().sum::<f32>() / prices.len() as f32;
    let settings = [
        ("objective", "reg:squarederror".to_owned()),
        ("tree_method", "hist".to_owned()),
        ("base_score", mean.to_string()),
        ("learning_rate", "0.05".to_owned()),
        ("max_depth", recipe.depth.to_string()),
        ("gamma", recipe.gamma.to_string()),
        ("subsample", "0.8".to_owned()),
        ("nthread", "1".to_owned()),
        ("verbosity", "0".to_owned()),
    ];
    let settings: HashMap<String, String> = settings
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let mut booster = Booster::new_with_json_config(&[&matrix], settings).unwrap();
    for round in 0..recipe.trees {
        booster.update(&matrix, round).unwrap();
    }
    booster
}

pub(crate) fn json(booster: &Booster) -> String {
    booster.save_to_buffer("json".to_owned()).unwrap()
}
