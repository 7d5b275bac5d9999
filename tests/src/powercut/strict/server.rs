//! The strict file system, served through FUSE: every change and every sync goes into the log before it is answered.
//!
//! One thread serves it, so that the log's order is the order in which things happened.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::super::block_log::{BLOCK, BlockLog, Entry};
use super::super::disk::{FLUSH_TAKES, attributes};
use super::{Change, Inode, Node, ROOT, Tree};

/// What the kernel learns of names and lengths holds for no time at all.
const HOLDS: Duration = Duration::ZERO;

/// A mounted strict file system; it goes with its owner.
pub struct Served {
    state: Arc<Mutex<State>>,
    dir: PathBuf,
    session: Option<BackgroundSession>,
}

struct State {
    tree: Tree,
    next: Inode,
    log: BlockLog,
    capacity: u64,
}

struct Server(Arc<Mutex<State>>);

impl Served {
    /// Mounts `tree` at `dir`, with room for so many bytes, everything going into `log`.
    ///
    /// # Errors
    /// When FUSE cannot be used.
    pub fn mount(tree: Tree, capacity: u64, dir: &Path, log: BlockLog) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let next = tree.next_inode();
        let state = Arc::new(Mutex::new(State { tree, next, log, capacity }));
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("strict".into()), MountOption::DefaultPermissions];
        let session = fuser::spawn_mount(Server(Arc::clone(&state)), dir, &config)
            .with_context(|| format!("no FUSE file system at {}; it needs root and /dev/fuse", dir.display()))?;
        Ok(Self { state, dir: dir.to_owned(), session: Some(session) })
    }

    /// Where it is mounted.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What it holds now, synced or not.
    pub fn tree(&self) -> Tree {
        locked(&self.state).tree.clone()
    }

    /// Takes it away.
    ///
    /// # Errors
    /// When it is still in use.
    pub fn unmount(mut self) -> anyhow::Result<()> {
        let Some(session) = self.session.take() else { return Ok(()) };
        session.umount_and_join().context("the strict file system is still in use")
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn change(&mut self, change: Change) {
        self.tree.apply(&change);
        self.log.add(Entry::Changed(change));
    }

    fn attributes(&self, inode: Inode) -> Option<FileAttr> {
        let bytes = match self.tree.node(inode)? {
            Node::Dir(_) => None,
            Node::File(bytes) => Some(bytes.len() as u64),
        };
        Some(attributes(INodeNo(inode), bytes))
    }

    fn make(&mut self, dir: Inode, name: &OsStr, is_dir: bool) -> Result<FileAttr, Errno> {
        let name = name.to_str().ok_or(Errno::EINVAL)?.to_owned();
        if self.tree.find(dir, &name).is_some() {
            return Err(Errno::EEXIST);
        }
        let inode = self.next;
        self.next += 1;
        self.change(Change::Made { dir, name, inode, is_dir });
        self.attributes(inode).ok_or(Errno::ENOENT)
    }

    fn remove(&mut self, dir: Inode, name: &OsStr) -> Result<(), Errno> {
        let name = name.to_str().ok_or(Errno::EINVAL)?.to_owned();
        let inode = self.tree.find(dir, &name).ok_or(Errno::ENOENT)?;
        if matches!(self.tree.node(inode), Some(Node::Dir(names)) if !names.is_empty()) {
            return Err(Errno::ENOTEMPTY);
        }
        self.change(Change::Removed { dir, name });
        Ok(())
    }

    fn rename(&mut self, dir: Inode, name: &OsStr, to_dir: Inode, to: &OsStr) -> Result<(), Errno> {
        let (name, to) = (name.to_str().ok_or(Errno::EINVAL)?, to.to_str().ok_or(Errno::EINVAL)?);
        let inode = self.tree.find(dir, name).ok_or(Errno::ENOENT)?;
        self.change(Change::Renamed { dir, name: name.to_owned(), to_dir, to: to.to_owned(), inode });
        Ok(())
    }

    /// Bytes that a file may grow by.
    fn room(&self) -> u64 {
        self.capacity.saturating_sub(self.tree.used_bytes())
    }

    fn grows_by(&self, inode: Inode, len: u64) -> Result<u64, Errno> {
        match self.tree.node(inode) {
            Some(Node::File(bytes)) => {
                let blocks = |len: u64| len.div_ceil(BLOCK as u64) * BLOCK as u64;
                Ok(blocks(len).saturating_sub(blocks(bytes.len() as u64)))
            }
            Some(Node::Dir(_)) => Err(Errno::EISDIR),
            None => Err(Errno::ENOENT),
        }
    }

    fn write(&mut self, inode: Inode, at: u64, bytes: &[u8]) -> Result<u32, Errno> {
        if self.grows_by(inode, at + bytes.len() as u64)? > self.room() {
            return Err(Errno::ENOSPC);
        }
        self.change(Change::Wrote { inode, at, bytes: bytes.to_vec() });
        Ok(u32::try_from(bytes.len()).unwrap_or(u32::MAX))
    }

    fn cut(&mut self, inode: Inode, len: u64) -> Result<(), Errno> {
        if self.grows_by(inode, len)? > self.room() {
            return Err(Errno::ENOSPC);
        }
        self.change(Change::Cut { inode, len });
        Ok(())
    }
}

impl Server {
    fn sync(&self, inode: INodeNo, reply: ReplyEmpty) {
        std::thread::sleep(FLUSH_TAKES);
        locked(&self.0).log.add(Entry::Synced(inode.0));
        reply.ok();
    }
}

fn answer(done: Result<(), Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Server {
    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let state = locked(&self.0);
        let found = name.to_str().and_then(|name| state.tree.find(parent.0, name));
        match found.and_then(|inode| state.attributes(inode)) {
            Some(attributes) => reply.entry(&HOLDS, &attributes, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _request: &Request, inode: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        match locked(&self.0).attributes(inode.0) {
            Some(attributes) => reply.attr(&HOLDS, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn setattr(
        &self,
        _request: &Request,
        inode: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut state = locked(&self.0);
        let done = size.map_or(Ok(()), |len| state.cut(inode.0, len));
        match done.and_then(|()| state.attributes(inode.0).ok_or(Errno::ENOENT)) {
            Ok(attributes) => reply.attr(&HOLDS, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(&self, _request: &Request, parent: INodeNo, name: &OsStr, _mode: u32, _umask: u32, reply: ReplyEntry) {
        match locked(&self.0).make(parent.0, name, true) {
            Ok(attributes) => reply.entry(&HOLDS, &attributes, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        match locked(&self.0).make(parent.0, name, false) {
            Ok(attributes) => {
                reply.created(&HOLDS, &attributes, Generation(0), FileHandle(0), FopenFlags::empty());
            }
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(locked(&self.0).remove(parent.0, name), reply);
    }

    fn rmdir(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(locked(&self.0).remove(parent.0, name), reply);
    }

    fn rename(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let done = match flags.is_empty() {
            true => locked(&self.0).rename(parent.0, name, new_parent.0, new_name),
            false => Err(Errno::EINVAL),
        };
        answer(done, reply);
    }

    fn open(&self, _request: &Request, _inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::empty());
    }

    fn read(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match locked(&self.0).tree.node(inode.0) {
            Some(Node::File(bytes)) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let to = from.saturating_add(size as usize).min(bytes.len());
                reply.data(&bytes[from..to]);
            }
            Some(Node::Dir(_)) | None => reply.error(Errno::EISDIR),
        }
    }

    fn write(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match locked(&self.0).write(inode.0, offset, data) {
            Ok(written) => reply.written(written),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _request: &Request, _inode: INodeNo, _handle: FileHandle, _owner: LockOwner, reply: ReplyEmpty) {
        // A close of the file, which promises nothing.
        reply.ok();
    }

    fn fsync(&self, _request: &Request, inode: INodeNo, _handle: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        self.sync(inode, reply);
    }

    fn fsyncdir(&self, _request: &Request, inode: INodeNo, _handle: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        self.sync(inode, reply);
    }

    fn readdir(&self, _request: &Request, inode: INodeNo, _handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let state = locked(&self.0);
        let Some(Node::Dir(names)) = state.tree.node(inode.0) else {
            reply.error(Errno::ENOTDIR);
            return;
        };
        let own = [(".", inode.0), ("..", ROOT)];
        let all = own.into_iter().chain(names.iter().map(|(name, inode)| (name.as_str(), *inode)));
        for (index, (name, inode)) in all.enumerate().skip(usize::try_from(offset).unwrap_or(usize::MAX)) {
            let kind = match state.tree.node(inode) {
                Some(Node::Dir(_)) => FileType::Directory,
                Some(Node::File(_)) | None => FileType::RegularFile,
            };
            if reply.add(INodeNo(inode), index as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _request: &Request, _inode: INodeNo, reply: ReplyStatfs) {
        let state = locked(&self.0);
        let (all, free) = (state.capacity / BLOCK as u64, state.room() / BLOCK as u64);
        reply.statfs(all, free, free, 1 << 20, 1 << 20, BLOCK as u32, 255, BLOCK as u32);
    }
}
