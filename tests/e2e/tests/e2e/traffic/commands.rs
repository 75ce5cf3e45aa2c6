//! `api traffic …`.

use std::{fs, os::unix::fs::PermissionsExt as _};

use anyhow::Result;
use testkit::{Proxy, World, in_world};

use super::{api_by_way_of, away, command, load::Load, printed};

#[tokio::test]
async fn a_spool_that_was_left_is_drained_by_a_command_once() -> Result<()> {
    in_world(|world| async move {
        let way = Proxy::start(world.database.url()).await?;
        let api = api_by_way_of(&world, &way.url(), &[]).await?;
        let (url, load) = (api.address().await?, Load::default());
        let clients = load.start(&url, 4);
        load.grows(50).await?;
        way.cut().await;
        away(&url).await?;
        load.grows(100).await?;
        let spool = world.path("spool/0").display().to_string();
        let refused = command(&world, &["traffic", "drain", &spool]).await?;
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && told.contains("belongs to a process that runs"),
            "{told}"
        );
        api.crash().await?;
        clients.join_all().await;

        let copy = fs::read_dir(&spool)?
            .map(|entry| anyhow::Ok(entry?.path()))
            .collect::<Result<Vec<_>>>()?;
        let copy: Vec<_> = copy
            .into_iter()
            .map(|path| anyhow::Ok((fs::read(&path)?, path)))
            .collect::<Result<_>>()?;
        println!("{}", printed(&world, &["traffic", "drain", &spool]).await?);
        load.is_on_record(&world).await?;
        let rows = world.database.number("SELECT count(*) FROM traffic").await?;
        for (bytes, path) in copy {
            fs::write(path, bytes)?;
        }
        printed(&world, &["traffic", "drain", &spool]).await?;
        assert_eq!(world.database.number("SELECT count(*) FROM traffic").await?, rows);
        let empty = printed(&world, &["traffic", "drain", &spool]).await?;
        assert!(empty.starts_with("0 records"), "{empty}");
        Ok(())
    })
    .await
}

/// A day long gone with one record, and today with as many as the test asks for.
async fn an_old_day(world: &World) -> Result<()> {
    let insert = "SELECT make_traffic_day('2020-01-02'); \
        INSERT INTO traffic (id, at, method, path, status, duration_us, request_headers, request_body, response_body) \
        VALUES ('016f63e3-f400-7000-8000-000000000000', '2020-01-02T00:00:01Z', 'GET', '/old', 200, 1, '{}', '\\x00ff', 'b')";
    world.database.execute(insert).await
}

#[tokio::test]
async fn old_days_are_listed_and_deleted_and_today_stays() -> Result<()> {
    in_world(|world| async move {
        an_old_day(&world).await?;
        let partition = "SELECT count(*) FROM traffic_20200102";
        assert_eq!(world.database.number(partition).await?, 1);
        let listed = printed(&world, &["traffic", "retain", "--days", "30"]).await?;
        assert!(
            listed.contains("2020-01-02") && listed.contains("would go"),
            "{listed}"
        );
        assert_eq!(world.database.number(partition).await?, 1);
        let deleted = printed(&world, &["traffic", "retain", "--bytes", "0", "--delete"]).await?;
        assert!(
            deleted.contains("deleted") && deleted.contains("1 of "),
            "{deleted}"
        );
        assert_eq!(world.database.number("SELECT count(*) FROM traffic").await?, 0);
        let days = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'traffic'::regclass";
        assert_eq!(
            world.database.number(days).await?,
            9,
            "today, seven days more, and the rest"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn records_are_exported_as_csv_and_parquet() -> Result<()> {
    in_world(|world| async move {
        an_old_day(&world).await?;
        let (csv, parquet) = (world.path("a.csv"), world.path("a.parquet"));
        let (csv, parquet) = (csv.display().to_string(), parquet.display().to_string());
        for file in [&csv, &parquet] {
            let told = printed(&world, &["traffic", "export", file, "--path", "/old"]).await?;
            assert!(told.starts_with("1 records are in "), "{told}");
        }
        let text = fs::read_to_string(&csv)?;
        assert_eq!(
            text.lines().nth(1).unwrap_or_default(),
            "016f63e3-f400-7000-8000-000000000000,2020-01-02T00:00:01+00:00,GET,/old,,200,1,,,,AP8=,base64,,b,text,,,,0"
        );
        assert_eq!(&fs::read(&parquet)?[..4], b"PAR1");
        let again = command(&world, &["traffic", "export", &csv]).await?;
        assert!(!again.status.success());
        Ok(())
    })
    .await
}

/// S18: an export holds what strangers sent, for whoever opens it in a spreadsheet.
#[tokio::test]
async fn an_export_is_nobody_elses_to_read_and_runs_nothing() -> Result<()> {
    in_world(|world| async move {
        an_old_day(&world).await?;
        let formula = "UPDATE traffic SET query = '=cmd|'' /C calc''!A0', response_body = '+1'";
        world.database.execute(formula).await?;
        for name in ["a.csv", "a.parquet"] {
            let path = world.path(name);
            // What an export that was killed left behind is anybody's to read.
            fs::write(path.with_added_extension("part"), b"left")?;
            printed(&world, &["traffic", "export", &path.display().to_string()]).await?;
            assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600, "{name}");
        }
        let text = fs::read_to_string(world.path("a.csv"))?;
        let row = text.lines().nth(1).unwrap_or_default();
        assert!(
            row.contains(",'=cmd|' /C calc'!A0,") && row.contains(",'+1,text,"),
            "{row}"
        );
        Ok(())
    })
    .await
}
