//! What a price is made of, in dollars: a base, and what each feature adds to it.
//!
//! The effects are Shapley values (Shapley, "A value for n-person games", 1953): how much a feature adds on average
//! over all orders in which the features could become known. They add up to the price, to the cent.

use domain::{PartialDiamond, cents};
use serde::Serialize;

use crate::features;

/// A price taken apart; base and effects are whole cents and add up to the price in whole cents.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What a diamond of which nothing is known would cost, in US dollars.
    pub base: f64,
    /// What each feature adds, in US dollars; the largest effect first.
    pub reasons: Vec<Reason>,
}

/// What one feature adds.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// The feature's name.
    pub feature: &'static str,
    /// What the caller said of it; none where it was not given and an estimate took its place.
    pub value: Option<Value>,
    /// What it adds to the price, in US dollars.
    pub effect: f64,
}

/// The value of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Carats, percent or millimeters.
    Number(f64),
    /// A grade.
    Grade(&'static str),
}

/// An explanation of `price` from `base` and the effects of features, which add up to it but for rounding; none where
/// a number is too large for cents.
pub(crate) fn explanation(
    diamond: &PartialDiamond,
    price: f64,
    base: f64,
    effects: &[(&'static str, f64)],
) -> Option<Explanation> {
    let parts: Vec<f64> = effects.iter().map(|(_, effect)| *effect).collect();
    let (base, parts) = whole_cents(price, base, &parts)?;
    let mut reasons: Vec<Reason> = effects
        .iter()
        .zip(parts)
        .map(|((feature, _), effect)| Reason {
            feature,
            value: value(diamond, feature),
            effect,
        })
        .collect();
    reasons.sort_by(|a, b| b.effect.abs().total_cmp(&a.effect.abs()));
    Some(Explanation { base, reasons })
}

/// Rounds `base` and `parts` to cents so that they add up to `price` in cents: what rounding down leaves goes to the
/// parts that lose most by it (the method of largest remainders). A part that is 0 stays 0; where all are, the base
/// gives way.
fn whole_cents(price: f64, base: f64, parts: &[f64]) -> Option<(f64, Vec<f64>)> {
    let (price, base) = (cents::of(price)?, cents::of(base)?);
    let mut rounded: Vec<i64> = parts
        .iter()
        .map(|part| cents::floor(*part))
        .collect::<Option<_>>()?;
    let mut order: Vec<usize> = (0..parts.len()).filter(|place| parts[*place] != 0.0).collect();
    if order.is_empty() {
        return Some((cents::dollars(price), vec![0.0; parts.len()]));
    }
    let lost = |place: &usize| parts[*place] * 100.0 - rounded[*place] as f64;
    order.sort_by(|a, b| lost(b).total_cmp(&lost(a)));
    let mut left = price - base - rounded.iter().sum::<i64>();
    for place in order.iter().cycle().take(left.unsigned_abs() as usize) {
        let step = left.signum();
        rounded[*place] += step;
        left -= step;
    }
    let dollars = rounded.iter().map(|cents| cents::dollars(*cents)).collect();
    (left == 0).then(|| (cents::dollars(base), dollars))
}

fn value(diamond: &PartialDiamond, feature: &str) -> Option<Value> {
    let percent = |percent: Option<domain::Percent>| percent.map(|value| Value::Number(value.get()));
    let length = |length: Option<domain::Millimeters>| length.map(|value| Value::Number(value.get()));
    let [carat, cut, color, clarity, depth, table, x, y, z] = [
        Some(Value::Number(diamond.carat.get())),
        Some(Value::Grade(diamond.cut.name())),
        Some(Value::Grade(diamond.color.name())),
        Some(Value::Grade(diamond.clarity.name())),
        percent(diamond.depth),
        percent(diamond.table),
        length(diamond.x),
        length(diamond.y),
        length(diamond.z),
    ];
    let values = [carat, cut, color, clarity, depth, table, x, y, z];
    features::NAMES
        .iter()
        .zip(values)
        .find(|(name, _)| **name == feature)?
        .1
}

/// Shapley values of a product: `base` is what it is without any player, and each player multiplies it.
pub(crate) fn of_product<const N: usize>(base: f64, factors: [f64; N]) -> [f64; N] {
    let mut effects = [0.0; N];
    for set in 0..1_usize << N {
        let without: f64 = base * product(&factors, set);
        let size = set.count_ones() as usize;
        for (player, effect) in effects.iter_mut().enumerate() {
            if set >> player & 1 == 0 {
                *effect += weight(N, size) * without * (factors[player] - 1.0);
            }
        }
    }
    effects
}

fn product(factors: &[f64], set: usize) -> f64 {
    let members = factors
        .iter()
        .enumerate()
        .filter(|(player, _)| set >> player & 1 == 1);
    members.map(|(_, factor)| factor).product()
}

/// size! (players − 1 − size)! / players!
fn weight(players: usize, size: usize) -> f64 {
    let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
    factorial(size) * factorial(players - 1 - size) / factorial(players)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use proptest::prelude::*;

    #[test]
    fn of_two_factors_the_surplus_is_shared() {
        // 100 → 200 by one, → 300 by the other, → 600 by both: 100 and 200 alone, and half of the 200 that both bring.
        let [a, b] = of_product(100.0, [2.0, 3.0]);
        assert!((a - 200.0).abs() < 1e-9 && (b - 300.0).abs() < 1e-9, "{a} {b}");
    }

    proptest! {
        #[test]
        fn effects_add_up_are_alike_for_likes_and_nothing_for_who_changes_nothing(
            base in 100.0..5_000.0, a in 0.5..3.0, b in 0.5..3.0, c in 0.5..3.0,
        ) {
            let effects = of_product(base, [a, b, c, a, 1.0]);
            let price = base * a * b * c * a;
            prop_assert!((base + effects.iter().sum::<f64>() - price).abs() < 1e-6 * price);
            prop_assert!((effects[0] - effects[3]).abs() < 1e-9 * price, "likes are treated alike");
            prop_assert!(effects[4].abs() < 1e-9 * price, "who changes nothing gets nothing");
        }

        #[test]
        fn whole_cents_add_up_to_the_cent_and_no_part_moves_by_more_than_one(
            base in 0.0..5_000.0, parts in proptest::collection::vec(-9_000.0..9_000.0, 1..10),
        ) {
            let price: f64 = base + parts.iter().sum::<f64>();
            let (rounded_base, rounded) = whole_cents(price, base, &parts).unwrap();
            let cents = |dollars: f64| (dollars * 100.0).round() as i64;
            let sum = cents(rounded_base) + rounded.iter().copied().map(cents).sum::<i64>();
            prop_assert_eq!(sum, cents(price));
            for (part, rounded) in parts.iter().zip(&rounded) {
                prop_assert!((part - rounded).abs() < 0.0101 * 2.0, "{} {}", part, rounded);
            }
        }
    }

    #[test]
    fn a_part_that_is_nothing_stays_nothing() {
        let one = whole_cents(10.05, 4.0, &[0.0, 6.0, 0.0]);
        assert_eq!(one, Some((4.0, vec![0.0, 6.05, 0.0])));
        assert_eq!(whole_cents(4.02, 4.0, &[0.0, 0.0]), Some((4.02, vec![0.0, 0.0])));
    }

    #[test]
    fn a_feature_that_was_not_given_has_no_value() {
        let diamond = fixture::partial_diamond().masked();
        let explained = explanation(&diamond, 120.0, 100.0, &[("x", 5.0), ("carat", 15.0)]).unwrap();
        let told: Vec<_> = explained
            .reasons
            .iter()
            .map(|r| (r.feature, r.value, r.effect))
            .collect();
        assert_eq!(
            told,
            [("carat", Some(Value::Number(1.1)), 15.0), ("x", None, 5.0)]
        );
    }

    #[test]
    fn numbers_too_large_for_cents_are_not_explained() {
        let diamond = fixture::partial_diamond();
        assert_eq!(
            explanation(&diamond, f64::INFINITY, 1.0, &[("carat", f64::INFINITY)]),
            None
        );
    }
}
