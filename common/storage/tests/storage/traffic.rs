//! Writing traffic records in groups.

use anyhow::Result;
use bytes::Bytes;
use domain::traffic::{RecordedBody, TrafficRecord, id_at};
use storage::traffic::WriteError;
use testkit::TestDatabase;

use crate::support::{now, over_registry};

const ROWS: &str = "SELECT count(*) FROM traffic";

/// The record of the `number`th request.
fn record(number: u8) -> TrafficRecord {
    TrafficRecord {
        id: id_at(now(), [number; 10]),
        at: now(),
        method: "POST".into(),
        path: "/v1/predictions".to_owned(),
        query: None,
        status: 200,
        duration_us: 100,
        model_version: None,
        key_id: None,
        client: None,
        request_headers: vec![("accept".into(), "*/*".to_owned())],
        request_body: RecordedBody::whole(Bytes::from_static(b"\0\xff{}")),
        response_body: RecordedBody::whole(Bytes::from_static(b"{}")),
    }
}

async fn status_of(raw: &TestDatabase, record: &TrafficRecord) -> Result<i64> {
    let status = format!("SELECT status::bigint FROM traffic WHERE id = '{}'", record.id);
    raw.number(&status).await
}

#[tokio::test]
async fn a_group_of_which_some_is_there_already_adds_the_rest_and_leaves_what_is_there() -> Result<()> {
    over_registry(|registry, raw| async move {
        let mut writer = registry.traffic_writer();
        let (first, second, third) = (record(1), record(2), record(3));
        assert_eq!(writer.write(&[&first, &second]).await?, 2);
        let again = TrafficRecord {
            status: 500,
            ..second.clone()
        };
        assert_eq!(writer.write(&[&first, &again, &third]).await?, 1);
        assert_eq!(raw.number(ROWS).await?, 3);
        assert_eq!(status_of(&raw, &second).await?, 200);
        assert_eq!(status_of(&raw, &third).await?, 200);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_record_that_can_never_be_written_is_refused_and_the_writer_goes_on() -> Result<()> {
    over_registry(|registry, raw| async move {
        let mut writer = registry.traffic_writer();
        // The API keeps such a path out; text columns do not take it.
        let bad = TrafficRecord {
            path: "/\0".to_owned(),
            ..record(1)
        };
        let good = record(2);
        let refused = writer.write(&[&good, &bad]).await;
        assert!(matches!(refused, Err(WriteError::Refused(_))), "{refused:?}");
        assert_eq!(raw.number(ROWS).await?, 0, "a group is written as a whole");
        assert_eq!(writer.write(&[&good]).await?, 1);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_database_that_does_not_write_is_away() -> Result<()> {
    over_registry(|registry, raw| async move {
        let mut writer = registry.traffic_writer();
        raw.execute("ALTER TABLE traffic RENAME TO elsewhere").await?;
        let away = writer.write(&[&record(1)]).await;
        assert!(matches!(away, Err(WriteError::Away(_))), "{away:?}");
        raw.execute("ALTER TABLE elsewhere RENAME TO traffic").await?;
        assert_eq!(writer.write(&[&record(1)]).await?, 1);
        Ok(())
    })
    .await
}
