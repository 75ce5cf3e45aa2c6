//! The most similar training samples: same grades, nearest carat. Pure.

use std::{cmp::Ordering, collections::HashMap};

use domain::{Carat, Clarity, Color, Cut, Sample};

type Grades = (Cut, Color, Clarity);

/// The samples of one dataset version by their grades, each list by carat, ties in the dataset's order.
pub(crate) struct Neighbours {
    by_grades: HashMap<Grades, Vec<Sample>>,
}

impl Neighbours {
    pub(crate) fn of(samples: &[Sample]) -> Self {
        let mut by_grades: HashMap<Grades, Vec<Sample>> = HashMap::new();
        for sample in samples {
            let diamond = &sample.diamond;
            by_grades
                .entry((diamond.cut, diamond.color, diamond.clarity))
                .or_default()
                .push(*sample);
        }
        for list in by_grades.values_mut() {
            list.sort_by(|a, b| compare(a.diamond.carat.get(), b.diamond.carat.get()));
        }
        Self { by_grades }
    }

    /// The `n` nearest, nearest first, ties by lower carat, then in the dataset's order; and how many match at all.
    pub(crate) fn nearest(&self, carat: Carat, grades: Grades, n: usize) -> (Vec<Sample>, usize) {
        let Some(list) = self.by_grades.get(&grades) else {
            return (Vec::new(), 0);
        };
        let wanted = carat.get();
        let start = list.partition_point(|sample| sample.diamond.carat.get() < wanted);
        // The n nearest lie within n places of where the carat would stand, and within the run of equal carats below.
        let mut low = start.saturating_sub(n);
        while low > 0 && list[low - 1].diamond.carat == list[low].diamond.carat {
            low -= 1;
        }
        let high = (start + n).min(list.len());
        let mut near = list[low..high].to_vec();
        let distance = |sample: &Sample| (sample.diamond.carat.get() - wanted).abs();
        near.sort_by(|a, b| {
            compare(distance(a), distance(b)).then(compare(a.diamond.carat.get(), b.diamond.carat.get()))
        });
        near.truncate(n);
        (near, list.len())
    }
}

fn compare(a: f64, b: f64) -> Ordering {
    a.total_cmp(&b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::row::{RawRow, judge};
    use proptest::prelude::*;

    fn sample(carat: f64, price: usize) -> Sample {
        let (carat, price) = (carat.to_string(), (price + 1).to_string());
        judge(&RawRow([
            &carat, "Ideal", "H", "SI2", "62", "55", &price, "6", "6", "4",
        ]))
        .unwrap()
    }

    proptest! {
        #[test]
        fn the_nearest_are_those_of_a_full_sort(tenths in proptest::collection::vec(1_u8..20, 0..60), wanted in 1_u8..20, n in 1_usize..10) {
            let samples: Vec<_> = tenths.iter().enumerate().map(|(i, t)| sample(f64::from(*t) / 10.0, i)).collect();
            let wanted = Carat::try_from(f64::from(wanted) / 10.0).unwrap();
            let mut oracle = samples.clone();
            let far = |s: &Sample| (s.diamond.carat.get() - wanted.get()).abs();
            oracle.sort_by(|a, b| compare(far(a), far(b)).then(compare(a.diamond.carat.get(), b.diamond.carat.get())));
            oracle.truncate(n);
            let (near, matching) = Neighbours::of(&samples).nearest(wanted, (Cut::Ideal, Color::H, Clarity::SI2), n);
            prop_assert_eq!(matching, samples.len());
            prop_assert_eq!(near, oracle);
        }
    }
}
