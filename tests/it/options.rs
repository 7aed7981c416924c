//! `docs/options.md` against the tables of the program.

use std::path::Path;

use firelane::config::manual;

#[test]
fn the_reference_of_options_is_what_the_program_reads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/options.md");
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let expected = manual();
    if written == expected {
        return;
    }
    let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("options.md");
    std::fs::write(&fresh, &expected).expect("a folder for it");
    panic!("docs/options.md is out of step; copy {} over it", fresh.display());
}
