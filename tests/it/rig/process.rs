//! The real binary, and what it writes.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use firelane::local::cloudwatch_logs;

use super::wait_for;

/// A process that is running. Ends with the test.
pub struct Process {
    child: Child,
    said: Arc<Mutex<String>>,
    listening: Option<JoinHandle<()>>,
}

/// The binary with nothing of the tests' environment but the keys that the endpoint knows.
pub fn firelane<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firelane"));
    command.env_clear().args(arguments).stdin(Stdio::null());
    command.env("AWS_ACCESS_KEY_ID", cloudwatch_logs::ACCESS_KEY_ID);
    command.env("AWS_SECRET_ACCESS_KEY", cloudwatch_logs::SECRET_ACCESS_KEY);
    command
}

/// Runs it to its end: exit status, standard output, standard error.
pub fn outcome<A: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = A>,
) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = firelane(arguments).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

impl Process {
    pub fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Self::spawn(&mut firelane(arguments))
    }

    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it runs");
        let said = Arc::new(Mutex::new(String::new()));
        let (stderr, all) = (child.stderr.take().expect("piped"), Arc::clone(&said));
        let listening = std::thread::spawn(move || hear(stderr, &all));
        Self { child, said, listening: Some(listening) }
    }

    /// All of standard error up to now.
    pub fn said(&self) -> String {
        self.said.lock().expect("a listener that does not panic").clone()
    }

    pub async fn says(&self, text: &str) {
        wait_for(&format!("{text:?} in the log"), || self.said().contains(text)).await;
    }

    /// The address an input listens on.
    pub async fn address(&self, input: &str) -> String {
        let start = format!("{input}: listening on ");
        self.says(&start).await;
        let said = self.said();
        let rest = said.split(&start).nth(1).and_then(|rest| rest.lines().next());
        rest.expect("an address").to_owned()
    }

    /// Sends a signal by its short name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.expect("kill").success());
    }

    /// Whether it would catch SIGTERM.
    pub fn catches_sigterm(&self) -> bool {
        const SIGTERM_BIT: u64 = 1 << 14;
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let caught = status.unwrap_or_default();
        let caught = caught.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        caught.is_some_and(|mask| mask & SIGTERM_BIT != 0)
    }

    /// Its exit status, if it has ended.
    pub fn status(&mut self) -> Option<Option<i32>> {
        self.child.try_wait().expect("a child").map(|status| status.code())
    }

    /// Waits for its end: exit status and standard error.
    pub async fn end(mut self) -> (Option<i32>, String) {
        let mut status = None;
        wait_for("the end of the process", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        })
        .await;
        self.listening.take().map(JoinHandle::join);
        (status.and_then(|status| status.code()), self.said())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hear(stderr: impl Read, all: &Mutex<String>) {
    for line in BufReader::new(stderr).lines() {
        let line = line.expect("text");
        let mut all = all.lock().expect("a test that does not panic here");
        all.push_str(&line);
        all.push('\n');
    }
}
