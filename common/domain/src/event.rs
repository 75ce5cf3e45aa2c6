//! Events: CloudEvents 1.0 in structured JSON, one type and one routing key each.
//!
//! Readers ignore fields they do not know, and refuse a `dataschema` of another number.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    DatasetVersion, ModelKind, ModelVersion, PromotionNumber, Sha256, file::RowCounts, run::Progress,
};

/// The number in every event's `dataschema`; another number is another shape.
const SCHEMA: u32 = 1;

/// Something that happened, committed together with what it tells of.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its identity; a repeated delivery has the same.
    pub id: Uuid,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// What happened.
    pub data: EventData,
}

/// What an event tells.
#[derive(Debug, Clone, PartialEq)]
pub enum EventData {
    /// `dataset.ready`: there is a new dataset version to train on.
    DatasetReady(DatasetReady),
    /// `file.accepted`: a data file became part of the dataset.
    FileAccepted(FileJudged),
    /// `file.held`: a data file waits for an operator.
    FileHeld(FileJudged),
    /// `file.rejected`: nothing of a data file is used.
    FileRejected(FileJudged),
    /// `file.withdrawn`: a data file left the dataset.
    FileWithdrawn(FileJudged),
    /// `run.started`: a trainer took a training run.
    RunStarted(RunNews),
    /// `run.progressed`: a training run has come further.
    RunProgressed(RunProgressed),
    /// `run.finished`: a training run made a model.
    RunFinished(RunNews),
    /// `run.failed`: a training run made none.
    RunFailed(RunNews),
    /// `model.ready`: a model became champion.
    ModelReady(ModelReady),
}

/// Data of `dataset.ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetReady {
    /// The new version.
    pub dataset_version: DatasetVersion,
    /// How many samples it holds.
    pub rows: u64,
}

/// Data of `file.accepted`, `file.held`, `file.rejected` and `file.withdrawn`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileJudged {
    /// The file's identity.
    pub sha256: Sha256,
    /// The name it was dropped under.
    pub name: String,
    /// What its rows came to.
    #[serde(flatten)]
    pub rows: RowCounts,
    /// The dataset version that the change made.
    pub dataset_version: Option<DatasetVersion>,
    /// Why the file as a whole was rejected.
    pub rejection: Option<String>,
    /// Why it waits for an operator.
    #[serde(default)]
    pub held: Option<String>,
}

/// Data of `run.started`, `run.finished` and `run.failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunNews {
    /// The run.
    pub run_id: Uuid,
    /// What it trains.
    pub kind: ModelKind,
    /// What it trains on.
    pub dataset_version: DatasetVersion,
    /// Which attempt, counted from 1.
    pub attempt: u32,
    /// The model it made.
    pub model_version: Option<ModelVersion>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Data of `run.progressed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunProgressed {
    /// The run.
    pub run_id: Uuid,
    /// What it trains.
    pub kind: ModelKind,
    /// What it trains on.
    pub dataset_version: DatasetVersion,
    /// Which attempt, counted from 1.
    pub attempt: u32,
    /// How far it is.
    #[serde(flatten)]
    pub progress: Progress,
}

/// Data of `model.ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelReady {
    /// Place in the sequence of promotions.
    pub promotion: PromotionNumber,
    /// The new champion.
    pub model_version: ModelVersion,
    /// Its kind.
    pub kind: ModelKind,
    /// What it was trained on.
    pub dataset_version: DatasetVersion,
}

/// Why bytes are no event that this version understands.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The bytes are not a JSON object with the attributes and the data of an event.
    #[error("malformed event")]
    Malformed(#[from] serde_json::Error),
    /// A type this version does not know.
    #[error("unknown event type {0:?}")]
    UnknownType(String),
    /// A known type in a shape this version does not know.
    #[error("unknown data schema {0:?}")]
    UnknownSchema(String),
}

/// What a consumer must do with an event nobody is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is published only once a queue has it.
    MustRoute,
    /// It may find nobody.
    Hint,
}

/// The structured JSON form.
#[derive(Serialize, Deserialize)]
struct CloudEvent {
    specversion: String,
    id: Uuid,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: String,
    time: DateTime<Utc>,
    datacontenttype: String,
    dataschema: String,
    data: Value,
}

impl Event {
    /// The event as it goes over the wire and into the events table.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!(CloudEvent {
            specversion: "1.0".to_owned(),
            id: self.id,
            source: "urn:lapidary".to_owned(),
            kind: self.data.name().to_owned(),
            subject: self.data.subject(),
            time: self.time,
            datacontenttype: "application/json".to_owned(),
            dataschema: schema(self.data.name()),
            data: self.data.to_json(),
        })
    }

    /// Reads an event.
    ///
    /// # Errors
    ///
    /// When the bytes are no CloudEvent, or one of a type or shape that this version does not know.
    pub fn from_json(bytes: &[u8]) -> Result<Self, EventError> {
        let event: CloudEvent = serde_json::from_slice(bytes)?;
        let data = EventData::from_json(&event.kind, event.data)?;
        if event.dataschema != schema(&event.kind) {
            return Err(EventError::UnknownSchema(event.dataschema));
        }
        Ok(Self {
            id: event.id,
            time: event.time,
            data,
        })
    }
}

fn schema(name: &str) -> String {
    format!("urn:lapidary:{name}:{SCHEMA}")
}

impl EventData {
    /// The type, which is also the routing key.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::DatasetReady(_) => "dataset.ready",
            Self::FileAccepted(_) => "file.accepted",
            Self::FileHeld(_) => "file.held",
            Self::FileRejected(_) => "file.rejected",
            Self::FileWithdrawn(_) => "file.withdrawn",
            Self::RunStarted(_) => "run.started",
            Self::RunProgressed(_) => "run.progressed",
            Self::RunFinished(_) => "run.finished",
            Self::RunFailed(_) => "run.failed",
            Self::ModelReady(_) => "model.ready",
        }
    }

    /// Whether somebody has to get it.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        match self {
            Self::DatasetReady(_) => Delivery::MustRoute,
            _ => Delivery::Hint,
        }
    }

    /// What the event is about, as a path of the REST API.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::DatasetReady(data) => format!("datasets/{}", data.dataset_version),
            Self::FileAccepted(data)
            | Self::FileHeld(data)
            | Self::FileRejected(data)
            | Self::FileWithdrawn(data) => format!("files/{}", data.sha256),
            Self::RunStarted(data) | Self::RunFinished(data) | Self::RunFailed(data) => {
                format!("runs/{}", data.run_id)
            }
            Self::RunProgressed(data) => format!("runs/{}", data.run_id),
            Self::ModelReady(data) => format!("models/{}", data.model_version),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::DatasetReady(data) => json!(data),
            Self::FileAccepted(data)
            | Self::FileHeld(data)
            | Self::FileRejected(data)
            | Self::FileWithdrawn(data) => json!(data),
            Self::RunStarted(data) | Self::RunFinished(data) | Self::RunFailed(data) => json!(data),
            Self::RunProgressed(data) => json!(data),
            Self::ModelReady(data) => json!(data),
        }
    }

    fn from_json(name: &str, data: Value) -> Result<Self, EventError> {
        fn parse<T: DeserializeOwned>(data: Value) -> Result<T, EventError> {
            Ok(serde_json::from_value(data)?)
        }
        match name {
            "dataset.ready" => parse(data).map(Self::DatasetReady),
            "file.accepted" => parse(data).map(Self::FileAccepted),
            "file.held" => parse(data).map(Self::FileHeld),
            "file.rejected" => parse(data).map(Self::FileRejected),
            "file.withdrawn" => parse(data).map(Self::FileWithdrawn),
            "run.started" => parse(data).map(Self::RunStarted),
            "run.progressed" => parse(data).map(Self::RunProgressed),
            "run.finished" => parse(data).map(Self::RunFinished),
            "run.failed" => parse(data).map(Self::RunFailed),
            "model.ready" => parse(data).map(Self::ModelReady),
            other => Err(EventError::UnknownType(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests;
