//! An OCI image layout (image specification 1.1, `image-layout.md`) with one image: `oci-layout`, `index.json`, blobs by
//! digest. Two runs over the same content give the same bytes: nothing in it depends on time, user or order.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use flate2::{Compression, GzBuilder};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::run::{Error, Result, doing};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A file of a layer.
pub(crate) struct File {
    /// Path inside the image, without a leading `/`.
    pub(crate) path: &'static str,
    pub(crate) mode: u32,
    pub(crate) content: Vec<u8>,
}

/// What an image is made of.
pub(crate) struct Image {
    /// `name:tag` as a cluster's nodes know it once it is loaded.
    pub(crate) name: String,
    /// As Go spells it: `amd64`.
    pub(crate) architecture: &'static str,
    pub(crate) os: &'static str,
    /// How it is run: `User`, `Entrypoint` and the like.
    pub(crate) run: Value,
    pub(crate) labels: Value,
    /// Bottom first.
    pub(crate) layers: Vec<Vec<File>>,
}

impl Image {
    /// Writes the layout into `directory`, which is made anew, and beside it the same as one `.tar`; the manifest's digest.
    pub(crate) fn write(&self, directory: &Path) -> Result<String> {
        crate::test::empty(directory)?;
        let blobs = directory.join("blobs/sha256");
        doing("cannot make a layout", fs::create_dir_all(&blobs))?;
        let mut layers: Vec<Map<String, Value>> = Vec::new();
        let mut contents = Vec::new();
        for files in &self.layers {
            let tar = archive(files.iter().map(|file| (file.path, file.mode, file.content.as_slice())))?;
            contents.push(format!("sha256:{}", hex(&tar)));
            layers.push(blob(&blobs, LAYER, &compressed(&tar)?)?);
        }
        let mut run = self.run.clone();
        if let Some(run) = run.as_object_mut() {
            run.insert("Labels".to_owned(), self.labels.clone());
        }
        let config = json!({
            "architecture": self.architecture, "os": self.os, "config": run,
            "rootfs": { "type": "layers", "diff_ids": contents },
        });
        let config = blob(&blobs, CONFIG, &bytes(&config)?)?;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
            "annotations": self.labels,
        });
        let manifest = blob(&blobs, MANIFEST, &bytes(&manifest)?)?;
        let (_, tag) = self.name.rsplit_once(':').unwrap_or((&self.name, "latest"));
        let mut named = manifest.clone();
        named.extend([
            ("platform".to_owned(), json!({ "architecture": self.architecture, "os": self.os })),
            // The second is where containerd, and so kind, takes the whole name from.
            (
                "annotations".to_owned(),
                json!({ "org.opencontainers.image.ref.name": tag, "io.containerd.image.name": self.name }),
            ),
        ]);
        let index = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [named],
        });
        put(&directory.join("index.json"), &bytes(&index)?)?;
        put(&directory.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        whole(directory)?;
        Ok(manifest.get("digest").and_then(Value::as_str).unwrap_or_default().to_owned())
    }
}

/// The layout as one archive, for `kind load image-archive`.
fn whole(directory: &Path) -> Result {
    let mut names = vec![PathBuf::from("index.json"), PathBuf::from("oci-layout")];
    for entry in doing("cannot list a layout", fs::read_dir(directory.join("blobs/sha256")))? {
        names.push(Path::new("blobs/sha256").join(entry?.file_name()));
    }
    names.sort();
    let mut files = Vec::new();
    for name in names {
        let content = doing("cannot read a layout", fs::read(directory.join(&name)))?;
        files.push((name, content));
    }
    let tar = archive(
        files.iter().filter_map(|(name, content)| Some((name.to_str()?, 0o644, content.as_slice()))),
    )?;
    put(&directory.with_extension("tar"), &tar)
}

/// A tar of these files and the directories above them, all of user 0 and from 1970.
fn archive<'a>(files: impl Iterator<Item = (&'a str, u32, &'a [u8])>) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut made: Vec<&str> = Vec::new();
    for (path, mode, content) in files {
        for (end, _) in path.match_indices('/') {
            let above = path.get(..=end).unwrap_or_default();
            if !made.contains(&above) {
                made.push(above);
                doing("cannot pack a layer", append(&mut tar, tar::EntryType::Directory, above, 0o755, &[]))?;
            }
        }
        doing("cannot pack a layer", append(&mut tar, tar::EntryType::Regular, path, mode, content))?;
    }
    doing("cannot pack a layer", tar.into_inner())
}

fn append(
    tar: &mut tar::Builder<Vec<u8>>,
    kind: tar::EntryType,
    path: &str,
    mode: u32,
    content: &[u8],
) -> std::io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    tar.append_data(&mut header, path, content)
}

fn compressed(tar: &[u8]) -> Result<Vec<u8>> {
    // No name, no time: the same input gives the same output.
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::default());
    doing("cannot compress a layer", gzip.write_all(tar).and_then(|()| gzip.finish()))
}

/// Writes a blob; its descriptor.
fn blob(blobs: &Path, kind: &str, content: &[u8]) -> Result<Map<String, Value>> {
    let digest = hex(content);
    put(&blobs.join(&digest), content)?;
    let fields = [
        ("mediaType", kind.into()),
        ("digest", format!("sha256:{digest}").into()),
        ("size", content.len().into()),
    ];
    Ok(fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())
}

fn put(file: &Path, content: &[u8]) -> Result {
    doing(format!("cannot write {}", file.display()), fs::write(file, content))
}

fn bytes(value: &Value) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::new(error.to_string()))
}

fn hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        let file = |path, mode, content: &str| File { path, mode, content: content.as_bytes().to_vec() };
        Image {
            name: "docker.io/library/example:1".to_owned(),
            architecture: "amd64",
            os: "linux",
            run: json!({ "User": "1" }),
            labels: json!({ "org.opencontainers.image.title": "example" }),
            layers: vec![
                vec![file("etc/ssl/a.crt", 0o644, "a"), file("etc/ssl/b.crt", 0o644, "b")],
                vec![file("program", 0o755, "#!")],
            ],
        }
    }

    fn directory(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("fairlead-layout-{}-{name}", std::process::id()))
    }

    fn read(file: &Path) -> Value {
        serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
    }

    #[test]
    fn same_content_gives_the_same_bytes() {
        let [one, two] = ["one", "two"].map(directory);
        let digests = [image().write(&one).unwrap(), image().write(&two).unwrap()];
        assert_eq!(digests[0], digests[1]);
        let whole = [&one, &two].map(|directory| fs::read(directory.with_extension("tar")).unwrap());
        assert!(whole[0] == whole[1]);
        let mut other = image();
        other.layers[1][0].mode = 0o700;
        assert_ne!(other.write(&two).unwrap(), digests[0]);
        for directory in [one, two] {
            fs::remove_dir_all(&directory).unwrap();
            fs::remove_file(directory.with_extension("tar")).unwrap();
        }
    }

    #[test]
    fn each_descriptor_names_a_blob_of_that_size_and_digest() {
        let directory = directory("blobs");
        let digest = image().write(&directory).unwrap();
        let index = read(&directory.join("index.json"));
        let manifest = &index["manifests"][0];
        assert_eq!(manifest["digest"], digest.as_str());
        assert_eq!(manifest["annotations"]["org.opencontainers.image.ref.name"], "1");
        let of = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
            let content = fs::read(directory.join("blobs/sha256").join(&digest)).unwrap();
            assert_eq!(hex(&content), digest);
            assert_eq!(descriptor["size"], content.len());
            content
        };
        let manifest: Value = serde_json::from_slice(&of(manifest)).unwrap();
        let config: Value = serde_json::from_slice(&of(&manifest["config"])).unwrap();
        let contents = config["rootfs"]["diff_ids"].as_array().unwrap();
        let layers = manifest["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 2);
        let mut names = Vec::new();
        for (layer, content) in layers.iter().zip(contents) {
            let mut tar = Vec::new();
            let packed = of(layer);
            std::io::copy(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut tar).unwrap();
            assert_eq!(content, &format!("sha256:{}", hex(&tar)));
            for entry in tar::Archive::new(tar.as_slice()).entries().unwrap() {
                let entry = entry.unwrap();
                assert_eq!((entry.header().mtime().unwrap(), entry.header().uid().unwrap()), (0, 0));
                names.push(entry.path().unwrap().display().to_string());
            }
        }
        assert_eq!(names, ["etc/", "etc/ssl/", "etc/ssl/a.crt", "etc/ssl/b.crt", "program"]);
        fs::remove_dir_all(&directory).unwrap();
        fs::remove_file(directory.with_extension("tar")).unwrap();
    }
}
