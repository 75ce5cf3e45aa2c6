//! Rows are stored once: a version's own batch, the hashes of each file's rows, and whose the object store is.
//!
//! Going down loses nothing that older services know of, but versions that were made since then miss the rows that
//! more than one file brought.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
ALTER TABLE datasets
    -- The rows that the version got: of a file that came, those that were not in the dataset; of a withdrawal, those
    -- that other files brought as well, and that no batch of theirs holds. Null in versions from before: then a file
    -- has all its rows in data_files.batch_sha256.
    ADD COLUMN batch_sha256 bytea CHECK (length(batch_sha256) = 32),
    -- Whether the batch may repeat rows, of its own or of other batches.
    ADD COLUMN may_repeat boolean NOT NULL DEFAULT true;
-- The hashes of all good rows of a file, in the object store. Null for files from before, until they are computed.
ALTER TABLE data_files ADD COLUMN hashes_sha256 bytea CHECK (length(hashes_sha256) = 32);

-- The batches of versions that follow each other, and that each only added rows, as one object.
CREATE TABLE merged_batches (
    first_version bigint NOT NULL REFERENCES datasets (version),
    last_version bigint NOT NULL REFERENCES datasets (version),
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    PRIMARY KEY (first_version, last_version)
);

-- This system, of which the object store has a marker.
CREATE TABLE installation (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    -- Whether the marker was written: from then on a store without it is not this system's.
    store_marked boolean NOT NULL DEFAULT false,
    one boolean PRIMARY KEY DEFAULT true CHECK (one)
);
INSERT INTO installation DEFAULT VALUES;
";

const DOWN: &str = r"
DROP TABLE installation;
DROP TABLE merged_batches;
ALTER TABLE data_files DROP COLUMN hashes_sha256;
ALTER TABLE datasets DROP COLUMN batch_sha256, DROP COLUMN may_repeat;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UP).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await.map(drop)
    }
}
