//! A vhost of its own for each test, made and deleted through the management API.

use std::{future::Future, panic::resume_unwind};

use anyhow::{Context as _, Result};
use lapin::{Channel, Connection, ConnectionProperties, options::QueueDeclareOptions, types::FieldTable};
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::support::until;

/// One test's part of the broker.
#[derive(Clone)]
pub struct Vhost(testkit::Vhost);

/// Runs a test in a new vhost and deletes it afterwards, whatever the test did.
pub async fn in_vhost<F>(test: impl FnOnce(Vhost) -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let vhost = Vhost(testkit::Vhost::create().await?);
    let result = tokio::spawn(test(vhost.clone())).await;
    vhost.0.delete().await?;
    result.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

impl Vhost {
    /// The AMQP URL of this vhost.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// Calls the management API; `{vhost}` in the path is this vhost.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        self.0.call(method, path, body).await
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

    /// A user who may do everything but read from queues whose names match `unreadable`.
    pub async fn user(&self, unreadable: &str) -> Result<User> {
        let name = format!("test-{}", Uuid::now_v7());
        let user = json!({"password": name, "tags": ""});
        self.call(Method::PUT, &format!("users/{name}"), Some(user))
            .await?;
        let rights = json!({"configure": ".*", "write": ".*", "read": format!("^(?!{unreadable}$)")});
        self.call(
            Method::PUT,
            &format!("permissions/{{vhost}}/{name}"),
            Some(rights),
        )
        .await?;
        let mut url = Url::parse(&self.url())?;
        let named = url
            .set_username(&name)
            .and_then(|()| url.set_password(Some(&name)));
        named.ok().context("the URL takes no user")?;
        Ok(User {
            name,
            url: url.to_string(),
        })
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

/// A user that one test made, and deletes.
pub struct User {
    name: String,
    pub url: String,
}

impl User {
    /// Deletes the user.
    pub async fn delete(self, vhost: &Vhost) -> Result<()> {
        let path = format!("users/{}", self.name);
        vhost.call(Method::DELETE, &path, None).await.map(drop)
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
