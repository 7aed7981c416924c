//! Why a forward connection cannot be followed any further.

/// The stream lost its thread: the connection must be closed. What was decoded before it stays.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConnectionError {
    /// Something else speaks: HTTP and TLS begin with bytes that are small integers in msgpack.
    #[error(
        "frame begins with byte 0x{first_byte:02x}, expected a msgpack array: not the forward protocol (HTTP, or TLS to a plain port)"
    )]
    NotForward {
        /// The first byte of what should be a frame.
        first_byte: u8,
    },
    /// 0xc1, which msgpack never uses.
    #[error("illegal msgpack byte 0xc1 at offset {offset} of a frame")]
    IllegalByte {
        /// Where in its frame.
        offset: usize,
    },
    /// A frame that is, or claims to become, larger than allowed.
    #[error(
        "frame of at least {bytes} bytes, limit {bytes_max}: raise Buffer_Max_Size or send smaller chunks"
    )]
    FrameTooLarge {
        /// The least it will have.
        bytes: usize,
        /// `Buffer_Max_Size`.
        bytes_max: usize,
    },
    /// A compressed frame that inflates to more than allowed.
    #[error(
        "compressed frame inflates to more than {bytes_max} bytes: raise Buffer_Max_Size or send smaller chunks"
    )]
    InflatedTooLarge {
        /// `Buffer_Max_Size`.
        bytes_max: usize,
    },
    /// A connection that began as JSON, and then a byte whose meaning cannot be known.
    #[error("byte at offset {offset} of a JSON frame cannot stand there")]
    JsonDisorder {
        /// Where in its frame.
        offset: usize,
    },
}
