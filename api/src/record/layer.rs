//! The layer around every route.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{extract::Request, response::Response};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tower::{Layer, Service};

use super::answer::{answer, pass};
use crate::service::App;

/// Paths that leave no record, exactly these.
const UNRECORDED: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/openapi.json"];
/// Static files, and whatever is under them.
const STATIC: [&str; 2] = ["/docs", "/static"];

/// Puts [`Recorded`] around a route.
#[derive(Clone)]
pub(crate) struct RecordLayer {
    app: App,
}

impl RecordLayer {
    pub(crate) fn new(app: App) -> Self {
        Self { app }
    }
}

impl<S> Layer<S> for RecordLayer {
    type Service = Recorded<S>;

    fn layer(&self, inner: S) -> Recorded<S> {
        Recorded {
            app: self.app.clone(),
            inner,
        }
    }
}

/// A route whose answers leave when they are recorded.
#[derive(Clone)]
pub(crate) struct Recorded<S> {
    app: App,
    inner: S,
}

impl<S> Service<Request> for Recorded<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Unstoppable;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Unstoppable {
        // The one that is ready goes to work; its clone takes the next request.
        let next = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, next);
        let app = self.app.clone();
        let tasks = app.recorder.tasks.clone();
        if is_recorded(request.uri().path()) {
            Unstoppable::new(tasks, answer(app, inner, request))
        } else {
            Unstoppable::new(tasks, pass(app, inner, request))
        }
    }
}

fn is_recorded(path: &str) -> bool {
    let under = |folder: &&str| {
        path.strip_prefix(*folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    !UNRECORDED.contains(&path) && !STATIC.iter().any(under)
}

/// An answer in the making, which is finished even if nobody waits for it any more: a client that hangs up makes
/// the server drop this, and the rest is done in a task of its own. Otherwise it costs no task.
pub(crate) struct Unstoppable {
    work: Option<Pin<Box<dyn Future<Output = Response> + Send>>>,
    tasks: TaskTracker,
}

impl Unstoppable {
    fn new(tasks: TaskTracker, work: impl Future<Output = Response> + Send + 'static) -> Self {
        Self {
            work: Some(Box::pin(work)),
            tasks,
        }
    }
}

impl Future for Unstoppable {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let answer = std::task::ready!(work.as_mut().poll(context));
        self.work = None;
        Poll::Ready(Ok(answer))
    }
}

impl Drop for Unstoppable {
    fn drop(&mut self) {
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            self.tasks.spawn_on(work, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn only_what_is_named_leaves_no_record() {
        for path in [
            "/healthz",
            "/readyz",
            "/metrics",
            "/docs",
            "/docs/index.css",
            "/openapi.json",
        ] {
            assert!(!is_recorded(path), "{path}");
        }
        for path in ["/", "/v1/predictions", "/docsy", "/metrics/more", "/nothing"] {
            assert!(is_recorded(path), "{path}");
        }
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_finished_all_the_same() {
        let ((go, told), (done, finished)) = (oneshot::channel(), oneshot::channel());
        let mut answer = Unstoppable::new(TaskTracker::new(), async move {
            let _ = told.await;
            let _ = done.send(());
            Response::new(Body::empty())
        });
        assert!(tokio::time::timeout(Duration::ZERO, &mut answer).await.is_err());
        drop(answer);
        go.send(()).unwrap();
        finished.await.unwrap();
    }
}
