//! AWS's examples and the files of AWS's image: each is accepted, or names the plugins that are not
//! there yet, in one clear error each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{BRIDGE, Config, Environment, Errors, Fault, Remark, load};

/// A folder of the tests.
fn tests(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// What `expected` in the folder says: a name, and `accepted` or the plugins that are missing.
fn expected(folder: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder.join("expected")).unwrap();
    let lines = text.lines().map(|line| line.split_once(char::is_whitespace).unwrap());
    lines.map(|(name, outcome)| (name.to_owned(), outcome.trim().to_owned())).collect()
}

/// What came of a configuration, as `expected` has it.
fn outcome(name: &str, outcome: Result<Config, Errors>) -> String {
    let notes = match &outcome {
        Ok(config) => &config.notes,
        Err(errors) => &errors.notes,
    };
    for note in notes {
        let is_unknown = matches!(
            note.remark,
            Remark::UnknownServiceKey { .. } | Remark::UnknownSection | Remark::UnknownDirective
        );
        assert!(!is_unknown, "{name}: {note}");
    }
    let Err(errors) = outcome else { return "accepted".to_owned() };
    let (mut missing, mut wrong) = (BTreeSet::new(), Vec::new());
    for problem in &errors.problems {
        if let Fault::UnsupportedPlugin { name } = &problem.fault {
            let kind = problem.subject.section.trim_matches(['[', ']']).to_ascii_lowercase();
            missing.insert(format!("{kind} {name}"));
        } else {
            wrong.push(format!("; {problem}"));
        }
    }
    let missing = missing.into_iter().collect::<Vec<_>>().join(", ");
    format!("needs {missing}{}", wrong.concat())
}

fn environment(variables: impl IntoIterator<Item = (String, String)>) -> Environment {
    let fixed = [("AWS_REGION", "us-east-1"), ("HOSTNAME", "host-1")];
    let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Environment::new(fixed.into_iter().chain(variables), None)
}

/// The files of a folder, with its `@` signs replaced, as they are named in the configuration.
fn files(folder: &Path, seen_as: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let ports = ["@PORT@", "@HTTP@", "@TCP@", "@ADMIN@", "@CWL@"];
    let read = |path: &Path| {
        let text = fs::read_to_string(path).unwrap().replace("@DIR@", seen_as);
        let text = ports.iter().fold(text, |text, port| text.replace(port, "24224"));
        (Path::new(seen_as).join(path.file_name().unwrap()), text.into_bytes())
    };
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| read(&path)).collect()
}

#[test]
fn every_firelens_example_is_accepted_or_names_the_plugins_that_are_not_there() {
    let folder = tests("firelens");
    let mut seen = BTreeMap::new();
    for name in expected(&folder).keys() {
        let files = files(&folder.join(name), "/example");
        let case = &files[Path::new("/example/case.json")];
        let case: serde_json::Value = serde_json::from_slice(case).unwrap();
        let variables: BTreeMap<String, String> =
            serde_json::from_value(case["env"].clone()).unwrap();
        let main = Path::new("/example/fluent-bit.conf");
        seen.insert(name.clone(), outcome(name, load(main, &files, &environment(variables))));
    }
    assert_eq!(seen, expected(&folder));
    let folders =
        fs::read_dir(folder).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(folders.count(), seen.len(), "every example is expected to be something");
}

#[test]
fn every_configuration_of_awss_image_is_accepted_or_names_the_plugins_that_are_not_there() {
    let folder = tests("shipped");
    let mut files = files(&folder.join("configs"), "/fluent-bit/configs");
    files.extend(self::files(&folder.join("ecs"), "/ecs"));
    let paths: Vec<_> = files.keys().cloned().collect();
    let parsers = b"[PARSER]\n    Name json\n    Format json\n";
    files.insert(PathBuf::from("/fluent-bit/parsers/parsers.conf"), parsers.to_vec());
    let variables = [
        "ECS_CLUSTER",
        "ECS_TASK_ARN",
        "ECS_TASK_DEFINITION",
        "FLUENT_BIT_METRICS_LOG_REGION",
        "FLUENT_BIT_METRICS_LOG_GROUP",
        "PARSER_NAME",
    ];
    let environment = || environment(variables.map(|name| (name.to_owned(), "json".to_owned())));
    let mut seen = BTreeMap::new();
    for path in paths {
        let path = path.to_str().unwrap();
        // Parsers belong into a file of their own.
        let main = match path {
            "/fluent-bit/configs/plugin-metrics-parser.conf" => {
                format!("[SERVICE]\n    Parsers_File {path}\n")
            }
            // It takes the parser that a variable names.
            "/ecs/filter-parser.conf" => format!(
                "[SERVICE]\n    Parsers_File /fluent-bit/parsers/parsers.conf\n@INCLUDE {path}\n"
            ),
            _ => format!("{BRIDGE}\n@INCLUDE {path} \n"),
        };
        files.insert(PathBuf::from("/fluent-bit/etc/fluent-bit.conf"), main.into_bytes());
        let main = Path::new("/fluent-bit/etc/fluent-bit.conf");
        seen.insert(path.to_owned(), outcome(path, load(main, &files, &environment())));
    }
    assert_eq!(seen, expected(&folder));
}
