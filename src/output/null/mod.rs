//! Output `null`: takes everything and keeps nothing.

pub mod config;

use std::sync::Arc;

use crate::buffer::Buffer;

/// Takes chunks out of the buffer until it is closed and empty.
pub async fn run(buffer: Arc<Buffer>) {
    while let Some(chunk) = buffer.pop().await {
        chunk.delivered();
    }
}
