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
    /// A champion with this MAE, in US dollars.
    Champion(f64),
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

/// Decides on a challenger with these `checks` and this holdout MAE, in US dollars, on the holdout that the
/// opponent was scored on.
pub(super) fn decide(
    checks: &[Check],
    challenger_mae: f64,
    opponent: Opponent<'_>,
    rules: &GateRules,
) -> Decision {
    let failed: Vec<&Check> = checks.iter().filter(|check| !check.passed).collect();
    let (promoted, reason) = match opponent {
        _ if !failed.is_empty() => (false, failure(&failed)),
        Opponent::Nobody => (true, format!("first model: holdout MAE {}", usd(challenger_mae))),
        Opponent::Unusable(why) => {
            let mae = usd(challenger_mae);
            (
                true,
                format!("holdout MAE {mae}, and the champion cannot be used: {why}"),
            )
        }
        Opponent::Champion(mae) => compare(challenger_mae, mae, rules.min_gain.max(0.0)),
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

fn compare(challenger_mae: f64, champion_mae: f64, min_gain: f64) -> (bool, String) {
    let gain = champion_mae - challenger_mae;
    let (ours, theirs) = (usd(challenger_mae), usd(champion_mae));
    if gain > min_gain {
        return (
            true,
            format!(
                "holdout MAE {ours} beats the champion's {theirs} by {}",
                usd(gain)
            ),
        );
    }
    let reason = if gain > 0.0 {
        let (gain, needed) = (usd(gain), usd(min_gain));
        format!(
            "holdout MAE {ours} is below the champion's {theirs} by {gain}, and must be by more than {needed}"
        )
    } else if gain < 0.0 {
        format!(
            "the champion's holdout MAE {theirs} is lower than {ours} by {}",
            usd(-gain)
        )
    } else {
        format!("holdout MAE {ours} equals the champion's")
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
    #[case(561.54, None, 0.0, true, "first model: holdout MAE 561.54 USD")]
    #[case(
        561.54,
        Some(570.10),
        5.0,
        true,
        "holdout MAE 561.54 USD beats the champion's 570.10 USD by 8.56 USD"
    )]
    #[case(
        561.54,
        Some(570.10),
        10.0,
        false,
        "holdout MAE 561.54 USD is below the champion's 570.10 USD by 8.56 USD, and must be by more than 10.00 USD"
    )]
    #[case(
        570.10,
        Some(561.54),
        0.0,
        false,
        "the champion's holdout MAE 561.54 USD is lower than 570.10 USD by 8.56 USD"
    )]
    #[case(
        561.54,
        Some(561.54),
        0.0,
        false,
        "holdout MAE 561.54 USD equals the champion's"
    )]
    #[case(570.10, Some(561.54), -100.0, false, "the champion's holdout MAE 561.54 USD is lower than 570.10 USD by 8.56 USD")]
    #[case(
        1.0,
        Some(f64::MAX),
        0.0,
        true,
        "holdout MAE 1.00 USD beats the champion's 1.8e308 USD by 1.8e308 USD"
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
        let opponent = champion.map_or(Opponent::Nobody, Opponent::Champion);
        let decision = decide(&[], challenger, opponent, &rules);
        let expected = Decision {
            promoted,
            reason: reason.to_owned(),
        };
        assert_eq!(decision, expected);
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
        let decision = decide(&checks, 1.0, Opponent::Nobody, &rules);
        assert_eq!(decision.reason, "it fails the check: a (1), c (3)");
        assert!(!decision.promoted);
    }
}
