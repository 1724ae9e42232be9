//! Where the mesh writes: `FAIRLEAD_MESH_STATE/{program}-{process id}`, removed when it ends well.

use std::path::{Path, PathBuf};

use crate::{Result, error::Doing as _, process};

/// The directory of one mesh.
pub(super) struct State(PathBuf);

impl State {
    /// A new one. What programs left that run no more is removed: a mesh in a `static` is never dropped, and what a
    /// failed test left may be read until the next run.
    pub(super) fn new() -> Result<Self> {
        let all = match std::env::var_os("FAIRLEAD_MESH_STATE") {
            Some(directory) => PathBuf::from(directory),
            None => process::program("FAIRLEAD_MESH_TOOLS", "tools/mesh")?.join("state"),
        };
        std::fs::create_dir_all(&all).doing(all.display())?;
        for entry in std::fs::read_dir(&all).doing(all.display())?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let process = name.rsplit_once('-').map_or("", |(_, id)| id);
            if !Path::new("/proc").join(process).exists() {
                // Two programs may clear at once.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let program = std::env::current_exe().doing("this program has no path")?;
        let program = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // Cargo's hash says nothing to a reader.
        let hashed = program.rsplit_once('-').filter(|(_, hash)| hash.len() == 16);
        let program = hashed.map_or(program.as_str(), |(name, _)| name);
        let path = all.join(format!("{program}-{}", std::process::id()));
        std::fs::create_dir_all(&path).doing(path.display())?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A directory below, made if need be.
    pub(super) fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        std::fs::create_dir_all(&path).doing(path.display())?;
        Ok(path)
    }

    /// Directories that every pod must see at the same path, wherever they are: what is started lies there.
    pub(super) fn binds(&self) -> Result<Vec<PathBuf>> {
        let mut binds = vec![self.0.clone()];
        for (name, default) in [
            ("FAIRLEAD_MESH_TOOLS", "tools/mesh/."),
            ("FAIRLEAD_ENVOY", "tools/envoy/envoy/_bin/envoy"),
            ("FAIRLEAD_BIN", "debug/fairlead"),
            ("FAIRLEAD_DOUBLE", "debug/fairlead-double"),
        ] {
            let program = process::program(name, default)?;
            let directory = if program.is_dir() { Some(program.as_path()) } else { program.parent() };
            binds.extend(directory.map(Path::to_path_buf));
        }
        Ok(binds)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
