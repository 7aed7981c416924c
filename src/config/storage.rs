//! Around the path, config: the options of `[SERVICE]` that are about records on disk.
//!
//! Not known here: how they are written. Reference: Fluent Bit's manual, "Buffering & Storage".

use std::path::PathBuf;

use crate::chunk;
use crate::option::{Options, Remark};

/// What waits on disk, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Storage {
    /// The folder, which is there after a restart; `None`: the first that can be written to.
    pub path: Option<PathBuf>,
    /// Whether what is written is forced to disk before it is acknowledged.
    pub syncs: bool,
    /// Whether `/api/v1/storage` answers.
    pub metrics: bool,
    /// Bytes of each output's window for what is read back; `None`: the store decides.
    pub backlog_bytes: Option<u64>,
    /// Whether what cannot be read is deleted.
    pub deletes_irrecoverable: bool,
    /// Where records of inputs wait that say nothing.
    pub inherited: chunk::Storage,
}

/// What to know about options that can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
enum Advice {
    #[error("has no effect in Firelane: records on disk always have a checksum")]
    Checksum,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            path: None,
            syncs: false,
            metrics: false,
            backlog_bytes: None,
            deletes_irrecoverable: false,
            inherited: chunk::Storage::Memory,
        }
    }
}

impl Storage {
    /// Reads the options; what to know about them is reported there.
    pub(super) fn from_options(options: &mut Options) -> Self {
        if !options.bool("storage.checksum") {
            options.remark("storage.checksum", Remark::plugin(Advice::Checksum));
        }
        let inherits = options.bool("storage.inherit");
        let inherited = options.text("storage.type").filter(|_| inherits);
        Self {
            path: options.text("storage.path").map(PathBuf::from),
            syncs: options.text("storage.sync").as_deref() == Some("full"),
            // Without a path Fluent Bit answers only where it is asked for by name.
            metrics: options.bool("storage.metrics")
                && (options.is_set("storage.metrics") || options.is_set("storage.path")),
            backlog_bytes: options.bytes("storage.backlog.mem_limit").filter(|bytes| *bytes > 0),
            deletes_irrecoverable: options.bool("storage.delete_irrecoverable_chunks"),
            inherited: inherited.as_deref().map_or(chunk::Storage::Memory, place_of),
        }
    }
}

/// Where records wait by the word that says so. A ring that drops is none here: readers wait.
pub(super) fn place_of(word: &str) -> chunk::Storage {
    if word == "filesystem" { chunk::Storage::Filesystem } else { chunk::Storage::Memory }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::service::{OPTIONS, STRICT};
    use crate::option::{Policy, section};

    fn read(lines: &[(&str, &str)]) -> (Storage, String) {
        let policy = Policy::Service { strict: STRICT };
        let mut options = Options::read(section(lines), OPTIONS, &[], policy);
        let storage = Storage::from_options(&mut options);
        let notes = options.into_report().notes;
        (
            storage,
            notes.iter().map(|note| format!("{}: {}", note.subject.key, note.remark)).collect(),
        )
    }

    #[test]
    fn nothing_is_on_disk_beyond_need_unless_options_say_so() {
        assert_eq!(read(&[]), (Storage::default(), String::new()));
        let all = [
            ("storage.path", "/var/spill"),
            ("storage.sync", "Full"),
            ("storage.checksum", "on"),
            ("storage.metrics", "off"),
            ("storage.backlog.mem_limit", "5M"),
            ("storage.delete_irrecoverable_chunks", "on"),
            ("storage.type", "filesystem"),
            ("storage.inherit", "on"),
        ];
        let expected = Storage {
            path: Some(PathBuf::from("/var/spill")),
            syncs: true,
            metrics: false,
            backlog_bytes: Some(5_000_000),
            deletes_irrecoverable: true,
            inherited: chunk::Storage::Filesystem,
        };
        assert_eq!(read(&all), (expected, String::new()));
    }

    #[test]
    fn the_type_of_the_service_holds_only_where_inputs_inherit_it() {
        for (inherit, expected) in
            [("off", chunk::Storage::Memory), ("on", chunk::Storage::Filesystem)]
        {
            let lines = [("storage.type", "filesystem"), ("storage.inherit", inherit)];
            assert_eq!(read(&lines).0.inherited, expected, "{inherit}");
        }
    }

    #[test]
    fn a_limit_of_nothing_is_none_and_a_checksum_cannot_be_switched_off() {
        let (storage, said) =
            read(&[("storage.backlog.mem_limit", "0"), ("storage.checksum", "off")]);
        assert_eq!(storage, Storage::default());
        let expected = "storage.checksum: has no effect in Firelane: records on disk always have a \
                        checksum";
        assert_eq!(said, expected);
    }
}
