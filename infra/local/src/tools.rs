//! The Python tools, each pinned by a file of `requirements/` and installed into a folder of its own in `.local/venvs`.
//!
//! Knows pip and venv. Must not know what the tools are used for.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::steps::{run, step};
use crate::{local, repository};

/// A set of tools that is installed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// `sam`, and with it botocore.
    Sam,
    /// `cargo-lambda`, with which `sam` builds the functions.
    CargoLambda,
    /// The emulator of AWS.
    Ministack,
    /// `cfn-lint` and `checkov`.
    Lint,
    /// `schemathesis`.
    Schemathesis,
    /// What the usual way of the scoreboard is written with.
    Usual,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Sam,
        Self::CargoLambda,
        Self::Ministack,
        Self::Lint,
        Self::Schemathesis,
        Self::Usual,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Sam => "sam",
            Self::CargoLambda => "cargo-lambda",
            Self::Ministack => "ministack",
            Self::Lint => "lint",
            Self::Schemathesis => "schemathesis",
            Self::Usual => "usual",
        }
    }

    /// The folder of its programs, once it is installed.
    pub fn programs(self) -> PathBuf {
        self.folder().join("bin")
    }

    fn folder(self) -> PathBuf {
        local("venvs").join(self.name())
    }
}

/// Installs what is missing or pinned otherwise than it is installed.
pub fn install(tools: &[Tool]) -> Result<()> {
    let _alone = lock()?;
    for tool in tools {
        let pins = repository().join(format!("infra/local/requirements/{}.txt", tool.name()));
        let wanted = fs::read_to_string(&pins).with_context(|| format!("can't read {}", pins.display()))?;
        // Written last: a folder without it is one whose installation was cut off.
        let stamp = tool.folder().join("installed.txt");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            continue;
        }
        step(&format!("installing {} into .local", tool.name()), || {
            let python = python()?;
            let _ = fs::remove_dir_all(tool.folder());
            let log = local("logs").join(format!("install-{}.log", tool.name()));
            run(Command::new(python).args(["-m", "venv"]).arg(tool.folder()), &log)?;
            let mut pip = Command::new(tool.programs().join("pip"));
            pip.args(["install", "--disable-pip-version-check", "--requirement"])
                .arg(&pins);
            if *tool == Tool::CargoLambda {
                pip.arg("--no-deps"); // the file says why
            }
            run(&mut pip, &log).context("pip needs a package index: check the network or PIP_INDEX_URL")?;
            Ok(fs::write(&stamp, &wanted)?)
        })?;
    }
    Ok(())
}

/// Keeps other processes out of `.local` until the answer is dropped.
pub(crate) fn lock() -> Result<fs::File> {
    fs::create_dir_all(local("logs"))?;
    let file = fs::File::create(local("lock"))?;
    if file.try_lock().is_err() {
        step("waiting for another stack to be built", || Ok(file.lock()?))?;
    }
    Ok(file)
}

fn python() -> Result<&'static str> {
    let recent = Command::new("python3")
        .args(["-c", "import sys, venv; sys.exit(sys.version_info < (3, 11))"])
        .stdin(Stdio::null())
        .status()
        .context("python3 is not there: install Python 3.11 or newer")?;
    ensure!(
        recent.success(),
        "python3 is too old, or lacks venv: install Python 3.11 or newer with its venv module"
    );
    Ok("python3")
}
