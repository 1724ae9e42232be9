#![allow(warnings)]
mod place { pub use fairlead_tests::place::*; }
mod case { pub use fairlead_tests::case::*; }
mod target { pub use fairlead_tests::target::*; }
#[path = "../src/cases/paths.rs"]
mod paths;
use fairlead_tests::place::embedded;
#[test] fn rows() { embedded(&paths::NEEDS, paths::arrive_byte_for_byte).unwrap() }
#[test] fn names() { embedded(&paths::NEEDS, paths::name_exactly_one_service).unwrap() }
#[test] fn climbing() { embedded(&paths::NEEDS, paths::nothing_leaves_the_base_path).unwrap() }
