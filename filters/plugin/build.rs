//! Tells the linker to leave no padding in the module.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        // References are five bytes wide until the linker knows what they refer to; strings with equal ends are shared.
        println!("cargo::rustc-cdylib-link-arg=--compress-relocations");
        println!("cargo::rustc-cdylib-link-arg=-O2");
    }
}
