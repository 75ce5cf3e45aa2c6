//! Whether a regression has one solution.
//!
//! The solver's QR decomposition notices a column that is exactly a combination of others only
//! where no rounding blurs it; otherwise it answers with huge coefficients that cancel each other.

use ndarray::Array2;

/// The least squared sine of the angle between a column and those before it. Rounding alone gives
/// about 1e-15; features measured to two or three digits give more than 1e-7.
const LEAST_PIVOT: f64 = 1e-10;

/// What is wrong with a column, by its position.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deficiency {
    /// Its sum of squares is beyond every number.
    TooLarge(usize),
    /// It is a combination of the columns before it.
    Combination(usize),
}

/// Looks for the first column of `design` that makes the regression have no single solution, by
/// Cholesky decomposition of the columns' cosines.
pub(super) fn check(design: &Array2<f64>) -> Result<(), Deficiency> {
    let gram = design.t().dot(design);
    if let Some(column) = gram.diag().iter().position(|square| !square.is_finite()) {
        return Err(Deficiency::TooLarge(column));
    }
    let lengths = gram.diag().mapv(f64::sqrt);
    let mut root = Array2::<f64>::zeros(gram.dim());
    for row in 0..gram.nrows() {
        for column in 0..=row {
            let cosine = gram[[row, column]] / (lengths[row] * lengths[column]);
            let explained: f64 = (0..column).map(|k| root[[row, k]] * root[[column, k]]).sum();
            let rest = cosine - explained;
            root[[row, column]] = if row == column {
                rest.sqrt()
            } else {
                rest / root[[column, column]]
            };
            // A column of zeros gives NaN, which is no pivot either.
            if row == column && (rest.is_nan() || rest < LEAST_PIVOT) {
                return Err(Deficiency::Combination(row));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Axis, stack};
    use proptest::prelude::*;

    fn design(columns: &[Vec<f64>]) -> Array2<f64> {
        let columns: Vec<Array1<f64>> = columns.iter().cloned().map(Array1::from).collect();
        stack(Axis(1), &columns.iter().map(Array1::view).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn independent_columns_are_fine_whatever_their_scale() {
        let columns = [
            vec![1.0; 4],
            vec![1e-9, 2e-9, 3e-9, 5e-9],
            vec![3e9, 1e9, 4e9, 1e9],
        ];
        assert_eq!(check(&design(&columns)), Ok(()));
    }

    #[test]
    fn a_column_of_one_value_follows_from_the_intercept() {
        assert_eq!(
            check(&design(&[vec![1.0; 7], vec![0.1; 7]])),
            Err(Deficiency::Combination(1))
        );
        assert_eq!(
            check(&design(&[vec![1.0; 7], vec![0.0; 7]])),
            Err(Deficiency::Combination(1))
        );
    }

    #[test]
    fn a_column_beyond_every_number_is_named() {
        assert_eq!(
            check(&design(&[vec![1.0; 2], vec![1.0, 1e200]])),
            Err(Deficiency::TooLarge(1))
        );
    }

    proptest! {
        #[test]
        fn a_combination_is_found_through_rounding(
            rows in proptest::collection::vec((0.1..10.0, 0.1..10.0), 10..50),
            (a, b, c) in (0.1..10.0, 0.1..10.0, -10.0..10.0),
        ) {
            let (p, q): (Vec<f64>, Vec<f64>) = rows.iter().copied().unzip();
            let combined = rows.iter().map(|(p, q)| a * p + b * q + c).collect();
            let ones = vec![1.0; rows.len()];
            prop_assert_eq!(check(&design(&[ones, p, q, combined])), Err(Deficiency::Combination(3)));
        }
    }
}
