//! The decision itself, from figures alone, and its sentence.

use domain::verdict::Check;

use super::GateRules;

/// Whether a challenger with these `checks` and this holdout MAE is promoted over a champion's
/// (none where there is no champion), and why. Both in US dollars, on the same holdout.
pub(super) fn decide(
    checks: &[Check],
    challenger_mae: f64,
    champion_mae: Option<f64>,
    rules: &GateRules,
) -> (bool, String) {
    let failed: Vec<&Check> = checks.iter().filter(|check| !check.passed).collect();
    if !failed.is_empty() {
        return (false, failure(&failed));
    }
    match champion_mae {
        None => (true, format!("first model: holdout MAE {}", usd(challenger_mae))),
        Some(champion_mae) => compare(challenger_mae, champion_mae, rules.min_gain.max(0.0)),
    }
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
        let decision = decide(
            &[],
            challenger,
            champion,
            &GateRules {
                min_gain,
                min_r2: 0.0,
            },
        );
        assert_eq!(decision, (promoted, reason.to_owned()));
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
        let decision = decide(
            &checks,
            1.0,
            None,
            &GateRules {
                min_gain: 0.0,
                min_r2: 0.0,
            },
        );
        assert_eq!(decision, (false, "it fails the check: a (1), c (3)".to_owned()));
    }
}
