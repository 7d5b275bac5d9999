//! The kernel's real ext4 on a disk in a file: made, mounted, repaired, unmounted.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, bail};
use nix::mount::{MntFlags, umount2};

use super::block_log::BLOCK;
use super::enclosure::found;

/// How often a disk in use is asked for again, 5 ms apart.
const UNMOUNT_TRIES: u32 = 1_000;

/// Blocks of a group: so few that this small disk has a second copy of its superblock, as every card has.
const GROUP_BLOCKS: &str = "2048";

/// Makes an empty ext4 of so many bytes, as on a card: blocks of 4 KiB, a journal, nothing left for later.
///
/// # Errors
/// When mkfs fails.
pub fn make(path: &Path, bytes: u64) -> anyhow::Result<()> {
    File::create(path).and_then(|file| file.set_len(bytes)).with_context(|| format!("no {}", path.display()))?;
    let options = ["-q", "-F", "-b", "4096", "-g", GROUP_BLOCKS, "-m", "0", "-N", "256"];
    let done = run("mkfs.ext4", &options, &["-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"], path)?;
    if done.status.success() { Ok(()) } else { bail!("mkfs.ext4: {}", words(&done)) }
}

/// Writes an image to a file of its own, leaving holes where it is zeros.
///
/// # Errors
/// When it cannot be written.
pub fn write_image(path: &Path, image: &[u8]) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let _ = std::fs::remove_file(path);
    let file = File::create(path).with_context(failed)?;
    file.set_len(image.len() as u64).with_context(failed)?;
    for (index, block) in image.chunks(BLOCK).enumerate() {
        if block.iter().any(|byte| *byte != 0) {
            file.write_all_at(block, (index * BLOCK) as u64).with_context(failed)?;
        }
    }
    Ok(())
}

/// Repairs an image that ext4 does not mount, as the service's boot does.
///
/// # Errors
/// When it cannot be repaired.
pub fn repair(path: &Path) -> anyhow::Result<()> {
    let done = run("e2fsck", &["-f", "-y"], &[], path)?;
    if is_repaired(&done) {
        return Ok(());
    }
    // A torn superblock: e2fsck finds the copy of a disk of the usual geometry itself, this one's it is told.
    let done = run("e2fsck", &["-f", "-y", "-b", GROUP_BLOCKS, "-B", "4096"], &[], path)?;
    if is_repaired(&done) { Ok(()) } else { bail!("e2fsck: {}", words(&done)) }
}

/// 0: nothing found; 1: repaired; 2: repaired, boot again.
fn is_repaired(done: &Output) -> bool {
    matches!(done.status.code(), Some(0..=2))
}

fn run(name: &str, options: &[&str], more: &[&str], path: &Path) -> anyhow::Result<Output> {
    let program = found(name).with_context(|| format!("{name} is not installed; apt-get install e2fsprogs"))?;
    let mut command = Command::new(program);
    command.args(options).args(more).arg(path).stdin(Stdio::null());
    command.output().with_context(|| format!("cannot run {name}"))
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)).trim().to_owned()
}

/// A mounted ext4; it is unmounted with its owner, and its loop device goes with it.
#[derive(Debug)]
pub struct Mounted {
    dir: PathBuf,
    mounted: bool,
}

impl Mounted {
    /// Mounts the disk in `file` at `dir` through a loop device.
    ///
    /// # Errors
    /// When ext4 refuses it.
    pub fn mount(file: &Path, dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let program = found("mount").context("mount is not installed")?;
        // `mount` gives the loop device back by itself, also when the last user is only a dying namespace.
        let mut command = Command::new(program);
        command.args(["-i", "-t", "ext4", "-o", "loop,nodiscard"]).arg(file).arg(dir).stdin(Stdio::null());
        let done = command.output().context("cannot run mount")?;
        if done.status.success() { Ok(Self { dir: dir.to_owned(), mounted: true }) } else { bail!("{}", words(&done)) }
    }

    /// Where it is mounted.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Unmounts it; everything is then on the disk below.
    ///
    /// # Errors
    /// When it is still in use.
    pub fn unmount(mut self) -> anyhow::Result<()> {
        self.mounted = false;
        let mut tries = 0;
        // A program that another thread starts at this moment holds a copy of every open file until its exec.
        while let Err(error) = umount2(&self.dir, MntFlags::empty()) {
            tries += 1;
            if error != nix::errno::Errno::EBUSY || tries > UNMOUNT_TRIES {
                return Err(error).with_context(|| format!("cannot unmount {}", self.dir.display()));
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.mounted {
            // A program that still holds it keeps it from nobody else.
            let _ = umount2(&self.dir, MntFlags::MNT_DETACH);
        }
    }
}
