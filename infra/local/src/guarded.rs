//! Processes that can't outlive us.
//!
//! Knows process groups and pipes. Must not know which programs run.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::steps::{tail, wait_for};

/// Runs `$2...` in this process group, and ends the group when standard input closes: when the guard is dropped, and
/// also when its process is killed and can't clean up. Then removes the folder `$1`.
const WATCH: &str = r#"
folder=$1; shift
exec 3<&0 </dev/null
(
  trap '' TERM
  cat <&3 >/dev/null
  kill -TERM 0
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do kill -0 $$ 2>/dev/null || break; sleep 0.1; done
  rm -rf "$folder"
  kill -KILL 0
) &
exec 3<&-
exec "$@"
"#;

/// A running program, with all that it starts. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Guarded {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Guarded {
    /// Starts a program with its environment as given by `set`, its output in `log`, and `scratch` as its folder for
    /// temporary files, which is removed with it.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        scratch: &Path,
        log: &Path,
        set: impl FnOnce(&mut Command),
    ) -> Result<Self> {
        std::fs::create_dir_all(scratch)?;
        let output = File::create(log).with_context(|| format!("can't write {}", log.display()))?;
        let mut command = Command::new("sh");
        command
            .args(["-c", WATCH, "watch"])
            .arg(scratch)
            .arg(program)
            .args(arguments);
        set(&mut command);
        let child = command
            .env("TMPDIR", scratch)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("can't start {}", program.display()))?;
        let name = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok(Self {
            name,
            child,
            log: log.to_owned(),
        })
    }

    /// Asks until the program is up, or has died.
    pub(crate) fn until_up<T>(&mut self, mut look: impl FnMut() -> Option<T>) -> Result<T> {
        let what = format!("{} is up (its log: {})", self.name, self.log.display());
        wait_for(&what, Duration::from_secs(30), || {
            self.check()?;
            Ok(look())
        })
    }

    /// Waits for the program's own end; one that takes longer is ended.
    pub(crate) fn until_ended(mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("{} has ended (its log: {})", self.name, self.log.display());
        wait_for(&what, limit, || Ok(self.child.try_wait()?))
    }

    /// Fails if the program has ended, with what it said last.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "{} ended: {status}\n{}\n(all of it: {})",
                self.name,
                tail(&self.log),
                self.log.display()
            );
        }
        Ok(())
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.child.stdin.take()); // the watch sees it
        let _ = self.child.wait();
    }
}
