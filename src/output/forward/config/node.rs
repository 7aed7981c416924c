//! Step 6, output `forward`: one node, of the output's own options or of an upstream file.
//!
//! A node says only what is other with it: Fluent Bit reads these options of the node alone, and what
//! the output says beside it, acks and TLS among it, would be lost without a word.

use std::sync::Arc;

use super::{Address, Refusal};
use super::{
    COMPRESS, EMPTY_SHARED_KEY, PASSWORD, REQUIRE_ACK, RETAIN_METADATA, SELF_HOSTNAME,
    SEND_OPTIONS, SHARED_KEY, TAG, TIME_AS_INTEGER, USERNAME,
};
use crate::handshake::client::Identity;
use crate::option::tables::PORT;
use crate::option::{Fault, Kind, Options, Row, Table, tokens};
use crate::output::forward::frame::Format;
use crate::record::template::Template;
use crate::tls::ClientSettings;

/// Options of a `[NODE]` of an upstream file, besides those of TLS.
pub const NODE_OPTIONS: Table = &[
    Row::new("name", Kind::Text, "Name of the node in log lines"),
    Row::new("host", Kind::Text, "Host to connect to"),
    Row::new("port", PORT, "Port to connect to"),
    TAG,
    TIME_AS_INTEGER,
    RETAIN_METADATA,
    SEND_OPTIONS,
    REQUIRE_ACK,
    COMPRESS,
    SHARED_KEY,
    EMPTY_SHARED_KEY,
    SELF_HOSTNAME,
    USERNAME,
    PASSWORD,
];
/// Those whose value has to be right.
pub(super) const STRICT: &[&str] = &[
    "port",
    "time_as_integer",
    "retain_metadata_in_forward_mode",
    "send_options",
    "require_ack_response",
    "compress",
    "empty_shared_key",
    "tls",
    "tls.verify",
    "tls.verify_hostname",
    "tls.min_version",
    "tls.max_version",
];

/// Who gets records, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name, else where it is.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// How records are written for it.
    pub format: Format,
    /// Who we are to it; `None`: it does not ask.
    pub identity: Option<Arc<Identity>>,
    /// How to encrypt; `None`: not at all.
    pub tls: Option<ClientSettings>,
}

impl Node {
    /// The one of the output's own options.
    pub(super) fn alone(address: Address, options: &mut Options) -> Option<Self> {
        let is_unix = matches!(address, Address::Unix(_));
        let tls = if is_unix { None } else { ClientSettings::from_options(options)? };
        let said = Said { node: None, output: options };
        match said.format().and_then(|format| Ok((format, said.identity()?))) {
            Ok((mut format, identity)) => {
                add_extra(&mut format, options);
                Some(Self { name: address.to_string(), address, format, identity, tls })
            }
            Err((name, refusal)) => {
                options.refuse(name, Fault::invalid(refusal));
                None
            }
        }
    }

    /// One of an upstream file, beside the output's options.
    pub(super) fn of_upstream(options: &mut Options, output: &mut Options) -> Option<Self> {
        for name in ["name", "host", "port"] {
            if !options.is_set(name) {
                options.refuse(name, Fault::Missing(name));
            }
        }
        let has_tls =
            options.rows().any(|row| row.name.starts_with("tls") && options.is_set(row.name));
        let tls = ClientSettings::from_options(if has_tls { options } else { output })?;
        let address = Address::Tcp { host: options.text("host")?, port: options.integer("port")? };
        let said = Said { node: Some(options), output };
        match said.format().and_then(|format| Ok((format, said.identity()?))) {
            Ok((mut format, identity)) => {
                add_extra(&mut format, output);
                Some(Self { name: options.text("name")?, address, format, identity, tls })
            }
            Err((name, refusal)) => {
                options.refuse(name, Fault::invalid(refusal));
                None
            }
        }
    }
}

/// What a node says, and what the output says where the node says nothing.
struct Said<'a> {
    node: Option<&'a Options>,
    output: &'a Options,
}

/// An option, and why it cannot be used.
type Wrong = (&'static str, Refusal);

impl Said<'_> {
    fn of(&self, name: &str) -> &Options {
        self.node.filter(|node| node.is_set(name)).unwrap_or(self.output)
    }

    fn bool(&self, name: &str) -> bool {
        self.of(name).bool(name)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.of(name).text(name)
    }

    /// Fluent Bit's nodes of an upstream file have no place for metadata unless they say so.
    fn metadata(&self) -> bool {
        let name = RETAIN_METADATA.name;
        self.bool(name) && (self.node.is_none() || self.of(name).is_set(name))
    }

    fn format(&self) -> Result<Format, Wrong> {
        let tag = self.text("tag").map(|text| Template::parse(&text)).transpose();
        let tag = tag.map_err(|error| ("tag", Refusal::Tag(error)))?;
        let format = Format {
            tag,
            time_as_integer: self.bool("time_as_integer"),
            metadata: self.metadata(),
            gzip: self.text("compress").as_deref() == Some("gzip"),
            ack: self.bool("require_ack_response"),
            options: self.bool("send_options"),
            extra: Vec::new(),
        };
        if format.gzip && format.time_as_integer {
            return Err(("compress", Refusal::PackedIntegers));
        }
        if format.gzip && format.is_by_record() {
            return Err(("compress", Refusal::PackedMessages));
        }
        // Both are told in the options.
        Ok(Format { options: format.options || format.gzip || format.ack, ..format })
    }

    fn identity(&self) -> Result<Option<Arc<Identity>>, Wrong> {
        let [username, password] = ["username", "password"].map(|name| self.text(name));
        let shared_key = match self.bool("empty_shared_key") {
            true => Some(String::new()),
            false => self.text("shared_key"),
        };
        let Some(shared_key) = shared_key else {
            let user = [("username", username), ("password", password)];
            let set = user.into_iter().find(|(_, value)| value.is_some());
            return set.map_or(Ok(None), |(name, _)| Err((name, Refusal::NoHandshake)));
        };
        Ok(Some(Arc::new(Identity {
            self_hostname: self.text("self_hostname").unwrap_or_default(),
            shared_key,
            username: username.unwrap_or_default(),
            password: password.unwrap_or_default(),
        })))
    }
}

/// Adds the options of the user, which the peer finds behind ours.
fn add_extra(format: &mut Format, output: &mut Options) {
    for setting in output.all("add_option") {
        let words = tokens::split(&setting.value, 2);
        match words.as_slice() {
            [key, .., value] => format.extra.push((key.clone(), value.clone())),
            [] | [_] => output.refuse_setting(&setting, Fault::invalid(Refusal::NoPair)),
        }
    }
    format.options |= !format.extra.is_empty();
}
