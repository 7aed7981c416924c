//! Around the way, tls: which versions of the protocol may be spoken.
//!
//! Only TLS 1.2 and 1.3 are: the library knows no older ones, which are broken.

use tokio_rustls::rustls::SupportedProtocolVersion;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::option::{Fault, Kind, Options, Remark};

/// What Fluent Bit understands as a version.
pub(super) const VERSION: Kind =
    Kind::Choice(&["TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1", "SSLv3", "SSLv2"]);

static BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
static ONLY_12: &[&SupportedProtocolVersion] = &[&TLS12];
static ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];

/// The versions that may be spoken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Versions {
    /// TLS 1.2 and 1.3.
    #[default]
    Both,
    /// TLS 1.2 alone.
    Only12,
    /// TLS 1.3 alone.
    Only13,
}

/// Why no version is left.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
enum Refusal {
    #[error("expected TLSv1.2 or TLSv1.3: nothing older can be spoken safely")]
    TooOld,
    #[error("expected a version of at most tls.max_version")]
    Reversed,
}

/// What to know about a version that works.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
enum Advice {
    #[error("counts as TLSv1.2, the oldest version that can be spoken safely")]
    Raised,
}

impl Versions {
    /// Reads `tls.min_version` and `tls.max_version`; problems are reported.
    pub(super) fn from_options(options: &mut Options) -> Self {
        let (min, max) = (options.text("tls.min_version"), options.text("tls.max_version"));
        match min.as_deref() {
            None | Some("TLSv1.2" | "TLSv1.3") => {}
            Some(_) => options.remark("tls.min_version", Remark::plugin(Advice::Raised)),
        }
        match (min.as_deref() == Some("TLSv1.3"), max.as_deref()) {
            (false, None | Some("TLSv1.3")) => Self::Both,
            (true, None | Some("TLSv1.3")) => Self::Only13,
            (false, Some("TLSv1.2")) => Self::Only12,
            (true, Some("TLSv1.2")) => {
                options.refuse("tls.min_version", Fault::invalid(Refusal::Reversed));
                Self::Both
            }
            (_, Some(_)) => {
                options.refuse("tls.max_version", Fault::invalid(Refusal::TooOld));
                Self::Both
            }
        }
    }

    pub(super) fn supported(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Both => BOTH,
            Self::Only12 => ONLY_12,
            Self::Only13 => ONLY_13,
        }
    }
}
