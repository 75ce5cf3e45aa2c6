//! Who gets a connection, who makes room, and when one is idle.

use super::*;

/// A client at this address.
fn at(address: [u8; 4]) -> Peer {
    Peer::at((address, 4711).into())
}

const ONE: [u8; 4] = [192, 0, 2, 1];
const OTHER: [u8; 4] = [192, 0, 2, 2];

/// Whether this connection is asked to end, of which nobody takes notice.
fn is_ending(connection: &Connection) -> bool {
    connection.state().ending.load(Ordering::Relaxed)
}

/// Ends when it is asked to.
fn obeying(connection: Connection) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        connection.state().ended().await;
        drop(connection);
    })
}

#[tokio::test]
async fn the_connection_idle_longest_makes_room_and_a_busy_one_never_does() {
    let connections = Connections::new(2, 1.0);
    let busy = connections.admit(&at(ONE)).await.unwrap();
    let idle = connections.admit(&at(ONE)).await.unwrap();
    let _at_work = busy.state().busy();
    let leaving = obeying(idle);
    let third = connections.admit(&at(OTHER)).await.unwrap();
    leaving.await.unwrap();
    assert!(!is_ending(&busy));
    assert!(!is_ending(&third));
    assert_eq!(connections.lock().len(), 2);
}

/// S3: bodies that never come cost only whoever does not send them.
#[tokio::test]
async fn a_connection_whose_body_does_not_come_makes_room_and_that_of_who_has_most() {
    let connections = Connections::new(3, 1.0);
    let quiet = connections.admit(&at(OTHER)).await.unwrap();
    let slow = connections.admit(&at(ONE)).await.unwrap();
    let busy = connections.admit(&at(ONE)).await.unwrap();
    let _bodies = [slow.state().busy(), busy.state().busy()];
    slow.state().receiving();
    let leaving = obeying(slow);
    let fourth = connections.admit(&at(OTHER)).await.unwrap();
    leaving.await.unwrap();
    assert!(!is_ending(&quiet) && !is_ending(&busy) && !is_ending(&fourth));
}

/// S3: one address has a part of the connections.
#[tokio::test]
async fn an_address_that_has_its_share_gets_no_more() {
    let connections = Connections::new(16, 0.125);
    let first = connections.admit(&at(ONE)).await.unwrap();
    let _second = connections.admit(&at(ONE)).await.unwrap();
    assert!(connections.admit(&at(ONE)).await.is_none());
    assert!(connections.admit(&at(OTHER)).await.is_some());
    let own = at([127, 0, 0, 1]).with_limits(false);
    for _ in 0..5 {
        assert!(connections.admit(&own).await.is_some(), "its own have no limit");
    }
    drop(first);
    assert!(connections.admit(&at(ONE)).await.is_some());
}

#[test]
fn idleness_counts_from_the_last_answer_and_not_while_there_is_a_request() {
    let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(86_400));
    let started = Instant::now().checked_sub(2 * hour).unwrap();
    let state = Arc::new(State::new(ONE.into(), started));
    assert!(!state.is_idle_for(hour), "it is fresh");
    state.waiting_since.store(0, Ordering::Relaxed);
    assert!(state.is_idle_for(hour) && !state.is_idle_for(day));
    let busy = state.busy();
    assert!(!state.is_idle_for(Duration::ZERO));
    drop(busy);
    state.flushed();
    assert!(state.is_idle_for(Duration::ZERO) && !state.is_idle_for(hour));
}

/// S7: a client that reads slowly is not idle.
#[test]
fn a_connection_is_busy_until_its_answer_is_written() {
    let state = Arc::new(State::new(ONE.into(), Instant::now()));
    let busy = state.busy();
    state.flushed();
    assert!(state.is_busy(), "that was an interim answer");
    drop(busy);
    assert!(state.is_busy() && !state.is_idle_for(Duration::ZERO));
    state.flushed();
    assert!(!state.is_busy() && state.is_idle_for(Duration::ZERO));
    state.receiving();
    assert!(
        !state.is_idle_for(Duration::ZERO),
        "bodies have a time of their own"
    );
    state.received();
    assert!(state.is_busy());
}

#[tokio::test]
async fn a_connection_that_is_idle_for_too_long_ends_and_a_busy_one_does_not() {
    let connections = Connections::new(3, 1.0);
    let busy = connections.admit(&at(ONE)).await.unwrap();
    let idle = connections.admit(&at(ONE)).await.unwrap();
    let _at_work = busy.state().busy();
    let (longest, idling) = (Duration::from_millis(20), idle.state());
    tokio::select! {
        () = connections.end_idle(longest) => {}
        () = idling.ended() => {}
    }
    assert!(idling.is_idle_for(longest));
    assert!(!is_ending(&busy));
    connections.end_all();
    busy.state().ended().await;
}
