//! Filter `stdout`: prints every record and lets it go on as it is.
//!
//! The text is that of Fluent Bit (`plugins/filter_stdout`): `[0] tag: [1700000000.250000000, {},
//! {"log"=>"x"}]`. It goes into the pass, so that no filter waits for whoever reads it.

pub mod config;

use std::io::Write as _;

use crate::chunk::Chunk;
use crate::record::text_out;

use super::Pass;

/// Adds the text of the chunk to what is printed.
pub fn print(chunk: &Chunk, pass: &mut Pass) {
    let out = &mut pass.printed;
    let mut whole = Vec::new();
    for (place, (time, mut record)) in chunk.entries.iter().enumerate() {
        if !chunk.shared.is_empty() {
            whole.clear();
            chunk.write_whole(record, &mut whole);
            record = &whole;
        }
        // Writing to a `Vec` cannot fail.
        let _ = write!(out, "[{place}] ");
        out.extend_from_slice(chunk.tag.as_bytes());
        out.extend_from_slice(b": [");
        text_out::write_time(time, out);
        out.extend_from_slice(b", {}, ");
        text_out::write(record, out);
        out.extend_from_slice(b"]\n");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::chunk::fixture::chunk;
    use crate::ledger::Account;
    use crate::record::fields::{SharedField, SharedFields};

    #[test]
    fn every_record_is_a_line_with_all_its_fields() {
        let account = Arc::new(Account::default());
        let mut chunk = chunk(&account, "a.b", &[&[("log", "x")], &[]]);
        let mut pass = Pass::new(crate::clock::now());
        print(&chunk, &mut pass);
        let field = SharedField { key: (*b"k").into(), value: (*b"v").into(), yields: false };
        chunk.shared = SharedFields::new(vec![field]);
        print(&chunk, &mut pass);
        chunk.delivered();
        let expected = "\
[0] a.b: [1700000000.000000000, {}, {\"log\"=>\"x\"}]
[1] a.b: [1700000001.000000000, {}, {}]
[0] a.b: [1700000000.000000000, {}, {\"log\"=>\"x\", \"k\"=>\"v\"}]
[1] a.b: [1700000001.000000000, {}, {\"k\"=>\"v\"}]
";
        assert_eq!(String::from_utf8_lossy(&pass.printed), expected);
    }
}
