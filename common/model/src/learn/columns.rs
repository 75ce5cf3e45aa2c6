//! The columns of the regression.

use std::{collections::BTreeSet, fmt};

use domain::{Clarity, Color, Cut, Diamond, Sample};
use ndarray::{Array2, ShapeBuilder};

use super::LearnError;
use crate::quality::Quality;

/// One column: what it holds for a diamond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// 1.
    Intercept,
    /// The weight in carats.
    Carat,
    /// The length in millimeters.
    X,
    /// 1 for this cut, else 0.
    Cut(Cut),
    /// 1 for this color, else 0.
    Color(Color),
    /// 1 for this clarity, else 0.
    Clarity(Clarity),
}

impl Column {
    fn value(self, diamond: &Diamond) -> f64 {
        let dummy = |has_grade| if has_grade { 1.0 } else { 0.0 };
        match self {
            Self::Intercept => 1.0,
            Self::Carat => diamond.carat.get(),
            Self::X => diamond.x.get(),
            Self::Cut(cut) => dummy(diamond.cut == cut),
            Self::Color(color) => dummy(diamond.color == color),
            Self::Clarity(clarity) => dummy(diamond.clarity == clarity),
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Intercept => f.write_str("intercept"),
            Self::Carat => f.write_str("carat"),
            Self::X => f.write_str("x"),
            Self::Cut(cut) => write!(f, "cut {cut}"),
            Self::Color(color) => write!(f, "color {color}"),
            Self::Clarity(clarity) => write!(f, "clarity {clarity}"),
        }
    }
}

/// The grades of one quality that the samples have.
pub(super) struct Grades<G> {
    /// The alphabetically first, which gets no column (as `pandas.get_dummies(drop_first=True)`).
    pub(super) reference: G,
    /// The others, worst first.
    pub(super) others: Vec<G>,
}

impl<G: Quality> Grades<G> {
    pub(super) fn of(samples: &[Sample]) -> Result<Self, LearnError> {
        let mut grades: BTreeSet<G> = samples.iter().map(|sample| G::of(&sample.diamond)).collect();
        let first = grades.iter().copied().min_by_key(|grade| grade.name());
        let reference = first.ok_or(LearnError::TooFewSamples { have: 0, needed: 1 })?;
        grades.remove(&reference);
        if grades.is_empty() {
            return Err(LearnError::OneGrade {
                quality: G::NAME,
                grade: reference.name(),
            });
        }
        Ok(Self {
            reference,
            others: grades.into_iter().collect(),
        })
    }
}

/// The values of `columns`, `[samples × columns]`, each column contiguous as the solver likes it.
pub(super) fn design(samples: &[Sample], columns: &[Column]) -> Array2<f64> {
    Array2::from_shape_fn((samples.len(), columns.len()).f(), |(row, column)| {
        columns[column].value(&samples[row].diamond)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn with_cuts(cuts: &[Cut]) -> Vec<Sample> {
        let template = fixture::samples(1)[0];
        cuts.iter()
            .map(|&cut| Sample {
                diamond: Diamond {
                    cut,
                    ..template.diamond
                },
                ..template
            })
            .collect()
    }

    #[test]
    fn the_reference_is_the_alphabetically_first_grade_that_is_there() {
        let grades = Grades::<Cut>::of(&with_cuts(&[Cut::VeryGood, Cut::Ideal, Cut::Premium])).unwrap();
        assert_eq!(
            (grades.reference, grades.others),
            (Cut::Ideal, vec![Cut::VeryGood, Cut::Premium])
        );
    }

    #[test]
    fn a_dummy_is_one_for_its_grade_only() {
        let columns = [Column::Intercept, Column::Cut(Cut::Ideal)];
        let design = design(&with_cuts(&[Cut::Ideal, Cut::Fair]), &columns);
        assert_eq!(design, ndarray::array![[1.0, 1.0], [1.0, 0.0]]);
    }
}
