//! Around the path, console: the standard output of the process, written by a thread of its own.
//!
//! Whoever reads it may be slow, or gone: a text that nobody can wait for is offered, one that must
//! arrive is waited for. Knows nothing of what is printed.

use std::io::{self, ErrorKind, Write};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

/// Texts that may wait to be written, each of one chunk or of one flush: enough for a reader that
/// pauses for a moment.
pub const TEXTS_MAX: usize = 16;
/// How long to wait before writing again to an output that takes nothing and says so at once, as a
/// terminal does that somebody has set not to block.
const PAUSE: Duration = Duration::from_millis(10);

/// The way to standard output. Cheap to clone; the thread ends with the last clone.
#[derive(Clone, Debug)]
pub struct Console {
    texts: mpsc::Sender<Text>,
}

/// Tells when the thread has written everything and ended.
#[derive(Debug)]
pub struct Ended(oneshot::Receiver<()>);

/// A text on its way.
#[derive(Debug)]
struct Text {
    bytes: Vec<u8>,
    /// Where somebody waits for it.
    written: Option<oneshot::Sender<Result<(), Closed>>>,
}

/// Standard output takes nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("standard output takes nothing")]
pub struct Closed;

impl Console {
    /// Starts the thread, which writes to `out`.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<(Self, Ended)> {
        let (sender, receiver) = mpsc::channel(TEXTS_MAX);
        let (end, ended) = oneshot::channel();
        let thread = thread::Builder::new().name("firelane-print".to_owned());
        thread.spawn(move || {
            print(receiver, out);
            // Nobody has to wait for it.
            let _ = end.send(());
        })?;
        Ok((Self { texts: sender }, Ended(ended)))
    }

    /// Writes a text and waits until that is done.
    ///
    /// # Errors
    ///
    /// [`Closed`]: it was not written, or not all of it.
    pub async fn write(&self, bytes: Vec<u8>) -> Result<(), Closed> {
        let (written, answer) = oneshot::channel();
        let text = Text { bytes, written: Some(written) };
        self.texts.send(text).await.map_err(|_| Closed)?;
        answer.await.unwrap_or(Err(Closed))
    }

    /// Has a text written, unless too many wait already. Says whether it is on its way.
    #[must_use]
    pub fn offer(&self, bytes: Vec<u8>) -> bool {
        self.texts.try_send(Text { bytes, written: None }).is_ok()
    }
}

impl Ended {
    /// Waits for the end.
    pub async fn wait(self) {
        // A thread that panicked has ended too.
        let _ = self.0.await;
    }
}

fn print(mut texts: mpsc::Receiver<Text>, mut out: impl Write) {
    let mut is_told = false;
    while let Some(Text { bytes, written }) = texts.blocking_recv() {
        let outcome = write_all(&mut out, &bytes);
        match &outcome {
            Ok(()) => is_told = false,
            Err(error) if !std::mem::replace(&mut is_told, true) => {
                tracing::warn!("cannot write to standard output, records are not printed: {error}");
            }
            Err(_) => {}
        }
        if let Some(written) = written {
            // Whoever waited may be gone.
            let _ = written.send(outcome.map_err(|_| Closed));
        }
    }
}

fn write_all(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::park_timeout(PAUSE),
            Err(error) => return Err(error),
        }
    }
    loop {
        match out.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::park_timeout(PAUSE),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            flushed => return flushed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::PipeReader;

    use super::*;

    /// A pipe whose writing end the thread has.
    fn piped() -> (PipeReader, Console, Ended) {
        let (reader, writer) = io::pipe().expect("a pipe");
        let (console, ended) = Console::start(writer).expect("a thread");
        (reader, console, ended)
    }

    #[tokio::test]
    async fn texts_are_written_whole_and_in_order() {
        let (reader, console, ended) = piped();
        assert!(console.offer(b"one\n".to_vec()));
        assert_eq!(console.write(b"two\n".to_vec()).await, Ok(()));
        drop(console);
        ended.wait().await;
        assert_eq!(io::read_to_string(reader).expect("text"), "one\ntwo\n");
    }

    #[tokio::test]
    async fn a_closed_output_takes_nothing_and_says_so_every_time() {
        let (reader, console, ended) = piped();
        drop(reader);
        for _ in 0..2 {
            assert_eq!(console.write(b"x".to_vec()).await, Err(Closed));
        }
        drop(console);
        ended.wait().await;
    }

    #[tokio::test]
    async fn a_full_output_makes_writers_wait_and_turns_offers_away() {
        let (reader, console, ended) = piped();
        // More than a pipe holds.
        let bytes = 1 << 20;
        let writer = console.clone();
        let waiting = tokio::spawn(async move { writer.write(vec![b'x'; bytes]).await });
        tokio::task::yield_now().await;
        let taken = (0..TEXTS_MAX + 2).filter(|_| console.offer(b"y".to_vec())).count();
        assert!((TEXTS_MAX - 1..=TEXTS_MAX).contains(&taken), "{taken}");
        assert!(!waiting.is_finished());
        let read = thread::spawn(move || io::read_to_string(reader).expect("text").len());
        assert_eq!(waiting.await.expect("no panic"), Ok(()));
        drop(console);
        ended.wait().await;
        assert_eq!(read.join().expect("no panic"), bytes + taken);
    }

    #[test]
    fn an_output_that_would_block_is_written_to_again() {
        /// Takes a byte every other time.
        struct Reluctant(Vec<u8>, bool);
        impl Write for Reluctant {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 = !self.1;
                let Some((first, _)) = bytes.split_first().filter(|_| !self.1) else {
                    return Err(ErrorKind::WouldBlock.into());
                };
                self.0.push(*first);
                Ok(1)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut out = Reluctant(Vec::new(), false);
        write_all(&mut out, b"abc").expect("written in the end");
        assert_eq!(out.0, b"abc");
    }
}
