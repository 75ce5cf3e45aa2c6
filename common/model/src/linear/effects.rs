//! The effects of one quality's grades, found by rank.

use super::form::{LinearFault, QualityForm};
use crate::quality::Quality;

/// Effects on the logarithm of the price.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GradeEffects<G> {
    reference: G,
    /// One per grade of the quality; 0 for the reference, none for a grade that training never saw.
    by_rank: Vec<Option<f64>>,
}

impl<G: Quality> GradeEffects<G> {
    /// The effect of `grade`; 0 where training never saw it.
    pub(super) fn effect(&self, grade: G) -> f64 {
        self.at(grade).unwrap_or(0.0)
    }

    fn at(&self, grade: G) -> Option<f64> {
        self.by_rank.get(grade.rank()).copied().flatten()
    }
}

impl<G: Quality> TryFrom<QualityForm<G>> for GradeEffects<G> {
    type Error = LinearFault;

    fn try_from(form: QualityForm<G>) -> Result<Self, LinearFault> {
        if form.effects.contains_key(&form.reference) {
            return Err(LinearFault::ReferenceHasEffect {
                quality: G::NAME,
                grade: form.reference.name(),
            });
        }
        if form.effects.values().any(|effect| !effect.is_finite()) {
            return Err(LinearFault::NotFinite(G::NAME));
        }
        let effect = |grade: &G| {
            if *grade == form.reference {
                Some(0.0)
            } else {
                form.effects.get(grade).copied()
            }
        };
        Ok(Self {
            reference: form.reference,
            by_rank: G::ALL.iter().map(effect).collect(),
        })
    }
}

impl<G: Quality> From<GradeEffects<G>> for QualityForm<G> {
    fn from(grades: GradeEffects<G>) -> Self {
        let seen = G::ALL
            .iter()
            .filter_map(|grade| Some((*grade, grades.at(*grade)?)));
        let effects = seen.filter(|(grade, _)| *grade != grades.reference).collect();
        Self {
            reference: grades.reference,
            effects,
        }
    }
}
