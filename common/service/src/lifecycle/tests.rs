use std::future::pending;

use anyhow::bail;
use tokio::{sync::oneshot, time::Instant};

use super::*;

/// Longer than anything here takes, where the drain timeout is not to pass.
const LONG: Duration = Duration::from_secs(60);
/// Where it is.
const SHORT: Duration = Duration::from_millis(50);

fn lifecycle(drain_timeout: Duration) -> Lifecycle {
    Lifecycle::new(drain_timeout).unwrap()
}

/// How it ends; it has to end sooner than the drain timeout of most tests.
async fn ending(life: Lifecycle) -> Ending {
    timeout(LONG / 2, life.run_until_stopped())
        .await
        .expect("it lives on")
}

#[tokio::test]
async fn a_task_that_fails_ends_or_panics_stops_the_service_with_a_failure() {
    for how in ["fails", "ends", "panics"] {
        let life = lifecycle(LONG);
        let soft = life.soft_stop();
        life.spawn("other", async move {
            soft.cancelled().await;
            Ok(())
        });
        life.spawn("dying", async move {
            match how {
                "fails" => bail!("no disk"),
                "panics" => panic!("a bug"),
                _ => Ok(()),
            }
        });
        assert_eq!(ending(life).await, Ending::Failed, "{how}");
    }
}

#[tokio::test]
async fn stopping_waits_for_work_in_hand() {
    let life = lifecycle(LONG);
    let (soft, short_lived) = (life.soft_stop(), life.tasks());
    let (release, released) = oneshot::channel::<()>();
    life.spawn("worker", async move {
        soft.cancelled().await;
        Ok(())
    });
    short_lived.spawn(released);
    life.soft_stop().cancel();
    let mut running = tokio::spawn(ending(life));
    // The worker has ended when only the short-lived task is left, and the service still lives.
    while short_lived.len() > 1 {
        tokio::task::yield_now().await;
    }
    assert!(timeout(SHORT, &mut running).await.is_err(), "it did not wait");
    release.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Ending::Clean);
}

#[tokio::test]
async fn the_hard_token_fires_after_the_drain_timeout() {
    let life = lifecycle(SHORT);
    let (started, hard) = (Instant::now(), life.hard_stop());
    life.spawn("stubborn", async move {
        hard.cancelled().await;
        assert!(started.elapsed() >= SHORT);
        Ok(())
    });
    life.soft_stop().cancel();
    assert_eq!(ending(life).await, Ending::Forced);
    assert!(
        started.elapsed() < SHORT + GRACE,
        "it waited for more than the task"
    );
}

#[tokio::test]
async fn a_task_that_ignores_the_hard_token_is_cut_off() {
    let life = lifecycle(SHORT);
    life.spawn("deaf", pending());
    life.soft_stop().cancel();
    assert_eq!(ending(life).await, Ending::Forced);
}

#[tokio::test]
async fn a_task_that_fails_while_stopping_is_a_failure() {
    let life = lifecycle(LONG);
    let soft = life.soft_stop();
    life.spawn("worker", async move {
        soft.cancelled().await;
        bail!("the last batch was not written")
    });
    life.soft_stop().cancel();
    assert_eq!(ending(life).await, Ending::Failed);
}
