//! What came of a case against what was recorded, as `tests/cases/README.md` says. Gives the
//! differences in words.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use firelane::local::cloudwatch_logs::AccountSummary;
use serde::Serialize as _;
use serde_json::ser::Formatter;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::format::{Case, Expected};
use super::run::Outcome;

/// A longer message is given by its length, hash, head and tail.
const MESSAGE_CHARS_MAX: usize = 4_096;
/// `x-amzn-logs-format` of events in the embedded metric format.
const EMF: &str = "json/emf";
/// Characters of head and tail.
const END_CHARS: usize = 60;
/// Hexadecimal digits of a hash.
const HASH_DIGITS: usize = 16;
/// The present is a bit more than the time of the case: clocks of a record are read before.
const PRESENT_MS: i64 = 1_000;
/// Most characters of a value in a difference.
const SHOWN_CHARS_MAX: usize = 400;

pub(super) fn compare(case: &Case, expected: &Expected, outcome: &Outcome) -> Vec<String> {
    let mut differences = Vec::new();
    let mut differ = |what: &str, expected: Value, found: Value| {
        if expected != found {
            let (expected, found) = (shown(&expected), shown(&found));
            differences.push(format!("{what}:\n  expected {expected}\n  found    {found}"));
        }
    };
    differ("violations", json!(expected.violations), json!(violations(&outcome.account)));
    differ("acks", json!(expected.acks), json!(outcome.acks));
    differ("http", json!(expected.http), json!(outcome.http));
    differ("gets", json!(expected.gets), json!(outcome.gets));
    differ("stdout", json!(expected.stdout), json!(outcome.stdout));
    let is_emf = |format: &Option<String>| format.as_deref() == Some(EMF);
    let emf = outcome.account.streams.iter().any(|one| is_emf(&one.logs_format));
    differ("header for emf", json!(expected.emf), json!(emf));
    let find = |group: &str| outcome.account.groups.iter().find(|one| one.group == group);
    for (group, days) in &expected.retention {
        differ("retention", json!(days), json!(find(group).map(|one| one.retention_days)));
    }
    for (group, tags) in &expected.tags {
        differ("tags", json!(tags), json!(find(group).map(|one| &one.tags)));
    }
    let names = |streams: Vec<&String>| json!(streams);
    let found = outcome.streams.keys().collect();
    differ("streams", names(expected.streams.keys().collect()), names(found));
    for (name, expected) in &expected.streams {
        let found = outcome.streams.get(name).map(Vec::as_slice).unwrap_or_default();
        compare_stream(case, (name, expected), found, outcome, &mut differ);
    }
    differences
}

/// Nothing may have been sent by a configuration that is refused.
pub(super) fn compare_refusal(account: &AccountSummary) -> Vec<String> {
    let requests: Vec<_> = account.operations.keys().collect();
    if requests.is_empty() { Vec::new() } else { vec![format!("requests were sent: {requests:?}")] }
}

fn violations(account: &AccountSummary) -> BTreeMap<String, u64> {
    let name = |violation| json!(violation).as_str().unwrap().to_owned();
    account.violations.iter().map(|(violation, found)| (name(violation), found.count)).collect()
}

fn compare_stream(
    case: &Case,
    (name, expected): (&str, &Value),
    found: &[(i64, String)],
    outcome: &Outcome,
    differ: &mut impl FnMut(&str, Value, Value),
) {
    let Value::Array(expected) = expected else {
        return differ(name, expected.clone(), digest(case, found));
    };
    let (begin, end) = outcome.times;
    let milliseconds = |time: std::time::Duration| i64::try_from(time.as_millis()).unwrap();
    let present = milliseconds(begin) - PRESENT_MS..=milliseconds(end) + PRESENT_MS;
    let found = found.iter().map(|(time, text)| {
        let time = if !case.times || present.contains(time) { json!("now") } else { json!(time) };
        json!([time, message(case, text)])
    });
    let mut found: Vec<Value> = found.collect();
    let mut expected = expected.clone();
    if case.lossy {
        expected.iter_mut().for_each(without_replacements);
    }
    if case.sorted {
        found.sort_by_cached_key(Value::to_string);
        expected.sort_by_cached_key(Value::to_string);
    }
    differ(&format!("events in {name}"), json!(expected.len()), json!(found.len()));
    for (at, (expected, found)) in expected.into_iter().zip(found).enumerate() {
        differ(&format!("event {at} in {name}"), expected, found);
    }
}

fn without_replacements(event: &mut Value) {
    if let Some(Value::String(text)) = event.get_mut(1) {
        *text = text.replace('\u{fffd}', "");
    }
}

/// A message as it is compared.
fn message(case: &Case, text: &str) -> Value {
    let text = if case.lossy { text.replace('\u{fffd}', "") } else { text.to_owned() };
    let parsed = if case.raw { None } else { serde_json::from_str(&text).ok() };
    let value = parsed.unwrap_or(Value::String(text));
    let text = value.as_str().map_or_else(|| spaced(&value), str::to_owned);
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= MESSAGE_CHARS_MAX {
        return value;
    }
    let part = |chars: &[char]| chars.iter().collect::<String>();
    json!({
        "$length": chars.len(),
        "$sha256": hash(&text),
        "$head": part(&chars[..END_CHARS]),
        "$tail": part(&chars[chars.len() - END_CHARS..]),
    })
}

/// A stream as a whole; the hash is over the lines "time message".
fn digest(case: &Case, found: &[(i64, String)]) -> Value {
    let event = |event: Option<&(i64, String)>| {
        event.map(|(time, text)| json!([time, message(case, text)]))
    };
    let mut lines = String::new();
    for (time, text) in found {
        writeln!(lines, "{time} {text}").unwrap();
    }
    json!({
        "$count": found.len(),
        "$sha256": hash(&lines),
        "$first": event(found.first()),
        "$last": event(found.last()),
    })
}

fn hash(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    hex[..HASH_DIGITS].to_owned()
}

/// JSON with a space after each comma and colon, as long messages were recorded.
fn spaced(value: &Value) -> String {
    struct Spaced;
    impl Formatter for Spaced {
        fn begin_array_value<W: ?Sized + io::Write>(
            &mut self,
            out: &mut W,
            first: bool,
        ) -> io::Result<()> {
            if first { Ok(()) } else { out.write_all(b", ") }
        }

        fn begin_object_key<W: ?Sized + io::Write>(
            &mut self,
            out: &mut W,
            first: bool,
        ) -> io::Result<()> {
            if first { Ok(()) } else { out.write_all(b", ") }
        }

        fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
            out.write_all(b": ")
        }
    }
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Spaced);
    value.serialize(&mut serializer).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
