//! Counting answers and timing them, per route, method and status.
//!
//! The meters of each combination are looked up once and kept: there are as many as routes and statuses.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};

use axum::{
    extract::MatchedPath,
    http::{Method, StatusCode},
};
use metrics::{Counter, Histogram};

/// What is measured of one sort of answers.
struct Meters {
    method: Method,
    status: StatusCode,
    count: Counter,
    seconds: Histogram,
}

/// By route; each has a few.
type Routes = HashMap<String, Vec<Arc<Meters>>>;

static METERS: RwLock<Option<Routes>> = RwLock::new(None);

/// The route that a request took, as its answer is counted.
pub(crate) enum Route {
    /// The router's.
    Matched(MatchedPath),
    /// A way of its own.
    Direct(&'static str),
    /// None.
    None,
}

impl Route {
    fn name(&self) -> &str {
        match self {
            Self::Matched(path) => path.as_str(),
            Self::Direct(path) => path,
            Self::None => "none",
        }
    }
}

/// A request that is being answered.
pub(crate) struct Measured {
    started: Instant,
    method: Method,
    route: Route,
}

impl Measured {
    /// Begins with a request.
    pub(crate) fn begin(route: Route, method: &Method) -> Self {
        Self {
            started: Instant::now(),
            method: known(method),
            route,
        }
    }

    /// When it came.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Counts and times its answer.
    pub(crate) fn end(self, status: StatusCode) {
        let route = self.route.name();
        let meters = find(route, &self.method, status).unwrap_or_else(|| make(route, &self.method, status));
        meters.count.increment(1);
        meters.seconds.record(self.started.elapsed().as_secs_f64());
    }
}

/// Methods that clients make up are one.
fn known(method: &Method) -> Method {
    match *method {
        Method::GET | Method::POST | Method::HEAD | Method::OPTIONS => method.clone(),
        _ => Method::TRACE,
    }
}

fn find(route: &str, method: &Method, status: StatusCode) -> Option<Arc<Meters>> {
    let routes = METERS.read().unwrap_or_else(PoisonError::into_inner);
    let of_route = routes.as_ref()?.get(route)?;
    let found = of_route
        .iter()
        .find(|it| it.status == status && it.method == method);
    found.map(Arc::clone)
}

/// Two that make the same at once share the counters that are underneath.
fn make(route: &str, method: &Method, status: StatusCode) -> Arc<Meters> {
    let name = if *method == Method::TRACE {
        "other"
    } else {
        method.as_str()
    };
    let labels = [
        ("method", name.to_owned()),
        ("route", route.to_owned()),
        ("status", status.as_u16().to_string()),
    ];
    let made = Arc::new(Meters {
        method: method.clone(),
        status,
        count: metrics::counter!("lapidary_http_requests_total", &labels),
        seconds: metrics::histogram!("lapidary_http_request_seconds", &labels),
    });
    let mut routes = METERS.write().unwrap_or_else(PoisonError::into_inner);
    let of_route = routes.get_or_insert_default().entry(route.to_owned());
    of_route.or_default().push(Arc::clone(&made));
    made
}
