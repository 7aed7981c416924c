//! Names of files that come from tags and from records: none leads out of the folder it is in.
//!
//! Pure. Must not know which folder that is.

/// Longest part of a name that is made of a tag, where what is behind it is cut off, or of a record.
/// Leaves room for the ending of a rotated file within the 255 bytes that file systems take.
pub const PART_BYTES_MAX: usize = 224;
/// Linux takes shorter paths than this (`PATH_MAX`, which counts the byte behind the end).
const PATH_BYTES_LIMIT: usize = 4_096;

/// A tag as a relative path: `/` and `\` part folders, as in Fluent Bit; `.` and `..` become `_`, and
/// so does every byte but letters, digits, `-`, `_` and `.`.
#[must_use]
pub fn of_tag(tag: &[u8]) -> String {
    let mut name = String::new();
    for part in tag.split(|byte| is_separator(*byte)).filter(|part| !part.is_empty()) {
        if !name.is_empty() {
            name.push('/');
        }
        if matches!(part, b"." | b"..") {
            name.push('_');
            continue;
        }
        name.extend(part.iter().take(PART_BYTES_MAX).map(|byte| match byte {
            b'-' | b'_' | b'.' => char::from(*byte),
            byte if byte.is_ascii_alphanumeric() => char::from(*byte),
            _ => '_',
        }));
    }
    if name.is_empty() {
        name.push('_');
    }
    name
}

/// Whether a path may be used whose bytes from `fixed` on come from a record: it goes nowhere back,
/// and it is not too long to exist.
#[must_use]
pub fn is_safe_path(path: &[u8], fixed: usize) -> bool {
    let of_record = path.get(fixed..).unwrap_or_default();
    let mut parts = of_record.split(|byte| is_separator(*byte));
    // A `\` parts nothing on disk.
    let mut on_disk = of_record.split(|byte| *byte == b'/');
    !path.is_empty()
        && is_short(path)
        && on_disk.all(|part| part.len() <= PART_BYTES_MAX)
        && !path.iter().any(u8::is_ascii_control)
        && parts.all(|part| !matches!(part, b"." | b".."))
}

/// Whether a name that comes from a record is that of one file, and not too long to exist.
#[must_use]
pub fn is_safe_file(name: &[u8]) -> bool {
    let is_bad = |byte: &u8| {
        is_separator(*byte)
            || byte.is_ascii_control()
            || matches!(byte, b':' | b'*' | b'?' | b'"' | b'<' | b'>' | b'|')
    };
    !matches!(name, b"" | b"." | b"..") && name.len() <= PART_BYTES_MAX && !name.iter().any(is_bad)
}

/// Whether a whole path is short enough to exist.
#[must_use]
pub const fn is_short(path: &[u8]) -> bool {
    path.len() < PATH_BYTES_LIMIT
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_tag_is_a_relative_path() {
        let named = |tag: &str| of_tag(tag.as_bytes());
        assert_eq!(named("app.web-1_a"), "app.web-1_a");
        assert_eq!(named("a/b\\c"), "a/b/c");
        assert_eq!(named("//var/log/x.log/"), "var/log/x.log");
        assert_eq!(named("../../etc/./passwd"), "_/_/etc/_/passwd");
        assert_eq!(named("a b:\u{e9}\n"), "a_b____");
        assert_eq!((named("").as_str(), named("///").as_str()), ("_", "_"));
        assert_eq!(named("...").as_str(), "...");
    }

    #[test]
    fn a_part_that_no_file_system_takes_is_cut() {
        let long = |bytes| of_tag("x".repeat(bytes).as_bytes()).len();
        assert_eq!(
            (long(PART_BYTES_MAX), long(PART_BYTES_MAX + 1)),
            (PART_BYTES_MAX, PART_BYTES_MAX)
        );
    }

    #[test]
    fn a_path_of_a_record_goes_nowhere_back() {
        for good in ["/l/a", "/l/a/b/", "/l/a..b", "/l/..."] {
            assert!(is_safe_path(good.as_bytes(), 3), "{good}");
        }
        for bad in ["/l/..", "/l/../a", "/l/a/./b", "/l/a\\..", "/l/a\n", ""] {
            assert!(!is_safe_path(bad.as_bytes(), 3), "{bad}");
        }
        assert!(
            is_safe_path(b"./l/a", 4) && !is_safe_path(b"./l/a", 0),
            "what is fixed is trusted"
        );
    }

    #[test]
    fn a_file_of_a_record_is_one_name() {
        assert!(is_safe_file(b"a.log") && is_safe_file("\u{e9} ..a".as_bytes()));
        for bad in ["", ".", "..", "a/b", "a\\b", "a:b", "a*", "a?", "\"", "<", ">", "|", "\x7f"] {
            assert!(!is_safe_file(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_name_of_a_record_that_no_file_system_takes_is_not_safe() {
        let long = |bytes| "x".repeat(bytes);
        for (bytes, is_safe) in [(PART_BYTES_MAX, true), (PART_BYTES_MAX + 1, false)] {
            assert_eq!(is_safe_file(long(bytes).as_bytes()), is_safe, "{bytes}");
            assert_eq!(is_safe_path(format!("/l/{}/a", long(bytes)).as_bytes(), 3), is_safe);
            let parted = format!("/l/a\\{}", long(bytes - 2));
            assert_eq!(is_safe_path(parted.as_bytes(), 3), is_safe, "{parted}");
            let fixed = format!("/{}/a", long(bytes));
            assert!(is_safe_path(fixed.as_bytes(), fixed.len() - 1), "what is fixed is trusted");
        }
        let path = "/xxxxxxx".repeat(PATH_BYTES_LIMIT / 8);
        assert!(is_safe_path(&path.as_bytes()[1..], 0) && !is_safe_path(path.as_bytes(), 0));
    }

    fn stays_within(path: &Path) -> bool {
        path.components().all(|part| matches!(part, Component::Normal(_)))
    }

    proptest! {
        #[test]
        fn no_tag_leads_out_of_its_folder(tag in "[./\\\\a\\PC\\x00]{0,24}") {
            let name = of_tag(tag.as_bytes());
            prop_assert!(!name.is_empty() && stays_within(Path::new(&name)), "{name}");
        }

        #[test]
        fn no_safe_name_leads_out_of_its_folder(name in "[./\\\\a\\x00]{0,8}") {
            if is_safe_path(name.as_bytes(), 0) {
                let back = Path::new(&name).components().any(|part| part == Component::ParentDir);
                prop_assert!(!back, "{name}");
            }
            if is_safe_file(name.as_bytes()) {
                prop_assert!(stays_within(Path::new(&name)), "{name}");
            }
        }
    }
}
