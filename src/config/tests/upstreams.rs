//! The nodes of an upstream file, in both formats.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::{Environment, OutputKind, load};

/// The nodes that the output has, each `name address`, or what is wrong.
fn nodes(upstream: &str, files: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let main = format!(
        "@SET known=10.0.0.9\n[INPUT]\n Name forward\n[OUTPUT]\n Name forward\n Match *\n Upstream {upstream}\n"
    );
    let main = [("etc/f.conf", main.as_str())];
    let files: BTreeMap<PathBuf, Vec<u8>> = main
        .iter()
        .chain(files)
        .map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()))
        .collect();
    let variables = [("PORT_B".to_owned(), "2222".to_owned())];
    let config = load(Path::new("etc/f.conf"), &files, &Environment::new(variables, None));
    let config = config.map_err(|errors| errors.to_string())?;
    let OutputKind::Forward(output) = &config.outputs[0].kind else { panic!("another output") };
    Ok(output.nodes.iter().map(|node| format!("{} {}", node.name, node.address)).collect())
}

const CLASSIC: &str = "[UPSTREAM]
    name balancing
[NODE]
    name a
    host 10.0.0.1
    port 1111
[NODE]
    Name b
    Host ${known}
    Port ${PORT_B}
    require_ack_response on
";

#[test]
fn a_classic_file_lies_beside_the_main_file_or_where_its_path_says() {
    let expected = Ok(vec!["a 10.0.0.1:1111".to_owned(), "b 10.0.0.9:2222".to_owned()]);
    assert_eq!(nodes("up.conf", &[("etc/up.conf", CLASSIC)]), expected);
    assert_eq!(nodes("up.conf", &[("up.conf", CLASSIC)]), expected);
    assert_eq!(nodes("/x/up.conf", &[("/x/up.conf", CLASSIC)]), expected);
}

#[test]
fn a_yaml_file_has_upstreams_with_nodes_of_which_the_last_counts() {
    let yaml = "upstream_servers:
  - name: other
    nodes: [{name: z, host: h, port: 9}]
  - name: balancing
    nodes:
      - name: a
        host: 10.0.0.1
        port: 1111
      - {name: b, host: '${known}', port: '${PORT_B}', tls: off}
";
    let expected = Ok(vec!["a 10.0.0.1:1111".to_owned(), "b 10.0.0.9:2222".to_owned()]);
    assert_eq!(nodes("up.yaml", &[("etc/up.yaml", yaml)]), expected);
}

#[test]
fn a_file_without_nodes_is_refused_where_it_is_named() {
    let said = |text: &str| nodes("up.conf", &[("etc/up.conf", text)]).unwrap_err();
    let place = "etc/f.conf:7: [OUTPUT] forward: Upstream = \"up.conf\": ";
    assert!(said("[NODE]\n name a\n").contains(&format!("{place}expected a section [UPSTREAM]")));
    assert!(said("[UPSTREAM]\n x y\n[NODE]\n name a\n").contains("expected an option Name"));
    assert!(said("[UPSTREAM]\n name x\n").contains("expected at least one section [NODE]"));
    let said = nodes("no.conf", &[]).unwrap_err();
    assert!(said.contains(place.replace("up", "no").as_str()), "{said}");
    assert!(said.contains("cannot read \"no.conf\""), "{said}");
}

#[test]
fn what_is_wrong_with_a_node_is_named_in_its_file() {
    let said = nodes("up.conf", &[("etc/up.conf", &CLASSIC.replace("1111", "many"))]).unwrap_err();
    assert!(said.contains("etc/up.conf:6: [NODE] a: port = \"many\": expected"), "{said}");
}

#[test]
fn two_outputs_may_name_one_file() {
    let main = "[OUTPUT]\n Name forward\n Match a\n Upstream up.conf\n\
                [OUTPUT]\n Name forward\n Match b\n Upstream ./up.conf\n";
    let upstream = CLASSIC.replace("${known}", "h").replace("${PORT_B}", "2");
    let files = [("f.conf", main), ("up.conf", upstream.as_str())];
    let files = files.map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()));
    let config = load(Path::new("f.conf"), &BTreeMap::from(files), &Environment::default());
    let outputs = config.map(|config| config.outputs.len()).map_err(|errors| errors.to_string());
    assert_eq!(outputs, Ok(2));
}
