//! The router's process: started on a core of its own, looked at through `/proc`, stopped as a task
//! stops. Must not know what it is sent.

use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use firelane::local::cloudwatch_logs::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

/// Clock ticks of `/proc/<pid>/stat`: `USER_HZ`, 100 on every architecture that matters here.
const TICKS_PER_SECOND: f64 = 100.0;
/// How long the router may take until it listens, and until it has ended after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts to connect.
const CONNECT_PAUSE: Duration = Duration::from_micros(50);

/// A router that listens.
#[derive(Debug)]
pub(crate) struct Router {
    child: Child,
    /// The router itself, where `child` is a command around it.
    pid: u32,
    /// From just before the fork to the first connection that was accepted.
    pub(crate) started_in: Duration,
}

/// CPU time of the process, all threads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuSeconds {
    /// In the program.
    pub(crate) user: f64,
    /// In the kernel on its behalf.
    pub(crate) system: f64,
}

impl Router {
    /// Starts the command on `core` and waits until it accepts connections at `address`.
    ///
    /// # Errors
    ///
    /// It does not start, or does not listen in time.
    pub(crate) fn start(
        mut words: Vec<String>,
        log: &Path,
        core: Option<usize>,
        address: SocketAddr,
    ) -> Result<Self, Box<dyn Error>> {
        let has_prefix = words.len() > 3;
        let mut command = Command::new(words.remove(0));
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(log)?);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID);
        command.env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
        // A process starts on the core of the thread that makes it.
        let spawner = thread::spawn(move || -> io::Result<(Child, Instant)> {
            if let Some(core) = core {
                let thread = fs::read_link("/proc/thread-self")?;
                pin(&thread.file_name().unwrap_or_default().to_string_lossy(), core)?;
            }
            let before = Instant::now();
            Ok((command.spawn()?, before))
        });
        let (child, before) = spawner.join().map_err(|_| "the spawner panicked")??;
        let mut router = Self { pid: child.id(), child, started_in: Duration::ZERO };
        while TcpStream::connect(address).is_err() {
            if let Some(status) = router.child.try_wait()? {
                return Err(format!("the router ended at once: {status}").into());
            }
            if before.elapsed() > PATIENCE {
                return Err("the router does not listen".into());
            }
            thread::sleep(CONNECT_PAUSE);
        }
        router.started_in = before.elapsed();
        if has_prefix {
            router.pid = child_of(router.pid).unwrap_or(router.pid);
        }
        Ok(router)
    }

    /// CPU time so far.
    ///
    /// # Errors
    ///
    /// The process is gone.
    pub(crate) fn cpu(&self) -> Result<CpuSeconds, Box<dyn Error>> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        // The name stands in parentheses and may hold anything; utime and stime are the 14th and
        // 15th field (proc_pid_stat(5)).
        let (_, fields) = stat.rsplit_once(')').ok_or("no name in stat")?;
        let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<f64>);
        let user = ticks.next().ok_or("no utime")?? / TICKS_PER_SECOND;
        let system = ticks.next().ok_or("no stime")?? / TICKS_PER_SECOND;
        Ok(CpuSeconds { user, system })
    }

    /// Resident memory in MB (10^6 bytes): `VmRSS` now, or `VmHWM`, the most there ever was.
    ///
    /// # Errors
    ///
    /// The process is gone.
    pub(crate) fn memory_mb(&self, field: &str) -> Result<f64, Box<dyn Error>> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kib: f64 =
            line.and_then(|line| line.split_whitespace().next()).ok_or(field)?.parse()?;
        Ok(kib * 1_024.0 / 1e6)
    }

    /// Stops it as a task is stopped.
    ///
    /// # Errors
    ///
    /// It does not end in time; it is killed then.
    pub(crate) fn stop(&mut self) -> Result<ExitStatus, Box<dyn Error>> {
        Command::new("kill").args(["-TERM", &self.pid.to_string()]).status()?;
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err("the router did not end".into())
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // Where it has ended already, both fail.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pins a process or a thread to a core. What it starts later stays there too.
///
/// # Errors
///
/// `taskset` (util-linux) is missing or refuses.
pub(crate) fn pin(id: &str, core: usize) -> io::Result<()> {
    let mut command = Command::new("taskset");
    let status = command.args(["-cp", &core.to_string(), id]).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("taskset failed")) }
}

fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
