//! The test kit itself, put to the test.

mod database;
mod generated_files;
mod generated_rows;
mod proxy;
mod reader;
