//! One stage alone, for counting instructions: texts become fields.
//!
//! `parse json|apache LINE_BYTES EVENTS` parses so many texts and does nothing else after its start.
//! `benches/instructions` runs it.
#![expect(clippy::print_stdout, reason = "says what it did")]

use std::error::Error;
use std::hint::black_box;

use firelane::option::{Options, Place, Policy, Section, Setting};
use firelane::parser::{Parser, config};
use firelane::record::time::EventTime;

const JSON: &[(&str, &str)] = &[
    ("Name", "json"),
    ("Format", "json"),
    ("Time_Key", "time"),
    ("Time_Format", "%Y-%m-%dT%H:%M:%S.%L%z"),
];
const APACHE: &[(&str, &str)] = &[
    ("Name", "apache"),
    ("Format", "regex"),
    (
        "Regex",
        r#"^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^"]*?)(?: +\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^"]*)" "(?<agent>[^"]*)")?$"#,
    ),
    ("Time_Key", "time"),
    ("Time_Format", "%d/%b/%Y:%H:%M:%S %z"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(stage) = arguments.next() else { return Ok(()) };
    let line_bytes: usize = arguments.next().ok_or("line bytes are missing")?.parse()?;
    let events: u64 = arguments.next().ok_or("the number of events is missing")?.parse()?;
    let (options, [before, after]) = match stage.as_str() {
        "json" => (
            JSON,
            [
                r#"{"time":"2023-11-14T22:13:20.123456789Z","level":"info","status":200,"trace":{"id":"0b93c2a9a5b8e7d1","sampled":true},"message":"a \"quoted\" word, "#,
                r#""}"#,
            ],
        ),
        "apache" => (
            APACHE,
            [
                r#"10.0.0.1 - frank [14/Nov/2023:22:13:20 +0000] "GET /"#,
                r#" HTTP/1.1" 200 3395 "http://ref/" "curl/8.0""#,
            ],
        ),
        other => return Err(format!("no stage {other:?}").into()),
    };
    let filler = "x".repeat(line_bytes.saturating_sub(before.len() + after.len()));
    let text = format!("{before}{filler}{after}");
    let parser = parser(options)?;
    let now = EventTime::from_parts(1_700_000_000, 0);
    let mut out = Vec::new();
    let mut parsed = 0;
    for _ in 0..events {
        out.clear();
        parsed += u64::from(parser.parse(black_box(text.as_bytes()), now, &mut out).is_some());
        black_box(&out);
    }
    println!("{parsed} events");
    Ok(())
}

fn parser(options: &[(&str, &str)]) -> Result<Parser, Box<dyn Error>> {
    let place = Place::file("bench");
    let setting = |(key, value): &(&str, &str)| Setting {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        written: (*value).to_owned(),
        place: place.clone(),
    };
    let settings = options.iter().map(setting).collect();
    let section = Section { title: "[PARSER]".to_owned(), place: place.clone(), settings };
    let policy = Policy::Service { strict: config::STRICT };
    let mut options = Options::read(section, config::OPTIONS, &[], policy);
    let parser = Parser::from_options(&mut options, None);
    parser.ok_or_else(|| format!("{:?}", options.into_report().problems).into())
}
