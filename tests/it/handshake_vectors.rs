//! Recorded secure-forward handshakes: with the nonce and salt of the recording the server answers
//! byte for byte, wherever the client's bytes are cut, and what follows PING is decoded.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use firelane::handshake::server::{Answer, Server, Settings, User};
use firelane::input::forward::decode::{DecodeOptions, Decoder};
use firelane::input::item::Item;
use firelane::record::time::EventTime;
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    handshakes: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    profile: String,
    events: usize,
    nonce_hex: String,
    auth_salt_hex: String,
    ping_bytes: usize,
    welcome: bool,
}

impl Vector {
    fn server(&self) -> Server {
        let users = match self.profile.as_str() {
            "secure" => Vec::new(),
            "secure_users" => vec![User { name: "alice".into(), password: "wonder land".into() }],
            other => panic!("no profile {other}"),
        };
        let settings =
            Settings { shared_key: "sk-secret".into(), hostname: "server.local".into(), users };
        Server::new(Arc::new(settings), hex(&self.nonce_hex), hex(&self.auth_salt_hex))
    }

    fn read(&self, ending: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
        fs::read(folder.join(format!("{}{ending}", self.name))).expect("the bytes of the vector")
    }
}

fn vectors() -> Vec<Vector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/handshakes.json");
    let text = fs::read_to_string(path).expect("handshakes.json");
    serde_json::from_str::<File>(&text).expect("handshakes.json").handshakes
}

fn hex<const BYTES: usize>(digits: &str) -> [u8; BYTES] {
    let digit = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).expect("ascii"), 16);
    let bytes: Vec<u8> =
        digits.as_bytes().chunks(2).map(|pair| digit(pair).expect("hex digits")).collect();
    bytes.try_into().expect("as many as needed")
}

#[test]
fn every_handshake_is_answered_as_recorded_wherever_it_is_cut() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 11);
    for vector in vectors {
        let (bytes, recorded) = (vector.read(".bin"), vector.read(".pong.srv.bin"));
        for cut in 1..=bytes.len() {
            let (name, mut server) = (&vector.name, vector.server());
            let answer = match server.read(&bytes[..cut]) {
                Answer::More => server.read(&bytes),
                answer @ (Answer::Welcome { .. } | Answer::Refused { .. }) => answer,
            };
            match answer {
                Answer::Welcome { taken, pong } => {
                    assert!(vector.welcome, "{name}");
                    assert_eq!((taken, pong), (vector.ping_bytes, recorded.clone()), "{name}");
                }
                Answer::Refused { pong, .. } => {
                    assert!(!vector.welcome, "{name}");
                    assert_eq!(pong, recorded, "{name}");
                }
                Answer::More => panic!("{name}: no answer to all of it"),
            }
        }
    }
}

#[test]
fn what_follows_a_handshake_is_decoded() {
    for vector in vectors().iter().filter(|vector| vector.welcome) {
        let mut frames = BytesMut::from(&vector.read(".bin")[vector.ping_bytes..]);
        let mut decoder = Decoder::new(DecodeOptions { json: false, ..DecodeOptions::default() });
        let mut items = Vec::new();
        let progress = decoder.decode(&mut frames, EventTime::from_nanos(0), &mut items);
        assert!(progress.is_ok() && frames.is_empty(), "{}", vector.name);
        let entries = items.iter().map(|item| match item {
            Item::Entries(tagged) => tagged.entries.len(),
            other @ (Item::Ack(_) | Item::Odd(..)) => panic!("{}: {other:?}", vector.name),
        });
        assert_eq!(entries.sum::<usize>(), vector.events, "{}", vector.name);
    }
}
