//! Names of every kind, and things in the inbox that are no files to take.

use std::{fs, os::unix::net::UnixListener};

use anyhow::Result;
use testkit::{generate::Diamonds, in_world, until};

#[tokio::test]
async fn files_of_any_name_are_taken_and_none_overwrites_another() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let long = format!("{}.csv", "x".repeat(251));
        let names = [
            "two words.csv",
            "two\nlines.csv",
            "Brillanten-Größe 💎.CSV",
            "'$(rm).csv",
            &long,
        ];
        for (seed, name) in (1..).zip(names) {
            world.drop_file(name, &Diamonds::new(20, seed).to_bytes())?;
        }
        world
            .becomes(
                "SELECT count(*) FROM data_files WHERE status = 'accepted'",
                names.len() as i64,
            )
            .await?;
        for seed in 10..13 {
            world.drop_file("same.csv", &Diamonds::new(20, seed).to_bytes())?;
            let count = "SELECT count(*) FROM data_files WHERE name = 'same.csv'";
            world.becomes(count, seed as i64 - 9).await?;
            // The next one must not replace it in the inbox.
            until("the file to be moved", async || {
                Ok((!world.path("inbox/same.csv").exists()).then_some(()))
            })
            .await?;
        }
        // Each of the eight, with its report.
        until("every file to be put away", async || {
            let put_away = fs::read_dir(world.path("inbox/accepted"))?.count();
            Ok((put_away == 16).then_some(()))
        })
        .await
    })
    .await
}

#[tokio::test]
async fn links_folders_and_sockets_are_left_where_they_are_and_told_once() -> Result<()> {
    in_world(|world| async move {
        let inbox = world.path("inbox");
        fs::create_dir_all(inbox.join("folder.csv"))?;
        let outside = world.path("secret.csv");
        fs::write(&outside, Diamonds::new(20, 1).to_bytes())?;
        std::os::unix::fs::symlink(&outside, inbox.join("link.csv"))?;
        let _socket = UnixListener::bind(inbox.join("socket.csv"))?;
        fs::write(inbox.join("picture.png"), b"x")?;
        fs::write(inbox.join("unfinished.csv.part"), b"x")?;

        let ingest = world
            .start("ingest", &[("LAPIDARY__INGEST__SCAN_INTERVAL_MS", "10")])
            .await?;
        world.drop_file("good.csv", &Diamonds::new(20, 2).to_bytes())?;
        world.report("accepted", "good.csv").await?;
        let mut left: Vec<_> = ingest
            .lines()
            .iter()
            .filter(|line| line["message"] == "left where it is")
            .map(|line| {
                line["file"]
                    .as_str()
                    .unwrap_or_default()
                    .rsplit('/')
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect();
        left.sort();
        assert_eq!(left, ["folder.csv", "link.csv", "picture.png", "socket.csv"]);
        for name in [
            "folder.csv",
            "link.csv",
            "socket.csv",
            "picture.png",
            "unfinished.csv.part",
        ] {
            assert!(inbox.join(name).symlink_metadata().is_ok(), "{name}");
        }
        assert_eq!(world.database.number("SELECT count(*) FROM data_files").await?, 1);
        Ok(())
    })
    .await
}
