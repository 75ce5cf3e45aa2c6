//! Writing traffic records in groups.

use anyhow::Result;
use bytes::Bytes;
use chrono::{DateTime, Duration};
use domain::{
    ModelVersion,
    traffic::{BodyDigest, RecordedBody, Shortened, TrafficRecord, id_at},
};
use storage::{
    Database, PageRequest,
    traffic::{BodyLimit, TrafficFilter, WriteError},
};
use testkit::TestDatabase;
use uuid::Uuid;

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
        shortened: Vec::new(),
        repeats: 0,
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
async fn a_group_may_be_of_several_days_and_of_days_without_a_partition() -> Result<()> {
    over_registry(|registry, raw| async move {
        let mut writer = registry.traffic_writer();
        let days = "SELECT make_traffic_day('2026-01-01'), make_traffic_day('2026-01-02')";
        raw.execute(days).await?;
        let on = |day: &str, number: u8| -> Result<TrafficRecord> {
            let id = id_at(format!("{day}T12:00:00Z").parse()?, [number; 10]);
            Ok(TrafficRecord { id, ..record(number) })
        };
        let (first, second, none) = (on("2026-01-01", 1)?, on("2026-01-02", 2)?, on("1999-01-01", 3)?);
        let foreign = TrafficRecord {
            id: Uuid::max(),
            ..record(4)
        };
        assert_eq!(writer.write(&[&first, &second]).await?, 2);
        assert_eq!(writer.write(&[&none, &first]).await?, 1);
        assert_eq!(writer.write(&[&foreign]).await?, 1);
        // A group of one day needs its partition alone, until something of it is there already.
        raw.execute("ALTER TABLE traffic RENAME TO elsewhere").await?;
        assert_eq!(
            writer
                .write(&[&on("2026-01-01", 5)?, &on("2026-01-01", 6)?])
                .await?,
            2
        );
        assert_eq!(writer.write(&[&on("2026-01-02", 8)?]).await?, 1);
        raw.execute("ALTER TABLE elsewhere RENAME TO traffic").await?;
        assert_eq!(
            writer
                .write(&[&on("2026-01-01", 6)?, &on("2026-01-01", 7)?])
                .await?,
            1
        );
        for (partition, rows) in [("20260101", 4), ("20260102", 2), ("default", 2)] {
            let there = raw
                .number(&format!("SELECT count(*) FROM traffic_{partition}"))
                .await?;
            assert_eq!(there, rows, "{partition}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn records_read_back_with_their_headers_those_of_older_services_too() -> Result<()> {
    over_registry(|registry, raw| async move {
        let mut writer = registry.traffic_writer();
        let agent = ("user-agent".into(), "curl: \"8\"".to_owned());
        let accept = record(1).request_headers.remove(0);
        for (number, request_headers) in [
            (1, vec![]),
            (2, vec![accept.clone()]),
            (3, vec![accept.clone(), agent]),
        ] {
            let record = TrafficRecord {
                request_headers,
                ..record(number)
            };
            writer.write(&[&record]).await?;
            assert_eq!(registry.traffic_record(record.id).await?, Some(record));
        }
        let older = record(4);
        raw.execute(&format!(
            "INSERT INTO traffic (id, at, method, path, status, duration_us, request_headers, request_body, \
             response_body) VALUES ('{}', now(), 'GET', '/', 200, 1, '{{\"accept\": \"*/*\"}}', '', '')",
            older.id
        ))
        .await?;
        let read = registry.traffic_record(older.id).await?;
        assert_eq!(read.map(|record| record.request_headers), Some(vec![accept]));
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

/// Every id that the filter finds, a page at a time.
async fn ids(registry: &Database, filter: &TrafficFilter, limit: u64) -> Result<Vec<Uuid>> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let request = PageRequest { limit, cursor };
        let page = registry.traffic(filter, &request, BodyLimit::Whole).await?;
        assert!(page.items.len() as u64 <= limit);
        ids.extend(page.items.iter().map(|record| record.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(ids);
        }
    }
}

/// Records of three models and of none, every 20 milliseconds, from two seconds before a day ends.
fn of_models(many: u8) -> Vec<TrafficRecord> {
    let midnight = DateTime::from_timestamp_millis(1_780_012_800_000).unwrap_or_default();
    let of = |number: u8| {
        let at = midnight + Duration::milliseconds(20 * (i64::from(number) - 100));
        TrafficRecord {
            id: id_at(at, [number; 10]),
            at,
            // The third has answered at the end alone.
            model_version: match number % 5 {
                0 => None,
                1 if number > 150 => ModelVersion::try_from(3).ok(),
                odd => ModelVersion::try_from(i64::from(1 + odd % 2)).ok(),
            },
            ..record(number)
        }
    };
    (0..many).map(of).collect()
}

#[tokio::test]
async fn a_models_records_are_found_however_they_were_written() -> Result<()> {
    over_registry(|registry, raw| async move {
        let days = "SELECT make_traffic_day('2026-05-28'), make_traffic_day('2026-05-29')";
        raw.execute(days).await?;
        let mut writer = registry.traffic_writer();
        let mut records = of_models(200);
        // Transactions share slots, and have some of many; what was written once comes again with others. Their first of a
        // slot is its newest, but for the first transaction's.
        let every = |step: usize, first: usize| records.iter().skip(first).step_by(step).collect::<Vec<_>>();
        writer.write(&every(9, 0)).await?;
        for mut group in [every(7, 1), every(2, 0), every(3, 2), every(1, 0)] {
            group.reverse();
            writer.write(&group).await?;
        }
        let day_before = "SELECT count(*) FROM traffic_20260528";
        assert_eq!(
            raw.number(day_before).await?,
            100,
            "the others are of the day after"
        );
        let repeated = raw
            .number("SELECT count(*) FROM traffic WHERE model_repeated")
            .await?;
        assert!(repeated > 50, "{repeated} records need no entry of their own");
        // Older services do not know of this.
        raw.execute("UPDATE traffic SET model_repeated = NULL WHERE get_byte(uuid_send(id), 15) < 40")
            .await?;

        records.reverse();
        let (since, until) = (records[130].at, records[20].at);
        for version in 1..=4 {
            let model_version = Some(ModelVersion::try_from(version)?);
            for (since, until) in [
                (None, None),
                (Some(since), None),
                (None, Some(until)),
                (Some(since), Some(until)),
            ] {
                let filter = TrafficFilter {
                    since,
                    until,
                    model_version,
                    ..TrafficFilter::default()
                };
                let is_wanted = |record: &&TrafficRecord| {
                    record.model_version == model_version
                        && since.is_none_or(|since| record.at >= since)
                        && until.is_none_or(|until| record.at < until)
                };
                let wanted: Vec<_> = records.iter().filter(is_wanted).map(|record| record.id).collect();
                for limit in [1, 7, 500] {
                    assert_eq!(
                        ids(&registry, &filter, limit).await?,
                        wanted,
                        "{filter:?}, {limit} at a time"
                    );
                }
            }
        }
        Ok(())
    })
    .await
}

/// Records of 8 models in turn, as many of each, with few of another status and few of another path.
const MANY: &str = "INSERT INTO traffic (id, at, method, path, status, duration_us, model_version, request_headers, \
    request_body, response_body) SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || \
    '70008000' || lpad(to_hex(n), 12, '0'))::uuid, now(), 'POST', \
    CASE WHEN n % 5000 = 7 THEN '/rare' ELSE '/v1/predictions' END, CASE WHEN n % 4000 = 9 THEN 404 ELSE 200 END, \
    100, 1 + n / 5000, '{}', repeat('q', 100)::bytea, repeat('a', 250)::bytea FROM generate_series(0, 39999) n";

/// Ends the sessions of the registry, and waits for it: a session tells what it looked into at its end at the latest.
const END_SESSIONS: &str = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
    WHERE datname = current_database() AND application_name = 'test'";

/// How often the indexes whose names contain this have been looked into.
async fn looks(raw: &TestDatabase, index: &str) -> Result<i64> {
    let looks = "SELECT sum(idx_scan)::bigint FROM pg_stat_user_indexes WHERE relname LIKE 'traffic_2%'";
    raw.number(&format!("{looks} AND indexrelname LIKE '%{index}%'"))
        .await
}

#[tokio::test]
async fn every_filter_finds_records_by_the_index_that_is_there_for_it() -> Result<()> {
    over_registry(|registry, raw| async move {
        raw.execute(MANY).await?;
        raw.execute("VACUUM ANALYZE traffic").await?;
        let all = TrafficFilter::default();
        let filters = [
            ("pkey", 50, all.clone()),
            (
                "model_version",
                50,
                TrafficFilter {
                    model_version: Some(2.try_into()?),
                    ..all.clone()
                },
            ),
            (
                "status",
                10,
                TrafficFilter {
                    status: Some(404),
                    ..all.clone()
                },
            ),
            (
                "left",
                8,
                TrafficFilter {
                    path: Some("/rare".to_owned()),
                    ..all
                },
            ),
        ];
        for (index, found, filter) in filters {
            let before = looks(&raw, index).await?;
            let page = PageRequest {
                limit: 50,
                cursor: None,
            };
            let page = registry.traffic(&filter, &page, BodyLimit::Whole).await?;
            assert_eq!(page.items.len(), found, "{index}");
            raw.execute(END_SESSIONS).await?;
            assert!(looks(&raw, index).await? > before, "{index}");
        }
        Ok(())
    })
    .await
}

/// S8: a text that is too long is told by its digest, and refusals by their number.
#[tokio::test]
async fn what_was_shortened_and_how_often_it_came_reads_back() -> Result<()> {
    over_registry(|registry, _| async move {
        let shortened = TrafficRecord {
            shortened: vec![Shortened {
                field: "request_headers.user-agent".into(),
                digest: BodyDigest::of(b"long"),
            }],
            repeats: 7,
            ..record(1)
        };
        let plain = record(2);
        registry.traffic_writer().write(&[&shortened, &plain]).await?;
        assert_eq!(registry.traffic_record(shortened.id).await?, Some(shortened));
        assert_eq!(registry.traffic_record(plain.id).await?, Some(plain));
        Ok(())
    })
    .await
}
