//! `cargo xtask tidy`: the rules of this repository that no published tool knows.
//!
//! Knows which checks there are. Must not repair anything.

mod arrows;
mod features;
mod functions;
mod sources;

use anyhow::{Result, ensure};

/// Answers with what breaks its rule.
type Check = fn() -> Result<Vec<String>>;

pub(crate) fn run() -> Result<()> {
    let checks: [(&str, Check); 5] = [
        ("every source file says what it knows", sources::check),
        (
            "folder = crate = binary = function of the template",
            functions::check,
        ),
        ("dependencies point one way", arrows::check),
        ("the functions share one build of the AWS SDK", features::check),
        ("no function can have a bug planted", features::check_bugs),
    ];
    let mut broken = 0;
    for (rule, check) in checks {
        let findings = check()?;
        eprintln!("{} {rule}", if findings.is_empty() { "ok    " } else { "BROKEN" });
        for finding in &findings {
            eprintln!("         {finding}");
        }
        broken += findings.len();
    }
    for (lines, path) in sources::long()? {
        eprintln!("note   {path} has {lines} lines");
    }
    ensure!(broken == 0, "{broken} findings");
    Ok(())
}
