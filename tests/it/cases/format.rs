//! A case as its folder holds it: `case.json`, `expected.json`, and the files of the configuration,
//! whose stand-ins are replaced here. Unknown members of both are errors: they would say
//! something that is not done or not compared.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use firelane::local::task_metadata::Shape;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::json::Json;

/// The lines that `@OUT@` stands for in an output.
const OUT_LINES: [&str; 7] = [
    "endpoint 127.0.0.1",
    "port @CWL@",
    "tls.verify on",
    "tls.ca_file @DIR@/ca.pem",
    "region us-east-1",
    "auto_create_group true",
    "retry_limit 2",
];

/// Files of a folder that are not for the router.
const OURS: [&str; 3] = ["case.json", "expected.json", "fluent-bit-result.json"];

/// What is done, and how the result is compared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) about: String,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    /// What the task runs on that the metadata endpoint tells of; without it there is no such
    /// endpoint.
    pub(super) task: Option<Shape>,
    pub(super) steps: Vec<Step>,
    /// Whether timestamps are compared.
    #[serde(default = "yes")]
    pub(super) times: bool,
    /// The order within a stream is not compared.
    #[serde(default)]
    pub(super) sorted: bool,
    /// Messages are compared as text, also where they are JSON.
    #[serde(default)]
    pub(super) raw: bool,
    /// U+FFFD is not compared.
    #[serde(default)]
    pub(super) lossy: bool,
    /// Which lines of standard output are compared.
    pub(super) stdout: Option<String>,
    /// A stream is given as count and hash; `expected.json` says so too.
    #[serde(default, rename = "digest")]
    _digest: IgnoredAny,
    #[serde(default, rename = "area")]
    _area: IgnoredAny,
    #[serde(default, rename = "quiet")]
    _quiet: IgnoredAny,
    #[serde(default, rename = "fluent_bit_defect")]
    _fluent_bit_defect: IgnoredAny,
}

/// One thing that is done to the router.
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum Step {
    /// Events by the forward protocol.
    Forward {
        forward: Vec<Json>,
        #[serde(default)]
        mode: Mode,
        #[serde(default)]
        unix: bool,
        ack: Option<String>,
    },
    /// Bytes to the forward port.
    Hex { hex: String },
    /// Text to a `tcp` input: `TCP`, or the stand-in that `to` names.
    Tcp { tcp: String, to: Option<String> },
    /// A request to an `http` input, whose status is recorded.
    Http { http: Post },
    /// Text behind what is in a file of the work folder.
    File { file: String, text: String },
    /// Another name for a file of the work folder.
    Rename { rename: String, to: String },
    /// Until that many events have arrived.
    Wait { wait: u64 },
    /// Time for the router.
    Sleep {
        #[serde(rename = "sleep")]
        seconds: f64,
    },
    /// A request to the monitoring server.
    Get { get: Get },
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    #[default]
    Message,
    Forward,
    Packed,
    Gzip,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Get {
    pub(super) path: String,
    /// A regular expression for what the body holds; `^` and `$` match at lines.
    pub(super) find: Option<String>,
}

/// A request to an `http` input.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Post {
    pub(super) path: String,
    pub(super) body: String,
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default = "post")]
    pub(super) method: String,
}

/// What must have come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    /// "group stream" → its events.
    pub(super) streams: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) acks: Vec<Value>,
    /// Path → status, or status and what was found.
    #[serde(default)]
    pub(super) gets: BTreeMap<String, Value>,
    /// Lines of standard output.
    #[serde(default)]
    pub(super) stdout: Vec<String>,
    /// Group → days.
    #[serde(default)]
    pub(super) retention: BTreeMap<String, i64>,
    /// Group → its tags.
    #[serde(default)]
    pub(super) tags: BTreeMap<String, BTreeMap<String, String>>,
    /// Whether requests had the header for the embedded metric format.
    pub(super) emf: bool,
    pub(super) violations: BTreeMap<String, u64>,
    pub(super) exit: Option<Exit>,
    /// Statuses of the answers of `http` inputs.
    pub(super) http: Vec<u16>,
}

impl Expected {
    /// How many events there are.
    pub(super) fn events(&self) -> u64 {
        let of = |events: &Value| {
            let list = events.as_array().map(|events| events.len() as u64);
            list.or_else(|| events["$count"].as_u64()).unwrap_or_default()
        };
        self.streams.values().map(of).sum()
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Exit {
    /// The configuration is refused.
    Error,
}

fn post() -> String {
    "POST".to_owned()
}

fn yes() -> bool {
    true
}

/// The folder of all cases.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

pub(super) fn read(name: &str) -> (Case, Expected) {
    let folder = folder().join(name);
    let text = |file: &str| {
        let path = folder.join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let case = serde_json::from_str(&text("case.json"));
    let expected = serde_json::from_str(&text("expected.json"));
    let wrong = |error: serde_json::Error| -> ! { panic!("{name}: {error}") };
    (case.unwrap_or_else(|error| wrong(error)), expected.unwrap_or_else(|error| wrong(error)))
}

/// Copies the files of the configuration to `to`, with `stand_ins` replaced. All of their text
/// before that comes back.
pub(super) fn install(name: &str, to: &Path, stand_ins: &[(&str, String)]) -> String {
    let mut before = String::new();
    install_folder(&folder().join(name), to, stand_ins, &mut before);
    before
}

fn install_folder(from: &Path, to: &Path, stand_ins: &[(&str, String)], before: &mut String) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let target = to.join(name);
        if path.is_dir() {
            install_folder(&path, &target, stand_ins, before);
        } else if !OURS.contains(&name) {
            let text = fs::read_to_string(&path).unwrap();
            before.push_str(&text);
            let mut text = text.replace("@OUT@", &OUT_LINES.join("\n    "));
            let keys = OUT_LINES.map(|line| line.replacen(' ', ": ", 1));
            text = text.replace("@YOUT@", &keys.join("\n      "));
            for (stand_in, value) in stand_ins {
                text = text.replace(stand_in, value);
            }
            fs::write(target, text).unwrap();
        }
    }
}
