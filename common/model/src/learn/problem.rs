//! Least squares over any number of samples, in the memory of some of them.
//!
//! The matrix of a regression takes three times what its samples take. So it is made for a block of samples at a time,
//! and the rows so far are replaced by the triangle of their QR decomposition, of which every sum of squares that a
//! solution is judged by is the same (Golub and Van Loan, "Matrix Computations", 2013, section 6.5).

use domain::Sample;
use linfa_linalg::qr::QRInto as _;
use ndarray::{Array1, Array2, Axis, Slice, concatenate};

use super::LearnError;

/// Samples of a block. A problem of one block is left as it is.
const BLOCK: usize = 1 << 16;

/// A problem of least squares, of the same solutions as that over all samples.
pub(super) struct Problem {
    /// `[rows × columns]`.
    pub(super) design: Array2<f64>,
    /// `[rows]`.
    pub(super) targets: Array1<f64>,
}

impl Problem {
    /// The problem over `samples`; `part` makes it over some of them.
    pub(super) fn over(samples: &[Sample], part: impl Fn(&[Sample]) -> Self) -> Result<Self, LearnError> {
        Self::in_blocks(samples, BLOCK, part)
    }

    fn in_blocks(
        samples: &[Sample],
        block: usize,
        part: impl Fn(&[Sample]) -> Self,
    ) -> Result<Self, LearnError> {
        let (first, rest) = samples.split_at(samples.len().min(block));
        let mut parts = rest.chunks(block).map(&part);
        parts.try_fold(part(first), |before, part| before.followed_by(&part)?.reduced())
    }

    fn followed_by(&self, next: &Self) -> Result<Self, LearnError> {
        let design = concatenate(Axis(0), &[self.design.view(), next.design.view()]);
        let targets = concatenate(Axis(0), &[self.targets.view(), next.targets.view()]);
        Ok(Self {
            design: design.map_err(solver)?,
            targets: targets.map_err(solver)?,
        })
    }

    /// As many rows as there are columns, and one more for what no solution explains.
    fn reduced(self) -> Result<Self, LearnError> {
        let columns = self.design.ncols();
        let targets = self.targets.view().insert_axis(Axis(1));
        let all = concatenate(Axis(1), &[self.design.view(), targets]).map_err(solver)?;
        let triangle = all.qr_into().map_err(solver)?.into_r();
        Ok(Self {
            design: triangle.slice_axis(Axis(1), Slice::from(..columns)).to_owned(),
            targets: triangle.column(columns).to_owned(),
        })
    }
}

/// The blocks in which to go through samples whose matrix is not to be held as a whole.
pub(super) fn blocks(samples: &[Sample]) -> impl Iterator<Item = &[Sample]> {
    samples.chunks(BLOCK)
}

fn solver(error: impl std::error::Error + Send + Sync + 'static) -> LearnError {
    LearnError::Solver(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn part(samples: &[Sample]) -> Problem {
        let row = |sample: &Sample, column| match column {
            0 => 1.0,
            1 => sample.diamond.carat.get(),
            _ => sample.diamond.x.get(),
        };
        Problem {
            design: Array2::from_shape_fn((samples.len(), 3), |(place, column)| row(&samples[place], column)),
            targets: samples.iter().map(|sample| sample.price.get().ln()).collect(),
        }
    }

    /// W10: whatever the size of a block, the problem is the same, and no larger than a block.
    #[test]
    fn a_problem_in_blocks_has_the_products_of_the_whole() {
        let samples = fixture::samples(1_000);
        let whole = Problem::in_blocks(&samples, 1_000, part).unwrap();
        assert_eq!(whole.design, part(&samples).design);
        for block in [4, 37, 500, 999] {
            let reduced = Problem::in_blocks(&samples, block, part).unwrap();
            assert_eq!(reduced.design.dim(), (4, 3));
            let near =
                |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * b.abs(), "{a} {b} in blocks of {block}");
            let gram = |problem: &Problem| problem.design.t().dot(&problem.design);
            gram(&reduced)
                .iter()
                .zip(&gram(&whole))
                .for_each(|(a, b)| near(*a, *b));
            let products = |problem: &Problem| problem.design.t().dot(&problem.targets);
            products(&reduced)
                .iter()
                .zip(&products(&whole))
                .for_each(|(a, b)| near(*a, *b));
            near(
                reduced.targets.dot(&reduced.targets),
                whole.targets.dot(&whole.targets),
            );
        }
    }

    #[test]
    fn no_samples_make_an_empty_problem() {
        assert_eq!(Problem::over(&[], part).unwrap().design.dim(), (0, 3));
    }
}
