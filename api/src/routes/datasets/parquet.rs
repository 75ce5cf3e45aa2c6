//! `GET /v1/datasets/{version}/parquet`: the samples, for a notebook.

use std::{fs::File, io::Read as _};

use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use domain::traffic::BodyDigest;
use futures_util::stream;
use tokio::task::spawn_blocking;
use utoipa::ToSchema;

use super::missing;
use crate::{
    access::Operator,
    input::{Params, Segment, canonical},
    problem::Problem,
    record::BodyTold,
    service::App,
    serving::export,
};

/// Bytes that are sent at a time.
const PART: usize = 1 << 16;

/// The file's bytes.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary, example = "PAR1…")]
#[expect(dead_code, reason = "it describes bytes that are streamed")]
pub(crate) struct ParquetFile(Vec<u8>);

/// Download the samples of a dataset version
///
/// As one Parquet file, in the dataset's order, identical samples once.
#[utoipa::path(get, path = "/v1/datasets/{version}/parquet", tag = "data", operation_id = "datasetParquet",
    params(("version" = u32, Path, description = "The dataset version.", minimum = 1, example = 2)),
    security(("operator_key" = [])),
    responses((status = 200, description = "A Parquet file", content_type = "application/vnd.apache.parquet", body = ParquetFile)))]
pub(crate) async fn parquet(
    State(app): State<App>,
    _: Operator,
    Segment(version): Segment,
    Params(()): Params<()>,
) -> Result<Response, Problem> {
    let version = canonical(&version).ok_or_else(missing)?;
    let registry = app.registry()?;
    registry.dataset(version).await?.ok_or_else(missing)?;
    let exported = export(&app, version).await?;
    let digest = BodyDigest {
        sha256: exported.sha256,
        bytes: exported.bytes,
    };
    let headers = [
        (header::CONTENT_TYPE, "application/vnd.apache.parquet".to_owned()),
        (header::CONTENT_LENGTH, exported.bytes.to_string()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"dataset-{version}.parquet\""),
        ),
    ];
    let mut response = (headers, streamed(exported.file)).into_response();
    response.extensions_mut().insert(BodyTold(digest));
    Ok(response)
}

/// The file's bytes, read as the client takes them.
fn streamed(file: File) -> Body {
    let parts = stream::try_unfold(file, |file| async move {
        let read = spawn_blocking(move || {
            let (mut file, mut part) = (file, vec![0; PART]);
            let read = file.read(&mut part)?;
            part.truncate(read);
            std::io::Result::Ok((part, file))
        });
        let (part, file) = read.await.map_err(std::io::Error::other)??;
        std::io::Result::Ok((!part.is_empty()).then(|| (Bytes::from(part), file)))
    });
    Body::from_stream(parts)
}
