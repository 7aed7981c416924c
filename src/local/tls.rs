//! A certificate authority and a server certificate made at start, so that a client can be tested
//! over TLS with `tls.ca_file`. Nothing is kept beyond the process. Must not know what is served.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// Names that every server certificate is valid for.
pub const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What a listener needs to speak TLS, and what its clients need to trust it.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) server: Arc<ServerConfig>,
    /// The authority's certificate.
    pub(super) ca_pem: String,
}

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A name is neither a DNS name nor an IP address.
    #[error("cannot make a certificate: check the names given for it")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refuses the certificate that was made.
    #[error("cannot use the certificate that was made")]
    Server(#[from] rustls::Error),
}

/// Makes an authority and a certificate for [`NAMES`] and `names`.
///
/// # Errors
///
/// When one of `names` cannot be in a certificate.
pub(super) fn identity(names: &[String]) -> Result<Identity, TlsError> {
    let (ca_pem, issuer) = authority()?;
    let all: Vec<String> =
        NAMES.iter().map(ToString::to_string).chain(names.iter().cloned()).collect();
    let mut leaf = CertificateParams::new(all)?;
    leaf.distinguished_name.push(DnType::CommonName, "firelane local");
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let leaf_key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&leaf_key, &issuer)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let mut server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Identity { server: Arc::new(server), ca_pem })
}

fn authority() -> Result<(String, Issuer<'static, KeyPair>), rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "firelane local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), Issuer::new(params, key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_name_is_taken_and_a_wrong_one_refused() {
        assert!(identity(&["logs.test".to_owned(), "10.0.0.1".to_owned()]).is_ok());
        assert!(matches!(identity(&["n\u{e4}me".to_owned()]), Err(TlsError::Certificate(_))));
    }
}
