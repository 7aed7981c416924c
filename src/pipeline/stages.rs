//! Wiring: the filters of a configuration, ready to run and each with its counters.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::BuildError;
use crate::chunk::EMITTERS;
use crate::clock;
use crate::config::{Config, FilterConfig, FilterKind, OutputKind};
use crate::filter::Filter;
use crate::filter::checklist::{Checklist, LIST_BYTES_MAX};
use crate::filter::content_modifier::ContentModifier;
use crate::filter::expect::Expect;
use crate::filter::grep::Grep;
use crate::filter::lua::Lua;
use crate::filter::modify::Modify;
use crate::filter::multiline::Multiline;
use crate::filter::nest::Nest;
use crate::filter::parser::ParserFilter;
use crate::filter::record_modifier::RecordModifier;
use crate::filter::rewrite_tag::RewriteTag;
use crate::filter::stream_task::StreamTask;
use crate::filter::throttle::Throttle;
use crate::filter::type_converter::TypeConverter;
use crate::ingest::Stage;
use crate::inquiries::Inquiries;
use crate::record::tag_pattern::TagMatch;
use crate::telemetry::{FilterCounters, Telemetry};

/// Whether anything writes to standard output.
pub(super) fn prints(config: &Config) -> bool {
    let inputs = config.inputs.iter().flat_map(|input| &input.processors);
    let outputs = config.outputs.iter().flat_map(|output| &output.processors);
    let mut filters = config.filters.iter().chain(inputs).chain(outputs);
    filters.any(|filter| matches!(filter.kind, FilterKind::Stdout | FilterKind::Lua(_)))
        || config
            .outputs
            .iter()
            .any(|output| matches!(output.kind, OutputKind::Counter | OutputKind::Stdout(_)))
}

/// How long the parts of Docker's lines wait, by tag, where filters say so.
pub(super) fn waits_for_parts(filters: &[FilterConfig]) -> Vec<(TagMatch, Duration)> {
    let wait = |filter: &FilterConfig| {
        let FilterKind::Multiline(config) = &filter.kind else { return None };
        config.wait_for_parts().map(|wait| (filter.matches.clone(), wait))
    };
    filters.iter().filter_map(wait).collect()
}

/// Makes the filters, in their order.
pub(super) fn stages(
    filters: Vec<FilterConfig>,
    inquiries: &mut Inquiries,
    telemetry: &mut Telemetry,
) -> Result<Vec<Stage>, BuildError> {
    let stage = |config: FilterConfig| {
        let counters = Arc::new(FilterCounters::new(&config.name));
        // Sections are counted in fewer bits than numbers of emitters have.
        let emitter = EMITTERS | u16::try_from(telemetry.filters.len()).unwrap_or(EMITTERS - 1);
        telemetry.filters.push(Arc::clone(&counters));
        let made = make_filter(config.kind, emitter, inquiries);
        let filter = made.map_err(|source| BuildError::Filter { filter: config.name, source })?;
        Ok(Stage { filter, condition: config.condition, counters })
    };
    filters.into_iter().map(stage).collect()
}

fn make_filter(
    kind: FilterKind,
    emitter: u16,
    inquiries: &mut Inquiries,
) -> Result<Filter, FilterError> {
    Ok(match kind {
        FilterKind::Aws(config) => Filter::Aws(inquiries.aws(config)),
        FilterKind::Checklist(config) => {
            let list = read_list(&config.file).map_err(|source| FilterError {
                path: config.file.display().to_string(),
                source,
            })?;
            Filter::Checklist(Checklist::new(config, &list))
        }
        FilterKind::ContentModifier(config) => {
            Filter::ContentModifier(ContentModifier::new(config))
        }
        FilterKind::Ecs(config) => Filter::Ecs(Box::new(inquiries.ecs(config))),
        FilterKind::Expect(config) => Filter::Expect(Expect::new(config)),
        FilterKind::Grep(config) => Filter::Grep(Grep::new(config)),
        FilterKind::Lua(config) => Filter::Lua(Lua::new(config)),
        FilterKind::Modify(config) => Filter::Modify(Modify::new(config)),
        FilterKind::Multiline(config) => Filter::Multiline(Multiline::new(config)),
        FilterKind::Nest(config) => Filter::Nest(Nest::new(config)),
        FilterKind::Parser(config) => Filter::Parser(ParserFilter::new(config)),
        FilterKind::RecordModifier(config) => Filter::RecordModifier(RecordModifier::new(config)),
        FilterKind::RewriteTag(config) => Filter::RewriteTag(RewriteTag::new(config, emitter)),
        FilterKind::Stdout => Filter::Stdout,
        FilterKind::StreamTask(config) => Filter::StreamTask(StreamTask::new(config)),
        FilterKind::Throttle(config) => Filter::Throttle(Throttle::new(config, clock::now())),
        FilterKind::TypeConverter(config) => Filter::TypeConverter(TypeConverter::new(config)),
    })
}

/// Why a filter cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path:?}: {source}")]
pub struct FilterError {
    /// A file that it needs.
    path: String,
    /// The operating system's error.
    source: io::Error,
}

fn read_list(path: &Path) -> io::Result<Vec<u8>> {
    let mut list = Vec::new();
    let read = File::open(path)?.take(LIST_BYTES_MAX + 1).read_to_end(&mut list)?;
    if read as u64 > LIST_BYTES_MAX {
        let why = format!("more than {LIST_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list");
        let file = File::create(&path).expect("a file");
        file.set_len(LIST_BYTES_MAX + 1).expect("a sparse file");
        let error = read_list(&path).expect_err("too large").to_string();
        assert_eq!(error, "more than 67108864 bytes");
        file.set_len(3).expect("a smaller file");
        assert_eq!(read_list(&path).expect("read"), [0; 3]);
        assert!(read_list(&folder.path().join("absent")).is_err());
    }
}
