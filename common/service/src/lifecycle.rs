//! Starting, stopping and dying.
//!
//! - SIGTERM or SIGINT asks to stop: the *soft* token fires, tasks finish what they have in hand and end.
//! - A second signal, or the drain timeout, fires the *hard* token: tasks end now. What has not ended after a
//!   moment more is cut off.
//! - Tasks started with [`Lifecycle::spawn`] are essential: one that ends or panics before the stop takes the whole
//!   service down, with a failure as exit code, so that whoever watches starts it again. Half a service serves
//!   nobody and looks healthy.

use std::{io, process, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

/// What tasks get after the hard token before they are cut off.
const GRACE: Duration = Duration::from_secs(2);

/// The life of one service process.
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
    deaths: mpsc::UnboundedSender<&'static str>,
    died: mpsc::UnboundedReceiver<&'static str>,
    signals: mpsc::UnboundedReceiver<&'static str>,
    drain_timeout: Duration,
}

/// How a service ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was asked to stop and everything ended in good order.
    Clean,
    /// A task died, before or after the stop.
    Failed,
    /// Something did not end in time, or a second signal came.
    Forced,
}

impl Ending {
    /// Ends the process: 0 for a clean end, 1 otherwise. At once, because the runtime would wait for ever for a
    /// blocking task that does not listen.
    pub fn exit(self) -> ! {
        process::exit(match self {
            Self::Clean => 0,
            Self::Failed | Self::Forced => 1,
        })
    }
}

impl Lifecycle {
    /// A life that ends with the process's signals; work in hand may then take `drain_timeout`.
    ///
    /// # Errors
    /// When the signals cannot be listened to.
    pub fn new(drain_timeout: Duration) -> io::Result<Self> {
        let (deaths, died) = mpsc::unbounded_channel();
        let (heard, signals) = mpsc::unbounded_channel();
        let soft = CancellationToken::new();
        tokio::spawn(Signals::listen()?.pass_on(heard, soft.clone()));
        Ok(Self {
            soft,
            hard: CancellationToken::new(),
            tasks: TaskTracker::new(),
            deaths,
            died,
            signals,
            drain_timeout,
        })
    }

    /// Waits for `starting`, which starts the service's tasks, unless the service is told to stop meanwhile.
    ///
    /// # Errors
    /// What `starting` says.
    pub async fn start(&self, starting: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
        self.soft.run_until_cancelled(starting).await.unwrap_or(Ok(()))
    }

    /// Fires when the service is to stop: take nothing new, finish what is in hand.
    pub fn soft_stop(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Fires when the service ends now, whatever is in hand.
    pub fn hard_stop(&self) -> CancellationToken {
        self.hard.clone()
    }

    /// For short-lived tasks that a stop has to wait for, such as requests in flight.
    pub fn tasks(&self) -> TaskTracker {
        self.tasks.clone()
    }

    /// Starts an essential task. It has to listen to [`Lifecycle::soft_stop`].
    pub fn spawn<F>(&self, name: &'static str, work: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let (soft, deaths) = (self.soft.clone(), self.deaths.clone());
        self.tasks.spawn(async move {
            // A task of its own, so that a panic is an answer as well.
            match tokio::spawn(work).await {
                Ok(Ok(())) if soft.is_cancelled() => return,
                Ok(Ok(())) => error!(task = name, "an essential task ended by itself"),
                Ok(Err(error)) => error!(
                    task = name,
                    error = format!("{error:#}"),
                    "an essential task failed"
                ),
                Err(error) => error!(task = name, %error, "an essential task died"),
            }
            // Nobody listens only when the lifecycle has been dropped, and the process with it.
            let _ = deaths.send(name);
        });
    }

    /// Lives until a signal or the death of a task, then stops everything.
    pub async fn run_until_stopped(mut self) -> Ending {
        self.until_told_to_stop().await;
        self.soft.cancel();
        self.tasks.close();
        let forced = self.drain().await;
        let ending = match self.died.try_recv() {
            Ok(_) => Ending::Failed,
            Err(_) if forced => Ending::Forced,
            Err(_) => Ending::Clean,
        };
        info!(?ending, "stopped");
        ending
    }

    async fn until_told_to_stop(&mut self) {
        tokio::select! {
            // First, so that the signal that fired the soft token is not taken for a second one.
            biased;
            Some(name) = self.signals.recv() => info!(signal = name, "stopping"),
            task = self.died.recv() => {
                if let Some(name) = task {
                    error!(task = name, "stopping because of a dead task");
                    // Put back: it decides about the exit code.
                    let _ = self.deaths.send(name);
                }
            }
            () = self.soft.cancelled() => info!("stopping"),
        }
    }

    /// Waits for the tasks; says whether they had to be forced.
    async fn drain(&mut self) -> bool {
        tokio::select! {
            () = self.tasks.wait() => return false,
            Some(name) = self.signals.recv() => warn!(signal = name, "asked again, ending now"),
            () = sleep(self.drain_timeout) => warn!("work in hand did not end in time, ending now"),
        }
        self.hard.cancel();
        if timeout(GRACE, self.tasks.wait()).await.is_err() {
            error!(tasks = self.tasks.len(), "cutting off tasks that do not end");
        }
        true
    }
}

/// The signals that ask to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Fires the soft token at the first, and tells of each, for as long as anybody listens.
    async fn pass_on(mut self, heard: mpsc::UnboundedSender<&'static str>, soft: CancellationToken) {
        loop {
            let name = self.next().await;
            if heard.send(name).is_err() {
                return;
            }
            soft.cancel();
        }
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests;
