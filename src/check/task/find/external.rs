//! Around the path, check: the external configuration and the other options of the router.

use super::super::generate::{
    EXTERNAL_FROM_S3, EXTERNAL_TYPE, EXTERNAL_VALUE, METADATA, has_metadata,
};
use super::super::node::join;
use super::super::{GENERATED, Launch, TaskScene};
use crate::check::finding::{At, Finding};
use crate::check::rule::Rule;
use crate::option::nearest::nearest;

/// The options that the agent knows of a `firelensConfiguration`.
const KNOWN: [&str; 3] = [EXTERNAL_TYPE, EXTERNAL_VALUE, METADATA];

pub(super) fn find(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let Some(firelens) = &scene.router.firelens else { return };
    let path = join(&firelens.path, "options");
    let at = |option: &str| At::Path(join(&path, option));
    for option in firelens.options.keys().filter(|option| !KNOWN.contains(&option.as_str())) {
        let what = format!("the agent knows no option {option}");
        let finding = Finding::warning(Rule::OptionSpelling, at(option), what);
        findings.push(match nearest(option, KNOWN) {
            Some(known) => finding.advise(format!("did you mean {known}?")),
            None => finding,
        });
    }
    if !has_metadata(scene.router).1 {
        let value = firelens.options.get(METADATA).map_or("", String::as_str);
        let what = format!("{METADATA} is {value:?}, so records get no ECS metadata");
        let finding = Finding::warning(Rule::EcsMetadata, at(METADATA), what);
        findings.push(finding.advise("write true or false"));
    }
    let value = firelens.options.get(EXTERNAL_VALUE).map(String::as_str);
    let kind = firelens.options.get(EXTERNAL_TYPE).map(String::as_str);
    match (kind, value) {
        (None, None) => {}
        (None, Some(_)) => {
            let what = format!("{EXTERNAL_VALUE} is set without {EXTERNAL_TYPE}, and is ignored");
            let finding = Finding::warning(Rule::ExternalConfig, at(EXTERNAL_VALUE), what);
            findings.push(finding.advise(format!("set {EXTERNAL_TYPE} to file or s3")));
        }
        (Some(_), None) => {
            let what = format!("{EXTERNAL_TYPE} is set without {EXTERNAL_VALUE}");
            findings.push(Finding::error(Rule::ExternalConfig, at(EXTERNAL_TYPE), what));
        }
        (Some("s3"), Some(arn)) => s3(scene, arn, &at, findings),
        (Some("file"), Some(file)) => findings.extend(of_file(file, at(EXTERNAL_VALUE))),
        (Some(kind), Some(_)) => {
            let what = format!("{EXTERNAL_TYPE} is {kind}");
            let finding = Finding::error(Rule::ExternalConfig, at(EXTERNAL_TYPE), what);
            findings.push(finding.advise("it is file or s3"));
        }
    }
    if !scene.is_complete {
        let what = format!("{} is not here", value.unwrap_or("the external configuration"));
        let finding = Finding::note(Rule::ExternalConfigUnseen, at(EXTERNAL_VALUE), what);
        findings.push(finding.advise("give it with --external FILE"));
    }
}

fn s3(scene: &TaskScene<'_>, arn: &str, at: &dyn Fn(&str) -> At, findings: &mut Vec<Finding>) {
    if scene.launch == Launch::Fargate {
        let what = format!("{EXTERNAL_TYPE} is s3");
        let finding = Finding::error(Rule::ExternalConfigOnFargate, at(EXTERNAL_TYPE), what);
        findings.push(finding.advise("put the file into an image, or on a volume, and use file"));
    }
    if object(arn).is_none() {
        let what = format!("{EXTERNAL_VALUE} is {arn:?}");
        let finding = Finding::error(Rule::ExternalConfig, at(EXTERNAL_VALUE), what);
        findings.push(finding.advise("for s3 it is arn:aws:s3:::BUCKET/KEY"));
    }
}

/// Bucket and key, as the agent finds them: `arn:([^:]+):s3:::([^/]+)/(.+)`.
pub(super) fn object(arn: &str) -> Option<(&str, &str)> {
    let (partition, object) = arn.strip_prefix("arn:")?.split_once(":s3:::")?;
    let (bucket, key) = object.split_once('/')?;
    let is_arn = !partition.is_empty() && !partition.contains(':') && !bucket.is_empty();
    (is_arn && !key.is_empty()).then_some((bucket, key))
}

fn of_file(path: &str, at: At) -> Option<Finding> {
    let (what, advice) = if path.contains("://") || path.starts_with("arn:") {
        (format!("{path} is no path in the container"), "set config-file-type to s3")
    } else if path == GENERATED {
        let what = format!("{path} is where the agent puts its own configuration");
        (what, "give the file another name")
    } else if path.starts_with("/var/run/") {
        (format!("{path} is in the folder that the agent mounts"), "put the file elsewhere")
    } else if !path.starts_with('/') {
        let what = format!("{path} is not absolute, and is sought in the working directory first");
        return Some(Finding::warning(Rule::ExternalConfig, at, what));
    } else if path == EXTERNAL_FROM_S3 || !path.ends_with('/') {
        return None;
    } else {
        (format!("{path} is a folder"), "name the file")
    };
    Some(Finding::error(Rule::ExternalConfig, at, what).advise(advice))
}
