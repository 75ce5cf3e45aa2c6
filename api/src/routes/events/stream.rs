//! `GET /v1/events/stream`: events as they are committed, by server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! Each event's id is its place in the order of commits; a browser that lost the connection sends the last one as
//! `Last-Event-ID`, and the stream goes on behind it. Each stream reads the table: nothing is kept for it here.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream::{self, Stream};
use storage::{
    PageRequest,
    events::{EventFilter, PastEvent},
};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;

use super::{super::list::is_number, EventType, history};
use crate::{
    access::{Caller, Counted},
    feed::Feed,
    input::{Faults, FromQuery, Params, Place, Query},
    problem::Problem,
    registry::Registry,
    service::App,
    shares::Share,
};

/// Events that are read at a time.
const PART: u64 = 100;
/// How often a silent stream shows that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long to wait while the registry is away.
const AWAY: Duration = Duration::from_secs(1);
const LAST_EVENT_ID: &str = "last-event-id";

/// Which events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Only of this type.
    #[param(value_type = Option<EventType>, example = "model.ready")]
    r#type: Option<String>,
}

impl FromQuery for Wanted {
    fn known() -> Vec<&'static str> {
        vec!["type"]
    }

    fn from_query(query: &Query, faults: &mut Faults) -> Option<Self> {
        let name = history::name(query, faults)?;
        Some(Self { r#type: name })
    }
}

/// Where a stream is.
struct Following {
    app: App,
    feed: Feed,
    name: Option<String>,
    seen: i64,
    ready: std::vec::IntoIter<PastEvent>,
    _place: OwnedSemaphorePermit,
    _share: Option<Share<Counted>>,
}

/// Follow events
///
/// From now on, or after the event named by `Last-Event-ID`, as `EventSource` in browsers does it.
#[utoipa::path(get, path = "/v1/events/stream", tag = "events", operation_id = "followEvents",
    params(Wanted, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen; 0 for all there are.", pattern = "^[0-9]{1,18}$", example = "17")),
    responses((status = 200, description = "Server-sent events without end, each a CloudEvent", content_type = "text/event-stream", body = String,
        example = json!("id: 17\nevent: dataset.ready\ndata: {\"specversion\":\"1.0\",\"type\":\"dataset.ready\",\"data\":{\"dataset_version\":2,\"rows\":53775}}\n\n"))))]
pub(crate) async fn stream(
    State(app): State<App>,
    headers: HeaderMap,
    Params(wanted): Params<Wanted>,
    caller: Caller,
    registry: Registry,
) -> Result<Response, Problem> {
    let resumed = last_event_id(&headers)?;
    let seen = match resumed {
        Some(seen) => seen,
        None => registry.newest_event().await?,
    };
    let share = caller
        .counted()
        .map(|caller| app.streams_of.take(caller, 1).ok_or_else(too_many));
    let share = share.transpose()?;
    let place = Arc::clone(&app.streams).try_acquire_owned();
    let place = place.map_err(|_| Problem::overloaded("too many event streams are open"))?;
    let following = Following {
        feed: app.feed.clone(),
        app,
        name: wanted.r#type,
        seen,
        ready: Vec::new().into_iter(),
        _place: place,
        _share: share,
    };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(events(following)).keep_alive(keep_alive).into_response())
}

/// One caller's streams must not keep others from theirs.
fn too_many() -> Problem {
    let detail =
        "this address, or this key, follows events in as many streams as it may: close one of them first";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(1)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|text| is_number(text));
    let id = text.and_then(|text| text.parse().ok());
    let wrong = || {
        let mut faults = Faults::default();
        let what = "Last-Event-ID has to be the id of an event, a whole number";
        faults.add(&Place::Parameter("Last-Event-ID"), what);
        Problem::from(faults)
    };
    id.map(Some).ok_or_else(wrong)
}

/// Ends when the service stops; the browser comes again then.
fn events(following: Following) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(following, |mut following| async move {
        let next = following.next().await?;
        let event = Event::default()
            .id(next.seq.to_string())
            .event(&next.name)
            .data(next.body.to_string());
        Some((Ok(event), following))
    })
}

impl Following {
    async fn next(&mut self) -> Option<PastEvent> {
        loop {
            if let Some(event) = self.ready.next() {
                self.seen = event.seq;
                return Some(event);
            }
            self.feed.newer_than(self.seen).await?;
            let newest = self.feed.newest();
            match self.read().await {
                // None of those up to the newest is of the wanted type: all of them were seen.
                Some(part) if part.is_empty() => self.seen = self.seen.max(newest),
                Some(part) => self.ready = part.into_iter(),
                None => tokio::time::sleep(AWAY).await,
            }
        }
    }

    /// The next events; nothing while the registry is away.
    async fn read(&self) -> Option<Vec<PastEvent>> {
        let filter = EventFilter {
            name: self.name.clone(),
            ..EventFilter::default()
        };
        let page = PageRequest {
            limit: PART,
            cursor: Some(self.seen.to_string()),
        };
        let _place = self.app.readers.wait().await;
        match self.app.backend.database.events(&filter, &page).await {
            Ok(page) => Some(page.items),
            Err(error) => {
                tracing::debug!(%error, "events cannot be read");
                None
            }
        }
    }
}
