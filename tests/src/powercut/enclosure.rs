//! Namespaces of its own for everything that the proof mounts and starts: however it ends, killed or
//! not, the kernel then releases mounts, loop devices and programs, and nothing stale is left.
//!
//! The outer process only waits; the inner one is the first of its process namespace, so that its end
//! is everybody's. It ends when the outer one does, because a pipe between them closes.

use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Says to the program that it is the inner one, and where it may work.
const INSIDE: &str = "POWERCUT_INSIDE";

/// The kernel's name of this boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Where the calling process is.
pub enum Place {
    /// Inside; everything may be mounted below this directory.
    Inside(PathBuf),
    /// Outside, and the inner process has ended so.
    Ended(ExitCode),
}

/// Why there can be no power cut here.
#[derive(Debug)]
pub struct Impossible(pub String);

impl std::fmt::Display for Impossible {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says what this machine lacks.
///
/// # Errors
/// [`Impossible`] with what to do.
pub fn check() -> Result<(), Impossible> {
    if !nix::unistd::Uid::effective().is_root() {
        return Err(Impossible("power cuts need root, for FUSE and loop mounts; run it as root".into()));
    }
    for device in ["/dev/fuse", "/dev/loop-control"] {
        if !Path::new(device).exists() {
            let module = device.trim_start_matches("/dev/").trim_end_matches("-control");
            return Err(Impossible(format!("{device} is missing; load it as root: modprobe {module}")));
        }
    }
    for program in ["mkfs.ext4", "e2fsck", "mount"] {
        if found(program).is_none() {
            return Err(Impossible(format!("{program} is missing; install it: apt-get install e2fsprogs mount")));
        }
    }
    Ok(())
}

/// Whether this is the inner process.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Finds a program; those for root only are found too.
pub fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from));
    dirs.map(|dir| dir.join(name)).find(|path| path.is_file())
}

/// Starts this program again inside, or says that it is there. Call it before any thread is started.
///
/// # Errors
/// When namespaces or the private directory cannot be had.
pub fn enter() -> anyhow::Result<Place> {
    if let Some(dir) = std::env::var_os(INSIDE) {
        let dir = PathBuf::from(dir);
        private(&dir)?;
        end_with_the_outer_one();
        return Ok(Place::Inside(dir));
    }
    let program = std::env::current_exe().context("this program has no path")?;
    let dir = program.parent().context("this program lies nowhere")?.join("powercut.mount");
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID).context("no namespaces of its own")?;
    let mut inner = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, &dir)
        .env("TMPDIR", &dir)
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot start inside")?;
    // Kept open until the inner one has ended.
    let pipe = inner.stdin.take();
    let status = inner.wait()?;
    drop(pipe);
    match status.code() {
        Some(code) => Ok(Place::Ended(ExitCode::from(u8::try_from(code).unwrap_or(1)))),
        None => bail!("the power cuts were ended by signal {}", status.signal().unwrap_or(0)),
    }
}

/// Mounts nothing that others see, and a directory that goes with this process.
fn private(dir: &Path) -> anyhow::Result<()> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).context("no mounts of its own")?;
    mount(Some("powercut"), dir, Some("tmpfs"), MsFlags::empty(), Some("mode=0700"))
        .with_context(|| format!("no private directory at {}", dir.display()))
}

fn end_with_the_outer_one() {
    std::thread::spawn(|| {
        let mut byte = [0];
        // Nothing is ever written: this returns when the outer process is gone.
        let _ = std::io::stdin().read(&mut byte);
        std::process::exit(130);
    });
}

/// Gives the calling thread mounts of its own, in which the machine has booted anew: programs started
/// from it find another boot id, as they do after a power cut.
///
/// # Errors
/// When there is no namespace to be had.
pub fn boot_anew(dir: &Path) -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("no mounts of its own")?;
    let id = dir.join("boot_id");
    std::fs::write(&id, "00000000-0000-4000-8000-0000000000b2\n").context("no boot id")?;
    let none: Option<&str> = None;
    mount(Some(&id), BOOT_ID, none, MsFlags::MS_BIND, none).context("the boot id cannot be another")
}
