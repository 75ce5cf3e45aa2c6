//! Long work in short pieces, for a thread that is to leave the processors to others.

use std::cell::Cell;

thread_local! {
    static PAUSE: Cell<fn()> = const { Cell::new(|| ()) };
}

/// From now on this thread calls `pause` between the pieces of what takes long in here. That is reading a forest and
/// explaining one of its prices, once for every tree in each step, at most some tens of microseconds apart; only sorting
/// the thresholds of a feature takes longer, up to a millisecond in a large forest. Whoever reads or writes a model's file
/// on such a thread calls [`pause`] as well.
pub fn on_this_thread(pause: fn()) {
    PAUSE.set(pause);
}

/// Does what this thread was told to do between two pieces; nothing, unless it was told.
pub fn pause() {
    PAUSE.get()();
}
