//! Step 6, output: the options of `null`, none of which does anything.

use crate::option::{Kind, Row, Table};

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("format", Kind::Text, "Format of what is thrown away").without_effect(),
    Row::new("json_date_key", Kind::Text, "Key of the time in it").without_effect(),
    Row::new("json_date_format", Kind::Text, "Format of the time in it").without_effect(),
];
