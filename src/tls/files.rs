//! Around the way, tls: PEM files → certificates and keys, checked and within limits.
//!
//! Not known here: who shows or trusts them.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, RootCertStore};

use super::options::{Authorities, Identity};
use super::{TlsError, provider};

/// Most bytes of a file; all public authorities together take a quarter of it.
const BYTES_MAX: u64 = 1_048_576;
/// Most files of a folder of authorities; systems have some hundred, each under two names.
const FILES_MAX: usize = 4_096;
/// What stands in the PEM of a key that needs a password, in either form.
const ENCRYPTED: [&[u8]; 2] = [b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED"];

/// Why a file of certificates or keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("reading failed")]
    Read(#[from] io::Error),
    /// It is too long to be one.
    #[error("more than {BYTES_MAX} bytes")]
    TooLong,
    /// A folder with too many files.
    #[error("more than {FILES_MAX} files")]
    TooMany,
    /// It is not PEM.
    #[error("not PEM")]
    Pem(#[from] pem::Error),
    /// A certificate in it is none.
    #[error("certificate {number} cannot be parsed")]
    Certificate {
        /// Its place in the file, from 1.
        number: usize,
        /// The cause.
        source: rustls::Error,
    },
    /// There is no certificate in it.
    #[error("no certificate in it, expected -----BEGIN CERTIFICATE-----")]
    Empty,
    /// There is no key in it.
    #[error("no key in it, expected -----BEGIN PRIVATE KEY-----")]
    NoKey,
    /// A key that needs a password.
    #[error(
        "the key is encrypted, which is not supported; write it without with: openssl pkey -in KEY -out PLAIN"
    )]
    Encrypted,
    /// A key of a kind that nobody knows.
    #[error("the key cannot be used")]
    Key(#[source] rustls::Error),
}

/// The bytes of a PEM file of certificates, each of which can be an authority.
///
/// # Errors
///
/// [`FileError`] says what is wrong with it.
pub fn read_authorities(path: &Path) -> Result<Vec<u8>, FileError> {
    let pem = read(path)?;
    add_to(&mut RootCertStore::empty(), &pem)?;
    Ok(pem)
}

/// All the authorities that options name; none for none.
pub(super) fn authorities(from: &Authorities) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &from.file {
        read(path)
            .and_then(|pem| add_to(&mut roots, &pem))
            .map_err(|source| file_error("tls.ca_file", path, source))?;
    }
    if let Some(path) = &from.folder {
        add_folder(&mut roots, path)
            .map_err(|(path, source)| file_error("tls.ca_path", &path, source))?;
    }
    Ok(roots)
}

/// The certificate with those that lead to it, and the key, which fit each other.
pub(super) fn identity(
    from: &Identity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let Identity { crt_file, key_file, .. } = from;
    let chain =
        read_chain(crt_file).map_err(|source| file_error("tls.crt_file", crt_file, source))?;
    let key = read_key(key_file).map_err(|source| file_error("tls.key_file", key_file, source))?;
    let signing = provider()
        .key_provider
        .load_private_key(key.clone_key())
        .map_err(|source| file_error("tls.key_file", key_file, FileError::Key(source)))?;
    // Not every kind of key tells its other half; then the first peer finds out.
    let unknown = rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown);
    match CertifiedKey::new(chain.clone(), signing).keys_match() {
        Err(source) if source != unknown => {
            let (certificate, key) = (crt_file.clone(), key_file.clone());
            Err(TlsError::Pair { certificate, key, source })
        }
        _ => Ok((chain, key)),
    }
}

fn file_error(option: &'static str, path: &Path, why: FileError) -> TlsError {
    TlsError::File { option, path: path.to_owned(), why }
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read > BYTES_MAX) {
        return Err(FileError::TooLong);
    }
    Ok(bytes)
}

fn add_to(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), FileError> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        count += 1;
        roots
            .add(certificate?)
            .map_err(|source| FileError::Certificate { number: count, source })?;
    }
    if count == 0 { Err(FileError::Empty) } else { Ok(()) }
}

/// Adds what is in the files of a folder. Files without a certificate are left out: such folders
/// hold lists of what was revoked and notes for people too.
fn add_folder(roots: &mut RootCertStore, folder: &Path) -> Result<(), (PathBuf, FileError)> {
    let in_folder = |error| (folder.to_owned(), error);
    let entries = fs::read_dir(folder).map_err(|error| in_folder(error.into()))?;
    let mut is_empty = true;
    for (index, entry) in entries.enumerate() {
        if index == FILES_MAX {
            return Err(in_folder(FileError::TooMany));
        }
        let path = entry.map_err(|error| in_folder(error.into()))?.path();
        if !path.is_file() {
            continue;
        }
        match read(&path).and_then(|pem| add_to(roots, &pem)) {
            Ok(()) => is_empty = false,
            Err(FileError::Empty) => {}
            Err(error) => return Err((path, error)),
        }
    }
    if is_empty { Err(in_folder(FileError::Empty)) } else { Ok(()) }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let pem = read(path)?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>()?;
    let Some(own) = chain.first() else { return Err(FileError::Empty) };
    rustls::server::ParsedCertificate::try_from(own)
        .map_err(|source| FileError::Certificate { number: 1, source })?;
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    let pem = read(path)?;
    if ENCRYPTED.iter().any(|mark| memchr::memmem::find(&pem, mark).is_some()) {
        return Err(FileError::Encrypted);
    }
    match PrivateKeyDer::from_pem_slice(&pem) {
        Err(pem::Error::NoItemsFound) => Err(FileError::NoKey),
        read => Ok(read?),
    }
}
