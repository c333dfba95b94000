//! Runs the binary, bounded in time and away from the settings and devices of whoever runs the tests.

use nix::{
    pty::openpty,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs::File,
    io::{Read, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// No test needs a tenth of it.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The binary with nothing of this process's environment.
pub(crate) fn thox(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thox"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null());
    command
}

/// A home of the test's own, in which credentials are kept.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The binary at home here; a control socket is looked for here too.
    pub(crate) fn thox(&self, arguments: &[&str]) -> Command {
        let mut command = thox(arguments);
        command
            .env("XDG_CONFIG_HOME", self.0.path())
            .env("XDG_RUNTIME_DIR", self.0.path())
            .env("USER", "ada");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        Running::start(self.thox(arguments)).finish()
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Done {
        with_input(self.thox(arguments), input)
    }

    pub(crate) fn credentials(&self) -> PathBuf {
        self.0.path().join("thox/credentials.toml")
    }

    /// Where the control socket of a person's own thoxd is.
    pub(crate) fn control_socket(&self) -> PathBuf {
        let folder = self.0.path().join("thox");
        std::fs::create_dir_all(&folder).unwrap();
        folder.join("control.sock")
    }

    /// What is stored, as text; nothing where nothing is.
    pub(crate) fn stored(&self) -> String {
        std::fs::read_to_string(self.credentials()).unwrap_or_default()
    }
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Done {
    Running::start(thox(arguments)).finish()
}

/// Runs it with `input` piped in.
pub(crate) fn run_with_input(arguments: &[&str], input: &str) -> Done {
    with_input(thox(arguments), input)
}

fn with_input(mut command: Command, input: &str) -> Done {
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    running
        .child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    running.finish()
}

/// A run that is not over.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) stdout: Gathered,
    stderr: Gathered,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = Gathered::from(child.stdout.take().unwrap());
        let stderr = Gathered::from(child.stderr.take().unwrap());
        Self {
            child,
            stdout,
            stderr,
        }
    }

    pub(crate) fn interrupt(&self) {
        interrupt(&self.child);
    }

    pub(crate) fn finish(mut self) -> Done {
        let code = wait(&mut self.child);
        Done {
            code,
            stdout: self.stdout.all(),
            stderr: self.stderr.all(),
        }
    }
}

/// What Ctrl-C does.
pub(crate) fn interrupt(child: &Child) {
    kill(
        Pid::from_raw(i32::try_from(child.id()).unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
}

/// Waits for the end, but not for ever.
pub(crate) fn wait(child: &mut Child) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("still running after {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// What comes out of a pipe or a terminal, while it comes.
pub(crate) struct Gathered {
    text: Arc<Mutex<Vec<u8>>>,
    reader: thread::JoinHandle<()>,
}

impl Gathered {
    pub(crate) fn from(mut source: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let shared = text.clone();
        let reader = thread::spawn(move || {
            let mut block = [0; 4096];
            // A terminal whose other side is closed gives an error instead of the end.
            while let Ok(length @ 1..) = source.read(&mut block) {
                shared.lock().unwrap().extend_from_slice(&block[..length]);
            }
        });
        Self { text, reader }
    }

    pub(crate) fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    /// Waits until `wanted` was seen `times` times.
    pub(crate) fn until(&self, wanted: &str, times: usize) {
        let start = Instant::now();
        while self.so_far().matches(wanted).count() < times {
            assert!(
                start.elapsed() < PATIENCE,
                "no {wanted:?} in {:?}",
                self.so_far()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn all(self) -> String {
        self.reader.join().unwrap();
        let text = self.text.lock().unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// The command as a person has it: the process, what is on the screen, the keyboard.
pub(crate) fn in_terminal(mut command: Command) -> (Child, Gathered, File) {
    let terminal = openpty(None, None).unwrap();
    let side = || Stdio::from(terminal.slave.try_clone().unwrap());
    let child = command
        .stdin(side())
        .stdout(side())
        .stderr(side())
        .spawn()
        .unwrap();
    let screen = Gathered::from(File::from(terminal.master.try_clone().unwrap()));
    (child, screen, File::from(terminal.master))
}
