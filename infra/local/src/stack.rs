//! A local AWS with the bundle on it, from the tools' installation to the last process's end.
//!
//! Knows the order in which things are made. Must not know how each is made.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::bundle::{self, Parameters};
use crate::emulator::{Emulator, free_port};
use crate::simulator::Simulator;
use crate::steps::step;
use crate::tools::{self, Tool};
use crate::{aws, local};

/// What to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Enforce the policies of the functions' roles.
    pub auth: bool,
    /// Build the functions as they are built for AWS: smaller, faster, and minutes slower to build.
    pub release: bool,
    /// Parameters of the template, over those that a local stack needs.
    pub parameters: BTreeMap<String, String>,
    /// Arguments of the Graph simulator.
    pub simulator: Vec<String>,
    /// The credentials with which the bundle signs in to Graph, in the form that the template's parameter
    /// `GraphCredentialsSecretArn` describes. None: those of the simulator's one app.
    pub credentials: Option<Value>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            auth: true,
            release: false,
            parameters: BTreeMap::new(),
            simulator: vec!["--admin".to_owned()],
            credentials: None,
        }
    }
}

/// The deployed bundle. Dropping it stops everything.
#[derive(Debug)]
pub struct LocalAws {
    /// The stack's outputs, by name.
    pub outputs: BTreeMap<String, String>,
    /// What the Graph simulator says of itself: `url`, `tenant`, `app`, `users`.
    pub graph: Value,
    /// Holds the logs `ministack.log`, `graph-sim.log`, `sam-build.log` and `sam-deploy-….log`.
    pub logs: PathBuf,
    emulator: Emulator,
    simulator: Simulator,
}

/// The secret of the simulator's app; its default, given here so that the two can't part.
const APP_SECRET: &str = "simulated-secret";

impl LocalAws {
    /// Installs, starts, builds and deploys. Shows its progress on standard error.
    pub fn start(options: &Options) -> Result<Self> {
        tools::install(&[Tool::Sam, Tool::CargoLambda, Tool::Ministack])?;
        let port = free_port()?;
        let logs = local("stacks").join(format!("{}-{port}", std::process::id()));
        forget_the_dead();
        fs::create_dir_all(&logs)?;

        let simulator = step("building and starting the Graph simulator", || {
            let secret = ["--secret".to_owned(), APP_SECRET.to_owned()];
            Simulator::start(&logs, &[&options.simulator[..], &secret[..]].concat())
        })?;
        let emulator = step("starting ministack", || {
            Emulator::start(&logs, port, options.auth)
        })?;
        let mut stack = Self {
            outputs: BTreeMap::new(),
            graph: simulator.scene.clone(),
            logs,
            emulator,
            simulator,
        };
        stack.deploy(options)?;
        Ok(stack)
    }

    /// The port of the local AWS, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.emulator.port
    }

    /// Variables that make AWS clients talk to this stack, as its root user.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        aws::environment(self.port())
    }

    /// One call to this stack, by the names of botocore: `call("sqs", "SendMessage", &json!({...}))`.
    pub fn call(&self, service: &str, operation: &str, parameters: &Value) -> Result<Value> {
        aws::call(self.port(), service, operation, parameters)
    }

    /// An output of the stack.
    pub fn output(&self, name: &str) -> Result<&str> {
        let value = self
            .outputs
            .get(name)
            .with_context(|| format!("the template has no output {name}"))?;
        Ok(value)
    }

    /// Where a function URL answers, such as that of the output `ContactsApiUrl`. Ends with a slash.
    pub fn url(&self, output: &str) -> Result<String> {
        let url = self.output(output)?;
        self.emulator
            .reachable(url)
            .with_context(|| format!("{output} is no function URL: {url}"))
    }

    /// Changes parameters of the deployed stack.
    pub fn update(&mut self, parameters: &BTreeMap<String, String>) -> Result<()> {
        self.outputs = self.reconfigure(parameters)?;
        Ok(())
    }

    /// The same for who only borrows the stack: the outputs as they are afterwards.
    pub fn reconfigure(&self, parameters: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
        let outputs = bundle::update(self.port(), parameters)?;
        self.let_photos_in(&outputs)?;
        Ok(outputs)
    }

    /// The bucket's policy refuses whatever does not come over TLS, and nothing does here.
    fn let_photos_in(&self, outputs: &BTreeMap<String, String>) -> Result<()> {
        if let Some(bucket) = outputs.get("PhotoBucketName") {
            self.call("s3", "DeleteBucketPolicy", &json!({ "Bucket": bucket }))?;
        }
        Ok(())
    }

    /// Deploys an example beside the bundle: a folder of `infra/examples`. Answers with its outputs.
    pub fn example(
        &self,
        name: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>> {
        step(&format!("deploying the example {name}"), || {
            bundle::deploy_example(name, &self.logs, self.port(), parameters)
        })
    }

    /// Kills the processes of a function, in whatever they are doing. `output` names its physical name, such as
    /// `SyncMailboxFunctionName`. Answers how many there were.
    pub fn kill(&self, output: &str) -> Result<usize> {
        let processes = function_processes(self.port(), self.output(output)?)?;
        for id in &processes {
            signal("-KILL", id);
        }
        Ok(processes.len())
    }

    /// Blocks for as long as the stack is in health; answers with what is wrong.
    pub fn watch(&mut self) -> anyhow::Error {
        loop {
            let health = self
                .emulator
                .process
                .check()
                .and_then(|()| self.simulator.process.check());
            match health {
                Ok(()) => std::thread::sleep(Duration::from_millis(500)),
                Err(problem) => return problem,
            }
        }
    }

    fn deploy(&mut self, options: &Options) -> Result<()> {
        let port = self.port();
        let alone = tools::lock()?;
        let kind = if options.release { "release" } else { "debug" };
        step(&format!("sam build ({kind}; minutes the first time)"), || {
            bundle::build(&self.logs, options.release)
        })?;
        let parameters = self.parameters(options)?;
        self.outputs = step("sam deploy", || bundle::deploy(&self.logs, port, &parameters))?;
        drop(alone);
        self.let_photos_in(&self.outputs)?;

        if !options.parameters.contains_key("NotificationUrl") {
            // It is made by the deployment, and needed by it: here the function's URL is not the one that it answers at.
            let url = self.url("ReceiveNotificationsUrl")?;
            let change = BTreeMap::from([("NotificationUrl".to_owned(), url)]);
            step("telling the stack its notification URL", || self.update(&change))?;
        }
        for table in ["ContactsTableName", "StateTableName", "HistoryTableName"] {
            // ministack leaves this property of the template out.
            let lifetime = json!({
                "TableName": self.output(table)?,
                "TimeToLiveSpecification": { "AttributeName": "ttl", "Enabled": true },
            });
            self.call("dynamodb", "UpdateTimeToLive", &lifetime)?;
        }
        Ok(())
    }

    fn parameters(&self, options: &Options) -> Result<Parameters> {
        let credentials = options
            .credentials
            .clone()
            .unwrap_or_else(|| json!({ "clientId": self.graph["app"], "clientSecret": APP_SECRET }));
        let secret = json!({ "Name": "graph-credentials", "SecretString": credentials.to_string() });
        let secret = self.call("secretsmanager", "CreateSecret", &secret)?;
        let graph = self.graph["url"]
            .as_str()
            .context("the simulator has no URL")?
            .trim_end_matches('/');
        let mut parameters = Parameters::from(
            [
                ("Architecture", bundle::architecture()),
                ("DeletionProtection", "false"),
                (
                    "GraphCredentialsSecretArn",
                    secret["ARN"].as_str().context("the secret has no ARN")?,
                ),
                ("GraphUrl", graph),
                ("LoginUrl", graph),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        parameters.extend(options.parameters.clone());
        Ok(parameters)
    }
}

/// Removes the folders of stacks whose process is gone.
fn forget_the_dead() {
    let folders = fs::read_dir(local("stacks")).into_iter().flatten().flatten();
    for folder in folders {
        let name = folder.file_name().to_string_lossy().into_owned();
        let process = name.split('-').next().unwrap_or_default();
        if !signal("-0", process) {
            let _ = fs::remove_dir_all(folder.path());
        }
    }
}

/// Sends a signal to a process; false if there is none. The shell's own `kill`, since not every machine has another.
fn signal(signal: &str, process: &str) -> bool {
    let sent = Command::new("sh")
        .args(["-c", r#"kill "$@""#, "kill", signal, process])
        .output();
    sent.is_ok_and(|answer| answer.status.success())
}

/// The processes of a function are known by what ministack puts into their environment.
fn function_processes(port: u16, function: &str) -> Result<Vec<String>> {
    ensure!(
        cfg!(target_os = "linux"),
        "a function's processes are looked up in /proc"
    );
    let marks = [
        format!("GATEWAY_PORT={port}"),
        format!("AWS_LAMBDA_FUNCTION_NAME={function}"),
    ];
    let has_marks = |environment: &[u8]| {
        let variables: Vec<&[u8]> = environment.split(|byte| *byte == 0).collect();
        marks.iter().all(|mark| variables.contains(&mark.as_bytes()))
    };
    let processes = fs::read_dir("/proc")?.flatten();
    Ok(processes
        .filter(|process| fs::read(process.path().join("environ")).is_ok_and(|it| has_marks(&it)))
        .map(|process| process.file_name().to_string_lossy().into_owned())
        .collect())
}
