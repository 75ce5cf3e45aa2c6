//! API keys, of which only the SHA-256 of the text is stored.
//!
//! A key is looked up by that hash. How long this takes may tell something about stored hashes, and nothing about
//! keys: no text can be chosen for the hash that it will have.

use chrono::{DateTime, Utc};
use domain::{Sha256, key::ApiKey};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, Condition, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, SqlErr,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use crate::{Database, StorageError, clock::now, entity::api_key};

/// What became of a key that was to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// It works from now on.
    New,
    /// It works already, under this entry.
    Before(ApiKey),
    /// It was added before and revoked, or has the other role: this entry stays as it is.
    Unfit(ApiKey),
    /// Another key of this name works; what is decided with a key is on record by its name.
    NameTaken,
}

/// The index that keeps the names of working keys apart.
const NAMES: &str = "one_working_key_of_a_name";

impl Database {
    /// Adds a key, made now by the database's clock; adding one that works already changes nothing.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit.
    pub async fn add_key(&self, key: &ApiKey, hash: Sha256) -> Result<Added, StorageError> {
        // Not "do nothing", so that the row that is there comes back.
        let once = OnConflict::column(api_key::Column::Hash)
            .update_column(api_key::Column::Hash)
            .to_owned();
        let row = api_key::Entity::insert(to_row(key, hash, now(&self.connection).await?))
            .on_conflict(once)
            .exec_with_returning(&self.connection)
            .await;
        let there = match row {
            Ok(row) => to_domain(row)?,
            Err(error) if is_taken(&error) => return Ok(Added::NameTaken),
            Err(error) => return Err(error.into()),
        };
        Ok(if there.id == key.id {
            Added::New
        } else if there.role == key.role && there.revoked_at.is_none() {
            Added::Before(there)
        } else {
            Added::Unfit(there)
        })
    }

    /// Every key, revoked ones as well, the first made first.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, StorageError> {
        let rows = api_key::Entity::find()
            .order_by_asc(api_key::Column::CreatedAt)
            .order_by_asc(api_key::Column::Id)
            .all(&self.connection)
            .await?;
        rows.into_iter().map(to_domain).collect()
    }

    /// Revokes the working key with this id or name; which one, none when nothing matched.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit.
    pub async fn revoke_keys(&self, name_or_id: &str) -> Result<Vec<ApiKey>, StorageError> {
        let mut named = Condition::any().add(api_key::Column::Name.eq(name_or_id));
        if let Ok(id) = name_or_id.parse::<Uuid>() {
            named = named.add(api_key::Column::Id.eq(id));
        }
        let rows = api_key::Entity::update_many()
            .col_expr(api_key::Column::RevokedAt, Expr::cust("clock_timestamp()"))
            .filter(api_key::Column::RevokedAt.is_null())
            .filter(named)
            .exec_with_returning(&self.connection)
            .await?;
        rows.into_iter().map(to_domain).collect()
    }

    /// Every working key, with the hash of its text.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn working_keys(&self) -> Result<Vec<(Sha256, ApiKey)>, StorageError> {
        let rows = api_key::Entity::find()
            .filter(api_key::Column::RevokedAt.is_null())
            .all(&self.connection)
            .await?;
        let hash = |row: &api_key::Model| {
            Sha256::try_from(row.hash.as_slice()).map_err(|e| StorageError::bad_row("api_keys", e))
        };
        rows.into_iter()
            .map(|row| Ok((hash(&row)?, to_domain(row)?)))
            .collect()
    }

    /// The working key whose text has this hash.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn working_key(&self, hash: Sha256) -> Result<Option<ApiKey>, StorageError> {
        let row = api_key::Entity::find()
            .filter(api_key::Column::Hash.eq(hash.as_bytes().to_vec()))
            .filter(api_key::Column::RevokedAt.is_null())
            .one(&self.connection)
            .await?;
        row.map(to_domain).transpose()
    }
}

fn is_taken(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(said)) if said.contains(NAMES))
}

fn to_row(key: &ApiKey, hash: Sha256, created_at: DateTime<Utc>) -> api_key::ActiveModel {
    api_key::ActiveModel {
        id: Set(key.id),
        name: Set(key.name.clone()),
        role: Set(key.role.name().to_owned()),
        hash: Set(hash.as_bytes().to_vec()),
        created_at: Set(created_at),
        revoked_at: Set(key.revoked_at),
    }
}

fn to_domain(row: api_key::Model) -> Result<ApiKey, StorageError> {
    Ok(ApiKey {
        id: row.id,
        name: row.name,
        role: row
            .role
            .parse()
            .map_err(|e| StorageError::bad_row("api_keys", e))?,
        created_at: row.created_at,
        revoked_at: row.revoked_at,
    })
}
