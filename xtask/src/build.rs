//! Building the module and the binaries.

use std::path::{Path, PathBuf};

use crate::{
    root,
    run::{Error, Result, cargo, doing, run as run_command, step},
    tools,
};

/// The module may have this many bytes (design: numbers).
const MODULE_LIMIT: u64 = 300 * 1024;

/// What a gateway calls. Every exported callback costs CPU on each request (facts: cost per request).
const CALLBACKS: &[&str] = &[
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_http_call_response",
    "proxy_on_request_body",
    "proxy_on_request_headers",
    "proxy_on_response_headers",
    "proxy_on_tick",
    "proxy_on_vm_start",
];

/// Everything that tests and `up` start.
pub(crate) struct Built {
    pub(crate) module: PathBuf,
    /// The module that a test can kill; only tests have it.
    pub(crate) crashing_module: Option<PathBuf>,
    pub(crate) server: PathBuf,
    pub(crate) double: PathBuf,
}

/// `cargo xtask build`.
pub(crate) fn run() -> Result {
    let module = module(&[])?;
    binaries("release")?;
    println!("{}", module.display());
    Ok(())
}

/// Builds all of it: the module as gateways load it, binaries in `profile`.
pub(crate) fn all(profile: &str) -> Result<Built> {
    let module = module(&[])?;
    let crashing_module = Some(self::module(&["crash-test"])?);
    let binaries = binaries(profile)?;
    Ok(Built {
        module,
        crashing_module,
        server: binaries.join("fairlead"),
        double: binaries.join("fairlead-double"),
    })
}

/// Builds the module with these cargo features, checks its size and its exports.
pub(crate) fn module(features: &[&str]) -> Result<PathBuf> {
    step(&format!("module {}", features.join(",")));
    let built = wasm_crate("fairlead-plugin", features)?;
    let name = if features.is_empty() {
        "fairlead.wasm".to_owned()
    } else {
        format!("fairlead-{}.wasm", features.join("-"))
    };
    let module = root::target().join(name);
    doing("cannot copy the module", std::fs::copy(&built, &module))?;
    let bytes = doing("cannot read the module", std::fs::read(&module))?;
    check_size(bytes.len() as u64)?;
    check_exports(&bytes)?;
    println!("{}: {} KiB (limit {} KiB)", module.display(), bytes.len() / 1024, MODULE_LIMIT / 1024);
    Ok(module)
}

/// Builds a cdylib crate for the gateways' virtual machine.
pub(crate) fn wasm_crate(package: &str, features: &[&str]) -> Result<PathBuf> {
    run_command(
        tools::wasm_cargo()?
            .args([
                "build",
                "--profile",
                "module",
                "--target",
                "wasm32-unknown-unknown",
                "--package",
                package,
            ])
            .arg("--features")
            .arg(features.join(",")),
    )?;
    let file = format!("{}.wasm", package.replace('-', "_"));
    Ok(root::target().join("wasm32-unknown-unknown/module").join(file))
}

/// Builds the control plane, the double and the launchers, all in one call: cargo would build what they share once more for
/// each other choice of packages. Gives the directory that they are in.
pub(crate) fn binaries(profile: &str) -> Result<PathBuf> {
    step(&format!("control plane and tools ({profile})"));
    let packages = ["fairlead", "fairlead-testkit", "fairlead-up", "fairlead-mesh"];
    run_command(
        cargo()
            .args(["build", "--bins", "--profile", profile])
            .args(packages.iter().flat_map(|name| ["--package", name])),
    )?;
    Ok(root::target().join(if profile == "dev" { "debug" } else { profile }))
}

fn check_size(bytes: u64) -> Result {
    if bytes <= MODULE_LIMIT {
        return Ok(());
    }
    Err(Error::new(format!("the module has {bytes} bytes; {MODULE_LIMIT} are the limit")))
}

fn check_exports(module: &[u8]) -> Result {
    let exports =
        wasm_exports(module).ok_or_else(|| Error::new("the module's export section cannot be read"))?;
    let surplus: Vec<&str> = exports
        .iter()
        .map(String::as_str)
        .filter(|name| {
            name.starts_with("proxy_on_") && *name != "proxy_on_memory_allocate" && !CALLBACKS.contains(name)
        })
        .collect();
    if surplus.is_empty() {
        return Ok(());
    }
    Err(Error::new(format!("the module exports callbacks that it does not need: {}", surplus.join(", "))))
}

/// Names in the export section (WebAssembly core specification §5.5.10).
fn wasm_exports(module: &[u8]) -> Option<Vec<String>> {
    let mut rest = module.get(8..)?;
    loop {
        let (id, after) = rest.split_first()?;
        rest = after;
        let size = leb128(&mut rest)?;
        let section = rest.get(..size)?;
        rest = rest.get(size..)?;
        if *id != 7 {
            continue;
        }
        let mut section = section;
        let count = leb128(&mut section)?;
        return (0..count)
            .map(|_| {
                let length = leb128(&mut section)?;
                let name = String::from_utf8_lossy(section.get(..length)?).into_owned();
                section = section.get(length + 1..)?;
                leb128(&mut section)?;
                Some(name)
            })
            .collect();
    }
}

fn leb128(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0_usize;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The environment that tests and the launcher find everything by.
pub(crate) fn environment(built: &Built) -> Result<Vec<(&'static str, PathBuf)>> {
    let absolute = |path: &Path| doing(format!("cannot find {}", path.display()), std::path::absolute(path));
    let mut variables = vec![
        ("FAIRLEAD_ENVOY", absolute(&tools::envoy()?)?),
        ("FAIRLEAD_MODULE", absolute(&built.module)?),
        ("FAIRLEAD_BIN", absolute(&built.server)?),
        ("FAIRLEAD_DOUBLE", absolute(&built.double)?),
    ];
    if let Some(module) = &built.crashing_module {
        variables.push(("FAIRLEAD_MODULE_CRASH", absolute(module)?));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module that exports two functions: `proxy_on_tick` and `proxy_on_done`.
    fn module() -> Vec<u8> {
        let mut exports = vec![2];
        for name in ["proxy_on_tick", "proxy_on_done"] {
            exports.push(u8::try_from(name.len()).unwrap());
            exports.extend(name.as_bytes());
            exports.extend([0, 0]);
        }
        let mut module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x07".to_vec();
        module.push(u8::try_from(exports.len()).unwrap());
        module.extend(exports);
        module
    }

    #[test]
    fn a_callback_that_is_not_needed_is_named() {
        assert_eq!(wasm_exports(&module()).unwrap(), ["proxy_on_tick", "proxy_on_done"]);
        let error = check_exports(&module()).unwrap_err().to_string();
        assert!(error.ends_with(": proxy_on_done"), "{error}");
    }

    #[test]
    fn a_module_that_is_cut_is_not_taken_for_a_good_one() {
        let module = module();
        for length in 0..module.len() {
            assert!(check_exports(&module[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn size_is_limited() {
        assert!(check_size(MODULE_LIMIT).is_ok());
        assert!(check_size(MODULE_LIMIT + 1).is_err());
    }
}
