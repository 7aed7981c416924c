//! A form: one record, whose values are text. Must not know what they mean.

use std::convert::Infallible;

use super::Fault;
use crate::input::http::params;
use crate::input::http::tagged::Tagged;
use crate::record::edit::MapWriter;

pub(super) fn read(body: &[u8], out: &mut Tagged<'_>) -> Result<(), Fault> {
    if params::pairs(body).next().is_none() {
        return Err(if body.trim_ascii().is_empty() { Fault::Empty } else { Fault::NoPair });
    }
    let pushed = out.push(|data, address| {
        let mut fields = MapWriter::begin(data);
        params::pairs(body).for_each(|(name, value)| fields.text(&name, &value));
        if let Some(address) = address {
            fields.text(address.key, address.text);
        }
        fields.end();
        Ok::<(), Infallible>(())
    });
    match pushed {
        Ok(()) => Ok(()),
        Err(never) => match never {},
    }
}
