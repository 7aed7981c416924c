//! Every configuration in `tests/golden/config/`: accepted without a word about unknown options, or
//! refused where a file `refused` says so, with these errors.

use std::path::{Path, PathBuf};

use super::environment;
use crate::config::{Config, Disk, Errors, Remark, load};

/// Lines that the runner of the cases puts in for `@OUT@`.
const OUT: &str = "endpoint 127.0.0.1\n    port @CWL@\n    tls.verify on\n    tls.ca_file @DIR@/ca.pem\n    \
                   region us-east-1\n    auto_create_group true\n    retry_limit 2";

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config")
}

/// Copies a case into `to`, with what stands between @ signs replaced.
fn copy(from: &Path, to: &Path, work: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if path.is_dir() {
            copy(&path, &target, work);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap().replace("@OUT@", OUT);
        let text = text.replace("@DIR@", work.to_str().unwrap());
        let ports = ["@PORT@", "@HTTP@", "@TCP@", "@ADMIN@", "@CWL@"];
        let text = ports
            .iter()
            .zip(24_224..)
            .fold(text, |text, (name, port)| text.replace(name, &port.to_string()));
        std::fs::write(target, text).unwrap();
    }
}

/// Reads a case; its work folder takes the place of the current one.
fn read(case: &Path, variables: &[(&str, &str)]) -> (Result<Config, Errors>, PathBuf) {
    let work = tempfile::tempdir().unwrap();
    copy(case, work.path(), work.path());
    let outcome = load(&work.path().join("fluent-bit.conf"), &Disk, &environment(variables));
    (outcome, work.path().to_owned())
}

const VARIABLES: [(&str, &str); 9] = [
    ("STAGE", "prod-1"),
    ("REGION_X", "eu-west-9"),
    ("EMPTY", ""),
    ("CLUSTER", "arn:aws:ecs:x"),
    ("ECS_CLUSTER", "mycluster"),
    ("ECS_TASK_ID", "3de392df"),
    ("ECS_FAMILY", "fam"),
    ("ECS_TASK_ARN", "arn"),
    ("SECRET", "x"),
];

#[test]
fn every_recorded_configuration_is_accepted_or_refused_as_it_should_be() {
    let mut cases = 0;
    for entry in std::fs::read_dir(golden()).unwrap() {
        let case = entry.unwrap().path();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let (outcome, work) = read(&case, &VARIABLES);
        cases += 1;
        match (outcome, std::fs::read_to_string(case.join("refused"))) {
            (Err(errors), Ok(expected)) => {
                let said = errors.to_string().replace(work.to_str().unwrap(), "@DIR@");
                assert_eq!(said.trim(), expected.trim(), "{name}");
            }
            (Ok(config), Err(_)) => {
                for note in config.notes {
                    let is_unknown = matches!(
                        note.remark,
                        Remark::UnknownServiceKey { .. } | Remark::UnknownSection
                    );
                    assert!(!is_unknown, "{name}: {note}");
                }
            }
            (Err(errors), Err(_)) => panic!("{name} has to be accepted: {errors}"),
            (Ok(_), Ok(_)) => panic!("{name} has to be refused"),
        }
    }
    assert!(cases > 80, "only {cases} cases found");
}
