//! Calls to the local AWS, and the environment that sends every AWS client there and to no real account.
//!
//! Knows an endpoint and botocore's calling convention. Must not know the bundle.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::repository;
use crate::tools::Tool;

/// The region of every local stack.
pub const REGION: &str = "us-east-1";

/// Variables for programs that are to talk to the local AWS on this port.
pub fn environment(port: u16) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]
}

/// Makes a command's AWS clients talk to the local AWS, whatever profile or endpoint its user has set.
pub(crate) fn divert(command: &mut Command, port: u16) {
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.envs(environment(port));
    command.envs([
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ]);
}

/// One call, such as `call(port, "sqs", "GetQueueUrl", &json!({"QueueName": "x"}))`.
pub fn call(port: u16, service: &str, operation: &str, parameters: &Value) -> Result<Value> {
    let mut command = Command::new(Tool::Sam.programs().join("python"));
    divert(&mut command, port);
    let script = repository().join("infra/local/aws.py");
    let answer = command
        .arg(script)
        .args([service, operation, &parameters.to_string()])
        .output()
        .context("can't run the Python of sam")?;
    if !answer.status.success() {
        bail!("{}", String::from_utf8_lossy(&answer.stderr).trim());
    }
    Ok(serde_json::from_slice(&answer.stdout)?)
}
