//! What is around every handler, from the outside in: answers are measured, get the heads that all have, leave when
//! they are recorded; requests are let in, by their caller and for so long.
//!
//! One layer, for each costs every request a boxed future and a clone of all that is inside.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::Request,
    http::{header, request::Parts},
    response::Response,
};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tower::{Layer, Service, ServiceExt as _};

use crate::{
    access, cors, headers, limits,
    measure::{Measured, Route},
    problem::in_words,
    record,
    service::App,
};

/// The body of a request.
pub(crate) enum Received {
    /// All of it, as it was read for the record.
    Whole(Bytes),
    /// It is still to be read.
    Coming(Body),
}

impl From<Received> for Body {
    fn from(body: Received) -> Self {
        match body {
            Received::Whole(bytes) => bytes.into(),
            Received::Coming(body) => body,
        }
    }
}

/// What answers requests within.
pub(crate) trait Inner: Send {
    /// Answers one. Its head is in a box, for it is handed on from one to the next.
    fn answer(self, head: Box<Parts>, body: Received) -> impl Future<Output = Response> + Send;
}

/// A route of the router's.
struct Routed<S>(S);

impl<S> Inner for Routed<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Send,
{
    async fn answer(self, head: Box<Parts>, body: Received) -> Response {
        let Ok(response) = self.0.oneshot(Request::from_parts(*head, body.into())).await;
        response
    }
}

/// Puts [`Around`] around a route.
#[derive(Clone)]
pub(crate) struct AroundLayer {
    app: App,
}

impl AroundLayer {
    pub(crate) fn new(app: App) -> Self {
        Self { app }
    }
}

impl<S> Layer<S> for AroundLayer {
    type Service = Around<S>;

    fn layer(&self, inner: S) -> Around<S> {
        Around {
            app: self.app.clone(),
            inner,
        }
    }
}

/// A route with all that is around it.
#[derive(Clone)]
pub(crate) struct Around<S> {
    app: App,
    inner: S,
}

impl<S> Service<Request> for Around<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
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
        let (head, body) = request.into_parts();
        let route = head.extensions.get().cloned().map_or(Route::None, Route::Matched);
        answer(self.app.clone(), route, Routed(inner), head, body)
    }
}

/// The answer to a request, once it has come by a route.
pub(crate) fn answer(
    app: App,
    route: Route,
    inner: impl Inner + 'static,
    head: Parts,
    body: Body,
) -> Unstoppable {
    let tasks = app.recorder.tasks();
    Unstoppable::new(tasks, around(app, route, inner, Box::new(head), body))
}

async fn around(app: App, route: Route, inner: impl Inner, head: Box<Parts>, body: Body) -> Response {
    let measured = Measured::begin(route, &head.method);
    let policy = headers::policy(&head.method, head.uri.path());
    let origin = head.headers.get(header::ORIGIN).cloned();
    let mut response = record::answer(&app, inner, head, body, measured.started()).await;
    headers::add(response.headers_mut(), policy);
    cors::decorate(&app.origins, origin.as_ref(), response.headers_mut());
    measured.end(response.status());
    response
}

/// Hands a request to its handler: unless a browser only asks, the caller may not call, or it takes too long.
pub(crate) async fn let_in(app: &App, inner: impl Inner, mut head: Box<Parts>, body: Received) -> Response {
    let rated = match access::rated(app, &head) {
        Ok(rated) => rated,
        Err(exceeded) => return exceeded.refused(),
    };
    if let Err(foreign) = app.hosts.check(&head) {
        return rated.refused(foreign);
    }
    if let Some(permissions) = cors::preflight(&app.origins, &head) {
        return permissions;
    }
    let handled = pin!(async {
        let rate = match access::admit(app, &mut head, rated).await {
            Ok(rate) => rate,
            Err(refused) => return refused,
        };
        let mut response = inner.answer(head, body).await;
        rate.tell(response.headers_mut());
        response
    });
    in_words(limits::within(app.request_timeout, handled).await)
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

    use tokio::sync::oneshot;

    use super::*;

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
