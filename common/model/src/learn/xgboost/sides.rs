//! The samples that trials fit on, and those that they are compared on.

use domain::{DiamondHash, Sample, hash::InnerSide};

use crate::learn::LearnError;

/// Training samples by inner side, each in the order they came in.
pub(super) struct Sides {
    /// What trials fit on.
    pub(super) fitting: Vec<Sample>,
    /// What trials are compared on.
    pub(super) validation: Vec<Sample>,
}

impl Sides {
    /// Puts each sample on the side that its diamond's hash decides; an error where one side stays empty.
    pub(super) fn of(training: &[Sample]) -> Result<Self, LearnError> {
        let fits = |sample: &Sample| DiamondHash::of(&sample.diamond).inner_side() == InnerSide::Fitting;
        let (fitting, validation): (Vec<_>, Vec<_>) = training.iter().copied().partition(fits);
        if fitting.is_empty() || validation.is_empty() {
            return Err(LearnError::OneSided { have: training.len() });
        }
        Ok(Self { fitting, validation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn no_stone_is_fitted_on_and_validated_on() {
        let mut training = fixture::samples(300);
        training.extend(fixture::samples(300));
        let sides = Sides::of(&training).unwrap();
        assert_eq!(sides.fitting.len() + sides.validation.len(), 600);
        for sample in &sides.validation {
            assert_eq!(
                DiamondHash::of(&sample.diamond).inner_side(),
                InnerSide::Validation
            );
            assert!(sides.fitting.iter().all(|other| other.diamond != sample.diamond));
        }
    }

    #[test]
    fn one_stone_sold_often_cannot_be_on_both_sides() {
        let training = vec![fixture::samples(1)[0]; 60];
        let error = Sides::of(&training).err().unwrap();
        assert_eq!(
            error.to_string(),
            "the 60 training samples are too few or too much alike to compare models on some of them; \
             add other diamonds"
        );
        assert!(Sides::of(&[]).is_err());
    }
}
