//! Around the path, check: the addresses that the router listens on.
//!
//! For every input with an option `port`, and the monitoring server. Not known here: what is read
//! from them.

use super::finding::{At, Finding};
use super::pipeline::Scene;
use super::rule::Rule;
use super::target::number;
use crate::config::{Part, SectionOrigins};

/// Addresses that stand for all of the machine.
const ANY: [&str; 3] = ["0.0.0.0", "::", "[::]"];

/// An address that the router listens on.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    /// The input's name, or `HTTP_Server`.
    pub(super) of: String,
    pub(super) address: Address,
    pub(super) at: At,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Address {
    Tcp { listen: String, port: u64 },
    Unix(String),
}

impl Address {
    fn collides(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unix(one), Self::Unix(two)) => one == two,
            (Self::Tcp { listen, port }, Self::Tcp { listen: other, port: other_port }) => {
                let is_any = |listen: &String| ANY.contains(&listen.as_str());
                // Port 0 is one that the system chooses, each time another.
                port == other_port
                    && *port != 0
                    && (listen == other || is_any(listen) || is_any(other))
            }
            (Self::Unix(_), Self::Tcp { .. }) | (Self::Tcp { .. }, Self::Unix(_)) => false,
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { listen, port } => write!(f, "{listen}:{port}"),
            Self::Unix(path) => f.write_str(path),
        }
    }
}

/// The addresses, in the order of the configuration; the monitoring server's first.
pub(super) fn sockets(scene: &Scene<'_>) -> Vec<Socket> {
    let sections = scene.config.origins.sections.iter();
    let inputs = sections.filter(|section| section.part == Part::Input);
    let inputs = inputs.filter_map(|input| {
        let (at, of) = ((scene.locate)(&input.place), input.name.clone());
        Some(Socket { of, address: address(scene, input)?, at })
    });
    server(scene).into_iter().chain(inputs).collect()
}

/// The address of the monitoring server, if it is on.
pub(super) fn server(scene: &Scene<'_>) -> Option<Socket> {
    let server = scene.config.service.http_server.as_ref()?;
    let service = scene.config.origins.section(Part::Service, 0);
    let held = service.and_then(|service| service.get("http_server"));
    let at = held.and_then(|held| held.place.as_ref()).map_or(At::Whole, scene.locate);
    let address = Address::Tcp { listen: server.listen.clone(), port: u64::from(server.port) };
    Some(Socket { of: "HTTP_Server".to_owned(), address, at })
}

fn address(scene: &Scene<'_>, input: &SectionOrigins) -> Option<Address> {
    if let Some(path) = scene.shown.get(input, "unix_path") {
        return Some(Address::Unix(path));
    }
    let port = number(input, "port")?;
    let listen = scene.shown.get(input, "listen").unwrap_or_else(|| "0.0.0.0".to_owned());
    Some(Address::Tcp { listen, port })
}

/// Finds addresses that two of them want.
pub(super) fn taken_twice(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    let sockets = sockets(scene);
    for (number, second) in sockets.iter().enumerate() {
        let mut before = sockets.iter().take(number);
        if let Some(first) = before.find(|first| first.address.collides(&second.address)) {
            let what = format!("{} and {} both listen on {}", first.of, second.of, second.address);
            let finding = Finding::error(Rule::AddressTaken, second.at.clone(), what);
            findings.push(finding.advise("give one of them another port"));
        }
    }
}
