//! What each option comes to, alone and for the nodes of an upstream file.

use super::*;
use crate::option::{first_bad_row, section};
use crate::output::forward::frame::Format;

fn options(lines: &[(&str, &str)]) -> Options {
    let shared = &[ADDRESS, NET_OPTIONS, tls::CLIENT_OPTIONS];
    Options::read(section(lines), OPTIONS, shared, Policy::Plugin)
}

fn read_with(lines: &[(&str, &str)], nodes: Vec<Section>) -> (Result<Config, String>, Vec<String>) {
    let mut options = options(lines);
    let config = Config::from_options(&mut options, |_| Ok(nodes));
    let report = options.into_report();
    let problems = report.problems.iter().map(|problem| problem.fault.to_string());
    let notes = report.notes.iter().map(|note| note.remark.to_string()).collect();
    (config.ok_or_else(|| problems.collect::<Vec<_>>().join("; ")), notes)
}

fn read(lines: &[(&str, &str)]) -> Result<Config, String> {
    read_with(lines, Vec::new()).0
}

fn node(lines: &[(&str, &str)]) -> Node {
    let config = read(lines).unwrap_or_else(|problems| panic!("{lines:?}: {problems}"));
    config.nodes.into_iter().next().expect("a node")
}

fn format(lines: &[(&str, &str)]) -> Format {
    node(lines).format
}

/// The nodes that an upstream file with these sections comes to.
fn nodes(output: &[(&str, &str)], sections: &[&[(&str, &str)]]) -> Result<Vec<Node>, String> {
    let sections = sections.iter().map(|lines| section(lines)).collect();
    let lines = [&[("upstream", "u.conf")], output].concat();
    read_with(&lines, sections).0.map(|config| config.nodes)
}

const A: &[(&str, &str)] = &[("name", "a"), ("host", "h"), ("port", "1")];

#[test]
fn every_row_has_a_sentence_and_a_default_that_parses() {
    assert_eq!(first_bad_row(&[OPTIONS, ADDRESS, NET_OPTIONS, tls::CLIENT_OPTIONS]), None);
    assert_eq!(first_bad_row(&[NODE_OPTIONS, tls::CLIENT_OPTIONS]), None);
}

#[test]
fn without_options_it_sends_to_this_host_as_fluent_bit_does() {
    let node = node(&[]);
    assert_eq!(
        (node.name.as_str(), node.address.to_string().as_str()),
        ("127.0.0.1:24224", "127.0.0.1:24224")
    );
    assert!(node.identity.is_none() && node.tls.is_none());
    let Format { tag, time_as_integer, metadata, gzip, options, ack, extra } = node.format;
    assert!(tag.is_none() && extra.is_empty() && metadata);
    assert!(!time_as_integer && !gzip && !options && !ack);
}

#[test]
fn an_address_is_a_host_and_a_port_or_a_unix_socket() {
    let at = |lines: &[(&str, &str)]| node(lines).address;
    let tcp = Address::Tcp { host: "::1".to_owned(), port: 5 };
    assert_eq!(tcp.to_string(), "[::1]:5");
    assert_eq!(at(&[("host", "::1"), ("port", "5")]), tcp);
    let (config, notes) = read_with(&[("unix_path", "/s"), ("host", "h"), ("tls", "on")], vec![]);
    assert_eq!(config.unwrap().nodes[0].address, Address::Unix(PathBuf::from("/s")));
    assert_eq!(notes, vec!["has no effect beside unix_path"; 2]);
}

#[test]
fn each_option_of_the_format_sets_its_part() {
    assert!(format(&[("time_as_integer", "on")]).time_as_integer);
    assert!(!format(&[("retain_metadata_in_forward_mode", "off")]).metadata);
    assert!(format(&[("send_options", "on")]).options);
    let ack = format(&[("require_ack_response", "on")]);
    assert!(ack.ack && ack.options);
    let gzip = format(&[("compress", "GZIP")]);
    assert!(gzip.gzip && gzip.options);
    assert!(!format(&[("compress", "text")]).options);
    assert_eq!(format(&[("tag", "a.$TAG")]).tag.expect("a tag").as_str(), "a.$TAG");
    let extra = format(&[("add_option", "k v"), ("add_option", "\"a b\" c d")]);
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!((extra.extra, extra.options), (vec![pair("k", "v"), pair("a b", "d")], true));
    assert_eq!(read(&[("add_option", "k")]), Err(Refusal::NoPair.to_string()));
    assert!(read(&[("fluentd_compat", "on")]).is_ok());
}

#[test]
fn what_excludes_compression_is_refused() {
    let gzip = ("compress", "gzip");
    let said = |line| read(&[gzip, line]).unwrap_err();
    assert_eq!(said(("time_as_integer", "on")), Refusal::PackedIntegers.to_string());
    assert_eq!(said(("tag", "a.$log['x']")), Refusal::PackedMessages.to_string());
    assert!(read(&[gzip, ("tag", "a.$TAG[1]")]).is_ok(), "the same for all records");
    assert!(read(&[("tag", "$log['x'")]).is_err());
}

#[test]
fn a_shared_key_asks_for_a_handshake_and_users_need_one() {
    let identity = |lines: &[(&str, &str)]| node(lines).identity.expect("a handshake");
    let all = identity(&[
        ("shared_key", "k"),
        ("self_hostname", "me"),
        ("username", "u"),
        ("password", "p"),
    ]);
    let parts = [&all.shared_key, &all.self_hostname, &all.username, &all.password];
    assert_eq!(parts.map(String::as_str), ["k", "me", "u", "p"]);
    assert!(!format!("{all:?}").contains("\"k\"") && !format!("{all:?}").contains("\"p\""));
    let empty = identity(&[("empty_shared_key", "on"), ("shared_key", "k")]);
    assert_eq!((empty.shared_key.as_str(), empty.self_hostname.as_str()), ("", "firelane"));
    for lines in [[("username", "u")], [("password", "p")]] {
        assert_eq!(read(&lines), Err(Refusal::NoHandshake.to_string()));
    }
}

#[test]
fn connections_are_kept_as_net_options_say() {
    let net = |lines: &[(&str, &str)]| read(lines).unwrap().net;
    let seconds = std::time::Duration::from_secs;
    let usual = net(&[]);
    assert_eq!((usual.keepalive, usual.idle, usual.uses_max), (true, seconds(30), 2_001));
    assert_eq!((usual.answer_timeout, usual.connect_timeout), (net::ANSWER_TIMEOUT, seconds(10)));
    assert_eq!(usual.source, None);
    let other = net(&[
        ("net.keepalive", "off"),
        ("net.keepalive_idle_timeout", "5"),
        ("net.keepalive_max_recycle", "0"),
        ("net.io_timeout", "7s"),
        ("net.connect_timeout", "3"),
        ("net.source_address", "127.0.0.2"),
    ]);
    assert_eq!((other.keepalive, other.idle, other.uses_max), (false, seconds(5), u64::MAX));
    assert_eq!((other.answer_timeout, other.connect_timeout), (seconds(7), seconds(3)));
    assert_eq!(other.source, "127.0.0.2".parse().ok());
    assert!(read(&[("net.source_address", "here")]).is_err());
}

#[test]
fn a_node_says_what_is_other_with_it_and_the_output_the_rest() {
    let output = [("require_ack_response", "on"), ("shared_key", "k"), ("tls", "on")];
    let b =
        [A, &[("shared_key", "other"), ("require_ack_response", "off"), ("tls", "off")]].concat();
    let nodes = nodes(&output, &[A, &b]).unwrap();
    assert_eq!(nodes[0].address.to_string(), "h:1");
    let key = |node: &Node| node.identity.as_ref().map(|identity| identity.shared_key.clone());
    assert_eq!((key(&nodes[0]).as_deref(), nodes[0].format.ack), (Some("k"), true));
    assert_eq!((key(&nodes[1]).as_deref(), nodes[1].format.ack), (Some("other"), false));
    assert!(nodes[0].tls.is_some() && nodes[1].tls.is_none());
}

#[test]
fn entries_for_nodes_have_no_place_for_metadata_unless_that_is_asked_for() {
    let on = ("retain_metadata_in_forward_mode", "on");
    let metadata = |output: &[(&str, &str)], more: &[(&str, &str)]| {
        nodes(output, &[&[A, more].concat()]).unwrap()[0].format.metadata
    };
    assert!(!metadata(&[], &[]) && metadata(&[on], &[]) && metadata(&[], &[on]));
}

#[test]
fn a_node_needs_a_name_a_host_and_a_port() {
    for (missing, _) in A {
        let lines: Vec<_> = A.iter().copied().filter(|(key, _)| key != missing).collect();
        let said = nodes(&[], &[&lines]).unwrap_err();
        assert_eq!(said, format!("expected an option {missing}"));
    }
    let odd = [A, &[("weight", "3")]].concat();
    assert!(nodes(&[], &[&odd]).is_ok(), "what nobody knows is told and left out");
    assert!(nodes(&[], &[&[A, &[("require_ack_response", "maybe")]].concat()]).is_err());
}

#[test]
fn there_is_a_limit_to_nodes() {
    assert_eq!(nodes(&[], &[A; NODES_MAX]).map(|nodes| nodes.len()), Ok(NODES_MAX));
    assert!(nodes(&[], &[A; NODES_MAX + 1]).is_err());
}

#[test]
fn beside_an_upstream_file_no_other_address_counts() {
    let lines = [("upstream", "u"), ("host", "h"), ("port", "2"), ("unix_path", "/s")];
    let (config, notes) = read_with(&lines, vec![section(A)]);
    assert_eq!(config.unwrap().nodes.len(), 1);
    assert_eq!(notes, vec!["has no effect beside upstream"; 3]);
}
