//! Named places at which a test stops a process, to kill it there. They do something only with the feature
//! `failpoints`, which no service is built with but the tests' own.

/// The place `name` is reached. If the environment variable `LAPIDARY_FAILPOINT` names it, the log says so, and this
/// thread goes no further.
#[cfg(feature = "failpoints")]
pub fn reach(name: &'static str) {
    if std::env::var("LAPIDARY_FAILPOINT").is_ok_and(|wanted| wanted == name) {
        tracing::info!(point = name, "at the fail point");
        loop {
            std::thread::park();
        }
    }
}

/// The place `name` is reached: nothing happens.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn reach(_name: &'static str) {}
