//! The samples that trials fit on, and those that they are compared on.
//!
//! Of very many samples a search takes a part: the parameters that do best on half a million do best on all, and what
//! won is fitted on all of them.

use domain::{DiamondHash, Sample, hash::InnerSide};

use crate::learn::LearnError;

/// A search takes no more samples than this.
pub(in crate::learn) const MOST_SEARCHED: u64 = 500_000;

/// Training samples by inner side, each in the order they came in.
pub(super) struct Sides {
    /// What trials fit on.
    pub(super) fitting: Vec<Sample>,
    /// What trials are compared on.
    pub(super) validation: Vec<Sample>,
}

impl Sides {
    /// Puts each sample on the side that its diamond's hash decides; an error where one side stays empty. Where there
    /// are too many, the hash decides which are left out.
    pub(super) fn of(training: &[Sample]) -> Result<Self, LearnError> {
        Self::of_at_most(MOST_SEARCHED as usize, training)
    }

    fn of_at_most(most: usize, training: &[Sample]) -> Result<Self, LearnError> {
        let (mut fitting, mut validation) = (Vec::new(), Vec::new());
        let hashed = training
            .iter()
            .map(|sample| (sample, DiamondHash::of(&sample.diamond)));
        let chosen = hashed.filter(|(_, hash)| hash.is_drawn(most, training.len()));
        // A stone that is there very often may be drawn with all its samples.
        for (sample, hash) in chosen.take(most) {
            match hash.inner_side() {
                InnerSide::Fitting => fitting.push(*sample),
                InnerSide::Validation => validation.push(*sample),
            }
        }
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

    /// W10: a search takes part of very many samples, on each side the same share, whatever their order.
    #[test]
    fn of_too_many_samples_a_part_is_drawn() {
        let training = fixture::samples(10_000);
        let all = Sides::of_at_most(10_000, &training).unwrap();
        assert_eq!(all.fitting.len() + all.validation.len(), 10_000);
        let part = Sides::of_at_most(2_000, &training).unwrap();
        let drawn = part.fitting.len() + part.validation.len();
        assert!((1_500..=2_000).contains(&drawn), "{drawn}");
        assert!((0.1..0.3).contains(&(part.validation.len() as f64 / drawn as f64)));
        let fits = |sample: &&Sample| part.fitting.contains(sample);
        assert_eq!(all.fitting.iter().filter(fits).count(), part.fitting.len());
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
