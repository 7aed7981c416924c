//! A command that runs: its shell, its output, and the group of all its processes.
//!
//! Must not know what its output means.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};

use bytes::{BufMut as _, BytesMut};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

/// Who reads the command.
const SHELL: &str = "/bin/sh";
/// Exit status of a shell that died of a signal, without the signal's number.
const STATUS_SIGNAL: i32 = 128;

/// A run of a command. What is left of it is killed when it is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    output: Receiver,
    /// The group, while its number can be nobody else's: until the shell was waited for.
    group: Option<Pid>,
}

impl Process {
    /// Starts the command in a process group of its own. It reads nothing, and its errors go where
    /// ours go.
    pub(super) fn start(command: &str) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let output = Receiver::from_owned_fd(reader.into())?;
        let mut shell = Command::new(SHELL);
        shell.arg("-c").arg(command).stdin(Stdio::null()).stdout(writer).process_group(0);
        // Our end for writing goes with `shell`: else the output would never end.
        let child = shell.spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Ok(Self { child, output, group: id.and_then(Pid::from_raw) })
    }

    /// Waits until there is output, or its end.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.output.readable().await
    }

    /// Reads what is there, at most `bytes_max`, to the end of the buffer. `0`: nobody is left who
    /// could write.
    pub(super) fn try_read(&self, buffer: &mut BytesMut, bytes_max: usize) -> io::Result<usize> {
        self.output.try_read_buf(&mut buffer.limit(bytes_max))
    }

    /// Waits until the shell has ended; its exit status as another shell would give it.
    pub(super) async fn wait(&mut self) -> io::Result<u8> {
        let status = self.child.wait().await;
        self.group = None;
        status.map(exit_status)
    }

    /// Asks all processes of the group to end.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends all processes of the group.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // There is nothing to do about one that has gone, or that has become another user's.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn exit_status(status: ExitStatus) -> u8 {
    let signal = status.signal().map(|signal| STATUS_SIGNAL + signal);
    let status = status.code().or(signal).unwrap_or(STATUS_SIGNAL);
    u8::try_from(status).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_128_and_its_number() {
        assert_eq!(exit_status(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(exit_status(ExitStatus::from_raw(9)), 137);
    }
}
