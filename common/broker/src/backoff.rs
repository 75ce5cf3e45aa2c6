//! How long to wait before trying again: 0.2 s, doubling up to 5 s, each a random half to whole of that, so that
//! the processes that lost a broker together do not come back together.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(5);

/// A growing delay.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST }
    }

    /// The delay to wait now; the following one is twice as long.
    pub(crate) fn next_delay(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(LONGEST);
        whole.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// Starts over: what was waited for has come.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_five_seconds_and_never_fall_below_half() {
        let mut backoff = Backoff::new();
        for whole in [200, 400, 800, 1600, 3200, 5000, 5000] {
            let delay = backoff.next_delay();
            let whole = Duration::from_millis(whole);
            assert!(delay <= whole && delay >= whole / 2, "{delay:?} for {whole:?}");
        }
    }

    #[test]
    fn a_reset_starts_over() {
        let mut backoff = Backoff::new();
        let _ninth = (0..9).map(|_| backoff.next_delay()).last();
        backoff.reset();
        assert!(backoff.next_delay() <= FIRST);
    }
}
