//! Step 1, input: a TLS session over TCP, read as a socket is: what is there and no more.
//!
//! The session is driven by hand, so that memory is taken before bytes are read and decrypted, and
//! so that nothing that is decrypted waits for the socket to say something. Must not know a protocol.

use std::io::{self, BufRead as _, IoSlice, Read, Write};

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio_rustls::rustls::ServerConnection;
use tokio_rustls::server::TlsStream;

/// Most times that one read asks the socket: records may be empty, and others want a turn. Each time
/// gives about 4 KiB, so that a usual read is done with half of them.
const RECEIVES_MAX: usize = 32;

/// A connection whose handshake is done.
#[derive(Debug)]
pub struct TlsSocket {
    stream: TlsStream<TcpStream>,
    /// Bytes that are decrypted and were not read. The session keeps at most a record or two: it
    /// gets more only when there are none.
    decrypted: usize,
    /// Set once nothing more comes; what is decrypted is read before it is told.
    end: Option<End>,
}

#[derive(Debug)]
enum End {
    /// The peer has said so, or closed the connection without a word, as many do.
    Closed,
    Failed(io::Error),
}

impl TlsSocket {
    /// Takes over from the handshake, which may have decrypted more than itself.
    ///
    /// # Errors
    ///
    /// What came behind the handshake is no TLS.
    pub fn new(stream: TlsStream<TcpStream>) -> io::Result<Self> {
        let mut socket = Self { stream, decrypted: 0, end: None };
        socket.decrypt()?;
        Ok(socket)
    }

    /// The session as a stream, for a protocol that reads by itself.
    #[must_use]
    pub fn into_stream(self) -> TlsStream<TcpStream> {
        self.stream
    }

    /// Waits until there is something to read, or nothing more will come.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub async fn readable(&self) -> io::Result<()> {
        if self.decrypted > 0 || self.end.is_some() {
            return Ok(());
        }
        self.stream.get_ref().0.readable().await
    }

    /// Reads what is there, at most `bytes_max`, to the end of the buffer. `0`: the peer has closed.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] where nothing is there, [`io::ErrorKind::InvalidData`] for what
    /// is no TLS, else the operating system's error.
    pub fn try_read(&mut self, buffer: &mut BytesMut, bytes_max: usize) -> io::Result<usize> {
        let (mut read, mut receives) = (self.take(buffer, bytes_max)?, 0);
        while read < bytes_max && self.end.is_none() {
            if receives == RECEIVES_MAX {
                // The socket is still known to be readable: it is asked again at once.
                return if read > 0 { Ok(read) } else { Err(io::ErrorKind::WouldBlock.into()) };
            }
            receives += 1;
            match self.receive() {
                Ok(()) => read += self.take(buffer, bytes_max - read)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return if read > 0 { Ok(read) } else { Err(error) };
                }
                Err(error) => self.end = Some(End::Failed(error)),
            }
        }
        if read > 0 {
            return Ok(read);
        }
        match self.end.replace(End::Closed) {
            Some(End::Failed(error)) => Err(error),
            Some(End::Closed) | None => Ok(0),
        }
    }

    /// Writes all of it, and nothing else in the same record.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.flush().await?;
            let written = self.stream.get_mut().1.writer().write(rest)?;
            rest = rest.get(written..).unwrap_or_default();
        }
        self.flush().await
    }

    /// Tells the peer that nothing more comes, if it can be told at once.
    pub fn close(&mut self) {
        self.stream.get_mut().1.send_close_notify();
        self.try_flush();
    }

    /// Moves decrypted bytes.
    fn take(&mut self, buffer: &mut BytesMut, bytes_max: usize) -> io::Result<usize> {
        let mut reader = self.stream.get_mut().1.reader();
        let mut taken = 0;
        while self.decrypted > 0 && taken < bytes_max {
            let there = reader.fill_buf()?;
            let part = there.get(..there.len().min(bytes_max - taken)).unwrap_or(there);
            buffer.extend_from_slice(part);
            let bytes = part.len();
            reader.consume(bytes);
            taken += bytes;
            self.decrypted = if bytes == 0 { 0 } else { self.decrypted.saturating_sub(bytes) };
        }
        Ok(taken)
    }

    /// Gets what the socket has, up to a record, and decrypts it.
    fn receive(&mut self) -> io::Result<()> {
        // Something may be left of an answer of the session itself, such as to a change of keys.
        self.try_flush();
        let (socket, session) = self.stream.get_mut();
        if session.read_tls(&mut Now(socket))? == 0 {
            self.end = Some(End::Closed);
            return Ok(());
        }
        self.decrypt()
    }

    fn decrypt(&mut self) -> io::Result<()> {
        match self.stream.get_mut().1.process_new_packets() {
            Ok(state) => {
                self.decrypted = state.plaintext_bytes_to_read();
                if state.peer_has_closed() {
                    self.end = Some(End::Closed);
                }
                Ok(())
            }
            Err(error) => {
                // The peer is told why, if it can be told at once.
                self.try_flush();
                Err(io::Error::new(io::ErrorKind::InvalidData, error))
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let (socket, session) = self.stream.get_mut();
        while session.wants_write() {
            socket.writable().await?;
            match session.write_tls(&mut Now(socket)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn try_flush(&mut self) {
        let (socket, session): (_, &mut ServerConnection) = self.stream.get_mut();
        while session.wants_write() && matches!(session.write_tls(&mut Now(socket)), Ok(1..)) {}
    }
}

/// Reads and writes what can be without waiting.
struct Now<'a>(&'a TcpStream);

impl Read for Now<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Now<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
