//! `cargo xtask scoreboard`: plays the scripts against programs, and writes down what became of the contacts.
//!
//! Knows the command line and where the tables are. What counts as a fault is the library's.

mod ours;
mod play;
mod programs;
mod wire;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use futures_util::{StreamExt as _, stream};
use scoreboard::{Fault, Row, Script, Verdict, details, judge, summary};

use wire::Wire;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");
const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
const TESTING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/testing.md");
const BEGIN: &str = "<!-- the scoreboard: written by cargo xtask scoreboard -->\n";
const END: &str = "<!-- the end of the scoreboard -->\n";

/// Plays fixed fault scripts against sync programs, and writes the table into the README.
///
/// Needs the binary graph-sim beside this one. In real time: two or three minutes for each script, several at once.
#[derive(Debug, Parser)]
#[command(name = "scoreboard", bin_name = "cargo xtask scoreboard")]
struct Options {
    #[command(subcommand)]
    role: Option<Role>,
    /// A Python that has httpx, for the usual way
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Play only this script, and write no table; may be given more than once
    #[arg(long = "script", value_name = "NAME")]
    scripts: Vec<String>,
    /// Play against the program at this URL instead, and write no table
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Play only against `ours` or `usual`, and write no table
    #[arg(long)]
    only: Option<String>,
    /// Scripts at once, for each program
    #[arg(long, value_name = "N", default_value_t = 6)]
    at_once: usize,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Serve this bundle under the contract, until standard input ends
    Serve,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::parse();
    match options.role {
        Some(Role::Serve) => Box::pin(ours::serve()).await,
        None => score(&options).await,
    }
}

async fn score(options: &Options) -> Result<()> {
    let scripts = scripts(&options.scripts)?;
    let is_asked_for = |name: &str| match (&options.url, &options.only) {
        (Some(_), _) => false,
        (None, Some(only)) => only == name,
        (None, None) => true,
    };
    // They run as long as they are held here.
    let mut running = Vec::new();
    if is_asked_for("ours") {
        running.push(("this bundle", programs::ours().await?));
    }
    if is_asked_for("usual") {
        running.push(("the usual way", programs::usual(&options.python).await?));
    }
    let urls = running.iter().map(|(name, process)| (*name, process.url()));
    let named = options.url.iter().map(|url| (url.as_str(), url.as_str()));
    let rows = urls
        .chain(named)
        .map(|(name, url)| row(name, url, &scripts, options.at_once));
    let rows = futures_util::future::try_join_all(rows).await?;
    writeln!(std::io::stdout(), "\n{}\n{}", summary(&rows), details(&rows))?;
    if options.url.is_none() && options.only.is_none() && options.scripts.is_empty() {
        write_down(Path::new(README), &summary(&rows))?;
        write_down(Path::new(TESTING), &details(&rows))?;
    }
    Ok(())
}

/// The scripts, by their files' names.
fn scripts(wanted: &[String]) -> Result<Vec<Script>> {
    let mut scripts = Vec::new();
    for entry in std::fs::read_dir(SCRIPTS)? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if wanted.is_empty() || wanted.contains(&name) {
            let text = std::fs::read_to_string(&path)?;
            scripts.push(Script::read(&name, &text).with_context(|| path.display().to_string())?);
        }
    }
    scripts.sort_by(|one, other| one.title.cmp(&other.title));
    ensure!(!scripts.is_empty(), "there is no such script");
    Ok(scripts)
}

/// Plays all scripts against a program, several at once: what they wait for is clocks.
async fn row(name: &str, url: &str, scripts: &[Script], at_once: usize) -> Result<Row> {
    let program = &Wire::new(url)?;
    let plays = scripts.iter().map(|script| async move {
        let history = play::play(script, program).await;
        let verdict = judge(&history.with_context(|| format!("{name}: {}", script.name))?);
        report(name, script, &verdict)?;
        anyhow::Ok((script.title.clone(), verdict))
    });
    // In the scripts' order, whoever is ready first.
    let verdicts: Vec<_> = stream::iter(plays).buffered(at_once).collect().await;
    Ok(Row {
        program: name.to_owned(),
        verdicts: verdicts.into_iter().collect::<Result<_>>()?,
    })
}

fn report(program: &str, script: &Script, verdict: &Verdict) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(
        output,
        "{program}: {} ({} requests, {} of them struck by a fault)",
        script.name, verdict.requests, verdict.struck
    )?;
    for fault in Fault::ALL {
        let found = verdict.found.get(&fault).map(Vec::as_slice).unwrap_or_default();
        if !found.is_empty() {
            writeln!(
                output,
                "    {} {}: {}",
                found.len(),
                fault.name(),
                found.join("; ")
            )?;
        }
    }
    Ok(())
}

/// Puts a table between the marks.
fn write_down(file: &Path, table: &str) -> Result<()> {
    let name = file.display();
    let page = std::fs::read_to_string(file).with_context(|| format!("can't read {name}"))?;
    let marked = page.split_once(BEGIN);
    let (before, rest) = marked.with_context(|| format!("{name} has no place for the scoreboard"))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("{name}: the scoreboard has no end"))?;
    std::fs::write(file, format!("{before}{BEGIN}\n{table}\n{END}{after}"))?;
    Ok(())
}
