//! Puts a full file aside: another name, compressed, and only so many of them.
//!
//! As Fluent Bit's `out_file/file_rotate.c`, with the same names, so that each keeps the other's files
//! within the limit. Nothing here is fatal: a file that cannot be put aside goes on being written to.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::config::Rotation;

/// When a file is put aside, and a number that makes its name its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// Since 1970.
    pub unix: Duration,
    /// Any number.
    pub chance: u32,
}

/// Puts the file aside. `false`: it stays as it is.
#[must_use]
pub fn rotate(path: &Path, rotation: Rotation, stamp: Stamp) -> bool {
    let aside = with_ending(path, &format!(".{}", stamp.suffix(&TimeZone::system())));
    if let Err(error) = fs::rename(path, &aside) {
        tracing::warn!("cannot put '{}' aside: {error}", path.display());
        return false;
    }
    tracing::info!("put '{}' aside as '{}'", path.display(), aside.display());
    if rotation.gzip
        && let Err(error) = compress(&aside)
    {
        tracing::warn!("cannot compress '{}', keeping it as it is: {error}", aside.display());
    }
    if let Err(error) = trim(path, rotation.files_max) {
        tracing::warn!("cannot remove files that were put aside of '{}': {error}", path.display());
    }
    true
}

impl Stamp {
    /// `20231114_221320_0000002a`
    fn suffix(self, zone: &TimeZone) -> String {
        let timestamp = Timestamp::from_duration(self.unix.try_into().unwrap_or_default());
        let time = timestamp.unwrap_or_default().to_zoned(zone.clone());
        format!("{}_{:08x}", time.strftime("%Y%m%d_%H%M%S"), self.chance)
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

/// The file as `.gz`, in place of it.
fn compress(path: &Path) -> io::Result<()> {
    let compressed = with_ending(path, ".gz");
    let written = File::open(path).and_then(|mut from| {
        let mut into = GzEncoder::new(File::create(&compressed)?, Compression::default());
        io::copy(&mut from, &mut into)?;
        into.finish().map(drop)
    });
    match written {
        Ok(()) => fs::remove_file(path),
        Err(error) => {
            // Half a file is of no use; if it stays, it is removed with the oldest.
            let _ = fs::remove_file(&compressed);
            Err(error)
        }
    }
}

/// Removes the oldest files that were put aside until so many are left.
fn trim(path: &Path, files_max: usize) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let base = path.file_name().unwrap_or_default();
    let mut aside = Vec::new();
    for entry in fs::read_dir(folder.unwrap_or(Path::new(".")))?.flatten() {
        let Some(metadata) = entry.metadata().ok().filter(fs::Metadata::is_file) else { continue };
        if is_aside(&entry.file_name(), base) {
            aside.push((metadata.modified()?, entry.path()));
        }
    }
    aside.sort();
    let surplus = aside.len().saturating_sub(files_max);
    aside.iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
}

/// Whether a name is `base` with the ending of a file that was put aside: a date, a time, and since
/// 5.1 eight digits.
fn is_aside(name: &OsStr, base: &OsStr) -> bool {
    let Some(ending) = name.as_bytes().strip_prefix(base.as_bytes()) else { return false };
    let ending = ending.strip_suffix(b".gz").unwrap_or(ending);
    let mut parts = ending.split(|byte| *byte == b'_');
    let is_of = |part: Option<&[u8]>, digits: usize, is_digit: fn(&u8) -> bool| {
        part.is_some_and(|part| part.len() == digits && part.iter().all(is_digit))
    };
    let date = parts.next().and_then(|date| date.strip_prefix(b"."));
    is_of(date, 8, u8::is_ascii_digit)
        && is_of(parts.next(), 6, u8::is_ascii_digit)
        && parts.next().is_none_or(|part| is_of(Some(part), 8, u8::is_ascii_hexdigit))
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::time::SystemTime;

    use super::*;

    const STAMP: Stamp = Stamp { unix: Duration::from_secs(1_700_000_000), chance: 0x2a };

    #[test]
    fn the_name_has_date_time_and_eight_digits() {
        assert_eq!(STAMP.suffix(&TimeZone::UTC), "20231114_221320_0000002a");
        let zone = TimeZone::get("America/New_York").expect("a zone");
        assert_eq!(STAMP.suffix(&zone), "20231114_171320_0000002a");
    }

    #[test]
    fn files_that_were_put_aside_are_known_by_their_names() {
        let is = |name: &str| is_aside(OsStr::new(name), OsStr::new("a.log"));
        for good in [
            "20231114_221320",
            "20231114_221320.gz",
            "20231114_221320_0000002a",
            "20231114_221320_0aF0002a.gz",
        ] {
            assert!(is(&format!("a.log.{good}")), "{good}");
        }
        for bad in [
            "a.log",
            "a.log.1",
            "a.log.20231114_221320_0000002",
            "a.log.20231114_221320_0000002g",
            "a.log.2023111x_221320",
            "a.log.20231114_221320.zip",
            "a.log.20231114_221320_0000002a_1",
            "a.log20231114_221320",
            "b.log.20231114_221320",
        ] {
            assert!(!is(bad), "{bad}");
        }
    }

    #[test]
    fn a_file_is_compressed_and_the_oldest_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        let rotation = Rotation { bytes_max: 1, files_max: 2, gzip: true };
        for (age, name) in [(5, "a.20200101_000000"), (4, "a.20200101_000001.gz")] {
            let file = File::create(folder.path().join(name)).expect("a file");
            let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 - age);
            file.set_modified(old).expect("a time");
        }
        fs::write(folder.path().join("a.1"), "not ours").expect("written");
        fs::write(&path, "x".repeat(100_000)).expect("written");
        assert!(rotate(&path, rotation, STAMP));
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .expect("a folder")
            .flatten()
            .map(|entry| entry.file_name().into_string().expect("text"))
            .collect();
        names.sort();
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!((names[0].as_str(), names[1].as_str()), ("a.1", "a.20200101_000001.gz"));
        let compressed = File::open(folder.path().join(&names[2])).expect("a file");
        let mut text = String::new();
        flate2::bufread::GzDecoder::new(io::BufReader::new(compressed))
            .read_to_string(&mut text)
            .expect("gzip");
        assert_eq!(text, "x".repeat(100_000));
    }

    #[test]
    fn a_file_that_cannot_be_put_aside_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let rotation = Rotation { bytes_max: 1, files_max: 1, gzip: true };
        assert!(!rotate(&folder.path().join("none"), rotation, STAMP));
    }
}
