//! `api keys add`.

use std::env;

use ::service::clock::Clock;
use anyhow::{Context as _, bail};
use clap::Args;
use domain::key::{ApiKey, Role};
use storage::keys::Added;
use uuid::Uuid;

use crate::key::{KeyText, looks_like_a_key};

const LONGEST_NAME: usize = 100;

/// What the key shall be.
#[derive(Args)]
pub(crate) struct Add {
    /// What it is for, or whose it is: this name stands beside what is decided with it, so no other working key has it.
    #[arg(long, value_parser = name)]
    name: String,
    /// client or operator.
    #[arg(long)]
    role: Role,
    /// The environment variable to take the key from; it is not printed then. Adding one again changes nothing.
    #[arg(long, value_name = "VARIABLE")]
    from_env: Option<String>,
}

impl Add {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let text = match &self.from_env {
            Some(variable) => given(variable)?,
            None => KeyText::new(self.role).context("there are no random numbers to make a key of")?,
        };
        let registry = super::registry().await?;
        let key = ApiKey {
            id: Uuid::now_v7(),
            name: self.name,
            role: self.role,
            created_at: Clock::system().now(),
            revoked_at: None,
        };
        let added = registry.add_key(&key, text.hash()).await?;
        match (added, self.from_env) {
            (Added::New, None) => show(&key, &text),
            (Added::New, Some(variable)) => {
                println!("the key in {variable} works from now on, as {}", described(&key));
            }
            (Added::Before(before), _) => println!("this key works already, as {}", described(&before)),
            (Added::Unfit(before), _) => bail!("this key cannot be added: it is {}", described(&before)),
            (Added::NameTaken, _) => bail!(
                "a working key is named {:?} already; choose another name, or revoke that key first: \
                 `api keys revoke NAME`",
                key.name
            ),
        }
        Ok(())
    }
}

/// The key alone on standard output, so that a script can take it; what to know about it beside.
fn show(key: &ApiKey, text: &KeyText) {
    println!("{}", text.expose());
    eprintln!(
        "This is {}. Keep it safe: only its hash is stored, so it cannot be shown again.",
        described(key)
    );
}

// The variable is named on the command line: it is an argument, not a setting.
fn given(variable: &str) -> anyhow::Result<KeyText> {
    let text = env::var(variable).unwrap_or_default();
    if text.is_empty() {
        bail!("the environment variable {variable} is not set, or empty: it has to hold the key");
    }
    KeyText::given(text)
        .with_context(|| format!("what the environment variable {variable} holds cannot be a key"))
}

fn described(key: &ApiKey) -> String {
    let revoked = if key.revoked_at.is_some() { "revoked " } else { "" };
    format!("the {revoked}{} key {:?} ({})", key.role, key.name, key.id)
}

fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if looks_like_a_key(name) {
        return Err("that is a key; a name says what the key is for, or whose it is".to_owned());
    }
    let length = name.chars().count();
    if !(1..=LONGEST_NAME).contains(&length) || name.chars().any(char::is_control) {
        return Err(format!("a name is one line of 1 to {LONGEST_NAME} characters"));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_short_line_and_not_a_key() {
        assert_eq!(name(" web shop "), Ok("web shop".to_owned()));
        for wrong in ["", " ", "two\nlines", &"x".repeat(101), "lap_op_0123"] {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
    }
}
