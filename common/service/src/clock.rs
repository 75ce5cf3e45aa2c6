//! The clock on the wall, handed in so that a test can choose the time. The only place that asks for it.

use std::{fmt, sync::Arc};

use chrono::{DateTime, SubsecRound as _, Utc};

/// Tells the time; cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// The machine's own clock, in the microseconds that Postgres keeps, so that a time reads the same everywhere.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that is handed in")]
        Self(Arc::new(|| Utc::now().trunc_subsecs(6)))
    }

    /// A clock that says what a function says.
    pub fn from_fn(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time.
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
