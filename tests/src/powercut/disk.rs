//! A disk of our own: a FUSE file system with one file, on which a loop device and the kernel's real
//! ext4 stand. Every write and every flush goes into the block log before it is answered.
//!
//! One thread serves it, so that the log's order is the order in which the disk took things.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context as _;
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    KernelConfig, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen,
    ReplyWrite, Request, WriteFlags,
};

use super::block_log::{BlockLog, Entry};

/// The one file's name.
const NAME: &str = "disk";

/// Its number.
const DISK: INodeNo = INodeNo(2);

/// How long what the kernel learned of names and lengths holds; they never change.
const HOLDS: Duration = Duration::from_secs(3_600);

/// How long a flush takes, as on a card: what is told before it ends is told too early, and seen.
pub(super) const FLUSH_TAKES: Duration = Duration::from_millis(2);

/// Largest write taken at once, bytes.
const WRITE_MAX: u32 = 1024 * 1024;

/// A mounted disk; it goes with its owner.
pub struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    dir: PathBuf,
    session: Option<BackgroundSession>,
}

impl Disk {
    /// Serves `bytes` as the file `disk` in `dir`, everything going into `log`.
    ///
    /// # Errors
    /// When FUSE cannot be used.
    pub fn serve(bytes: Vec<u8>, dir: &Path, log: BlockLog) -> anyhow::Result<Self> {
        let bytes = Arc::new(Mutex::new(bytes));
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("powercut".into()), MountOption::DefaultPermissions];
        let served = OneFile { bytes: Arc::clone(&bytes), log };
        let session = fuser::spawn_mount(served, dir, &config)
            .with_context(|| format!("no FUSE file system at {}; it needs root and /dev/fuse", dir.display()))?;
        Ok(Self { bytes, dir: dir.to_owned(), session: Some(session) })
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.dir.join(NAME)
    }

    /// What it holds now, cache and all.
    pub fn bytes(&self) -> Vec<u8> {
        locked(&self.bytes).clone()
    }

    /// Takes it away; nothing may be mounted on it any more.
    ///
    /// # Errors
    /// When it is still in use.
    pub fn end(mut self) -> anyhow::Result<()> {
        let Some(session) = self.session.take() else { return Ok(()) };
        session.umount_and_join().context("the disk is still in use")
    }
}

struct OneFile {
    bytes: Arc<Mutex<Vec<u8>>>,
    log: BlockLog,
}

fn locked(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the kernel is told of a file of so many bytes or, without a length, of a directory.
pub(super) fn attributes(inode: INodeNo, bytes: Option<u64>) -> FileAttr {
    let (kind, perm) = if bytes.is_some() { (FileType::RegularFile, 0o600) } else { (FileType::Directory, 0o700) };
    let size = bytes.unwrap_or(0);
    FileAttr {
        ino: inode,
        size,
        blocks: size.div_ceil(512),
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        flags: 0,
        blksize: 4_096,
    }
}

impl OneFile {
    fn attributes(&self, inode: INodeNo) -> Option<FileAttr> {
        match inode {
            INodeNo::ROOT => Some(attributes(inode, None)),
            DISK => Some(attributes(inode, Some(locked(&self.bytes).len() as u64))),
            _ => None,
        }
    }
}

impl Filesystem for OneFile {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // Smaller where the kernel says so.
        let _ = config.set_max_write(WRITE_MAX);
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.attributes(DISK).filter(|_| parent == INodeNo::ROOT && name == NAME) {
            Some(attributes) => reply.entry(&HOLDS, &attributes, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _request: &Request, inode: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(inode) {
            Some(attributes) => reply.attr(&HOLDS, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn open(&self, _request: &Request, _inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        // Every write reaches the disk when the loop device issues it: nothing waits in another cache.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
    }

    fn read(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let bytes = locked(&self.bytes);
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let to = from.saturating_add(size as usize).min(bytes.len());
        reply.data(&bytes[from..to]);
    }

    fn write(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut bytes = locked(&self.bytes);
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        match from.checked_add(data.len()).and_then(|to| bytes.get_mut(from..to)) {
            Some(place) => {
                place.copy_from_slice(data);
                self.log.add(Entry::Write { at: offset, bytes: data.to_vec() });
                reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX));
            }
            None => reply.error(Errno::ENOSPC),
        }
    }

    fn flush(&self, _request: &Request, _inode: INodeNo, _handle: FileHandle, _owner: LockOwner, reply: ReplyEmpty) {
        // A close of the file, which promises nothing.
        reply.ok();
    }

    fn fsync(&self, _request: &Request, _inode: INodeNo, _handle: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        std::thread::sleep(FLUSH_TAKES);
        self.log.add(Entry::Flush);
        reply.ok();
    }
}
