//! US dollars in whole cents.

/// More dollars than this are no price: their cents would no longer be exact.
const MOST: f64 = 1e12;

/// The nearest number of cents; none where `dollars` is not finite or beyond every price.
#[must_use]
pub fn of(dollars: f64) -> Option<i64> {
    (dollars.abs() < MOST).then(|| (dollars * 100.0).round() as i64)
}

/// The number of whole cents in `dollars`, rounded down.
#[must_use]
pub fn floor(dollars: f64) -> Option<i64> {
    (dollars.abs() < MOST).then(|| (dollars * 100.0).floor() as i64)
}

/// The number of whole cents that `dollars` need, rounded up.
#[must_use]
pub fn ceil(dollars: f64) -> Option<i64> {
    (dollars.abs() < MOST).then(|| (dollars * 100.0).ceil() as i64)
}

/// In dollars.
#[must_use]
pub fn dollars(cents: i64) -> f64 {
    cents as f64 / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_are_rounded_to_the_nearest_and_either_way() {
        assert_eq!(
            (of(1.006), floor(1.006), ceil(1.001)),
            (Some(101), Some(100), Some(101))
        );
        assert_eq!((of(-1.006), floor(-1.006)), (Some(-101), Some(-101)));
        assert_eq!(dollars(101), 1.01);
    }

    #[test]
    fn what_is_no_price_has_no_cents() {
        for absurd in [f64::NAN, f64::INFINITY, 1e13] {
            assert_eq!(of(absurd), None);
        }
    }
}
