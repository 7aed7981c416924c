//! Certificates made here, and the two ends of a connection that talk in memory.

use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio_rustls::rustls::{ClientConnection, ProtocolVersion, ServerConnection};

use super::*;
use crate::option::{Options, Policy, Table, first_bad_row, section};

/// A folder with `ca.pem`, `NAME.pem` and `NAME.key` for some names, and an authority of others.
struct Made {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Made {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let made = Self { folder: TempDir::new().unwrap(), issuer: Issuer::new(params, key) };
        made.write("ca.pem", &certificate.pem());
        made
    }

    /// A certificate for `name`, with its key.
    fn certificate(&self, name: &str) -> [String; 2] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        let [certificate, secret] = [format!("{name}.pem"), format!("{name}.key")];
        [self.write(&certificate, &pem), self.write(&secret, &key.serialize_pem())]
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.named(name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn named(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

fn options(table: Table, lines: &[(&str, &str)]) -> Options {
    Options::read(section(lines), table, &[], Policy::Plugin)
}

/// What is wrong, without place and subject.
fn faults(options: Options) -> String {
    let texts: Vec<_> =
        options.into_report().problems.iter().map(|problem| problem.fault.to_string()).collect();
    texts.join("; ")
}

fn server(lines: &[(&str, &str)]) -> Result<Option<ServerSettings>, String> {
    let mut options = options(SERVER_OPTIONS, lines);
    ServerSettings::from_options(&mut options).ok_or_else(|| faults(options))
}

fn client(lines: &[(&str, &str)]) -> Result<Option<ClientSettings>, String> {
    let mut options = options(CLIENT_OPTIONS, lines);
    ClientSettings::from_options(&mut options).ok_or_else(|| faults(options))
}

/// A server with a certificate for `localhost`, and more lines.
fn listening(made: &Made, more: &[(&str, &str)]) -> ServerSettings {
    let [certificate, key] = made.certificate("localhost");
    let own = [("tls", "on"), ("tls.crt_file", &certificate), ("tls.key_file", &key)];
    let lines: Vec<_> = own.into_iter().chain(more.iter().copied()).collect();
    server(&lines).unwrap().unwrap()
}

fn connecting(more: &[(&str, &str)]) -> ClientSettings {
    let lines: Vec<_> = [("tls", "on")].into_iter().chain(more.iter().copied()).collect();
    client(&lines).unwrap().unwrap()
}

/// Connects to `host` and says hello both ways; the version that was spoken.
fn converse(
    client: &ClientSettings,
    server: &ServerSettings,
    host: &str,
) -> Result<ProtocolVersion, String> {
    let name = client.server_name(host).map_err(|error| error.to_string())?;
    let config = client.config().map_err(|error| error.to_string())?;
    let mut here = ClientConnection::new(config, name).unwrap();
    let mut there = ServerConnection::new(server.config().unwrap()).unwrap();
    here.writer().write_all(b"hello").unwrap();
    there.writer().write_all(b"hello").unwrap();
    // An end that refuses still has its alert to send: both are heard before it counts.
    let mut refused = Ok(());
    for _ in 0..10 {
        let mut way = Vec::new();
        while here.wants_write() {
            here.write_tls(&mut way).unwrap();
        }
        let mut way = Cursor::new(std::mem::take(&mut way));
        while there.read_tls(&mut way).unwrap() > 0 {
            if let Err(error) = there.process_new_packets() {
                refused = refused.and(Err(format!("server: {error}")));
            }
        }
        let mut back = Vec::new();
        while there.wants_write() {
            there.write_tls(&mut back).unwrap();
        }
        let mut back = Cursor::new(back);
        while here.read_tls(&mut back).unwrap() > 0 {
            if let Err(error) = here.process_new_packets() {
                refused = refused.and(Err(format!("client: {error}")));
            }
        }
        refused.clone()?;
    }
    let mut heard = [0; 5];
    here.reader().read_exact(&mut heard).map_err(|error| format!("client: {error}"))?;
    there.reader().read_exact(&mut heard).map_err(|error| format!("server: {error}"))?;
    here.protocol_version().ok_or_else(|| "no version".to_owned())
}

#[test]
fn every_row_has_a_sentence_and_a_default_that_parses() {
    assert_eq!(first_bad_row(&[CLIENT_OPTIONS]), None);
    assert_eq!(first_bad_row(&[SERVER_OPTIONS]), None);
}

#[test]
fn tls_is_off_unless_it_is_on_whatever_else_is_set() {
    assert_eq!(server(&[("tls.crt_file", "/nowhere")]), Ok(None));
    assert_eq!(client(&[("tls.crt_file", "/nowhere"), ("tls", "off")]), Ok(None));
    assert!(client(&[("tls", "on")]).unwrap().is_some());
}

#[test]
fn a_certificate_needs_its_key_and_an_input_needs_both() {
    let both = "expected an option tls.crt_file and tls.key_file";
    assert_eq!(server(&[("tls", "on")]), Err(both.to_owned()));
    let (no_key, no_crt) = ("expected an option tls.key_file", "expected an option tls.crt_file");
    for read in [|lines: &[_]| server(lines).map(drop), |lines: &[_]| client(lines).map(drop)] {
        assert_eq!(read(&[("tls", "on"), ("tls.crt_file", "a")]), Err(no_key.to_owned()));
        assert_eq!(read(&[("tls", "on"), ("tls.key_file", "a")]), Err(no_crt.to_owned()));
    }
}

#[test]
fn peers_cannot_be_asked_for_certificates_of_nobody() {
    let lines = [
        ("tls", "on"),
        ("tls.crt_file", "a"),
        ("tls.key_file", "b"),
        ("tls.verify_client_cert", "on"),
    ];
    let missing = "expected an option tls.ca_file or tls.ca_path";
    assert_eq!(server(&lines), Err(missing.to_owned()));
    let named = [lines.as_slice(), &[("tls.ca_file", "c")]].concat();
    assert!(server(&named).is_ok());
    let by_name = [named.as_slice(), &[("tls.verify_hostname", "on")]].concat();
    assert!(server(&by_name).unwrap_err().contains("not supported"));
}

#[test]
fn the_versions_spoken_are_within_the_two_limits() {
    let made = Made::new();
    let (old, new) = (ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3);
    let any = connecting(&[("tls.verify", "off")]);
    for (lines, expected) in [
        (&[][..], new),
        (&[("tls.max_version", "tlsv1.2")], old),
        (&[("tls.min_version", "TLSv1.1"), ("tls.max_version", "TLSv1.2")], old),
        (&[("tls.min_version", "TLSv1.3"), ("tls.max_version", "TLSv1.3")], new),
    ] {
        assert_eq!(converse(&any, &listening(&made, lines), "localhost"), Ok(expected));
        let client = [lines, &[("tls.verify", "off")]].concat();
        let server = listening(&made, &[]);
        assert_eq!(converse(&connecting(&client), &server, "localhost"), Ok(expected));
    }
    let newest = connecting(&[("tls.verify", "off"), ("tls.min_version", "TLSv1.3")]);
    let oldest = listening(&made, &[("tls.max_version", "TLSv1.2")]);
    assert!(converse(&newest, &oldest, "localhost").is_err());
    let reversed = [("tls", "on"), ("tls.min_version", "TLSv1.3"), ("tls.max_version", "TLSv1.2")];
    assert!(client(&reversed).unwrap_err().contains("at most tls.max_version"));
    let ancient = [("tls", "on"), ("tls.max_version", "TLSv1.1")];
    assert!(client(&ancient).unwrap_err().contains("expected TLSv1.2 or TLSv1.3"));
}

#[test]
fn a_server_of_other_authorities_is_refused_unless_nothing_is_checked() {
    let (made, other) = (Made::new(), Made::new());
    let server = listening(&made, &[]);
    let ours = connecting(&[("tls.ca_file", &made.named("ca.pem"))]);
    let others = connecting(&[("tls.ca_file", &other.named("ca.pem"))]);
    let nobodys = connecting(&[("tls.verify", "off")]);
    assert!(converse(&ours, &server, "localhost").is_ok());
    assert!(
        converse(&others, &server, "localhost").unwrap_err().contains("invalid peer certificate")
    );
    assert!(converse(&nobodys, &server, "localhost").is_ok());
}

#[test]
fn a_server_may_show_the_very_authority_that_is_named_while_it_is_valid_and_by_its_name() {
    let made = Made::new();
    // As `openssl req -x509` makes it.
    let own = |until: i32| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let pem = params.self_signed(&key).unwrap().pem();
        let certificate = made.write(&format!("{until}.pem"), &pem);
        let key = made.write(&format!("{until}.key"), &key.serialize_pem());
        let lines = [("tls", "on"), ("tls.crt_file", &*certificate), ("tls.key_file", &*key)];
        (server(&lines).unwrap().unwrap(), certificate)
    };
    let (valid, ca) = own(2999);
    let named = [("tls.ca_file", &*ca), ("tls.verify_hostname", "on")];
    assert!(converse(&connecting(&named[..1]), &valid, "other.test").is_ok());
    assert!(converse(&connecting(&named), &valid, "localhost").is_ok());
    let refusal = converse(&connecting(&named), &valid, "other.test").unwrap_err();
    assert!(refusal.contains("not valid for name"), "{refusal}");
    let others = connecting(&[("tls.ca_file", &made.named("ca.pem"))]);
    let refusal = converse(&others, &valid, "localhost").unwrap_err();
    assert!(refusal.contains("CaUsedAsEndEntity"), "{refusal}");
    let (expired, ca) = own(2001);
    let refusal =
        converse(&connecting(&[("tls.ca_file", &ca)]), &expired, "localhost").unwrap_err();
    assert!(refusal.contains("expired"), "{refusal}");
}

#[test]
fn the_authorities_may_be_the_files_of_a_folder() {
    let (made, other) = (Made::new(), Made::new());
    let folder = made.path("authorities");
    fs::create_dir_all(folder.join("below")).unwrap();
    fs::copy(made.path("ca.pem"), folder.join("5ed36f99.0")).unwrap();
    fs::copy(other.path("ca.pem"), folder.join("other.crt")).unwrap();
    fs::write(folder.join("README"), "the authorities").unwrap();
    let client = connecting(&[("tls.ca_path", &folder.display().to_string())]);
    assert!(converse(&client, &listening(&made, &[]), "localhost").is_ok());
    assert!(converse(&client, &listening(&other, &[]), "localhost").is_ok());
    assert!(converse(&client, &listening(&Made::new(), &[]), "localhost").is_err());
}

#[test]
fn a_name_counts_where_it_is_asked_for_and_where_the_systems_authorities_are_trusted() {
    let made = Made::new();
    let (server, ca) = (listening(&made, &[]), made.named("ca.pem"));
    let chain = connecting(&[("tls.ca_file", &ca)]);
    assert!(converse(&chain, &server, "other.test").is_ok());
    let named = connecting(&[("tls.ca_file", &ca), ("tls.verify_hostname", "on")]);
    assert!(converse(&named, &server, "localhost").is_ok());
    assert!(converse(&named, &server, "other.test").unwrap_err().contains("not valid for name"));
    let vhost =
        [("tls.ca_file", ca.as_str()), ("tls.verify_hostname", "on"), ("tls.vhost", "localhost")];
    assert!(converse(&connecting(&vhost), &server, "other.test").is_ok());
    let debug = format!("{:?}", connecting(&[]));
    assert!(debug.contains("check: Name("), "{debug}");
    assert!(chain.server_name("not a name").unwrap_err().to_string().contains("tls.vhost"));
}

#[test]
fn peers_must_show_a_certificate_of_the_authorities_where_they_are_asked_to() {
    let (made, other) = (Made::new(), Made::new());
    let ca = made.named("ca.pem");
    let nobody = connecting(&[("tls.verify", "off")]);
    let who = |made: &Made| {
        let [certificate, key] = made.certificate("peer");
        let lines = [("tls.crt_file", certificate), ("tls.key_file", key)];
        let lines: Vec<_> = lines.iter().map(|(key, value)| (*key, value.as_str())).collect();
        connecting(&[lines.as_slice(), &[("tls.verify", "off")]].concat())
    };
    let must = listening(&made, &[("tls.verify_client_cert", "on"), ("tls.ca_file", &ca)]);
    assert!(converse(&who(&made), &must, "localhost").is_ok());
    assert!(converse(&who(&other), &must, "localhost").is_err());
    let refusal = converse(&nobody, &must, "localhost").unwrap_err();
    assert!(refusal.contains("no certificate"), "{refusal}");
    let may = listening(&made, &[("tls.ca_file", &ca)]);
    assert!(converse(&nobody, &may, "localhost").is_ok());
    assert!(converse(&who(&other), &may, "localhost").is_err());
    let anybody = listening(&made, &[("tls.ca_file", &ca), ("tls.verify", "off")]);
    assert!(converse(&who(&other), &anybody, "localhost").is_ok());
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_name_at_its_option() {
    let made = Made::new();
    let [certificate, key] = made.certificate("localhost");
    let [_, other_key] = made.certificate("other");
    let encrypted = made.write(
        "encrypted.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\naGVsbG8=\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let empty = made.write("empty.pem", "hello");
    let missing = made.named("missing.pem");
    let found = |certificate: &str, key: &str, ca: &str| {
        let lines = [
            ("tls", "on"),
            ("tls.crt_file", certificate),
            ("tls.key_file", key),
            ("tls.ca_file", ca),
        ];
        let mut options = options(SERVER_OPTIONS, &lines);
        let settings = ServerSettings::from_options(&mut options).unwrap().unwrap();
        settings.verify(&mut options);
        let problems = options.into_report().problems;
        problems.iter().map(|problem| (problem.place.line, problem.fault.to_string())).next()
    };
    let ca = made.named("ca.pem");
    assert_eq!(found(&certificate, &key, &ca), None);
    for (paths, line, words) in [
        ([&missing, &key, &ca], 2, "missing.pem: reading failed: No such file"),
        ([&empty, &key, &ca], 2, "empty.pem: no certificate in it"),
        ([&certificate, &empty, &ca], 3, "empty.pem: no key in it"),
        ([&certificate, &encrypted, &ca], 3, "openssl pkey"),
        ([&certificate, &other_key, &ca], 3, "made together"),
        ([&certificate, &key, &empty], 4, "empty.pem: no certificate in it"),
    ] {
        let (place, text) = found(paths[0], paths[1], paths[2]).unwrap();
        assert!(place == line && text.contains(words), "{place}: {text}");
    }
}

#[test]
fn a_file_of_authorities_is_taken_as_it_is() {
    let made = Made::new();
    let twice = fs::read_to_string(made.path("ca.pem")).unwrap().repeat(2);
    made.write("twice.pem", &twice);
    assert_eq!(files::read_authorities(&made.path("twice.pem")).unwrap(), twice.as_bytes());
}

#[test]
fn a_file_that_is_none_says_why() {
    let made = Made::new();
    let read = |text: &str| {
        made.write("x.pem", text);
        files::read_authorities(&made.path("x.pem"))
    };
    let broken = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    assert!(matches!(read(""), Err(FileError::Empty)));
    assert!(matches!(read("hello"), Err(FileError::Empty)));
    assert!(matches!(read(broken), Err(FileError::Certificate { number: 1, .. })));
    assert!(matches!(read(&broken[..40]), Err(FileError::Pem(_))));
    let endless = files::read_authorities(Path::new("/dev/zero"));
    assert!(matches!(endless, Err(FileError::TooLong)));
}

#[test]
fn a_password_is_not_shown() {
    let lines =
        [("tls", "on"), ("tls.crt_file", "a"), ("tls.key_file", "b"), ("tls.key_passwd", "hidden")];
    let debug = format!("{:?}", client(&lines).unwrap());
    assert!(debug.contains("\"b\"") && !debug.contains("hidden"), "{debug}");
}
