use reqwest::{Client, Method, Response, StatusCode};
use tokio::task::JoinHandle;

use super::*;
use crate::{clock::Clock, health::Need};

struct Running {
    address: SocketAddr,
    health: Health,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(metrics: Metrics) -> Self {
        let (health, stop) = (Health::new(Clock::system()), CancellationToken::new());
        let probes = Probes {
            health: health.clone(),
            metrics,
        };
        let bound = probes.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = bound.address();
        let task = tokio::spawn(bound.serve(stop.clone()));
        Self {
            address,
            health,
            stop,
            task,
        }
    }

    async fn ask(&self, method: Method, path: &str) -> Response {
        Client::new()
            .request(method, format!("http://{}{path}", self.address))
            .send()
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn readiness_is_503_while_an_essential_part_is_down() {
    let probes = Running::start(Metrics::for_test().1).await;
    assert_ne!(probes.address.port(), 0);
    let model = probes.health.component("model", Need::Essential);
    let answer = probes.ask(Method::GET, "/readyz").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let json: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(
        (&json["status"], &json["components"]["model"]["state"]),
        (&"unavailable".into(), &"down".into())
    );
    model.degraded("old");
    assert_eq!(probes.ask(Method::GET, "/readyz").await.status(), StatusCode::OK);
    let alive = probes.ask(Method::GET, "/healthz").await;
    assert_eq!(
        (alive.status(), alive.text().await.unwrap().as_str()),
        (StatusCode::OK, "ok\n")
    );
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let (recorder, metrics) = Metrics::for_test();
    metrics::with_local_recorder(&recorder, || metrics::counter!("files_total").increment(3));
    let probes = Running::start(metrics).await;
    let answer = probes.ask(Method::GET, "/metrics").await;
    assert!(
        answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    assert!(answer.text().await.unwrap().contains("files_total 3"));
}

#[tokio::test]
async fn other_paths_are_404_and_other_methods_405() {
    let probes = Running::start(Metrics::for_test().1).await;
    assert_eq!(probes.ask(Method::GET, "/").await.status(), StatusCode::NOT_FOUND);
    let refused = probes.ask(Method::POST, "/readyz").await;
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(refused.headers()["allow"], "GET");
}

#[tokio::test]
async fn silent_connections_do_not_keep_others_out_for_ever_nor_stop_the_stop() {
    let probes = Running::start(Metrics::for_test().1).await;
    let mut silent = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        silent.push(TcpStream::connect(probes.address).await.unwrap());
    }
    // Answered once the silent ones ran into the header timeout.
    assert_eq!(probes.ask(Method::GET, "/healthz").await.status(), StatusCode::OK);
    probes.stop.cancel();
    timeout(CONNECTION_TIMEOUT * 2, probes.task)
        .await
        .unwrap()
        .unwrap();
    drop(silent);
}
