//! Around the path: what EC2 knows of the instance this process runs on.
//!
//! [`metadata`] is what was learnt, as a value (pure); [`client`] asks the instance metadata service
//! (IMDS) for it in the background. Nothing waits for it but a filter that holds records for a short
//! while. Not known here: what filters make of it.

pub mod client;
pub mod metadata;

pub use client::{Endpoint, EndpointError, Inquiry, Latest, inquiry};
pub use metadata::{Item, Metadata, Tags, Version, Wanted};
