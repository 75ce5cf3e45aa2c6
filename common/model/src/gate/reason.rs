//! The decision itself, from figures alone, and its sentence.

use domain::verdict::Check;

use super::GateRules;

/// Who the challenger is up against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Opponent<'a> {
    /// There is no champion yet.
    Nobody,
    /// The champion's artifact cannot be used, for this reason.
    Unusable(&'a str),
    /// A champion that does so well.
    Champion(Standing),
}

/// How well a model does on the holdout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Standing {
    /// What decides: the mean distance between the logarithms of price and prediction, limited.
    pub(super) error: f64,
    /// What is published beside it, in US dollars.
    pub(super) mae: f64,
}

impl std::fmt::Display for Standing {
    /// The error as the share of a price that is as far away.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} % (MAE {})", 100.0 * self.error.exp_m1(), usd(self.mae))
    }
}

/// Whether the challenger becomes champion, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) promoted: bool,
    pub(super) reason: String,
}

impl Decision {
    /// What becomes of it where the champion is frozen.
    pub(super) fn frozen(self) -> Self {
        if !self.promoted {
            return self;
        }
        let would = "the champion is frozen; otherwise this model would replace it";
        Self {
            promoted: false,
            reason: format!("{would}: {}", self.reason),
        }
    }
}

/// Decides on a challenger with these `checks`, on the holdout that the opponent was scored on, which has this median
/// `price`, in US dollars.
pub(super) fn decide(
    checks: &[Check],
    challenger: Standing,
    opponent: Opponent<'_>,
    price: f64,
    rules: &GateRules,
) -> Decision {
    let failed: Vec<&Check> = checks.iter().filter(|check| !check.passed).collect();
    let (promoted, reason) = match opponent {
        _ if !failed.is_empty() => (false, failure(&failed)),
        Opponent::Nobody => (true, format!("first model: holdout error {challenger}")),
        Opponent::Unusable(why) => (
            true,
            format!("holdout error {challenger}, and the champion cannot be used: {why}"),
        ),
        Opponent::Champion(champion) => compare(challenger, champion, price, rules.min_gain.max(0.0)),
    };
    Decision { promoted, reason }
}

fn failure(failed: &[&Check]) -> String {
    let failed: Vec<String> = failed
        .iter()
        .map(|check| format!("{} ({})", check.name, check.detail))
        .collect();
    format!("it fails the check: {}", failed.join(", "))
}

fn compare(challenger: Standing, champion: Standing, price: f64, min_gain: f64) -> (bool, String) {
    let gain = (champion.error - challenger.error) * price;
    let by = |gain: f64| format!("{} on a diamond of {}", usd(gain), usd(price));
    if gain > min_gain {
        let gain = by(gain);
        return (
            true,
            format!("holdout error {challenger} beats the champion's {champion} by {gain}"),
        );
    }
    let reason = if gain > 0.0 {
        let (gain, needed) = (by(gain), usd(min_gain));
        format!(
            "holdout error {challenger} is below the champion's {champion} by {gain}, and must be by more than {needed}"
        )
    } else if gain < 0.0 {
        let gain = by(-gain);
        format!("the champion's holdout error {champion} is lower than {challenger} by {gain}")
    } else {
        format!("holdout error {challenger} equals the champion's")
    };
    (false, reason)
}

/// An amount in US dollars, to the cent unless it is absurd.
pub(super) fn usd(amount: f64) -> String {
    if amount < 1e15 {
        format!("{amount:.2} USD")
    } else {
        format!("{amount:.1e} USD")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0.05, None, 0.0, true, "first model: holdout error 5.13 % (MAE 500.00 USD)")]
    #[case(
        0.05,
        Some(0.06),
        5.0,
        true,
        "holdout error 5.13 % (MAE 500.00 USD) beats the champion's 6.18 % (MAE 600.00 USD) by 20.00 USD on a diamond of 2000.00 USD"
    )]
    #[case(
        0.05,
        Some(0.06),
        20.5,
        false,
        "holdout error 5.13 % (MAE 500.00 USD) is below the champion's 6.18 % (MAE 600.00 USD) by 20.00 USD on a diamond of 2000.00 USD, and must be by more than 20.50 USD"
    )]
    #[case(
        0.06,
        Some(0.05),
        0.0,
        false,
        "the champion's holdout error 5.13 % (MAE 500.00 USD) is lower than 6.18 % (MAE 600.00 USD) by 20.00 USD on a diamond of 2000.00 USD"
    )]
    #[case(0.06, Some(0.05), -100.0, false, "the champion's holdout error 5.13 % (MAE 500.00 USD) is lower than 6.18 % (MAE 600.00 USD) by 20.00 USD on a diamond of 2000.00 USD")]
    #[case(
        0.05,
        Some(0.05),
        0.0,
        false,
        "holdout error 5.13 % (MAE 500.00 USD) equals the champion's"
    )]
    fn the_reason_tells_the_figures(
        #[case] challenger: f64,
        #[case] champion: Option<f64>,
        #[case] min_gain: f64,
        #[case] promoted: bool,
        #[case] reason: &str,
    ) {
        let rules = GateRules {
            min_gain,
            min_r2: 0.0,
        };
        let standing = |error| Standing {
            error,
            mae: 10_000.0 * error,
        };
        let opponent = champion.map_or(Opponent::Nobody, |error| Opponent::Champion(standing(error)));
        let decision = decide(&[], standing(challenger), opponent, 2_000.0, &rules);
        let expected = Decision {
            promoted,
            reason: reason.to_owned(),
        };
        assert_eq!(decision, expected);
    }

    #[test]
    fn an_absurd_amount_is_still_readable() {
        assert_eq!(usd(f64::MAX), "1.8e308 USD");
    }

    #[test]
    fn every_failed_check_is_named() {
        let check = |name: &str, passed, detail: &str| Check {
            name: name.to_owned(),
            passed,
            detail: detail.to_owned(),
        };
        let checks = [
            check("a", false, "1"),
            check("b", true, "2"),
            check("c", false, "3"),
        ];
        let rules = GateRules {
            min_gain: 0.0,
            min_r2: 0.0,
        };
        let standing = Standing { error: 0.1, mae: 1.0 };
        let decision = decide(&checks, standing, Opponent::Nobody, 1.0, &rules);
        assert_eq!(decision.reason, "it fails the check: a (1), c (3)");
        assert!(!decision.promoted);
    }
}
