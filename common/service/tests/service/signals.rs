//! Signals stop a service: gently once, at once the second time.

use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;
use service::lifecycle::Lifecycle;

use crate::child::{Service, line_with};

const DRAIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_signal_stops_a_service_in_good_order() -> Result<()> {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut service = Service::start("signals::polite_service")?;
        line_with(&mut service.stdout, "started").await?;
        service.signal(signal)?;
        line_with(&mut service.stdout, "finished").await?;
        assert_eq!(service.exit_code().await?, Some(0), "{signal}");
    }
    Ok(())
}

/// W5: a service that waits for a server at its start.
#[tokio::test]
async fn a_signal_stops_a_service_that_is_still_starting() -> Result<()> {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut service = Service::start("signals::starting_service")?;
        line_with(&mut service.stdout, "starting").await?;
        service.signal(signal)?;
        line_with(&mut service.stdout, "finished").await?;
        assert_eq!(service.exit_code().await?, Some(0), "{signal}");
    }
    Ok(())
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_with_a_failure() -> Result<()> {
    let mut service = Service::start("signals::stubborn_service")?;
    line_with(&mut service.stdout, "started").await?;
    service.signal(Signal::SIGTERM)?;
    line_with(&mut service.stdout, "soft").await?;
    service.signal(Signal::SIGTERM)?;
    line_with(&mut service.stdout, "hard").await?;
    assert_eq!(service.exit_code().await?, Some(1));
    Ok(())
}

#[tokio::test]
async fn a_blocking_task_that_never_ends_does_not_keep_the_process() -> Result<()> {
    let mut service = Service::start("signals::blocked_service")?;
    line_with(&mut service.stdout, "started").await?;
    service.signal(Signal::SIGTERM)?;
    assert_eq!(service.exit_code().await?, Some(1));
    Ok(())
}

#[tokio::test]
#[ignore = "a service that the tests above start"]
async fn polite_service() -> Result<()> {
    let life = Lifecycle::new(DRAIN)?;
    let soft = life.soft_stop();
    life.spawn("work", async move {
        println!("started");
        soft.cancelled().await;
        println!("finished");
        Ok(())
    });
    life.run_until_stopped().await.exit()
}

#[tokio::test]
#[ignore = "a service that the tests above start"]
async fn starting_service() -> Result<()> {
    let life = Lifecycle::new(DRAIN)?;
    let soft = life.soft_stop();
    life.spawn("work", async move {
        soft.cancelled().await;
        println!("finished");
        Ok(())
    });
    println!("starting");
    life.start(std::future::pending()).await?;
    life.run_until_stopped().await.exit()
}

#[tokio::test]
#[ignore = "a service that the tests above start"]
async fn stubborn_service() -> Result<()> {
    let life = Lifecycle::new(DRAIN)?;
    let (soft, hard) = (life.soft_stop(), life.hard_stop());
    life.spawn("work", async move {
        println!("started");
        soft.cancelled().await;
        println!("soft");
        hard.cancelled().await;
        println!("hard");
        Ok(())
    });
    life.run_until_stopped().await.exit()
}

#[tokio::test]
#[ignore = "a service that the tests above start"]
async fn blocked_service() -> Result<()> {
    let life = Lifecycle::new(Duration::from_millis(1))?;
    life.spawn("work", async {
        let never = || loop {
            println!("started");
            std::thread::park();
        };
        Ok(tokio::task::spawn_blocking(never).await?)
    });
    life.run_until_stopped().await.exit()
}
