//! Lines against those that Fluent Bit 5.1.1 writes, and CSV that reads back.

use proptest::prelude::*;

use super::*;

const CSV: Format = Format::Csv { delimiter: Delimiter::Comma, column_names: true };
const LTSV: Format = Format::Ltsv { delimiter: Delimiter::Tab, label_delimiter: Delimiter::Colon };

/// `{"log": "a b", "n": 5, "neg": -7, "f": 2.5, "t": true, "z": nil, "e": [], "o": {},
/// "l": ["x"], "u": "é"}`
fn record() -> Vec<u8> {
    let mut record = Vec::new();
    let mut writer = Writer::new(&mut record);
    writer.map_header(10);
    writer.str(b"log");
    writer.str(b"a b");
    writer.str(b"n");
    writer.uint(5);
    writer.str(b"neg");
    writer.int(-7);
    writer.str(b"f");
    writer.f64(2.5);
    writer.str(b"t");
    writer.bool(true);
    writer.str(b"z");
    writer.nil();
    writer.str(b"e");
    writer.array_header(0);
    writer.str(b"o");
    writer.map_header(0);
    writer.str(b"l");
    writer.array_header(1);
    writer.uint(1);
    writer.str(b"u");
    writer.str("\u{e9}".as_bytes());
    record
}

/// A record of text fields, `k0` and so on.
fn texts(values: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut record = Vec::new();
    let mut writer = Writer::new(&mut record);
    writer.map_header(u32::try_from(values.len()).expect("small"));
    for (at, value) in values.iter().enumerate() {
        writer.str(format!("k{at}").as_bytes());
        writer.str(value.as_ref());
    }
    record
}

fn written(format: &Format, record: &[u8], escape_unicode: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let time = EventTime::from_parts(1_700_000_000, 123_456_789);
    format.write(b"app.0", time, record, escape_unicode, &mut out);
    out
}

fn line(format: &Format, record: &[u8]) -> String {
    String::from_utf8(written(format, record, true)).expect("text")
}

#[test]
fn a_line_is_what_fluent_bit_writes() {
    let json = r#"{"log":"a b","n":5,"neg":-7,"f":2.5,"t":true,"z":null,"e":[],"o":{},"l":[1],"u":"\u00e9"}"#;
    let record = record();
    assert_eq!(line(&Format::Tagged, &record), format!("app.0: [1700000000.123456789, {json}]\n"));
    assert_eq!(line(&Format::Plain, &record), format!("{json}\n"));
    assert_eq!(
        line(&CSV, &record),
        "1700000000.123456789,\"a b\",5,-7,2.500000,true,nil,[],{},[1],\"\u{e9}\"\n"
    );
    assert_eq!(
        line(&LTSV, &record),
        "\"time\":1700000000.123457\t\"log\":\"a b\"\t\"n\":5\t\"neg\":-7\t\"f\":2.500000\t\
         \"t\":true\t\"z\":nil\t\"e\":[]\t\"o\":{}\t\"l\":[1]\t\"u\":\"\u{e9}\"\n"
    );
    let template = Format::Template(LineTemplate::parse("{time} {log}"));
    assert_eq!(line(&template, &record), "1700000000.123457 a b\n");
}

#[test]
fn what_is_not_ascii_is_escaped_in_json_only_if_that_is_wanted() {
    let record = texts(&["\u{e9}"]);
    let raw = written(&Format::Plain, &record, false);
    assert_eq!(raw, "{\"k0\":\"\u{e9}\"}\n".as_bytes());
    assert_eq!(line(&Format::Plain, &record), "{\"k0\":\"\\u00e9\"}\n");
}

#[test]
fn msgpack_is_what_fluent_bit_holds() {
    let expected = b"\x92\x92\xd7\x00\x65\x53\xf1\x00\x07\x5b\xcd\x15\x80\x81\xa2k0\xa1x";
    assert_eq!(written(&Format::Msgpack, &texts(&["x"]), true), expected);
}

#[test]
fn a_record_without_fields_is_a_line_of_json_and_none_of_columns() {
    assert_eq!(line(&Format::Tagged, b"\x80"), "app.0: [1700000000.123456789, {}]\n");
    assert_eq!(line(&Format::Plain, b"\x80"), "{}\n");
    assert_eq!((line(&CSV, b"\x80").as_str(), line(&LTSV, b"\x80").as_str()), ("", ""));
    let mut header = Vec::new();
    CSV.write_header(b"\x80", &mut header);
    assert_eq!(header, b"");
}

#[test]
fn a_header_names_the_columns_where_that_is_wanted() {
    let header = |format: &Format| {
        let mut out = Vec::new();
        format.write_header(&texts(&["x", "y"]), &mut out);
        String::from_utf8(out).expect("text")
    };
    assert_eq!(header(&CSV), "timestamp,\"k0\",\"k1\"\n");
    let tab = Format::Csv { delimiter: Delimiter::Tab, column_names: true };
    assert_eq!(header(&tab), "timestamp\t\"k0\"\t\"k1\"\n");
    let without = Format::Csv { delimiter: Delimiter::Comma, column_names: false };
    assert_eq!((header(&without).as_str(), header(&LTSV).as_str()), ("", ""));
}

#[test]
fn the_delimiters_are_those_that_were_asked_for() {
    let record = texts(&["x"]);
    for (delimiter, byte) in [
        (Delimiter::Comma, ","),
        (Delimiter::Space, " "),
        (Delimiter::Tab, "\t"),
        (Delimiter::Colon, ":"),
    ] {
        let csv = Format::Csv { delimiter, column_names: false };
        assert_eq!(line(&csv, &record), format!("1700000000.123456789{byte}\"x\"\n"));
        let ltsv = Format::Ltsv { delimiter, label_delimiter: delimiter };
        let expected = format!("\"time\"{byte}1700000000.123457{byte}\"k0\"{byte}\"x\"\n");
        assert_eq!(line(&ltsv, &record), expected);
    }
}

#[test]
fn a_map_in_csv_is_one_column() {
    // {"m": {"k": "v", "n": 1}}
    let record = b"\x81\xa1m\x82\xa1k\xa1v\xa1n\x01";
    let expected = "1700000000.123456789,\"{\"\"k\"\"=>\"\"v\"\", \"\"n\"\"=>1}\"\n";
    assert_eq!(line(&CSV, record), expected);
}

/// The cells of a line of CSV, by RFC 4180.
fn cells(line: &str, delimiter: char) -> Vec<String> {
    let (mut cells, mut cell) = (Vec::new(), String::new());
    let mut chars = line.strip_suffix('\n').expect("an end").chars().peekable();
    let mut is_quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => is_quoted = !is_quoted,
            c if c == delimiter && !is_quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    assert!(!is_quoted, "{line}");
    cells.push(cell);
    cells
}

proptest! {
    #[test]
    fn csv_reads_back(values in prop::collection::vec("[a,\" \\n\\t\\r\u{e9}]{0,8}", 1..4), tab in any::<bool>()) {
        let (delimiter, c) = if tab { (Delimiter::Tab, '\t') } else { (Delimiter::Comma, ',') };
        let line = line(&Format::Csv { delimiter, column_names: false }, &texts(&values));
        let read = cells(&line, c);
        prop_assert_eq!(&read[1..], &values[..]);
    }

    #[test]
    fn json_lines_read_back_and_are_one_line(values in prop::collection::vec(".*", 1..4)) {
        let line = line(&Format::Plain, &texts(&values));
        prop_assert_eq!(line.matches('\n').count(), 1);
        let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        for (at, value) in values.iter().enumerate() {
            prop_assert_eq!(read[format!("k{at}")].as_str(), Some(value.as_str()));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(record in prop::collection::vec(any::<u8>(), 0..40)) {
        let template = Format::Template(LineTemplate::parse("{time} {a}"));
        for format in [Format::Tagged, Format::Plain, CSV, LTSV, template, Format::Msgpack] {
            let _ = written(&format, &record, true);
            format.write_header(&record, &mut Vec::new());
        }
    }
}
