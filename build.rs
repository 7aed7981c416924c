//! How the program is linked.
#![expect(clippy::disallowed_methods, reason = "cargo says it in the environment")]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let of_target =
        |name: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    if of_target("OS") == "linux" && of_target("ENV") == "gnu" {
        // Relocations of pointers as bits of a map: 0.8 MB less to load and to keep resident. Needs
        // glibc 2.36, which Debian 12 has, and lld or GNU ld 2.38.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
