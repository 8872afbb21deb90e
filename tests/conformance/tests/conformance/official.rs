//! The `graph-sim` binary under the official Python client, msgraph-sdk.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use bytes::Bytes;
use conformance::Contract;
use graph_client::{HttpConfig, HttpTransport, Transport};
use graph_sim::{Exchange, Snapshot};
use http::Request;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python");
const FOLDERS: &str = "5";

/// The interpreter of a virtual environment with the pinned client. It is made on first use, in a place that git
/// ignores, and again when the pins change.
async fn interpreter() -> PathBuf {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/venvs/msgraph");
    let python = home.join("bin/python");
    let stamp = home.join("requirements.txt");
    let pins = std::fs::read_to_string(format!("{PYTHON}/requirements.txt")).unwrap();
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == pins) {
        return python;
    }
    let home_text = home.to_str().unwrap().to_owned();
    run(Command::new("python3").args(["-m", "venv", "--clear", &home_text])).await;
    let requirements = format!("{PYTHON}/requirements.txt");
    run(Command::new(&python).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        &requirements,
    ]))
    .await;
    std::fs::write(stamp, pins).unwrap();
    python
}

async fn run(command: &mut Command) {
    let output = command.output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    println!("{}", text(&output.stdout));
    assert!(
        output.status.success(),
        "{command:?}\n{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

/// The binary beside this test, built first where it is missing or older than its sources.
async fn binary() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let binary = here.ancestors().nth(2).unwrap().join("graph-sim");
    let written = |path: &Path| std::fs::metadata(path).and_then(|it| it.modified()).ok();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../graph-sim/src");
    let sources = ["", "world"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(sources.join(folder)).unwrap());
    let newest = sources.filter_map(|entry| written(&entry.unwrap().path())).max();
    if written(&binary) < newest {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../graph-sim/Cargo.toml");
        run(Command::new(env!("CARGO")).args(["build", "--quiet", "--manifest-path", manifest])).await;
    }
    binary
}

/// The running binary, and the line that it prints.
async fn simulator() -> (Child, Value) {
    let mut child = Command::new(binary().await)
        .args(["--contacts", "200", "--folders", FOLDERS, "--admin", "--record"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines
        .next_line()
        .await
        .unwrap()
        .expect("the simulator ended before it was up");
    (child, serde_json::from_str(&line).unwrap())
}

async fn ask(url: &str) -> Bytes {
    let config = HttpConfig {
        plain_http: true,
        ..HttpConfig::default()
    };
    let request = Request::get(url).body(Bytes::new()).unwrap();
    HttpTransport::new(&config)
        .unwrap()
        .send(request)
        .await
        .unwrap()
        .into_body()
}

#[tokio::test]
async fn the_official_python_client_works_against_the_binary() {
    let python = interpreter().await;
    let (_simulator, about) = simulator().await;
    let of = |name: &str| about[name].as_str().unwrap().to_owned();
    let user = about["users"][0].as_str().unwrap();
    let mailbox = ask(&format!(
        "{}/_sim/mailbox?tenant={}&user={user}",
        of("url"),
        of("tenant")
    ))
    .await;
    let truth: Snapshot = serde_json::from_slice(&mailbox).unwrap();
    let in_default = |contact: &&Value| truth.folders[contact["parentFolderId"].as_str().unwrap()].is_default;
    let contacts = truth.contacts.values().filter(in_default).count().to_string();
    run(Command::new(python)
        .arg(format!("{PYTHON}/official_client.py"))
        .args([
            &of("url"),
            &of("tenant"),
            &of("app"),
            "simulated-secret",
            user,
            &contacts,
            FOLDERS,
        ]))
    .await;
    let record: Vec<Exchange> =
        serde_json::from_slice(&ask(&format!("{}/_sim/exchanges", of("url"))).await).unwrap();
    let report = Contract::read()
        .unwrap()
        .check(&record)
        .unwrap_or_else(|wrong| panic!("{wrong:#?}"));
    println!(
        "msgraph-sdk: {} exchanges of {} operations",
        report.exchanges,
        report.operations.len()
    );
    assert!(report.operations.len() >= 14, "{:#?}", report.operations);
}
