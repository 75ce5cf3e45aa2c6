//! `api keys list`.

use chrono::{DateTime, Utc};
use domain::key::ApiKey;

const HEADINGS: [&str; 5] = ["ID", "NAME", "ROLE", "CREATED", "REVOKED"];

pub(super) async fn run() -> anyhow::Result<()> {
    let keys = super::registry().await?.keys().await?;
    if keys.is_empty() {
        println!("there are no keys yet; `api keys add` makes one");
    } else {
        print!("{}", table(&keys));
    }
    Ok(())
}

/// One line a key, in columns that are as wide as their widest cell.
fn table(keys: &[ApiKey]) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(keys.iter().map(cells));
    let widths: [usize; 5] = std::array::from_fn(|column| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or_default()
    });
    let line = |cells: &[String; 5]| {
        let padded = cells.iter().zip(widths);
        let padded: Vec<_> = padded.map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    lines.iter().map(line).collect()
}

fn cells(key: &ApiKey) -> [String; 5] {
    [
        key.id.to_string(),
        key.name.clone(),
        key.role.to_string(),
        second(key.created_at),
        key.revoked_at.map_or("-".to_owned(), second),
    ]
}

fn second(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::key::Role;
    use uuid::Uuid;

    #[test]
    fn the_columns_are_aligned() {
        let key = |name: &str, role, revoked_at| ApiKey {
            id: Uuid::nil(),
            name: name.to_owned(),
            role,
            created_at: DateTime::UNIX_EPOCH,
            revoked_at,
        };
        let keys = [
            key("web shop", Role::Client, Some(DateTime::UNIX_EPOCH)),
            key("local", Role::Operator, None),
        ];
        let expected = "\
ID                                    NAME      ROLE      CREATED               REVOKED
00000000-0000-0000-0000-000000000000  web shop  client    1970-01-01 00:00:00Z  1970-01-01 00:00:00Z
00000000-0000-0000-0000-000000000000  local     operator  1970-01-01 00:00:00Z  -
";
        assert_eq!(table(&keys), expected);
    }
}
