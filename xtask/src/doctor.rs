//! `cargo xtask doctor`: what is installed, and what is missing for which verb.
//!
//! Knows names of programs. Must not install anything.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use local_aws::tools::Tool;

use crate::lint;

pub(crate) fn run() -> Result<()> {
    let mut out = std::io::stdout();
    let mut show = |program: &Path, arguments: &[&str], wanted_by: &str| {
        let version = version(program, arguments);
        let name = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let version = version.unwrap_or_else(|| format!("not here; {wanted_by}"));
        writeln!(out, "{name:<14} {version}")
    };
    let ours = "the verbs that need it install it into .local";
    show(
        &PathBuf::from("rustc"),
        &["--version"],
        "everything needs it: https://rustup.rs",
    )?;
    show(
        &PathBuf::from("cargo"),
        &["--version"],
        "everything needs it: https://rustup.rs",
    )?;
    show(
        &PathBuf::from("python3"),
        &["--version"],
        "deploy-local, test and lint need 3.11 or newer",
    )?;
    show(&Tool::Sam.programs().join("sam"), &["--version"], ours)?;
    show(
        &Tool::CargoLambda.programs().join("cargo-lambda"),
        &["lambda", "--version"],
        ours,
    )?;
    show(
        &Tool::Ministack.programs().join("pip"),
        &["show", "ministack"],
        ours,
    )?;
    show(&Tool::Lint.programs().join("cfn-lint"), &["--version"], ours)?;
    show(&Tool::Lint.programs().join("checkov"), &["--version"], ours)?;
    show(
        &Tool::Schemathesis.programs().join("schemathesis"),
        &["--version"],
        ours,
    )?;
    show(&lint::cargo_deny(), &["--version"], ours)?;
    Ok(())
}

/// The line of its answer that has a version in it.
fn version(program: &Path, arguments: &[&str]) -> Option<String> {
    let answer = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    let line = text
        .lines()
        .find(|line| line.contains(|symbol: char| symbol.is_ascii_digit()))?;
    answer.status.success().then(|| line.to_owned())
}
