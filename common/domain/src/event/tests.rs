use super::*;

fn file_events() -> Vec<EventData> {
    let file = FileJudged {
        sha256: Sha256::of(b"file"),
        name: "diamonds.csv".to_owned(),
        rows: RowCounts {
            rows_read: 3,
            rows_accepted: 2,
            rows_known: 1,
            rows_rejected: 1,
        },
        dataset_version: Some(DatasetVersion::FIRST),
        rejection: None,
        held: None,
    };
    let held = FileJudged {
        dataset_version: None,
        held: Some("its price is unlike the dataset so far".to_owned()),
        ..file.clone()
    };
    let rejected = FileJudged {
        dataset_version: None,
        rejection: Some("the file is empty".to_owned()),
        ..file.clone()
    };
    vec![
        EventData::FileAccepted(file.clone()),
        EventData::FileHeld(held),
        EventData::FileRejected(rejected),
        EventData::FileWithdrawn(file),
    ]
}

fn run_events() -> Vec<EventData> {
    let run = RunNews {
        run_id: Uuid::from_u128(7),
        kind: ModelKind::Linear,
        dataset_version: DatasetVersion::FIRST,
        attempt: 1,
        model_version: Some(ModelVersion::FIRST),
        error: None,
    };
    let started = RunNews {
        model_version: None,
        ..run.clone()
    };
    let failed = RunNews {
        error: Some("too few samples".to_owned()),
        ..started.clone()
    };
    let progress = Progress {
        done: 37,
        total: 100,
        best_mae: Some(312.5),
    };
    let progressed = RunProgressed {
        run_id: run.run_id,
        kind: run.kind,
        dataset_version: run.dataset_version,
        attempt: run.attempt,
        progress,
    };
    vec![
        EventData::RunStarted(started),
        EventData::RunProgressed(progressed),
        EventData::RunFinished(run),
        EventData::RunFailed(failed),
    ]
}

fn every_event() -> Vec<Event> {
    let dataset = EventData::DatasetReady(DatasetReady {
        dataset_version: DatasetVersion::FIRST,
        rows: 2,
    });
    let model = EventData::ModelReady(ModelReady {
        promotion: PromotionNumber::FIRST,
        model_version: ModelVersion::FIRST,
        kind: ModelKind::Linear,
        dataset_version: DatasetVersion::FIRST,
    });
    let time = DateTime::from_timestamp(1_780_000_000, 0).unwrap();
    let event = |data| Event {
        id: Uuid::from_u128(1),
        time,
        data,
    };
    let data = [vec![dataset], file_events(), run_events(), vec![model]].concat();
    data.into_iter().map(event).collect()
}

#[test]
fn the_json_of_every_event_is_pinned() {
    let events: Vec<_> = every_event().iter().map(Event::to_json).collect();
    insta::assert_json_snapshot!(events);
}

#[test]
fn every_event_is_read_back_as_it_was() {
    for event in every_event() {
        let bytes = event.to_json().to_string();
        assert_eq!(Event::from_json(bytes.as_bytes()).unwrap(), event);
    }
}

#[test]
fn unknown_fields_are_ignored_and_unknown_schemas_refused() {
    let mut json = every_event()[0].to_json();
    json["data"]["later"] = json!(1);
    json["extension"] = json!("x");
    assert!(Event::from_json(json.to_string().as_bytes()).is_ok());
    json["dataschema"] = json!("urn:lapidary:dataset.ready:2");
    let refused = Event::from_json(json.to_string().as_bytes());
    assert!(
        matches!(refused, Err(EventError::UnknownSchema(_))),
        "{refused:?}"
    );
}
