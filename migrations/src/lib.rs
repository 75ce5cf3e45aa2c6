//! The database's schema, one file a migration, with the constraints that make the invariants
//! true in the database itself: whatever a service does wrong, Postgres refuses it.

mod m0001_rules;
mod m0002_datasets;
mod m0003_data_files;
mod m0004_training_runs;
mod m0005_models;
mod m0006_promotions;
mod m0007_events;
mod m0008_traffic;
mod m0009_api_keys;
mod m0010_dataset_changes;
mod m0011_reviewed_files;
mod m0012_file_decisions;
mod m0013_traffic_keys;
mod m0014_promotions_by_hand;
mod m0015_traffic_partitions;
mod m0019_training_history;
mod m0020_traffic_records;
mod m0021_traffic_vacuum;
mod m0022_traffic_repeats;
mod m0023_traffic_headers;
mod m0025_rows_stored_once;
mod m0026_retry_times;
mod m0028_traffic_limits;
mod m0029_key_names;

use sea_orm_migration::prelude::*;

pub use sea_orm_migration::MigratorTrait;

/// Every migration, in order.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_rules::Migration),
            Box::new(m0002_datasets::Migration),
            Box::new(m0003_data_files::Migration),
            Box::new(m0004_training_runs::Migration),
            Box::new(m0005_models::Migration),
            Box::new(m0006_promotions::Migration),
            Box::new(m0007_events::Migration),
            Box::new(m0008_traffic::Migration),
            Box::new(m0009_api_keys::Migration),
            Box::new(m0010_dataset_changes::Migration),
            Box::new(m0011_reviewed_files::Migration),
            Box::new(m0012_file_decisions::Migration),
            Box::new(m0013_traffic_keys::Migration),
            Box::new(m0014_promotions_by_hand::Migration),
            Box::new(m0015_traffic_partitions::Migration),
            Box::new(m0019_training_history::Migration),
            Box::new(m0020_traffic_records::Migration),
            Box::new(m0021_traffic_vacuum::Migration),
            Box::new(m0022_traffic_repeats::Migration),
            Box::new(m0023_traffic_headers::Migration),
            Box::new(m0025_rows_stored_once::Migration),
            Box::new(m0026_retry_times::Migration),
            Box::new(m0028_traffic_limits::Migration),
            Box::new(m0029_key_names::Migration),
        ]
    }
}
