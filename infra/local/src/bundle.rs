//! `sam build` and `sam deploy`, as a user runs them, onto the local AWS.
//!
//! Knows the template's parameters and outputs. Must not know how the emulator works.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::aws;
use crate::steps::{run, wait_for};
use crate::tools::Tool;
use crate::{local, repository};

/// The stack's name: every emulator has just one.
pub(crate) const STACK: &str = "outlook-contact-sync";

/// The template's parameters, by name.
pub(crate) type Parameters = BTreeMap<String, String>;

/// Builds all functions for this machine's processor; a build of one would leave the others without their binaries.
pub(crate) fn build(logs: &Path, release: bool) -> Result<()> {
    let mut sam = sam("build", 0);
    sam.arg("--build-dir").arg(folder());
    sam.args([
        "--parameter-overrides",
        &format!("Architecture={}", architecture()),
    ]);
    sam.env("SAM_BUILD_MODE", if release { "" } else { "debug" });
    sam.env("CARGO_LAMBDA_COMPILER", "cargo"); // zig is for other targets than the host
    // The binaries are zipped and unpacked again at each deployment: 5 of 35 MB instead of 5 of 100 MB.
    sam.envs([
        ("CARGO_PROFILE_DEV_DEBUG", "none"),
        ("CARGO_PROFILE_DEV_STRIP", "debuginfo"),
        // They wait for each other most of the time: built sooner is done sooner.
        ("CARGO_PROFILE_DEV_OPT_LEVEL", "0"),
    ]);
    run(&mut sam, &logs.join("sam-build.log"))
}

/// Makes the stack, and answers with its outputs.
pub(crate) fn deploy(logs: &Path, port: u16, parameters: &Parameters) -> Result<BTreeMap<String, String>> {
    deploy_as(STACK, &folder().join("template.yaml"), logs, port, parameters)
}

/// Makes the stack of an example, a folder of `infra/examples` whose functions need no building, and answers with its
/// outputs. The stack has the example's name.
pub(crate) fn deploy_example(
    name: &str,
    logs: &Path,
    port: u16,
    parameters: &Parameters,
) -> Result<BTreeMap<String, String>> {
    let template = repository()
        .join("infra/examples")
        .join(name)
        .join("template.yaml");
    deploy_as(name, &template, logs, port, parameters)
}

fn deploy_as(
    stack: &str,
    template: &Path,
    logs: &Path,
    port: u16,
    parameters: &Parameters,
) -> Result<BTreeMap<String, String>> {
    let mut sam = sam("deploy", port);
    sam.arg("--template-file").arg(template);
    sam.args(["--stack-name", stack, "--region", aws::REGION, "--resolve-s3"]);
    sam.args(["--no-confirm-changeset", "--no-progressbar"]);
    sam.args(["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]);
    if !parameters.is_empty() {
        sam.arg("--parameter-overrides");
    }
    // Quoted, since sam parts its arguments at spaces: `rate(1 minute)`.
    sam.args(
        parameters
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\"")),
    );
    run(&mut sam, &logs.join(format!("sam-deploy-{stack}.log")))?;
    outputs(&describe(port, stack)?)
}

/// Changes parameters of the deployed stack, and nothing else.
pub(crate) fn update(port: u16, changes: &Parameters) -> Result<BTreeMap<String, String>> {
    let before = describe(port, STACK)?;
    let parameters: Vec<Value> = list(&before["Parameters"])
        .iter()
        .filter_map(|parameter| parameter["ParameterKey"].as_str())
        .map(|name| match changes.get(name) {
            Some(value) => json!({ "ParameterKey": name, "ParameterValue": value }),
            None => json!({ "ParameterKey": name, "UsePreviousValue": true }),
        })
        .collect();
    let update = json!({
        "StackName": STACK,
        "UsePreviousTemplate": true,
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Parameters": parameters,
    });
    aws::call(port, "cloudformation", "UpdateStack", &update)?;
    wait_for("the stack is updated", Duration::from_mins(1), || {
        let stack = describe(port, STACK)?;
        match stack["StackStatus"].as_str().unwrap_or_default() {
            "UPDATE_COMPLETE" => outputs(&stack).map(Some),
            status if status.ends_with("_IN_PROGRESS") => Ok(None),
            status => bail!("the update ended with {status}: {}", stack["StackStatusReason"]),
        }
    })
}

/// The processor, in the template's words.
pub(crate) fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "x86_64"
    }
}

fn folder() -> PathBuf {
    local("build")
}

fn sam(verb: &str, port: u16) -> Command {
    let mut command = Command::new(Tool::Sam.programs().join("sam"));
    aws::divert(&mut command, port);
    let ours = [Tool::Sam.programs(), Tool::CargoLambda.programs()];
    let inherited = std::env::vars_os()
        .find(|(name, _)| name == "PATH")
        .map(|(_, path)| path);
    let path = std::env::join_paths(
        ours.into_iter()
            .chain(std::env::split_paths(&inherited.unwrap_or_default())),
    );
    command
        .arg(verb)
        .current_dir(repository())
        .envs(path.map(|path| ("PATH", path)));
    command
        .env("SAM_CLI_TELEMETRY", "0")
        .env("__SAM_CLI_APP_DIR", local("sam"));
    command
}

fn describe(port: u16, stack: &str) -> Result<Value> {
    let mut answer = aws::call(
        port,
        "cloudformation",
        "DescribeStacks",
        &json!({ "StackName": stack }),
    )?;
    Ok(answer["Stacks"][0].take())
}

fn outputs(stack: &Value) -> Result<BTreeMap<String, String>> {
    list(&stack["Outputs"])
        .iter()
        .map(|output| {
            Some((
                output["OutputKey"].as_str()?.to_owned(),
                output["OutputValue"].as_str()?.to_owned(),
            ))
        })
        .collect::<Option<_>>()
        .context("the stack's outputs can't be read")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
