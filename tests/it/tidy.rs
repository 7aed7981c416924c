//! The rules of the house, held against the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Most lines of a file without its tests.
const LINES_MAX: usize = 400;
/// Words that say nothing about what is in a file.
const EMPTY_WORDS: [&str; 4] = ["utils", "common", "helpers", "manager"];
/// Words of work that is not done, and places that exist on one machine only. Written in two, so
/// that they do not stand here.
const UNDONE: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("for ", "now,"),
    concat!("place", "holder"),
    concat!("/wo", "rk/"),
];
/// Where atomics may be used: everything else counts with what these offer.
const ATOMICS: [&str; 4] =
    ["src/sync.rs", "src/ledger/account.rs", "src/telemetry/counters.rs", "src/buffer/mod.rs"];
/// What is decided without waiting: these know no runtime.
const PURE: &[&str] = &[
    "src/record/",
    "src/option/",
    "src/config/",
    "src/parser/",
    "src/router.rs",
    "src/chunk.rs",
    "src/cli/",
    "src/check/",
    "src/ecs/introspection/answer.rs",
    "src/ecs/pace.rs",
    "src/handshake/",
    "src/output/forward/ack.rs",
    "src/output/forward/balance.rs",
    "src/output/forward/config/",
    "src/output/forward/frame/mod.rs",
    "src/output/forward/load.rs",
    "src/output/forward/progress.rs",
    "src/filter/aws/",
    "src/filter/ecs/",
    "src/filter/checklist/",
    "src/filter/content_modifier/",
    "src/filter/expect/",
    "src/filter/grep/",
    "src/filter/lua/",
    "src/filter/modify/",
    "src/filter/nest/",
    "src/filter/parser/",
    "src/filter/record_modifier/",
    "src/filter/multiline/",
    "src/filter/partial_message/mod.rs",
    "src/multiline/",
    "src/ec2/metadata.rs",
    "src/filter/stdout/",
    "src/filter/throttle/",
    "src/filter/type_converter/",
    "src/filter/rewrite_tag/",
    "src/filter/stream_task/",
    "src/handshake/",
    "src/input/forward/",
    "src/input/http/answer.rs",
    "src/input/http/body/",
    "src/input/http/config.rs",
    "src/input/http/content.rs",
    "src/input/http/params.rs",
    "src/input/http/pulse.rs",
    "src/input/http/tag.rs",
    "src/input/http/tagged.rs",
    "src/input/http/warnings.rs",
    "src/input/inflate/",
    "src/input/tail/config.rs",
    "src/input/tail/cursor.rs",
    "src/input/tail/followed.rs",
    "src/input/tail/joined.rs",
    "src/input/tail/lines.rs",
    "src/input/tail/names.rs",
    "src/input/tail/past.rs",
    "src/input/tail/paths.rs",
    "src/input/tail/plan.rs",
    "src/input/tail/set.rs",
    "src/input/tcp/",
    "src/input/tail/offsets/prefix.rs",
    "src/input/tail/offsets/settings.rs",
    "src/input/tail/offsets/table.rs",
    "src/output/counter/",
    "src/output/file/config/",
    "src/output/file/destination.rs",
    "src/output/file/format/",
    "src/output/file/name.rs",
    "src/output/file/pattern.rs",
    "src/output/file/plan.rs",
    "src/output/file/template.rs",
    "src/input/ticks.rs",
    "src/input/dummy/config.rs",
    "src/input/dummy/generator.rs",
    "src/input/exec/config.rs",
    "src/input/exec/lines.rs",
    "src/input/fluentbit_metrics/config.rs",
    "src/input/fluentbit_metrics/emf.rs",
    "src/output/format/",
    "src/output/dispatch/",
    "src/output/group.rs",
    "src/output/http/answer.rs",
    "src/output/http/compress.rs",
    "src/output/http/config/",
    "src/output/http/request/",
    "src/output/http/sign.rs",
    "src/output/incident.rs",
    "src/output/losses.rs",
    "src/output/retry.rs",
    "src/output/cloudwatch/",
    "src/output/cloudwatch_logs/batch/",
    "src/output/cloudwatch_logs/delivery/",
    "src/output/cloudwatch_logs/field.rs",
    "src/output/cloudwatch_logs/gzip.rs",
    "src/output/cloudwatch_logs/message/",
    "src/output/cloudwatch_logs/mishap.rs",
    "src/output/cloudwatch_logs/naming/of_fields.rs",
    "src/output/cloudwatch_logs/naming/parts.rs",
    "src/output/cloudwatch_logs/naming/remembered.rs",
    "src/output/cloudwatch_logs/plan.rs",
    "src/output/cloudwatch_logs/stream.rs",
    "src/spill/block.rs",
    "src/spill/disk/",
    "src/spill/done.rs",
    "src/spill/log/",
    "src/spill/segment/",
    "src/admin/routes.rs",
    "src/memory/",
];

/// Who may import whom, in the order of the data. What is not here may not be.
const EDGES: &[(&str, &[&str])] = &[
    // What flows: it knows nothing of ours.
    ("record", &[]),
    ("ledger", &[]),
    ("chunk", &["clock", "ledger", "record"]),
    // The way. Input and output are two halves that meet in the buffer.
    (
        "input",
        &[
            "chunk",
            "clock",
            "handshake",
            "ledger",
            "lifecycle",
            "multiline",
            "option",
            "parser",
            "record",
            "ring",
            "telemetry",
            "tls",
        ],
    ),
    ("ring", &["sync"]),
    (
        "filter",
        &["chunk", "clock", "ec2", "ecs", "ledger", "multiline", "option", "parser", "record"],
    ),
    ("multiline", &["option", "parser", "record"]),
    ("parser", &["option", "record"]),
    ("router", &["record"]),
    (
        "ingest",
        &[
            "buffer",
            "chunk",
            "clock",
            "console",
            "filter",
            "ledger",
            "lifecycle",
            "record",
            "ring",
            "router",
            "telemetry",
        ],
    ),
    ("buffer", &["chunk", "clock", "ledger", "record", "spill", "telemetry"]),
    ("spill", &["record"]),
    (
        "output",
        &[
            "buffer",
            "chunk",
            "clock",
            "console",
            "ecs",
            "handshake",
            "hash",
            "ledger",
            "lifecycle",
            "option",
            "record",
            "telemetry",
            "tls",
        ],
    ),
    // Around it. Whoever reads options declares them with `option`; nobody on the way knows `config`.
    ("option", &[]),
    (
        "config",
        &["chunk", "filter", "input", "multiline", "option", "output", "parser", "record", "tls"],
    ),
    ("check", &["cli", "config", "ecs", "memory", "option", "output", "record"]),
    ("cli", &["config"]),
    ("console", &[]),
    ("ec2", &["clock", "http_request"]),
    ("ecs", &["chunk", "http_request", "record"]),
    ("handshake", &["record"]),
    ("healthcheck", &["http_request"]),
    ("http_request", &[]),
    ("inquiries", &["ec2", "ecs", "filter"]),
    ("lifecycle", &[]),
    ("memory", &["chunk", "config", "filter", "input", "output", "spill"]),
    ("telemetry", &["clock", "ledger"]),
    ("tls", &["option"]),
    ("admin", &["telemetry"]),
    ("clock", &["record"]),
    ("hash", &[]),
    ("sync", &[]),
    // An endpoint that shared code with the sender would not notice its mistakes.
    ("local", &["cli", "clock"]),
    // Wiring.
    (
        "pipeline",
        &[
            "buffer",
            "chunk",
            "clock",
            "config",
            "console",
            "ec2",
            "ecs",
            "filter",
            "ingest",
            "inquiries",
            "input",
            "ledger",
            "lifecycle",
            "memory",
            "output",
            "record",
            "ring",
            "router",
            "spill",
            "telemetry",
        ],
    ),
    (
        "sidecar",
        &[
            "admin",
            "clock",
            "config",
            "ec2",
            "ecs",
            "lifecycle",
            "memory",
            "output",
            "pipeline",
            "telemetry",
        ],
    ),
    // All of it at once, and a service that is played.
    (
        "simulation",
        &[
            "buffer",
            "chunk",
            "clock",
            "ingest",
            "input",
            "ledger",
            "lifecycle",
            "local",
            "option",
            "output",
            "pipeline",
            "record",
            "ring",
            "router",
            "spill",
            "telemetry",
        ],
    ),
    (
        "demo",
        &[
            "cli",
            "clock",
            "config",
            "ledger",
            "lifecycle",
            "local",
            "pipeline",
            "record",
            "sidecar",
        ],
    ),
];

/// A source file: its path from the root, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Without the tests at its end.
    fn product(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }

    /// Lines of the product that are no comments.
    fn code(&self) -> impl Iterator<Item = &str> {
        self.product().lines().filter(|line| !line.trim_start().starts_with("//"))
    }

    fn is_test(&self) -> bool {
        !self.path.starts_with("src/")
            || self.path.ends_with("tests.rs")
            || self.path.contains("/tests/")
    }

    /// The module right below the crate.
    fn module(&self) -> &str {
        let name = self.path.strip_prefix("src/").unwrap_or(&self.path);
        name.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// Modules of ours that are named, each as `a` or `a::b`.
    fn imports(&self) -> BTreeSet<String> {
        let code: String = self.code().collect::<Vec<_>>().join("\n");
        let mut found = BTreeSet::new();
        for (at, word) in code.match_indices("crate::") {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|before| before == ':' || before == '_') {
                continue;
            }
            let rest = &code[at + word.len()..];
            match rest.strip_prefix('{') {
                Some(list) => found.extend(items(list).map(path_of)),
                None => drop(found.insert(path_of(rest))),
            }
        }
        found.retain(|path| !path.is_empty());
        found
    }
}

/// The items of a list in braces, which may hold lists themselves.
fn items(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 1;
    let end = text.find(|c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    });
    let mut depth = 0;
    let list = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    list.split(move |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    })
    .map(str::trim)
}

/// The first two names of a path.
fn path_of(text: &str) -> String {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    let path = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    path.split("::").filter(|name| !name.is_empty()).take(2).collect::<Vec<_>>().join("::")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files under these folders.
fn sources(folders: &[&str]) -> Vec<Source> {
    let mut all = Vec::new();
    folders.iter().for_each(|folder| collect(&root().join(folder), &mut all));
    assert!(!all.is_empty());
    all
}

fn collect(folder: &Path, all: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("text");
            let path = path.strip_prefix(root()).expect("below the root").display().to_string();
            all.push(Source { path, text });
        }
    }
}

/// Fails with all that is wrong, a line each.
fn none(what: &str, wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_begins_with_what_it_holds() {
    let all = sources(&["src", "tests", "benches"]).into_iter();
    let wrong = all.filter(|source| !source.text.starts_with("//! ")).map(|source| source.path);
    none("files without a first line of //!", wrong.collect());
}

#[test]
fn no_file_is_longer_than_a_reader_holds() {
    let all = sources(&["src"]).into_iter().filter(|source| !source.is_test());
    let long = all.filter_map(|source| {
        let lines = source.product().lines().count();
        (lines > LINES_MAX).then(|| format!("{}: {lines} lines", source.path))
    });
    none("files over 400 lines without their tests", long.collect());
}

#[test]
fn no_name_is_empty_of_meaning() {
    let all = sources(&["src", "tests", "benches"]);
    let wrong = all.iter().filter(|source| {
        let mut names = source.path.split(['/', '.', '_']);
        names.any(|name| EMPTY_WORDS.contains(&name))
    });
    none("files named after nothing", wrong.map(|source| source.path.clone()).collect());
}

#[test]
fn imports_run_the_way_of_the_data() {
    let mut wrong = Vec::new();
    for source in sources(&["src"]).iter().filter(|source| !source.is_test()) {
        let module = source.module();
        if module == "lib" || module == "main" {
            continue;
        }
        let allowed = EDGES.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed);
        let Some(allowed) = allowed else {
            wrong.push(format!("{}: {module} is not in the table", source.path));
            continue;
        };
        for import in source.imports() {
            let other = import.split("::").next().unwrap_or_default();
            if other != module && !allowed.contains(&other) {
                wrong.push(format!("{}: {module} imports {import}", source.path));
            }
        }
    }
    none("imports against the way of the data", wrong);
}

#[test]
fn the_table_of_imports_names_every_module_and_no_other() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("lib.rs");
    let declared = lib.lines().filter_map(|line| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.strip_prefix("mod ")?.strip_suffix(';')
    });
    let declared: BTreeSet<&str> = declared.collect();
    let listed: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    assert_eq!(declared, listed);
}

#[test]
fn atomics_are_in_few_files() {
    let all = sources(&["src"]).into_iter();
    let wrong = all.filter(|source| {
        let uses = source.code().any(|line| line.contains("sync::atomic"));
        uses && !source.is_test() && !ATOMICS.contains(&source.path.as_str())
    });
    none("files that use atomics of their own", wrong.map(|source| source.path).collect());
}

#[test]
fn what_is_decided_without_waiting_knows_no_runtime() {
    let all = sources(&["src"]);
    for pure in PURE {
        assert!(all.iter().any(|source| source.path.starts_with(pure)), "{pure} is not there");
    }
    let wrong = all.iter().filter(|source| {
        let is_pure = PURE.iter().any(|pure| source.path.starts_with(pure));
        is_pure && !source.is_test() && source.code().any(|line| line.contains("tokio"))
    });
    none("pure files that know tokio", wrong.map(|source| source.path.clone()).collect());
}

#[test]
fn the_names_of_tests_are_sentences() {
    let mut wrong = Vec::new();
    for source in sources(&["src", "tests"]) {
        let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
        let tests = lines
            .windows(2)
            .filter(|two| two[0] == "#[test]" || two[0].starts_with("#[tokio::test"));
        for name in tests.filter_map(|two| two[1].split("fn ").nth(1)?.split('(').next()) {
            let words = name.split('_').count();
            // Names that a macro gives are those of recorded cases.
            if !name.starts_with('$') && (name.starts_with("test") || words < 3) {
                wrong.push(format!("{}: {name}", source.path));
            }
        }
    }
    none("tests whose name says nothing", wrong);
}

#[test]
fn error_texts_begin_small_and_have_no_full_stop() {
    let mut wrong = Vec::new();
    for source in sources(&["src"]) {
        for rest in source.text.split("#[error(").skip(1) {
            let Some(rest) = rest.trim_start().strip_prefix('"') else { continue };
            let text = rest.replace("\\\"", "'");
            let text = text.split('"').next().unwrap_or_default();
            let mut first = text.chars();
            // A name in capitals may come first, a sentence may not.
            let is_sentence = first.next().is_some_and(char::is_uppercase)
                && first.next().is_none_or(char::is_lowercase);
            if is_sentence || text.ends_with('.') || text.is_empty() {
                wrong.push(format!("{}: {text:?}", source.path));
            }
        }
    }
    none("error texts in another form", wrong);
}

#[test]
fn nothing_is_left_undone_or_tied_to_one_machine() {
    let mut wrong = Vec::new();
    for source in sources(&["src", "tests", "benches"]) {
        let found = UNDONE.iter().filter(|word| source.text.contains(**word));
        wrong.extend(found.map(|word| format!("{}: {word}", source.path)));
    }
    none("words of work that is not done", wrong);
}

#[test]
fn imports_are_read_out_of_every_form_of_use() {
    let text = "use crate::{\n a::{b, c::d},\n e::f,\n};\nuse crate::g;\nfn h() { crate::i::j() }";
    let source = Source { path: "src/x.rs".to_owned(), text: text.to_owned() };
    let found: Vec<String> = source.imports().into_iter().collect();
    assert_eq!(found, ["a", "e::f", "g", "i::j"]);
}
