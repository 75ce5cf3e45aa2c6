//! A vhost of its own for each test, made and deleted through the management API.

use std::{env, future::Future, panic::resume_unwind, path::Path};

use anyhow::{Context, Result};
use lapin::{Channel, Connection, ConnectionProperties, options::QueueDeclareOptions, types::FieldTable};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::until;

/// One test's part of the broker.
#[derive(Clone)]
pub struct Vhost {
    name: String,
    amqp: String,
    management: String,
    http: Client,
}

/// Runs a test in a new vhost and deletes it afterwards, whatever the test did.
pub async fn in_vhost<F>(test: impl FnOnce(Vhost) -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let vhost = Vhost::create().await?;
    let result = tokio::spawn(test(vhost.clone())).await;
    vhost
        .call(Method::DELETE, &format!("vhosts/{}", vhost.name), None)
        .await?;
    result.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

impl Vhost {
    async fn create() -> Result<Self> {
        let vhost = Self {
            name: format!("broker-test-{}", Uuid::now_v7()),
            amqp: setting("LAPIDARY_TEST_RABBITMQ_URL")?,
            management: setting("LAPIDARY_TEST_RABBITMQ_MANAGEMENT_URL")?,
            http: Client::new(),
        };
        vhost
            .call(Method::PUT, &format!("vhosts/{}", vhost.name), None)
            .await?;
        let user = reqwest::Url::parse(&vhost.management)?.username().to_owned();
        let everything = json!({"configure": ".*", "write": ".*", "read": ".*"});
        vhost
            .call(
                Method::PUT,
                &format!("permissions/{}/{user}", vhost.name),
                Some(everything),
            )
            .await?;
        Ok(vhost)
    }

    /// The AMQP URL of this vhost.
    pub fn url(&self) -> String {
        format!("{}/{}", self.amqp, self.name)
    }

    /// Calls the management API; `{vhost}` in the path is this vhost.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let path = path.replace("{vhost}", &self.name);
        let mut request = self
            .http
            .request(method, format!("{}/api/{path}", self.management));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?.error_for_status()?;
        let text = response.text().await?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Closes the connection of this name as an operator would, as soon as the management API knows of it.
    pub async fn close_connection(&self, connection_name: &str) -> Result<()> {
        let id = until(|| self.connection_id(connection_name)).await?;
        self.call(
            Method::DELETE,
            &format!("connections/{}", id.replace(' ', "%20")),
            None,
        )
        .await?;
        Ok(())
    }

    async fn connection_id(&self, connection_name: &str) -> Result<Option<String>> {
        let connections = self.call(Method::GET, "vhosts/{vhost}/connections", None).await?;
        let named = |one: &&Value| one["client_properties"]["connection_name"] == connection_name;
        let found = connections.as_array().and_then(|all| all.iter().find(named));
        Ok(found.and_then(|one| one["name"].as_str()).map(str::to_owned))
    }

    /// A channel to look at queues with.
    pub async fn observe(&self) -> Result<Observer> {
        let connection = Connection::connect(&self.url(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        Ok(Observer {
            channel,
            _connection: connection,
        })
    }
}

/// Looks at queues as they are now; the management API's numbers are seconds old.
pub struct Observer {
    pub channel: Channel,
    _connection: Connection,
}

impl Observer {
    /// How many messages are ready (neither consumed nor in somebody's hand).
    pub async fn ready(&self, queue: &str) -> Result<u32> {
        let passive = QueueDeclareOptions::default().passive();
        let queue = self
            .channel
            .queue_declare(queue.into(), passive, FieldTable::default())
            .await?;
        Ok(queue.message_count())
    }

    /// Comes when so many messages are ready.
    pub async fn becomes_ready(&self, queue: &str, messages: u32) -> Result<()> {
        until(|| async { Ok((self.ready(queue).await? == messages).then_some(())) }).await
    }
}

/// From the environment, or from the file that `scripts/servers.sh start` writes.
fn setting(name: &str) -> Result<String> {
    if let Ok(value) = env::var(name) {
        return Ok(value);
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/servers.env");
    let text = std::fs::read_to_string(&file).with_context(|| {
        format!("{name} is not set and {file:?} is missing: run scripts/servers.sh start")
    })?;
    let line = text.lines().find_map(|line| {
        line.trim_start_matches("export ")
            .strip_prefix(name)?
            .strip_prefix('=')
    });
    let value = line.with_context(|| format!("{file:?} has no {name}"))?;
    Ok(value.trim_matches(['"', '\'']).to_owned())
}
