//! A RabbitMQ vhost of one's own.

use anyhow::Result;
use reqwest::{Client, Method};
use serde_json::Value;
use uuid::Uuid;

use crate::settings::setting;

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
        vhost.call(Method::PUT, "vhosts/{vhost}").await?;
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
    pub async fn call(&self, method: Method, path: &str) -> Result<Value> {
        let url = format!("{}/api/{}", self.management, path.replace("{vhost}", &self.name));
        let response = self.http.request(method, url).send().await?.error_for_status()?;
        Ok(serde_json::from_str(&response.text().await?).unwrap_or(Value::Null))
    }

    /// Deletes the vhost.
    ///
    /// # Errors
    ///
    /// When RabbitMQ does not do so.
    pub async fn delete(self) -> Result<()> {
        self.call(Method::DELETE, "vhosts/{vhost}").await.map(drop)
    }
}
