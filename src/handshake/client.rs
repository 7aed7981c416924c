//! Around the way, handshake: the client's half of secure forward, HELO → PING → PONG.
//!
//! Pure: bytes and a salt are arguments. Both sides prove that they hold the shared key, and the
//! client its password, without showing either. Not known here: the connection, and what is sent
//! on it afterwards. Reference: Forward protocol v1.5, "Handshake".

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;

use super::digest::{hex_digest, is_same};
use crate::record::msgpack::{ReadError, Reader, SkipError, Skipper, Token, Writer};

/// Most bytes of one message of the server, inclusive: known servers send less than 300, and Fluent
/// Bit's client takes 1,023.
pub const MESSAGE_BYTES_MAX: usize = 4_096;
/// Bytes of chance in a salt, which is sent as twice as many characters: fluentd does it so, and
/// servers that want UTF-8 can read it.
pub const SALT_BYTES: usize = 16;
/// Most characters that are shown of a server's reason.
const REASON_CHARS_MAX: usize = 200;

/// Who a client is to its server.
#[derive(Clone, Eq, PartialEq)]
pub struct Identity {
    /// The name it gives itself.
    pub self_hostname: String,
    /// The key that both sides hold; may be empty.
    pub shared_key: String,
    /// The user, or nothing.
    pub username: String,
    /// The user's password.
    pub password: String,
}

/// Without what is secret.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { self_hostname, username, .. } = self;
        write!(f, "Identity {{ self_hostname: {self_hostname:?}, username: {username:?}, .. }}")
    }
}

/// The client's side of one handshake.
#[derive(Debug)]
pub struct Client {
    identity: Arc<Identity>,
    salt: String,
    state: State,
}

#[derive(Debug)]
enum State {
    Helo,
    Pong {
        nonce: Vec<u8>,
        /// What we have sent.
        digest: String,
        keepalive: bool,
    },
}

/// What to do next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// More bytes of the server are needed.
    Read,
    /// These bytes are to be sent, in one write: some servers read a message at once or not at all.
    Send(Vec<u8>),
    /// Both sides know each other.
    Done {
        /// Whether the server takes more than one request on this connection.
        keepalive: bool,
    },
}

/// Why there is no handshake.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HandshakeError {
    /// A message that does not end.
    #[error("expected {expected} of at most {MESSAGE_BYTES_MAX} bytes, found more")]
    TooLong {
        /// The message.
        expected: &'static str,
    },
    /// Bytes that are not the message.
    #[error("expected {expected}, found something else; is the server one of secure forward?")]
    Unexpected {
        /// The message.
        expected: &'static str,
    },
    /// The server does not take us.
    #[error(
        "the server refuses the handshake: {reason}; compare shared_key, username and password of both sides"
    )]
    Refused {
        /// What it says.
        reason: String,
    },
    /// The server has only sent our own digest back, which anybody can.
    #[error(
        "the server '{server}' sends our own digest back, which does not show that it holds \
         shared_key; if it is to be trusted, give both sides different values of self_hostname"
    )]
    Reflected {
        /// The name it gives itself.
        server: String,
    },
    /// The server does not hold the key.
    #[error("the server '{server}' does not hold the same shared_key")]
    Stranger {
        /// The name it gives itself.
        server: String,
    },
}

impl Client {
    /// The handshake of a new connection. The salt must be chance, and new each time.
    #[must_use]
    pub fn new(identity: Arc<Identity>, salt: [u8; SALT_BYTES]) -> Self {
        let salt = salt.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { identity, salt, state: State::Helo }
    }

    /// Goes on with what the server has sent up to now, and takes out of the buffer what was used.
    ///
    /// # Errors
    ///
    /// The connection must be closed.
    pub fn advance(&mut self, buffer: &mut BytesMut) -> Result<Step, HandshakeError> {
        let expected = match &self.state {
            State::Helo => "HELO",
            State::Pong { .. } => "PONG",
        };
        let end = match Skipper::new(0, 1).advance(buffer) {
            Ok(end) if end <= MESSAGE_BYTES_MAX => end,
            Ok(_) => return Err(HandshakeError::TooLong { expected }),
            Err(SkipError::NeedMore { .. }) if buffer.len() < MESSAGE_BYTES_MAX => {
                return Ok(Step::Read);
            }
            Err(SkipError::NeedMore { .. }) => return Err(HandshakeError::TooLong { expected }),
            Err(SkipError::Illegal { .. }) => return Err(HandshakeError::Unexpected { expected }),
        };
        let message = buffer.split_to(end);
        let unexpected = |_| HandshakeError::Unexpected { expected };
        match &self.state {
            State::Helo => {
                let helo = Helo::read(&message).map_err(unexpected)?;
                let name = self.identity.self_hostname.as_bytes();
                let digest = self.digest(name, helo.nonce);
                let ping = self.ping(&helo, &digest);
                let (nonce, keepalive) = (helo.nonce.to_vec(), helo.keepalive);
                self.state = State::Pong { nonce, digest, keepalive };
                Ok(Step::Send(ping))
            }
            State::Pong { nonce, digest, keepalive } => {
                let pong = Pong::read(&message).map_err(unexpected)?;
                self.check(&pong, nonce, digest)?;
                Ok(Step::Done { keepalive: *keepalive })
            }
        }
    }

    /// What shows that whoever has this name holds the key.
    fn digest(&self, name: &[u8], nonce: &[u8]) -> String {
        let key = self.identity.shared_key.as_bytes();
        hex_digest(&[self.salt.as_bytes(), name, nonce, key])
    }

    fn ping(&self, helo: &Helo<'_>, key: &str) -> Vec<u8> {
        let Identity { self_hostname, shared_key: _, username, password } = &*self.identity;
        let (salt, name) = (self.salt.as_bytes(), self_hostname.as_bytes());
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.array_header(6);
        [b"PING", name, salt, key.as_bytes()].iter().for_each(|text| writer.str(text));
        if helo.auth.is_empty() {
            // A digest without a salt would show the password to whoever has seen it elsewhere.
            [b"", b""].iter().for_each(|text| writer.str(*text));
        } else {
            let secret = hex_digest(&[helo.auth, username.as_bytes(), password.as_bytes()]);
            [username, &secret].iter().for_each(|text| writer.str(text.as_bytes()));
        }
        out
    }

    fn check(&self, pong: &Pong<'_>, nonce: &[u8], own: &str) -> Result<(), HandshakeError> {
        if !pong.is_accepted {
            let reason = shown(pong.reason);
            return Err(HandshakeError::Refused { reason });
        }
        // Names and nonces of some lengths run into each other, so the digest alone decides.
        if is_same(own.as_bytes(), pong.digest) {
            return Err(HandshakeError::Reflected { server: shown(pong.server) });
        }
        let expected = self.digest(pong.server, nonce);
        if !is_same(expected.as_bytes(), pong.digest) {
            return Err(HandshakeError::Stranger { server: shown(pong.server) });
        }
        Ok(())
    }
}

fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars().take(REASON_CHARS_MAX).flat_map(char::escape_debug).collect()
}

/// `["HELO", {"nonce", "auth", "keepalive"}]`
struct Helo<'a> {
    nonce: &'a [u8],
    auth: &'a [u8],
    keepalive: bool,
}

impl<'a> Helo<'a> {
    fn read(message: &'a [u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(message);
        begin(&mut reader, 2, b"HELO")?;
        let (mut nonce, mut auth, mut keepalive) = (None, None, true);
        for _ in 0..reader.map_header()? {
            let (key, value) = (reader.skip_value()?, reader.skip_value()?);
            let mut value = Reader::new(value);
            match Reader::new(key).text().unwrap_or_default() {
                b"nonce" => nonce = value.text().ok(),
                b"auth" => auth = value.text().ok(),
                b"keepalive" => keepalive = value.token()? != Token::Bool(false),
                _ => {}
            }
        }
        let nonce = nonce.ok_or(ReadError::Malformed)?;
        Ok(Self { nonce, auth: auth.unwrap_or_default(), keepalive })
    }
}

/// `["PONG", whether, reason, server_hostname, shared_key_hexdigest]`
struct Pong<'a> {
    is_accepted: bool,
    reason: &'a [u8],
    server: &'a [u8],
    digest: &'a [u8],
}

impl<'a> Pong<'a> {
    fn read(message: &'a [u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(message);
        begin(&mut reader, 5, b"PONG")?;
        let Token::Bool(is_accepted) = reader.token()? else { return Err(ReadError::Malformed) };
        let reason = reader.text()?;
        if !is_accepted {
            return Ok(Self { is_accepted, reason, server: &[], digest: &[] });
        }
        Ok(Self { is_accepted, reason, server: reader.text()?, digest: reader.text()? })
    }
}

/// Reads the header of an array of at least so many values, and its first, which is its name.
fn begin(reader: &mut Reader<'_>, values: u32, name: &[u8]) -> Result<(), ReadError> {
    if reader.array_header()? < values || reader.text()? != name {
        return Err(ReadError::Malformed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; SALT_BYTES] = [0xab; SALT_BYTES];
    const NONCE: &[u8] = b"\x00\xffnonce-of-16-byt";

    fn client() -> Client {
        let text = |text: &str| text.to_owned();
        let identity = Identity {
            self_hostname: text("me"),
            shared_key: text("key"),
            username: text("user"),
            password: text("pass"),
        };
        Client::new(Arc::new(identity), SALT)
    }

    fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut Writer::new(&mut out));
        out
    }

    fn helo(auth: &[u8], keepalive: bool) -> Vec<u8> {
        written(|w| {
            w.array_header(2);
            w.str(b"HELO");
            w.map_header(3);
            w.str(b"nonce");
            w.bin(NONCE);
            w.str(b"auth");
            w.str(auth);
            w.str(b"keepalive");
            w.bool(keepalive);
        })
    }

    fn pong(is_accepted: bool, reason: &str, server: &str, digest: &str) -> Vec<u8> {
        written(|w| {
            w.array_header(5);
            w.str(b"PONG");
            w.bool(is_accepted);
            [reason, server, digest].iter().for_each(|text| w.str(text.as_bytes()));
        })
    }

    /// The PONG of a server that holds this key.
    fn pong_of(key: &str) -> Vec<u8> {
        let salt = "ab".repeat(SALT_BYTES);
        let digest = hex_digest(&[salt.as_bytes(), b"them", NONCE, key.as_bytes()]);
        pong(true, "", "them", &digest)
    }

    /// What a client that has sent its PING says to these bytes.
    fn answered(pong: &[u8]) -> Result<Step, HandshakeError> {
        let mut client = client();
        let mut buffer = BytesMut::from(&helo(b"auth", true)[..]);
        assert!(matches!(client.advance(&mut buffer), Ok(Step::Send(_))));
        client.advance(&mut BytesMut::from(pong))
    }

    #[test]
    fn the_ping_has_name_salt_and_the_digests_of_key_and_password() {
        let mut buffer = BytesMut::from(&helo(b"auth", true)[..]);
        let Ok(Step::Send(ping)) = client().advance(&mut buffer) else { panic!("a PING") };
        let mut reader = Reader::new(&ping);
        assert_eq!(reader.array_header(), Ok(6));
        let salt = "ab".repeat(SALT_BYTES);
        let key = hex_digest(&[salt.as_bytes(), b"me", NONCE, b"key"]);
        let password = hex_digest(&[b"auth", b"user", b"pass"]);
        for expected in ["PING", "me", &salt, &key, "user", &password] {
            assert_eq!(reader.token(), Ok(Token::Str(expected.as_bytes())));
        }
        assert_eq!(reader.rest(), b"");
    }

    /// What fluentd's client says to Fluent Bit 5.1.1, and that to it.
    #[test]
    fn ping_and_pong_are_those_of_a_recorded_handshake() {
        const KEY: &str = "b4cb2621c02f69fea2e9ed01105036d4b0252696b054da0192d243fcefeccc4a\
                           065f693b5576cbcb9acba152dae0747bb13ed2cf717092ea6b9aebbc80f7e845";
        const USER: &str = "0c1c2c00f8953532d1ea66a1b432e52b7f9e15c9d2ac592ae394fe46d964be6d\
                            2df5e07809fc4220b46846138d339d5d46e88aa50a34667ed212880ce430e42e";
        const SERVER: &str = "e92e3a5b0da5390d97abfb07f96d34901d4a4043c0692a3efe65494a0bbba730\
                              6b17a48c09056ffbd6354f577ff75d105f4db9249b5e31218d9a01df3d29a846";
        let identity = Identity {
            self_hostname: "client.local".to_owned(),
            shared_key: "sk-secret".to_owned(),
            username: String::new(),
            password: String::new(),
        };
        let salt = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes();
        let mut client = Client::new(Arc::new(identity), salt);
        let helo = b"\x92\xa4HELO\x82\xa5nonce\xb0\x00\xff\x10\x80\x7f\x20\x41\xc3\xa9\xfe\x5d\x0a\x0d\x22\x27\x1b\
            \xa4auth\xb0\x9f\x8e\x7d\x6c\x5b\x4a\x39\x28\x17\x06\xf5\xe4\xd3\xc2\xb1\xa0";
        let expected = [
            b"\x96\xa4PING\xacclient.local\xd9\x20".as_slice(),
            b"0123456789abcdef0123456789abcdef\xd9\x80",
            KEY.as_bytes(),
            b"\xa0\xd9\x80",
            USER.as_bytes(),
        ];
        let step = client.advance(&mut BytesMut::from(helo.as_slice()));
        assert_eq!(step, Ok(Step::Send(expected.concat())));
        let pong = pong(true, "", "server.local", SERVER);
        let step = client.advance(&mut BytesMut::from(&pong[..]));
        assert_eq!(step, Ok(Step::Done { keepalive: true }));
    }

    #[test]
    fn a_server_that_asks_for_no_user_is_told_none() {
        let mut buffer = BytesMut::from(&helo(b"", true)[..]);
        let Ok(Step::Send(ping)) = client().advance(&mut buffer) else { panic!("a PING") };
        assert!(ping.ends_with(b"\xa0\xa0"));
    }

    #[test]
    fn a_handshake_may_be_cut_at_every_byte() {
        for keepalive in [true, false] {
            let messages = [helo(b"auth", keepalive), pong_of("key")];
            for cut in 1..messages[0].len().max(messages[1].len()) {
                let (mut client, mut buffer) = (client(), BytesMut::new());
                let mut last = None;
                for message in &messages {
                    let (first, rest) = message.split_at(cut.min(message.len() - 1));
                    buffer.extend_from_slice(first);
                    assert_eq!(client.advance(&mut buffer), Ok(Step::Read), "{cut}");
                    buffer.extend_from_slice(rest);
                    last = client.advance(&mut buffer).ok();
                }
                assert_eq!((last, buffer.len()), (Some(Step::Done { keepalive }), 0), "{cut}");
            }
        }
    }

    #[test]
    fn what_comes_behind_a_message_stays_in_the_buffer() {
        let mut client = client();
        let mut buffer = BytesMut::from(&[helo(b"a", true), pong_of("key"), vec![7]].concat()[..]);
        assert!(matches!(client.advance(&mut buffer), Ok(Step::Send(_))));
        assert_eq!(client.advance(&mut buffer), Ok(Step::Done { keepalive: true }));
        assert_eq!(buffer[..], [7]);
    }

    #[test]
    fn a_server_that_refuses_or_holds_another_key_is_told_of() {
        let refused = answered(&pong(false, "username/password mismatch", "", "")).unwrap_err();
        assert!(refused.to_string().contains("username/password mismatch"), "{refused}");
        let stranger = HandshakeError::Stranger { server: "them".to_owned() };
        assert_eq!(answered(&pong_of("another")), Err(stranger.clone()));
        assert_eq!(answered(&pong(true, "", "them", "")), Err(stranger));
        let long = answered(&pong(false, &"x".repeat(1_000), "", "")).unwrap_err().to_string();
        assert!(long.len() < 400, "{long}");
    }

    #[test]
    fn a_server_that_sends_our_own_digest_back_has_shown_nothing() {
        let salt = "ab".repeat(SALT_BYTES);
        let own = hex_digest(&[salt.as_bytes(), b"me", NONCE, b"key"]);
        for name in ["me", "them"] {
            let reflected = HandshakeError::Reflected { server: name.to_owned() };
            assert_eq!(answered(&pong(true, "", name, &own)), Err(reflected));
        }
    }

    #[test]
    fn what_is_no_message_of_the_handshake_is_refused() {
        let helo = HandshakeError::Unexpected { expected: "HELO" };
        let bad = [
            b"\xc1".as_slice(),
            b"\x80",
            b"\x92\xa4HELO\xc0",
            b"\x92\xa4HALO\x80",
            b"\x91\xa4HELO",
            b"\x92\xa4HELO\x80",
            b"\x92\xa4HELO\x81\xa5nonce\x01",
        ];
        for bytes in bad {
            assert_eq!(
                client().advance(&mut BytesMut::from(bytes)),
                Err(helo.clone()),
                "{bytes:?}"
            );
        }
        let pong = HandshakeError::Unexpected { expected: "PONG" };
        for bytes in [b"\x94\xa4PONG\xc3\xa0\xa0".as_slice(), b"\x95\xa4PONG\xc0\xa0\xa0\xa0\xa0"] {
            assert_eq!(answered(bytes), Err(pong.clone()));
        }
    }

    #[test]
    fn a_message_that_does_not_end_is_refused() {
        let too_long = HandshakeError::TooLong { expected: "HELO" };
        let mut endless = b"\xdb\xff\xff\xff\xff".to_vec();
        endless.resize(MESSAGE_BYTES_MAX - 1, 0);
        assert_eq!(client().advance(&mut BytesMut::from(&endless[..])), Ok(Step::Read));
        endless.push(0);
        assert_eq!(client().advance(&mut BytesMut::from(&endless[..])), Err(too_long));
    }
}
