//! A copy of the product that may be broken: only what changed is written, only what that changes is built.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Folders and files that the programs are built from.
const TREE: &[&str] =
    &["Cargo.toml", "Cargo.lock", "clippy.toml", "protocol", "gateway", "cloud-bridge", "sensor-sim", "tests"];

/// What is optimised only a little: these are compiled anew for each mutant.
const REBUILT: &[&str] = &["protocol", "gateway", "cloud-bridge", "sensor-sim", "tests"];

/// The copy, in `target/mutants` of the tree.
#[derive(Debug)]
pub struct ProductCopy {
    root: PathBuf,
    tree: PathBuf,
    target: PathBuf,
}

impl ProductCopy {
    /// Copies the tree at `root`.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn of(root: &Path) -> anyhow::Result<Self> {
        let place = root.join("target").join("mutants");
        let copy = Self { root: root.to_owned(), tree: place.join("tree"), target: place.join("target") };
        copy.copy_tree()?;
        copy.share_dependencies()?;
        Ok(copy)
    }

    /// Puts another text into a file of the copy, named from the root.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: impl AsRef<Path>, text: &str) -> anyhow::Result<()> {
        let path = self.tree.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Builds a program of the copy as it is.
    ///
    /// # Errors
    /// With what the compiler says, where it does not build.
    pub fn build(&self, package: &str, program: &str) -> anyhow::Result<()> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--release", "--quiet", "--package", package, "--bin", program]);
        for package in REBUILT {
            build.arg("--config").arg(format!("profile.release.package.{package}.opt-level=1"));
        }
        build.current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.target).env("CARGO_INCREMENTAL", "1");
        let built = build.output().context("cargo build")?;
        ensure!(built.status.success(), "does not build:\n{}", String::from_utf8_lossy(&built.stderr));
        Ok(())
    }

    /// Where a program lies once it is built.
    pub fn program(&self, name: &str) -> PathBuf {
        self.target.join("release").join(name)
    }

    /// Files that are the same stay untouched, so that nothing is built for them again.
    fn copy_tree(&self) -> anyhow::Result<()> {
        let mut wanted = BTreeSet::new();
        for top in TREE {
            files(&self.root.join(top), &mut |file| {
                let name = file.strip_prefix(&self.root).unwrap_or(file).to_owned();
                wanted.insert(name.clone());
                let (from, to) = (fs::read(file)?, self.tree.join(&name));
                if fs::read(&to).ok().as_deref() == Some(&from[..]) {
                    return Ok(());
                }
                if let Some(dir) = to.parent() {
                    fs::create_dir_all(dir)?;
                }
                fs::write(to, from)
            })
            .with_context(|| format!("cannot copy {top}"))?;
        }
        if self.tree.is_dir() {
            let stale = |file: &Path| {
                let known = file.strip_prefix(&self.tree).is_ok_and(|name| wanted.contains(name));
                if known { Ok(()) } else { fs::remove_file(file) }
            };
            files(&self.tree, &mut |file| stale(file)).context("cannot clean the copy")?;
        }
        Ok(())
    }

    /// Compiled dependencies are the same files under another name: a crate of a registry does not care where the
    /// workspace lies.
    fn share_dependencies(&self) -> anyhow::Result<()> {
        let (from, to) = (self.root.join("target").join("release"), self.target.join("release"));
        if to.is_dir() {
            return Ok(());
        }
        for folder in ["build", "deps", ".fingerprint"] {
            let from = from.join(folder);
            if !from.is_dir() {
                continue;
            }
            files(&from, &mut |file| {
                let to = to.join(folder).join(file.strip_prefix(&from).unwrap_or(file));
                if let Some(dir) = to.parent() {
                    fs::create_dir_all(dir)?;
                }
                // What cargo writes in place must not be the same file.
                let shared = if folder == ".fingerprint" { copy(file, &to) } else { fs::hard_link(file, to) };
                // A file of a build under way may be gone again: then it is built here.
                match shared {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    Ok(()) | Err(_) => Ok(()),
                }
            })
            .context("cannot share the compiled dependencies")?;
        }
        Ok(())
    }
}

/// Copies a file with its time of change, which cargo looks at.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    fs::File::options().write(true).open(to)?.set_modified(fs::metadata(from)?.modified()?)
}

/// Every file below `path`, or itself.
fn files(path: &Path, each: &mut dyn FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    if !path.is_dir() {
        return each(path);
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?.path();
        let skipped = ["target", "node_modules", ".git"].iter().any(|skipped| entry.ends_with(skipped));
        if !skipped {
            files(&entry, each)?;
        }
    }
    Ok(())
}
