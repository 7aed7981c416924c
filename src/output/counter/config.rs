//! Step 6, output: the options of `counter`, of which it has none.

use crate::option::Table;

/// Options of its own.
pub const OPTIONS: Table = &[];
