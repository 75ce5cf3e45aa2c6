//! The most similar training samples: same grades, nearest carat. Pure.
//!
//! Samples lie in columns, by grades, then carat, then the dataset's order. A sample takes 28 bytes where all its
//! numbers have up to four decimals (as in the trade), 56 where none has; its grades take none. An answer costs a
//! few binary searches and the samples it returns, whatever the number of samples and of equal carats.

mod builder;
mod column;

use domain::{Carat, Clarity, Color, Cut, Diamond, Sample};

pub use builder::Builder;
use column::Column;

/// The grades that samples have to share.
pub type Grades = (Cut, Color, Clarity);

const COMBINATIONS: usize = Cut::ALL.len() * Color::ALL.len() * Clarity::ALL.len();

/// The samples of one dataset version.
pub struct Neighbours {
    /// Where the samples of each combination of grades begin, and where the last one's end.
    starts: Vec<usize>,
    carat: Column,
    depth: Column,
    table: Column,
    x: Column,
    y: Column,
    z: Column,
    price: Column,
}

/// Samples on one side of the wanted carat that are equally far from it, from the lowest place up.
struct Run {
    distance: f64,
    from: usize,
    to: usize,
}

impl Neighbours {
    /// The samples, in the dataset's order.
    #[must_use]
    pub fn of(samples: &[Sample]) -> Self {
        let mut builder = Builder::default();
        builder.add(samples);
        builder.build()
    }

    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or_default()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that the samples take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let columns = [
            &self.carat,
            &self.depth,
            &self.table,
            &self.x,
            &self.y,
            &self.z,
            &self.price,
        ];
        columns.into_iter().map(Column::bytes).sum::<usize>() + size_of_val(self.starts.as_slice())
    }

    /// The `n` nearest, nearest first, ties by lower carat, then in the dataset's order; and how many match at all.
    ///
    /// Distances are differences of doubles, as a full sort by them would have it.
    #[must_use]
    pub fn nearest(&self, carat: Carat, grades: Grades, n: usize) -> (Vec<Sample>, usize) {
        let group = combination(grades);
        let (start, end) = (self.starts[group], self.starts[group + 1]);
        let wanted = carat.get();
        let middle = self.first(start, end, |carat| carat >= wanted);
        let mut near = Vec::with_capacity(n.min(end - start));
        let (mut below, mut above) = (middle, middle);
        while near.len() < n {
            let lower = (start < below).then(|| self.run_below(start, below, wanted));
            let higher = (above < end).then(|| Run {
                distance: self.carat.get(above) - wanted,
                from: above,
                to: above + 1,
            });
            let Some(run) = nearer(lower, higher) else { break };
            // One of the two: above the middle a run is a single sample, as runs there come in order anyway.
            if run.from < middle {
                below = run.from;
            } else {
                above = run.to;
            }
            let room = n - near.len();
            near.extend(
                (run.from..run.to)
                    .take(room)
                    .map(|place| self.sample(place, grades)),
            );
        }
        (near, end - start)
    }

    /// The samples that are as far below `wanted` as the last one before `end`.
    fn run_below(&self, start: usize, end: usize, wanted: f64) -> Run {
        let distance = wanted - self.carat.get(end - 1);
        Run {
            distance,
            from: self.first(start, end, |carat| wanted - carat <= distance),
            to: end,
        }
    }

    /// The first place within `start..end` from which on this holds of the carats.
    fn first(&self, start: usize, end: usize, holds: impl Fn(f64) -> bool) -> usize {
        let (mut low, mut high) = (start, end);
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(self.carat.get(middle)) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    /// The numbers were such quantities when they came in.
    #[expect(clippy::expect_used, reason = "the columns give back what a sample put in")]
    fn sample(&self, place: usize, (cut, color, clarity): Grades) -> Sample {
        let same = "a column gives back what was put in";
        Sample {
            diamond: Diamond {
                carat: self.carat.get(place).try_into().expect(same),
                cut,
                color,
                clarity,
                depth: self.depth.get(place).try_into().expect(same),
                table: self.table.get(place).try_into().expect(same),
                x: self.x.get(place).try_into().expect(same),
                y: self.y.get(place).try_into().expect(same),
                z: self.z.get(place).try_into().expect(same),
            },
            price: self.price.get(place).try_into().expect(same),
        }
    }
}

/// The nearer of two runs; of equally near ones the lower carats.
fn nearer(lower: Option<Run>, higher: Option<Run>) -> Option<Run> {
    match (lower, higher) {
        (Some(lower), Some(higher)) if higher.distance < lower.distance => Some(higher),
        (Some(lower), _) => Some(lower),
        (None, higher) => higher,
    }
}

fn combination((cut, color, clarity): Grades) -> usize {
    (cut.rank() * Color::ALL.len() + color.rank()) * Clarity::ALL.len() + clarity.rank()
}

#[cfg(test)]
mod tests;
