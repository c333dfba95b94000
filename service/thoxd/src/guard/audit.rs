//! Who asked what, if the owner wants to know: one line of JSON for each request, in `audit.log` of the state folder. No
//! prompt, no reply, no key.

use crate::state::make_folder;
use serde::Serialize;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    net::IpAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// The log; it may be off.
#[derive(Debug)]
pub struct Audit(Option<Open>);

#[derive(Debug)]
struct Open {
    file: PathBuf,
    at: Mutex<At>,
}

/// Where the log stands.
#[derive(Debug)]
enum At {
    /// The file is opened by the next line.
    Closed,
    /// The file and its size.
    Open(File, u64),
    /// Nothing is written any more.
    Ended,
}

/// One request.
#[derive(Clone, Debug, Serialize)]
pub struct Line<'a> {
    /// The route as it is written in the program, never the path as it was sent.
    pub route: &'a str,
    /// The method.
    pub method: &'a str,
    /// The client.
    pub client: IpAddr,
    /// The key's first characters.
    pub key: Option<&'a str>,
    /// The user of this machine, where the bus tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
    /// The reply's status.
    pub status: u16,
    /// The request's id.
    pub request_id: &'a str,
}

#[derive(Serialize)]
struct Dated<'a> {
    /// Unix milliseconds.
    at_ms: u64,
    #[serde(flatten)]
    line: &'a Line<'a>,
}

/// Two files of this size are kept: some hundred thousand requests.
const LARGEST: u64 = 16 << 20;

const FILE: &str = "audit.log";

/// The log's files in a state folder: the newer first.
#[must_use]
pub fn files(state: &Path) -> [PathBuf; 2] {
    let file = state.join(FILE);
    let old = old(&file);
    [file, old]
}

impl Audit {
    /// A log that is kept in a state folder, or none.
    #[must_use]
    pub fn new(is_on: bool, state: &Path) -> Self {
        Self(is_on.then(|| Open {
            file: state.join(FILE),
            at: Mutex::new(At::Closed),
        }))
    }

    /// Whether it is kept.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes a line. One that cannot be written is told to the log, and the request goes on: a full disk is no reason
    /// not to answer.
    pub fn write(&self, line: &Line<'_>) {
        let Some(open) = &self.0 else { return };
        if let Err(error) = open.write(line) {
            tracing::warn!(file = %open.file.display(), %error, "the audit log cannot be written");
        }
    }

    /// Deletes what was written, also when it is off now; gives the number of lines.
    ///
    /// # Errors
    /// The system's reason.
    pub fn clear(&self, state: &Path) -> io::Result<u64> {
        self.delete(state, At::Closed)
    }

    /// The same, and nothing more is written until thoxd is started anew.
    ///
    /// # Errors
    /// The system's reason.
    pub fn end(&self, state: &Path) -> io::Result<u64> {
        self.delete(state, At::Ended)
    }

    fn delete(&self, state: &Path, then: At) -> io::Result<u64> {
        let [file, old] = files(state);
        // Held while the files go, so that no line gets into a file that nobody finds any more.
        let mut at = self
            .0
            .as_ref()
            .map(|open| open.at.lock().unwrap_or_else(PoisonError::into_inner));
        let mut lines = 0;
        for file in [old, file] {
            match File::open(&file) {
                Ok(found) => {
                    lines += BufReader::new(found).split(b'\n').count();
                    fs::remove_file(&file)?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(at) = &mut at {
            **at = then;
        }
        Ok(u64::try_from(lines).unwrap_or(u64::MAX))
    }
}

impl Open {
    fn write(&self, line: &Line<'_>) -> io::Result<()> {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let dated = Dated {
            at_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            line,
        };
        let mut text = serde_json::to_vec(&dated)?;
        text.push(b'\n');
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*at, At::Open(_, LARGEST..)) {
            *at = At::Closed;
            fs::rename(&self.file, old(&self.file))?;
        }
        if let At::Closed = *at {
            *at = self.open()?;
        }
        if let At::Open(file, size) = &mut *at {
            file.write_all(&text)?;
            *size += u64::try_from(text.len()).unwrap_or(u64::MAX);
        }
        Ok(())
    }

    fn open(&self) -> io::Result<At> {
        if let Some(folder) = self.file.parent() {
            make_folder(folder)?;
        }
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.file)?;
        let size = file.metadata()?.len();
        Ok(At::Open(file, size))
    }
}

fn old(file: &Path) -> PathBuf {
    file.with_extension("log.1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::Ipv4Addr, os::unix::fs::PermissionsExt as _};

    const LINE: Line<'_> = Line {
        route: "/v1/models/{*id}",
        method: "GET",
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        key: Some("sk-abcde"),
        user: None,
        status: 200,
        request_id: "1",
    };

    #[test]
    fn lines_are_kept_until_they_are_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.log");
        let audit = Audit::new(true, folder.path());
        audit.write(&LINE);
        audit.write(&LINE);
        let text = fs::read_to_string(&file).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert!(line["at_ms"].as_u64().unwrap() > 1_700_000_000_000);
        assert_eq!(
            (&line["route"], &line["client"], &line["key"]),
            (
                &"/v1/models/{*id}".into(),
                &"127.0.0.1".into(),
                &"sk-abcde".into()
            )
        );
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::write(old(&file), "{}\n").unwrap();
        assert_eq!(audit.clear(folder.path()).unwrap(), 3);
        assert!(!file.exists() && !old(&file).exists());
        audit.write(&LINE);
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1);
        assert_eq!(
            Audit::new(false, folder.path())
                .clear(folder.path())
                .unwrap(),
            1,
            "what was kept before goes too"
        );
        let audit = Audit::new(true, folder.path());
        audit.write(&LINE);
        assert_eq!(audit.end(folder.path()).unwrap(), 1);
        audit.write(&LINE);
        assert!(!file.exists(), "nothing is written after the end");
    }

    #[test]
    fn off_is_off_and_large_is_moved_aside() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.log");
        Audit::new(false, folder.path()).write(&LINE);
        assert!(!file.exists());
        fs::write(&file, vec![b'x'; usize::try_from(LARGEST).unwrap()]).unwrap();
        let audit = Audit::new(true, folder.path());
        audit.write(&LINE);
        audit.write(&LINE);
        assert_eq!(fs::metadata(old(&file)).unwrap().len() / LARGEST, 1);
        assert!(fs::metadata(&file).unwrap().len() < 1000);
    }
}
