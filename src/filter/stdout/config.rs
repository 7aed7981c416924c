//! Step 3, filter: the options of `stdout`, of which there are none.

use crate::option::Table;

/// Options of its own.
pub const OPTIONS: Table = &[];
