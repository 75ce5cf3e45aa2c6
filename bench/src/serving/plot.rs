//! Plots, as SVG beside the report.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::{
    open_loop::quantile,
    report::{CALM, ECHO, OpenRound, Round, SWAPS},
};

const SIZE: (u32, u32) = (720, 420);
const SERVERS: [(&str, RGBColor); 3] = [("echo", BLACK), ("lapidary", BLUE), ("fastapi", RED)];

fn path(name: &str) -> Result<PathBuf> {
    Ok(testkit::checkout()?.join("bench/results").join(name))
}

/// Requests a second of every server by round, on a logarithmic axis.
pub(super) fn rounds(rounds: &[Round]) -> Result<()> {
    let most = rounds
        .iter()
        .map(|it| it.measured.per_second)
        .fold(1000.0, f64::max);
    let last = rounds.iter().map(|it| it.number).max().unwrap_or(1);
    let lines = SERVERS.map(|(server, color)| {
        let points = rounds.iter().filter(|it| it.server == server);
        let points: Vec<_> = points
            .map(|it| (f64::from(it.number), it.measured.per_second))
            .collect();
        (server.to_owned(), color, points)
    });
    draw(
        "serving-rounds.svg",
        ("round", "requests/s"),
        (0.9, f64::from(last) + 0.1),
        (100.0, most * 1.5),
        &lines,
    )
}

/// Latency by quantile, of all turns together: of the echo, which tells what the machine does to anyone, and of ours,
/// calm and during swaps.
pub(super) fn latencies(open: &[OpenRound]) -> Result<()> {
    let loads = [(ECHO, BLACK), (CALM, BLUE), (SWAPS, RED)];
    let times = loads.map(|(load, _)| {
        let turns = open.iter().filter(|round| round.load == load);
        let mut times: Vec<_> = turns.flat_map(|round| &round.outcome.times_ms).copied().collect();
        times.sort_by(f64::total_cmp);
        times
    });
    let points = |times: &[f64]| -> Vec<_> {
        (0..=400)
            .map(|step| 1.0 - 10_f64.powf(-f64::from(step) / 100.0))
            .map(|share| (-(1.0 - share).log10(), quantile(times, share)))
            .collect()
    };
    let lines = loads
        .iter()
        .zip(&times)
        .map(|((load, color), times)| ((*load).to_owned(), *color, points(times)));
    let lines: Vec<_> = lines.collect();
    let most = times.iter().flatten().copied().fold(1.0, f64::max);
    draw(
        "serving-latency.svg",
        ("nines (2 = p99)", "ms"),
        (0.0, 4.0),
        (0.1, most * 1.2),
        &lines,
    )
}

type Line = (String, RGBColor, Vec<(f64, f64)>);

fn draw(name: &str, axes: (&str, &str), x: (f64, f64), y: (f64, f64), lines: &[Line]) -> Result<()> {
    let path = path(name)?;
    let area = SVGBackend::new(&path, SIZE).into_drawing_area();
    let failed = |error: &dyn std::fmt::Display| anyhow!("cannot draw {name}: {error}");
    area.fill(&WHITE).map_err(|error| failed(&error))?;
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(x.0..x.1, (y.0..y.1).log_scale())
        .map_err(|error| failed(&error))?;
    chart
        .configure_mesh()
        .x_desc(axes.0)
        .y_desc(axes.1)
        .draw()
        .map_err(|error| failed(&error))?;
    for (label, color, points) in lines {
        let color = *color;
        chart
            .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)).point_size(2))
            .map_err(|error| failed(&error))?
            .label(label.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color));
    }
    chart
        .configure_series_labels()
        .border_style(BLACK)
        .draw()
        .map_err(|error| failed(&error))?;
    area.present().map_err(|error| failed(&error))
}
