//! Each Rust file opens with `//!`: what it knows, and what it must not know. Long files are named, not refused.

use std::process::Command;

use anyhow::Result;

use crate::commands::read;

/// Above this, a file is a place to look.
const LONG: usize = 600;

pub(crate) fn check() -> Result<Vec<String>> {
    let silent = files()?.into_iter().filter(|(_, text)| !text.starts_with("//!"));
    Ok(silent
        .map(|(path, _)| format!("{path} does not open with //!"))
        .collect())
}

/// The long files, with their number of lines.
pub(crate) fn long() -> Result<Vec<(usize, String)>> {
    let counted = files()?
        .into_iter()
        .map(|(path, text)| (text.lines().count(), path));
    Ok(counted.filter(|(lines, _)| *lines > LONG).collect())
}

/// The sources that git knows or would take.
fn files() -> Result<Vec<(String, String)>> {
    let root = local_aws::repository();
    let mut git = Command::new("git");
    git.args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "--deduplicate",
        "*.rs",
    ]);
    let paths = read(git.current_dir(root))?;
    let texts = paths.lines().filter_map(|path| {
        let text = std::fs::read_to_string(root.join(path)).ok()?; // deleted, and not yet committed as such
        Some((path.to_owned(), text))
    });
    Ok(texts.collect())
}
