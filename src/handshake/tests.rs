//! The listening end against a client written here, wherever its bytes are cut.

use std::sync::Arc;

use proptest::prelude::*;

use super::digest::{DIGEST_CHARS, hex_digest, is_same};
use super::server::{Answer, PING_BYTES_MAX, Refusal, Server, Settings, User};
use crate::record::msgpack::{Reader, Token, Writer};

const NONCE: [u8; 16] = *b"0123456789abcdef";
const AUTH: [u8; 16] = *b"fedcba9876543210";

/// What a client knows and how it writes it.
#[derive(Clone, Debug)]
struct Client {
    hostname: Vec<u8>,
    salt: Vec<u8>,
    key: String,
    user: Option<String>,
    password: String,
    is_bin: bool,
}

fn server(users: &[(&str, &str)]) -> Server {
    let users = users
        .iter()
        .map(|(name, password)| User { name: (*name).into(), password: (*password).into() });
    let settings = Settings {
        shared_key: "sk-secret".to_owned(),
        hostname: "server.local".to_owned(),
        users: users.collect(),
    };
    Server::new(Arc::new(settings), NONCE, AUTH)
}

fn client() -> Client {
    Client {
        hostname: b"client.local".to_vec(),
        salt: vec![0x80, 0, 0xff],
        key: "sk-secret".to_owned(),
        user: Some("alice".to_owned()),
        password: "wonder land".to_owned(),
        is_bin: false,
    }
}

impl Client {
    fn ping(&self) -> Vec<u8> {
        let user = self.user.as_deref().unwrap_or_default();
        let key_digest = hex_digest(&[&self.salt, &self.hostname, &NONCE, self.key.as_bytes()]);
        let password_digest = hex_digest(&[&AUTH, user.as_bytes(), self.password.as_bytes()]);
        let mut bytes = Vec::new();
        let mut out = Writer::new(&mut bytes);
        out.array_header(6);
        out.str(b"PING");
        let text = |out: &mut Writer<'_>, text: &[u8]| match self.is_bin {
            true => out.bin(text),
            false => out.str(text),
        };
        text(&mut out, &self.hostname);
        text(&mut out, &self.salt);
        text(&mut out, key_digest.as_bytes());
        match &self.user {
            Some(user) => text(&mut out, user.as_bytes()),
            None => out.nil(),
        }
        text(&mut out, password_digest.as_bytes());
        bytes
    }
}

fn refusal(answer: &Answer) -> Option<Refusal> {
    match answer {
        Answer::Refused { refusal, .. } => Some(*refusal),
        Answer::More | Answer::Welcome { .. } => None,
    }
}

#[test]
fn a_digest_is_sha_512_of_all_parts_in_hexadecimal() {
    let expected = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                    2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
    assert_eq!(hex_digest(&[b"a", b"", b"bc"]), expected);
    assert_eq!(expected.len(), DIGEST_CHARS);
}

#[test]
fn a_digest_is_the_same_only_if_every_character_is() {
    let good = hex_digest(&[b"x"]);
    assert!(is_same(good.as_bytes(), good.as_bytes()));
    assert!(!is_same(good.as_bytes(), &good.as_bytes()[1..]) && !is_same(good.as_bytes(), b""));
    for at in [0, 64, 127] {
        let mut bad = good.clone().into_bytes();
        bad[at] ^= 1;
        assert!(!is_same(good.as_bytes(), &bad), "{at}");
    }
}

#[test]
fn helo_gives_nonce_and_salt_as_bytes_and_keeps_the_connection() {
    let helo = server(&[]).helo();
    let mut reader = Reader::new(&helo);
    let tokens: Vec<_> = std::iter::from_fn(|| reader.token().ok()).collect();
    let expected = [
        Token::Array(2),
        Token::Str(b"HELO"),
        Token::Map(3),
        Token::Str(b"nonce"),
        Token::Bin(&NONCE),
        Token::Str(b"auth"),
        Token::Bin(&AUTH),
        Token::Str(b"keepalive"),
        Token::Bool(true),
    ];
    assert_eq!(tokens, expected);
}

#[test]
fn the_pong_proves_that_the_server_has_the_key() {
    let Answer::Welcome { taken, pong } = server(&[]).read(&client().ping()) else { panic!() };
    assert_eq!(taken, client().ping().len());
    let proof = hex_digest(&[&client().salt, b"server.local", &NONCE, b"sk-secret"]);
    let mut reader = Reader::new(&pong);
    let tokens: Vec<_> = std::iter::from_fn(|| reader.token().ok()).collect();
    let expected = [
        Token::Array(5),
        Token::Str(b"PONG"),
        Token::Bool(true),
        Token::Str(b""),
        Token::Str(b"server.local"),
        Token::Str(proof.as_bytes()),
    ];
    assert_eq!(tokens, expected);
}

#[test]
fn where_users_are_named_one_of_them_has_to_come_with_the_password() {
    let users = [("bob", "builder"), ("alice", "wonder land"), ("alice", "second")];
    let answer = |client: Client| refusal(&server(&users).read(&client.ping()));
    assert_eq!(answer(client()), None);
    assert_eq!(answer(Client { password: "second".into(), ..client() }), None);
    let wrong = Some(Refusal::User);
    assert_eq!(answer(Client { password: "wonder".into(), ..client() }), wrong);
    assert_eq!(answer(Client { password: "builder".into(), ..client() }), wrong);
    assert_eq!(answer(Client { user: Some("mallory".into()), ..client() }), wrong);
    assert_eq!(answer(Client { user: None, password: String::new(), ..client() }), wrong);
    assert_eq!(refusal(&server(&[]).read(&Client { user: None, ..client() }.ping())), None);
}

#[test]
fn whoever_has_another_key_is_told_so_before_users_are_looked_at() {
    let stranger = Client { key: "another".into(), user: None, ..client() };
    let answer = server(&[("alice", "wonder land")]).read(&stranger.ping());
    let Answer::Refused { refusal: Refusal::SharedKey, pong } = answer else { panic!() };
    assert_eq!(pong, b"\x95\xa4PONG\xc2\xb3shared_key mismatch\xa0\xa0");
}

#[test]
fn what_is_no_ping_is_refused_as_soon_as_that_can_be_seen() {
    let no_ping = |bytes: &[u8]| refusal(&server(&[]).read(bytes)) == Some(Refusal::Ping);
    assert!(no_ping(b"\x93\xa3tag"), "a frame");
    assert!(no_ping(b"\x95"), "five elements");
    assert!(no_ping(b"{\"a\":1}") && no_ping(b"\x16\x03\x01") && no_ping(b"\xc1"));
    assert!(no_ping(b"\x96\xc1"), "an illegal byte");
    assert!(no_ping(b"\x96\xa4PANG\xa0\xa0\xa0\xa0\xa0"), "another word");
    assert!(no_ping(b"\x96\xa4PING\xa0\xa0\x01\xa0\xa0"), "a number for a digest");
    assert_eq!(server(&[]).read(b""), Answer::More);
    assert_eq!(server(&[]).read(b"\x96\xa4PI"), Answer::More);
}

#[test]
fn a_ping_that_can_only_be_too_long_is_not_waited_for() {
    let with_hostname = |bytes: usize| Client { hostname: vec![b'h'; bytes], ..client() };
    let around = with_hostname(1_000).ping().len() - 1_000;
    let longest = with_hostname(PING_BYTES_MAX - around).ping();
    assert_eq!(longest.len(), PING_BYTES_MAX);
    assert_eq!(refusal(&server(&[]).read(&longest)), None);
    let longer = with_hostname(PING_BYTES_MAX - around + 1).ping();
    assert_eq!(refusal(&server(&[]).read(&longer)), Some(Refusal::Ping));
    assert_eq!(refusal(&server(&[]).read(b"\x96\xdb\xff\xff\xff\xff")), Some(Refusal::Ping));
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", server(&[("alice", "wonder land")]));
    assert!(shown.contains("alice"), "{shown}");
    assert!(!shown.contains("wonder") && !shown.contains("sk-secret"), "{shown}");
}

proptest! {
    #[test]
    fn wherever_a_ping_is_cut_and_whatever_follows_the_answer_is_the_same(
        hostname in proptest::collection::vec(any::<u8>(), 0..40),
        salt in proptest::collection::vec(any::<u8>(), 0..40),
        is_bin: bool,
        is_nobody: bool,
        key in prop_oneof![Just("sk-secret"), Just("another")],
        behind in proptest::collection::vec(any::<u8>(), 0..20),
        steps in proptest::collection::vec(1_usize..200, 1..20),
    ) {
        let user = (!is_nobody).then(|| "alice".to_owned());
        let client = Client { hostname, salt, key: key.to_owned(), user, is_bin, ..client() };
        let ping = client.ping();
        let bytes = [ping.as_slice(), &behind].concat();
        let whole = server(&[]).read(&bytes);
        match &whole {
            Answer::Welcome { taken, .. } => {
                prop_assert_eq!((*taken, key), (ping.len(), "sk-secret"));
            }
            refused @ (Answer::Refused { .. } | Answer::More) => {
                prop_assert_eq!((refusal(refused), key), (Some(Refusal::SharedKey), "another"));
            }
        }
        let (mut cut, mut end) = (server(&[]), 0);
        let mut steps = steps.into_iter().cycle();
        loop {
            end = bytes.len().min(end + steps.next().unwrap_or(1));
            match cut.read(&bytes[..end]) {
                Answer::More => prop_assert!(end < ping.len()),
                answer @ (Answer::Welcome { .. } | Answer::Refused { .. }) => {
                    prop_assert_eq!(answer, whole);
                    break;
                }
            }
        }
    }
}
