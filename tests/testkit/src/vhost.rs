//! A RabbitMQ vhost of one's own.

use anyhow::Result;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{settings::setting, wait::until};

/// A vhost that one test made, and deletes.
#[derive(Clone)]
pub struct Vhost {
    name: String,
    amqp: String,
    management: String,
    http: Client,
}

impl Vhost {
    /// Makes a vhost; whoever makes one may do everything in it.
    ///
    /// # Errors
    ///
    /// When the private RabbitMQ does not do so.
    pub async fn create() -> Result<Self> {
        let vhost = Self {
            name: format!("test-{}", Uuid::now_v7()),
            amqp: setting("LAPIDARY_TEST_RABBITMQ_URL")?,
            management: setting("LAPIDARY_TEST_RABBITMQ_MANAGEMENT_URL")?,
            http: Client::new(),
        };
        vhost.call(Method::PUT, "vhosts/{vhost}", None).await?;
        Ok(vhost)
    }

    /// `amqp://…` of this vhost.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/{}", self.amqp, self.name)
    }

    /// Calls the management API; `{vhost}` in the path is this vhost.
    ///
    /// # Errors
    ///
    /// What the management API says against it.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let response = self.send(method, path, body).await?.error_for_status()?;
        Ok(serde_json::from_str(&response.text().await?).unwrap_or(Value::Null))
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Response> {
        let url = format!("{}/api/{}", self.management, path.replace("{vhost}", &self.name));
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Ok(request.send().await?)
    }

    /// Puts a message into a queue as soon as there is one of that name that takes it.
    ///
    /// # Errors
    ///
    /// What the management API says against it, or that no queue took it in time.
    pub async fn publish(&self, queue: &str, payload: &str) -> Result<()> {
        let message = json!({
            "routing_key": queue, "payload": payload, "payload_encoding": "string",
            "properties": {"delivery_mode": 2},
        });
        until(&format!("the queue {queue}"), async || {
            let path = "exchanges/{vhost}/amq.default/publish";
            let response = self.send(Method::POST, path, Some(message.clone())).await?;
            // A quorum queue that has no leader yet refuses the message.
            if response.status() == StatusCode::BAD_REQUEST {
                return Ok(None);
            }
            let answer: Value = response.error_for_status()?.json().await?;
            Ok((answer["routed"] == true).then_some(()))
        })
        .await
    }

    /// Deletes the vhost, once nobody is connected and queue after queue.
    ///
    /// RabbitMQ 3.10 deletes a vhost while the workers that dead-letter "at least once" still start; they crash,
    /// and the second crash within seconds ends their supervisor, and with it every such queue of the whole node.
    ///
    /// # Errors
    ///
    /// When RabbitMQ does not do so.
    pub async fn delete(self) -> Result<()> {
        until("nobody connected to the vhost", async || {
            let open = self.call(Method::GET, "vhosts/{vhost}/connections", None).await?;
            Ok(open.as_array().is_some_and(Vec::is_empty).then_some(()))
        })
        .await?;
        for queue in self.durable_queues().await? {
            self.call(Method::DELETE, &format!("queues/{{vhost}}/{queue}"), None)
                .await?;
        }
        self.call(Method::DELETE, "vhosts/{vhost}", None).await.map(drop)
    }

    /// Exclusive queues go with their connections.
    async fn durable_queues(&self) -> Result<Vec<String>> {
        let queues = self
            .call(Method::GET, "queues/{vhost}?columns=name,durable", None)
            .await?;
        let durable = queues
            .as_array()
            .into_iter()
            .flatten()
            .filter(|queue| queue["durable"] == true);
        Ok(durable
            .filter_map(|queue| queue["name"].as_str().map(ToOwned::to_owned))
            .collect())
    }
}
