//! What a flush writes to which file.
//!
//! Pure: chunks of one tag in, sheets out, which `append` writes. Must not know files.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::append::Sheet;
use super::config::Config;
use super::destination::{Action, Destination, Place, Unplaced};
use super::format::Format;
use crate::chunk::Chunk;
use crate::record::tag::Tag;
use crate::record::template::Scene;

/// How events become lines of files.
#[derive(Clone, Debug)]
pub struct Plan {
    format: Format,
    destination: Destination,
    escape_unicode: bool,
}

impl Plan {
    /// As the configuration says; `escape_unicode` is `[SERVICE] json.escape_unicode`.
    #[must_use]
    pub fn new(config: &Config, escape_unicode: bool) -> Self {
        let Config { format, destination, .. } = config.clone();
        Self { format, destination, escape_unicode }
    }

    /// Takes the events out of a chunk that have no file; the store on disk need not keep them. Gives
    /// the reason of the last of them, and of how many that is no wish of the configuration; `None`: all
    /// have one.
    pub fn admit(&mut self, chunk: &mut Chunk, now: Instant) -> Option<(Unplaced, u64)> {
        let Destination::Named(named) = &mut self.destination else { return None };
        let (mut last, mut refused) = (None, 0);
        let mut whole = Vec::new();
        let mut kept = Vec::with_capacity(chunk.entries.len());
        let is_on_disk = chunk.permit.is_on_disk();
        let mut gone = Vec::new();
        for (entry, (time, record)) in chunk.entries.entries.iter().zip(chunk.entries.iter()) {
            let record = record_of(chunk, record, &mut whole);
            match named.admit(time, &scene(&chunk.tag, record), now) {
                Place::File(_) => kept.push(*entry),
                Place::Nowhere(why) => {
                    let action = match why {
                        Unplaced::Unusable(_) => &named.missing,
                        Unplaced::TooMany => &named.beyond,
                    };
                    refused += u64::from(*action != Action::Drop);
                    last = Some(why);
                    if is_on_disk {
                        gone.push(entry.start);
                    }
                }
            }
        }
        let last = last?;
        chunk.permit.ended(gone.into_iter());
        Arc::make_mut(&mut chunk.entries).entries = kept;
        Some((last, refused))
    }

    /// The lines of these chunks, by the files they go to, a sheet a file. The same each time.
    pub fn write(&mut self, tag: &Tag, chunks: &[Chunk], now: Instant) -> Vec<Sheet> {
        let mut sheets: Vec<Sheet> = Vec::new();
        let mut places: HashMap<PathBuf, usize> = HashMap::new();
        if let Some(path) = self.destination.of_tag(tag.as_bytes()) {
            sheets.push(Sheet { path, ..Sheet::default() });
        }
        let mut whole = Vec::new();
        for chunk in chunks {
            for (time, record) in chunk.entries.iter() {
                let record = record_of(chunk, record, &mut whole);
                let place = match &mut self.destination {
                    Destination::Fixed(_) | Destination::OfTag { .. } => 0,
                    // The name is made for each: that is what was asked for.
                    Destination::Named(named) => {
                        match named.place(time, &scene(tag, record), now) {
                            Place::File(path) => *places.entry(path).or_insert_with_key(|path| {
                                let path = path.clone();
                                sheets.push(Sheet { path, is_named: true, ..Sheet::default() });
                                sheets.len() - 1
                            }),
                            // Cannot come: such events were not admitted.
                            Place::Nowhere(_) => continue,
                        }
                    }
                };
                let Some(sheet) = sheets.get_mut(place) else { continue };
                if sheet.header.is_empty() {
                    self.format.write_header(record, &mut sheet.header);
                }
                sheet.records += 1;
                let lines = &mut sheet.lines;
                self.format.write(tag.as_bytes(), time, record, self.escape_unicode, lines);
            }
        }
        // A file for records without a line would be empty.
        sheets.retain(|sheet| !sheet.lines.is_empty());
        sheets
    }
}

/// A record with the fields that all of its chunk share.
fn record_of<'a>(chunk: &Chunk, record: &'a [u8], whole: &'a mut Vec<u8>) -> &'a [u8] {
    if chunk.shared.is_empty() {
        return record;
    }
    whole.clear();
    chunk.write_whole(record, whole);
    whole
}

fn scene<'a>(tag: &'a Tag, record: &'a [u8]) -> Scene<'a> {
    Scene { tag: tag.as_bytes(), record, captures: &[] }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::Mutex;

    use super::*;
    use crate::chunk::fixture::{Fields, chunk};
    use crate::clock;
    use crate::ledger::{Account, Keeper, Ticket};
    use crate::option::{Options, Policy, section};
    use crate::output::file::config::OPTIONS;
    use crate::record::fields::{SharedField, SharedFields};

    fn plan(options: &[(&str, &str)]) -> Plan {
        let mut options = Options::read(section(options), OPTIONS, &[], Policy::Plugin);
        Plan::new(&Config::from_options(&mut options).expect("options that can be used"), true)
    }

    fn chunks(tag: &str, all: &[&[Fields<'_>]]) -> Vec<Chunk> {
        let account = Arc::new(Account::default());
        all.iter().map(|records| chunk(&account, tag, records)).collect()
    }

    /// What is written: path, header and lines of each file.
    fn written(plan: &mut Plan, tag: &str, chunks: Vec<Chunk>) -> Vec<(String, String, String)> {
        let now = clock::now();
        let sheets = plan.write(&tag.into(), &chunks, now);
        assert_eq!(plan.write(&tag.into(), &chunks, now), sheets, "the same each time");
        chunks.into_iter().for_each(Chunk::delivered);
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let sheets = sheets.into_iter();
        sheets
            .map(|sheet| (sheet.path.display().to_string(), text(sheet.header), text(sheet.lines)))
            .collect()
    }

    fn sheet(path: &str, header: &str, lines: &str) -> (String, String, String) {
        (path.to_owned(), header.to_owned(), lines.to_owned())
    }

    #[test]
    fn the_chunks_of_a_flush_are_one_sheet_in_their_order() {
        let mut plan = plan(&[("path", "/l"), ("format", "plain")]);
        let chunks = chunks("a/b", &[&[&[("n", "1")], &[("n", "2")]], &[&[("n", "3")]]]);
        let lines = "{\"n\":\"1\"}\n{\"n\":\"2\"}\n{\"n\":\"3\"}\n";
        assert_eq!(written(&mut plan, "a/b", chunks), [sheet("/l/a/b", "", lines)]);
    }

    #[test]
    fn fields_that_all_records_share_are_written_too() {
        let mut plan = plan(&[("file", "x"), ("format", "plain")]);
        let mut chunks = chunks("a", &[&[&[("n", "1")]]]);
        let field = SharedField { key: (*b"s").into(), value: (*b"y").into(), yields: false };
        chunks[0].shared = SharedFields::new(vec![field]);
        let lines = "{\"n\":\"1\",\"s\":\"y\"}\n";
        assert_eq!(written(&mut plan, "a", chunks), [sheet("x", "", lines)]);
    }

    #[test]
    fn the_first_record_with_fields_names_the_columns() {
        let mut plan = plan(&[("file", "x"), ("format", "csv"), ("csv_column_names", "on")]);
        let records = chunks("a", &[&[&[], &[("n", "1")], &[("m", "2")]]]);
        let lines = "1700000001.000000000,\"1\"\n1700000002.000000000,\"2\"\n";
        assert_eq!(written(&mut plan, "a", records), [sheet("x", "timestamp,\"n\"\n", lines)]);
        let empty = chunks("a", &[&[&[]]]);
        assert_eq!(written(&mut plan, "a", empty), [], "no line, no file");
    }

    #[test]
    fn records_that_name_files_go_to_them_in_their_order() {
        let options =
            [("path", "/l/$app"), ("file", "x"), ("format", "plain"), ("fallback_file", "f")];
        let records: &[Fields<'_>] =
            &[&[("app", "a")], &[("app", "b")], &[("app", "a"), ("n", "2")]];
        let (mut plan, mut chunks) = (plan(&options), chunks("t", &[records]));
        assert!(plan.admit(&mut chunks[0], clock::now()).is_none());
        let sheets = written(&mut plan, "t", chunks);
        let lines = "{\"app\":\"a\"}\n{\"app\":\"a\",\"n\":\"2\"}\n";
        let expected = [sheet("/l/a/x", "", lines), sheet("/l/b/x", "", "{\"app\":\"b\"}\n")];
        assert_eq!(sheets, expected);
    }

    #[test]
    fn records_without_a_file_are_taken_out_and_counted_by_whether_that_is_wanted() {
        let records: &[Fields<'_>] =
            &[&[("app", "a")], &[("app", "..")], &[("app", "b")], &[("n", "1")], &[("app", "a")]];
        let named = [("path", "/l/$app"), ("fallback_file", "f"), ("max_dynamic_files", "1")];
        for (action, limit, refused) in
            [("error", "error", 3), ("drop", "error", 1), ("drop", "drop", 0)]
        {
            let more = [("on_missing_field", action), ("on_limit_reached", limit)];
            let mut plan = plan(&[&named[..], &more[..]].concat());
            let mut chunk = chunks("t", &[records]).remove(0);
            let admitted = plan.admit(&mut chunk, clock::now()).map(|(_, refused)| refused);
            assert_eq!((admitted, chunk.entries.len()), (Some(refused), 2), "{action} {limit}");
            chunk.delivered();
        }
        let all = [("on_missing_field", "fallback"), ("on_limit_reached", "fallback")];
        let mut plan = plan(&[&named[..], &all[..]].concat());
        let mut chunk = chunks("t", &[records]).remove(0);
        assert!(plan.admit(&mut chunk, clock::now()).is_none() && chunk.entries.len() == 5);
        chunk.delivered();
    }

    #[test]
    fn records_without_a_file_need_not_be_on_disk_any_more() {
        #[derive(Debug, Default)]
        struct Told(Mutex<Vec<u32>>);
        impl Keeper for Told {
            fn ended(&self, _: u64, entries: Range<u32>) {
                self.0.lock().expect("no panic").extend(entries);
            }
            fn freed(&self, _: u64) {}
        }
        let records: &[Fields<'_>] =
            &[&[("app", "a")], &[("app", "..")], &[("n", "1")], &[("app", "b")]];
        let named = [("path", "/l/$app"), ("fallback_file", "f"), ("on_missing_field", "drop")];
        let mut plan = plan(&named);
        let mut chunk = chunks("t", &[records]).remove(0);
        let told = Arc::new(Told::default());
        let starts = chunk.entries.entries.iter().map(|entry| entry.start).collect();
        let keeper = Arc::clone(&told) as Arc<dyn Keeper>;
        let _of_store = chunk.permit.keep(Ticket::new(keeper, 1, starts, true));
        assert!(plan.admit(&mut chunk, clock::now()).is_some());
        assert_eq!(*told.0.lock().expect("no panic"), [1, 2]);
        chunk.delivered();
    }

    #[test]
    fn every_record_is_admitted_where_records_name_no_files() {
        let mut plan = plan(&[("file", "x")]);
        let mut chunk = chunks("t", &[&[&[("n", "1")]]]).remove(0);
        assert!(plan.admit(&mut chunk, clock::now()).is_none());
        chunk.delivered();
    }
}
