//! Fuzz targets: one function for each parser that reads what others wrote (decision 45).
//!
//! `cargo xtask fuzz` builds `src/bin/*.rs` with coverage instrumentation and lets libFuzzer call these functions;
//! `tests/replay.rs` calls them with the committed inputs of `corpus/` on any toolchain. A function panics if the
//! parser does, or if what it read contradicts itself. An input that once failed is added to `corpus/` by hand.
//!
//! Fuzzing needs the stable toolchain and a C++ compiler with its standard library (Debian: `g++`), for libFuzzer
//! itself; replaying needs neither. It finds wrong comparisons byte by byte, but cannot see into comparisons of whole
//! strings: what matters as a whole, such as a header's name, has to be in the corpus.

mod bytes;
pub mod feed;
pub mod headers;
pub mod names;
pub mod path;
pub mod requests;
pub mod xfcc;

/// A function that must return for any input.
pub type Target = fn(&[u8]);

/// All targets by name: the directory in `corpus/`, and `fuzz-` + name is the program.
pub const TARGETS: &[(&str, Target)] = &[
    ("feed", feed::run),
    ("headers", headers::run),
    ("names", names::run),
    ("path", path::run),
    ("requests", requests::run),
    ("xfcc", xfcc::run),
];
