//! JSON over HTTP, to the simulator's operator page and to the program under test.
//!
//! Knows requests and answers. Must not know what they mean.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use graph_client::{HttpConfig, HttpTransport, Transport as _};
use http::{Method, Request};
use serde_json::Value;

/// Somebody who speaks JSON at an address.
#[derive(Clone)]
pub(crate) struct Wire {
    http: HttpTransport,
    url: String,
}

impl Wire {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let config = HttpConfig {
            plain_http: true,
            ..HttpConfig::default()
        };
        Ok(Self {
            http: HttpTransport::new(&config)?,
            url: url.trim_end_matches('/').to_owned(),
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The same, further down.
    pub(crate) fn below(&self, path: &str) -> Self {
        Self {
            http: self.http.clone(),
            url: format!("{}/{path}", self.url),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.done(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.done(Method::POST, path, Some(body)).await
    }

    /// Fails unless it was done.
    async fn done(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let (status, answer) = self.ask(method.clone(), path, body).await?;
        ensure!(
            (200..300).contains(&status),
            "{method} {}/{path}: {status} {answer}",
            self.url
        );
        Ok(answer)
    }

    /// Status and body, whatever they are.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<(u16, Value)> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/{path}", self.url).trim_end_matches('/'))
            .header("content-type", "application/json")
            .body(body.map(|body| Bytes::from(body.to_string())).unwrap_or_default())?;
        let answer = self.http.send(request).await;
        let answer = answer.with_context(|| format!("no answer from {}/{path}", self.url))?;
        let status = answer.status().as_u16();
        Ok((status, serde_json::from_slice(answer.body()).unwrap_or_default()))
    }
}
