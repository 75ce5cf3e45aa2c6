//! Errors as text.

use std::error::Error;

/// An error and all its causes in one line, each said once: what is stored, logged or shown of an error is this, for
/// many errors say no more than where they come from.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some repeat their cause in their own message.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: io::Error,
    }

    /// W2: "Postgres" alone tells nobody that a permission is missing.
    #[test]
    fn every_cause_is_told_and_none_twice() {
        let layer = |text| Layer {
            text,
            source: io::Error::other("permission denied for table models"),
        };
        assert_eq!(
            chain(&layer("Postgres")),
            "Postgres: permission denied for table models"
        );
        let repeating = layer("Postgres: permission denied for table models");
        assert_eq!(chain(&repeating), "Postgres: permission denied for table models");
    }
}
