//! ministack on a free port of 127.0.0.1.
//!
//! Knows its settings and its weaknesses. Must not know the bundle.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;

use anyhow::Result;

use crate::guarded::Guarded;
use crate::repository;
use crate::tools::Tool;

/// The running emulator.
#[derive(Debug)]
pub(crate) struct Emulator {
    pub(crate) process: Guarded,
    pub(crate) port: u16,
}

impl Emulator {
    /// Starts it; `auth` makes it enforce the policies of the functions' roles.
    pub(crate) fn start(folder: &Path, port: u16, auth: bool) -> Result<Self> {
        let launcher = repository().join("infra/local/ministack-fast.py");
        let mut process = Guarded::start(
            &Tool::Ministack.programs().join("python"),
            &[launcher.display().to_string()],
            &folder.join("ministack"),
            &folder.join("ministack.log"),
            |command| {
                // Functions inherit its whole environment, so it gets nothing of ours but the path.
                let path = std::env::vars_os().filter(|(name, _)| name == "PATH");
                command
                    .env_clear()
                    .envs(path)
                    .env("HOME", folder.join("ministack"));
                command.envs(crate::aws::environment(port));
                command.envs([
                    ("GATEWAY_PORT", port.to_string().as_str()),
                    ("AUTH", if auth { "true" } else { "false" }),
                ]);
                command.envs([("BIND_HOST", "127.0.0.1"), ("MINISTACK_HOST", "127.0.0.1")]);
                command.envs([("SFTP_ENABLED", "0"), ("IOT_MTLS_ENABLED", "0")]); // fixed ports, of no use here
            },
        )?;
        process.until_up(|| is_healthy(port).then_some(()))?;
        Ok(Self { process, port })
    }

    /// Where a function URL is served here: the `https://` one needs TLS and the DNS of AWS.
    pub(crate) fn reachable(&self, function_url: &str) -> Option<String> {
        let (id, _) = function_url.strip_prefix("https://")?.split_once('.')?;
        Some(format!("http://127.0.0.1:{}/_aws/lambda-url/{id}/", self.port))
    }
}

/// A port that was free a moment ago: ministack doesn't tell which one it took when given 0.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn is_healthy(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        connection.write_all(b"GET /_ministack/health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
        let mut status = [0; 12];
        connection.read_exact(&mut status)?;
        Ok(status.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}
