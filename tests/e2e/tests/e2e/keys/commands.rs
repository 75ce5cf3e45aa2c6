//! `api keys`.

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::{World, in_world};

use super::{Api, NO_FILE, keys, status};

/// What a command that must fail said.
async fn refused(world: &World, arguments: &[&str], variables: &[(&str, &str)]) -> Result<String> {
    let output = keys(world, arguments, variables).await?;
    ensure!(!output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stderr)?)
}

#[tokio::test]
async fn a_key_is_shown_once_and_listed_without_its_text() -> Result<()> {
    in_world(|world| async move {
        let none = keys(&world, &["list"], &[]).await?;
        assert!(String::from_utf8(none.stdout)?.contains("no keys yet"));
        let made = keys(&world, &["add", "--name", "web", "--role", "client"], &[]).await?;
        let (text, note) = (String::from_utf8(made.stdout)?, String::from_utf8(made.stderr)?);
        let digits = text.trim_end().strip_prefix("lap_cl_").unwrap();
        assert!(
            digits.len() == 48 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()),
            "{text}"
        );
        assert!(note.contains("cannot be shown again"), "{note}");
        let listed = String::from_utf8(keys(&world, &["list"], &[]).await?.stdout)?;
        assert!(
            listed.contains("web   client") && !listed.contains(digits),
            "{listed}"
        );
        let taken = refused(&world, &["add", "--name", "web", "--role", "operator"], &[]).await?;
        assert!(
            taken.contains("a working key is named \"web\" already; choose another name"),
            "{taken}"
        );
        let role = refused(&world, &["add", "--name", "web", "--role", "admin"], &[]).await?;
        assert!(role.contains("there are: client, operator"), "{role}");
        let nobody = refused(&world, &["revoke", "nobody"], &[("RUST_BACKTRACE", "1")]).await?;
        let sentence = "error: no working key has this name or id; `api keys list` shows them all\n";
        assert_eq!(nobody, sentence);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_key_from_the_environment_is_added_once_and_never_printed() -> Result<()> {
    in_world(|world| async move {
        let secret = "a-secret-that-the-operator-made-up";
        let add = |role| ["add", "--name", "local", "--role", role, "--from-env", "SECRET"];
        for said in ["works from now on", "works already"] {
            let added = keys(&world, &add("operator"), &[("SECRET", secret)]).await?;
            let output = format!("{added:?}");
            assert!(
                added.status.success() && output.contains(said) && !output.contains(secret),
                "{output}"
            );
        }
        assert_eq!(world.database.number("SELECT count(*) FROM api_keys").await?, 1);
        let api = Api::start(&world, &[]).await?;
        let call = api.decide(&format!("{NO_FILE}/accept"), secret);
        assert_eq!(status(call.json(&json!({"reason": "a test"}))).await?, 404);

        let other_role = refused(&world, &add("client"), &[("SECRET", secret)]).await?;
        assert!(
            other_role.contains("it is the operator key \"local\""),
            "{other_role}"
        );
        let short = refused(&world, &add("operator"), &[("SECRET", "short-secret")]).await?;
        assert!(
            short.contains("at least 32 characters") && !short.contains("short-secret"),
            "{short}"
        );
        let unset = refused(&world, &add("operator"), &[]).await?;
        assert!(unset.contains("SECRET is not set"), "{unset}");
        keys(&world, &["revoke", "local"], &[]).await?;
        let revoked = refused(&world, &add("operator"), &[("SECRET", secret)]).await?;
        assert!(revoked.contains("the revoked operator key"), "{revoked}");
        Ok(())
    })
    .await
}
