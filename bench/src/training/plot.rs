//! The searches as points: time and test error.

use std::path::Path;

use anyhow::Result;
use plotters::prelude::*;

use super::{Outcome, Round};

const SIZE: (u32, u32) = (720, 420);
const OPTUNA: RGBColor = RGBColor(0xD9, 0x5F, 0x02);
const OURS: RGBColor = RGBColor(0x1B, 0x6C, 0xA8);

/// Draws `rounds` into an SVG file, the time on a logarithmic axis.
pub(super) fn draw(rounds: &[Round], file: &Path) -> Result<()> {
    let optuna: Vec<(f64, f64)> = rounds.iter().map(|round| point(&round.optuna)).collect();
    let ours: Vec<(f64, f64)> = rounds.iter().map(|round| point(&round.ours)).collect();
    let (seconds, errors): (Vec<f64>, Vec<f64>) = optuna.iter().chain(&ours).copied().unzip();
    let (fastest, slowest) = ends(&seconds);
    let (least, most) = ends(&errors);
    let canvas = SVGBackend::new(file, SIZE).into_drawing_area();
    canvas.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&canvas)
        .margin(16)
        .caption("100 trials: time and test error", ("sans-serif", 20))
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (fastest * 0.7..slowest * 1.4).log_scale(),
            least - 3.0..most + 3.0,
        )?;
    let mut mesh = chart.configure_mesh();
    mesh.x_desc("seconds")
        .y_desc("test MAE, dollars")
        .light_line_style(WHITE)
        .draw()?;
    for (name, points, color) in [("Optuna", optuna, OPTUNA), ("Lapidary", ours, OURS)] {
        let dot = move |at: (f64, f64)| Circle::new(at, 5, color.filled());
        let series = chart.draw_series(points.into_iter().map(dot))?;
        series
            .label(name)
            .legend(move |at| Circle::new(at, 5, color.filled()));
    }
    chart
        .configure_series_labels()
        .border_style(BLACK.mix(0.2))
        .background_style(WHITE)
        .draw()?;
    canvas.present()?;
    Ok(())
}

fn point(outcome: &Outcome) -> (f64, f64) {
    (outcome.seconds, outcome.test_mae)
}

/// The smallest and the largest.
fn ends(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    (least, values.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}
