//! A proxy, or the upstream, while it runs.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::{Programs, Subject, config};

/// No program of the bench takes longer to start, save under callgrind.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A started program; ended when this is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// From the spawn to the first sign that it serves.
    pub(crate) started_after: Duration,
    child: Child,
    _folder: TempDir,
}

impl Running {
    /// Starts a proxy in front of the upstream and waits until it serves.
    pub(crate) async fn start(
        subject: Subject,
        programs: &Programs,
        upstream: SocketAddr,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("thox-bench-").tempdir()?;
        let path = folder.path();
        let write = |name: &str, text: String| -> anyhow::Result<String> {
            let file = path.join(name);
            std::fs::write(&file, text)?;
            Ok(file.display().to_string())
        };
        match subject {
            Subject::Direct => bail!("a direct connection is not started"),
            Subject::Nginx => {
                let port = free_port()?;
                let file = write("nginx.conf", config::nginx(path, port, upstream))?;
                let mut command = pinned(programs, &programs.nginx);
                command.args(["-p", &path.display().to_string(), "-c", &file]);
                Self::until_connected(command, port, folder).await
            }
            Subject::Haproxy => {
                let port = free_port()?;
                let file = write("haproxy.cfg", config::haproxy(port, upstream))?;
                let mut command = pinned(programs, &programs.haproxy);
                command.args(["-db", "-f", &file]);
                Self::until_connected(command, port, folder).await
            }
            Subject::Hyper => {
                let mut command = pinned(programs, &std::env::current_exe()?);
                command.args(["passthrough", &upstream.to_string()]);
                Self::until_announced(command, folder, Announced::OnStdout).await
            }
            Subject::Thoxd => {
                let file = write("thoxd.toml", config::thoxd(path, upstream))?;
                let mut command = pinned(programs, &programs.thoxd);
                // Nothing of the caller's own set-up may reach it, and nothing of it the caller's.
                command
                    .args(["--config", &file])
                    .env("HOME", path)
                    .env("XDG_RUNTIME_DIR", path);
                Self::until_announced(command, folder, Announced::OnStderr).await
            }
        }
    }

    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the program has ended")
    }

    /// Asks the program to end, and waits for it.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.pid()?.to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().await?;
        if !asked.success() || timeout(START_LIMIT, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }

    async fn until_connected(
        mut command: Command,
        port: u16,
        folder: TempDir,
    ) -> anyhow::Result<Self> {
        let start = Instant::now();
        let mut child = command
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| missing(&command))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        while TcpStream::connect(address).await.is_err() {
            if let Some(status) = child.try_wait()? {
                bail!("{} ended with {status} at its start", name(&command));
            }
            if start.elapsed() > START_LIMIT {
                bail!("{} does not listen on {address}", name(&command));
            }
            sleep(Duration::from_millis(1)).await;
        }
        Ok(Self {
            address,
            started_after: start.elapsed(),
            child,
            _folder: folder,
        })
    }

    async fn until_announced(
        mut command: Command,
        folder: TempDir,
        announced: Announced,
    ) -> anyhow::Result<Self> {
        match announced {
            Announced::OnStdout => command.stdout(Stdio::piped()),
            Announced::OnStderr => command.stderr(Stdio::piped()),
        };
        // The stdin is kept open by `child`: some programs end with it.
        command.stdin(Stdio::piped()).kill_on_drop(true);
        let start = Instant::now();
        let mut child = command.spawn().with_context(|| missing(&command))?;
        let found = match announced {
            Announced::OnStdout => wait_for_address(child.stdout.take()).await,
            Announced::OnStderr => wait_for_address(child.stderr.take()).await,
        };
        let address = found.with_context(|| name(&command))?;
        Ok(Self {
            address,
            started_after: start.elapsed(),
            child,
            _folder: folder,
        })
    }
}

/// Starts the upstream on the driver's own core.
pub(crate) async fn upstream() -> anyhow::Result<Running> {
    let folder = tempfile::Builder::new().prefix("thox-bench-").tempdir()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("upstream");
    Running::until_announced(command, folder, Announced::OnStdout).await
}

/// Where a program tells its address.
#[derive(Clone, Copy)]
enum Announced {
    OnStdout,
    OnStderr,
}

async fn wait_for_address<R>(output: Option<R>) -> anyhow::Result<SocketAddr>
where
    R: AsyncRead + Unpin + Send + 'static,
{
    let mut lines = BufReader::new(output.context("no output to read")?).lines();
    let mut seen = Vec::new();
    let address = timeout(START_LIMIT, async {
        while let Some(line) = lines.next_line().await? {
            if let Some(address) = address_in(&line) {
                return Ok(address);
            }
            seen.push(line);
        }
        bail!("it ended before it served; it said:\n{}", seen.join("\n"))
    })
    .await
    .context("it did not say within a minute where it listens")??;
    drain(lines);
    Ok(address)
}

/// Reads on, so that a program that talks does not block; ends with the program.
fn drain<R: AsyncRead + Unpin + Send + 'static>(mut lines: Lines<BufReader<R>>) {
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
}

/// The address in a line such as `listening on http://127.0.0.1:8080`.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    let end = rest
        .find(|c: char| !(c.is_ascii_digit() || ".:[]".contains(c)))
        .unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// The program on its core, or under what it shall be run under.
fn pinned(programs: &Programs, program: &Path) -> Command {
    let mut command = match programs.wrapper.split_first() {
        Some((wrapper, arguments)) => {
            let mut command = Command::new(wrapper);
            command.args(arguments);
            command
        }
        None => {
            let mut command = Command::new("taskset");
            command.args(["-c", &programs.core.to_string()]);
            command
        }
    };
    command.arg(program);
    command
}

/// A port that was free a moment ago; for programs that cannot choose one and say which.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn name(command: &Command) -> String {
    let command = command.as_std();
    let arguments: Vec<_> = command
        .get_args()
        .map(|argument| argument.to_string_lossy())
        .collect();
    format!(
        "{} {}",
        command.get_program().to_string_lossy(),
        arguments.join(" ")
    )
}

fn missing(command: &Command) -> String {
    format!("cannot start `{}`", name(command))
}

#[cfg(test)]
mod tests {
    use super::address_in;

    #[test]
    fn the_address_is_found_in_what_the_programs_say() {
        let at = |line| address_in(line).map(|address| address.port());
        assert_eq!(at("http://127.0.0.1:4100"), Some(4100));
        assert_eq!(
            at("INFO thoxd: listening on http://127.0.0.1:8080 (plain)"),
            Some(8080)
        );
        assert_eq!(at("listening on http://127.0.0.1:8080/v1"), Some(8080));
        assert_eq!(at("engine ollama at http://thox.local"), None);
    }
}
