//! Around the way, handshake: the end that listens.
//!
//! One [`Server`] a connection: [`Server::helo`] is sent at once, then what comes is shown to
//! [`Server::read`] until it has an answer. Not known here: how long a peer may take.

use std::fmt;
use std::sync::Arc;

use super::NONCE_BYTES;
use super::digest::{hex_digest, is_same};
use crate::record::msgpack::{ReadError, Reader, SkipError, Skipper, Token, Writer};

/// Most bytes of a PING, inclusive: names and passwords' digests take some hundred.
pub const PING_BYTES_MAX: usize = 8 * 1_024;
/// Elements of a PING.
const PING_ELEMENTS: u32 = 6;

/// What peers have to know.
#[derive(Clone, Eq, PartialEq)]
pub struct Settings {
    /// The key of both ends; may be empty.
    pub shared_key: String,
    /// The name to tell peers.
    pub hostname: String,
    /// Who may send; none: nobody is asked for a name.
    pub users: Vec<User>,
}

/// A user and the password.
#[derive(Clone, Eq, PartialEq)]
pub struct User {
    /// The name, without spaces.
    pub name: String,
    /// The password.
    pub password: String,
}

/// Why a peer may not send. The texts are Fluentd's, which clients may look for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// What came is no PING.
    #[error("invalid ping message")]
    Ping,
    /// The peer has another key.
    #[error("shared_key mismatch")]
    SharedKey,
    /// No such user, or another password.
    #[error("username/password mismatch")]
    User,
}

/// What is to be done after a look at what came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// Read more.
    More,
    /// Send the PONG; frames follow.
    Welcome {
        /// The bytes of the PING, at the start of what came. What is behind them are frames.
        taken: usize,
        /// What to send, in one write.
        pong: Vec<u8>,
    },
    /// Send the PONG and close.
    Refused {
        /// Why.
        refusal: Refusal,
        /// What to send, in one write.
        pong: Vec<u8>,
    },
}

/// The handshake of one connection.
#[derive(Debug)]
pub struct Server {
    settings: Arc<Settings>,
    nonce: [u8; NONCE_BYTES],
    auth: [u8; NONCE_BYTES],
    /// The walk over the PING, which may come in pieces.
    walk: Skipper,
}

/// What a PING says.
struct Ping<'a> {
    hostname: &'a [u8],
    salt: &'a [u8],
    key_digest: &'a [u8],
    user: &'a [u8],
    password_digest: &'a [u8],
}

impl Server {
    /// A handshake with a nonce and a salt for passwords, fresh and not to be guessed.
    #[must_use]
    pub const fn new(
        settings: Arc<Settings>,
        nonce: [u8; NONCE_BYTES],
        auth: [u8; NONCE_BYTES],
    ) -> Self {
        Self { settings, nonce, auth, walk: Skipper::new(0, 1) }
    }

    /// What to send first, in one write.
    #[must_use]
    pub fn helo(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = Writer::new(&mut bytes);
        out.array_header(2);
        out.str(b"HELO");
        out.map_header(3);
        out.str(b"nonce");
        out.bin(&self.nonce);
        out.str(b"auth");
        out.bin(&self.auth);
        out.str(b"keepalive");
        out.bool(true);
        bytes
    }

    /// Looks at all that came so far. Between two calls the bytes may only grow.
    #[must_use]
    pub fn read(&mut self, bytes: &[u8]) -> Answer {
        // An array of another length is refused before its end, which may never come.
        match Reader::new(bytes).array_header() {
            Ok(PING_ELEMENTS) => {}
            Err(ReadError::NeedMore) => return Answer::More,
            Ok(_) | Err(ReadError::Malformed | ReadError::Unexpected { .. }) => {
                return refused(Refusal::Ping);
            }
        }
        let taken = match self.walk.advance(bytes) {
            Ok(taken) if taken <= PING_BYTES_MAX => taken,
            Err(SkipError::NeedMore { needed }) if needed <= PING_BYTES_MAX => return Answer::More,
            Ok(_) | Err(SkipError::NeedMore { .. } | SkipError::Illegal { .. }) => {
                return refused(Refusal::Ping);
            }
        };
        let ping = bytes.get(..taken).and_then(Ping::read).ok_or(Refusal::Ping);
        match ping.and_then(|ping| self.check(&ping).map(|()| ping)) {
            Ok(ping) => Answer::Welcome { taken, pong: self.pong(&ping) },
            Err(refusal) => refused(refusal),
        }
    }

    fn check(&self, ping: &Ping<'_>) -> Result<(), Refusal> {
        let Settings { shared_key, users, .. } = &*self.settings;
        let expected = hex_digest(&[ping.salt, ping.hostname, &self.nonce, shared_key.as_bytes()]);
        if !is_same(expected.as_bytes(), ping.key_digest) {
            return Err(Refusal::SharedKey);
        }
        // All users are tried, so that the time does not tell which of them there are.
        let is_user = |user: &User| {
            let expected = hex_digest(&[&self.auth, ping.user, user.password.as_bytes()]);
            is_same(expected.as_bytes(), ping.password_digest) && user.name.as_bytes() == ping.user
        };
        match users.is_empty() || users.iter().filter(|user| is_user(user)).count() > 0 {
            true => Ok(()),
            false => Err(Refusal::User),
        }
    }

    fn pong(&self, ping: &Ping<'_>) -> Vec<u8> {
        let Settings { shared_key, hostname, .. } = &*self.settings;
        let hostname = hostname.as_bytes();
        let proof = hex_digest(&[ping.salt, hostname, &self.nonce, shared_key.as_bytes()]);
        pong(true, "", hostname, &proof)
    }
}

impl<'a> Ping<'a> {
    /// Reads an array that is whole.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        reader.array_header().ok().filter(|elements| *elements == PING_ELEMENTS)?;
        if reader.text().ok()? != b"PING" {
            return None;
        }
        Some(Self {
            hostname: reader.text().ok()?,
            salt: reader.text().ok()?,
            key_digest: reader.text().ok()?,
            user: text_or_nil(&mut reader)?,
            password_digest: text_or_nil(&mut reader)?,
        })
    }
}

/// A text; nil, which clients without a user send, is an empty one.
fn text_or_nil<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    if let Ok(Token::Nil) = reader.clone().token() {
        return reader.token().ok().map(|_nil| &[][..]);
    }
    reader.text().ok()
}

fn refused(refusal: Refusal) -> Answer {
    Answer::Refused { refusal, pong: pong(false, &refusal.to_string(), b"", "") }
}

fn pong(is_welcome: bool, reason: &str, hostname: &[u8], proof: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = Writer::new(&mut bytes);
    out.array_header(5);
    out.str(b"PONG");
    out.bool(is_welcome);
    out.str(reason.as_bytes());
    out.str(hostname);
    out.str(proof.as_bytes());
    bytes
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("hostname", &self.hostname)
            .field("users", &self.users)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("User").field(&self.name).finish_non_exhaustive()
    }
}
