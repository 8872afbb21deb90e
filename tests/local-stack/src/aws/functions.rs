//! Lambda as far as the bundle calls it: functions of the operator's, each a closure of the test's.
//!
//! Knows `Invoke` on the wire. It must not know what a function is asked, nor what it answers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::server::stopped;
use super::{ACCOUNT, REGION};

/// A function. `None`: it fails.
type Function = Arc<dyn Fn(&Value) -> Option<Value> + Send + Sync>;

/// The functions of the account. Clones are handles of the same ones.
#[derive(Clone, Default)]
pub struct LocalFunctions(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    functions: BTreeMap<String, Function>,
    asked: Vec<Value>,
}

impl fmt::Debug for LocalFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalFunctions")
            .field(&self.lock().functions.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl LocalFunctions {
    /// Deploys a function, in the place of an older one of its name. Gives its ARN. Where it answers `None`, it fails.
    pub fn put(
        &self,
        name: &str,
        function: impl Fn(&Value) -> Option<Value> + Send + Sync + 'static,
    ) -> String {
        let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}");
        self.lock().functions.insert(arn.clone(), Arc::new(function));
        arn
    }

    /// What the functions were asked so far.
    pub fn asked(&self) -> Vec<Value> {
        self.lock().asked.clone()
    }

    fn invoke(&self, name: &str, payload: &[u8]) -> Response {
        let question: Value = serde_json::from_slice(payload).unwrap_or(Value::Null);
        let function = self.lock().functions.get(name).cloned();
        let Some(function) = function else {
            let kind = ("x-amzn-errortype", "ResourceNotFoundException");
            let body = json!({ "Type": "User", "Message": format!("Function not found: {name}") });
            return (StatusCode::NOT_FOUND, [kind], body.to_string()).into_response();
        };
        let answer = function(&question);
        self.lock().asked.push(question);
        let Some(answer) = answer else {
            let kind = ("x-amz-function-error", "Unhandled");
            return (StatusCode::OK, [kind], r#"{"errorType":"Error"}"#).into_response();
        };
        (StatusCode::OK, answer.to_string()).into_response()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves the functions until stopped.
pub(super) async fn serve(
    listener: TcpListener,
    functions: LocalFunctions,
    until: oneshot::Receiver<()>,
) -> Result<(), String> {
    let invoke = async |Shared(functions): Shared<LocalFunctions>, Path(name): Path<String>, body: Bytes| {
        functions.invoke(&name, &body)
    };
    let app = Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .with_state(functions);
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped(until))
        .await
        .map_err(|error| format!("serve functions: {error}"))
}
