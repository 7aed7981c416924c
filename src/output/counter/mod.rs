//! Output `counter`: prints how many records each flush of a tag has.
//!
//! Reference: Fluent Bit's manual, "Counter"; `plugins/out_counter`. Pure: `now` is an argument, and who
//! prints is [`super::stdout`].

pub mod config;

use std::io::Write as _;
use std::time::Duration;

/// Appends the line of a flush. Nothing but records is flushed here, so that all its numbers are one.
pub fn write(records: u64, now: Duration, out: &mut Vec<u8>) {
    let seconds = now.as_secs_f64();
    // Writing to a `Vec` cannot fail.
    let _ = writeln!(
        out,
        "{{\"ts\":{seconds:.6},\"serialized_events\":{records},\"log_records\":{records},\
         \"total\":{records}}}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_time_and_the_numbers_as_fluent_bit_writes_them() {
        let mut out = Vec::new();
        write(2, Duration::new(1_795_293_466, 990_943_000), &mut out);
        let expected = "{\"ts\":1795293466.990943,\"serialized_events\":2,\"log_records\":2,\
                        \"total\":2}\n";
        assert_eq!(String::from_utf8(out).as_deref(), Ok(expected));
    }
}
