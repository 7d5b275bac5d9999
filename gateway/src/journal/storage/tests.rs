use super::*;

#[test]
fn a_second_writer_is_refused_and_a_reader_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut writer = FsStorage::open(&path).unwrap();
    assert!(matches!(FsStorage::open(&path), Err(JournalError::InUse { .. })));
    writer.create("a").unwrap();
    writer.append("a", b"bytes").unwrap();
    let mut reader = FsStorage::read_only(&path).unwrap();
    assert_eq!(reader.read("a").unwrap(), b"bytes");
    assert_eq!(reader.remove("a").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    assert_eq!(reader.append("a", b"x").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    drop(writer);
    assert!(FsStorage::open(&path).is_ok());
}

#[test]
fn appends_go_to_the_end_after_a_cut_and_after_another_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut storage = FsStorage::open(dir.path()).unwrap();
    storage.create("a").unwrap();
    storage.append("a", b"12345").unwrap();
    storage.create("b").unwrap();
    storage.append("b", b"other").unwrap();
    storage.truncate("a", 3).unwrap();
    storage.append("a", b"67").unwrap();
    storage.sync("a").unwrap();
    assert_eq!(storage.read("a").unwrap(), b"12367");
    assert!(storage.create("a").is_err());
    storage.rename("a", "c").unwrap();
    storage.remove("b").unwrap();
    let mut names = storage.list().unwrap();
    names.sort();
    assert_eq!(names, ["c", LOCK_NAME]);
}

#[test]
fn what_takes_a_files_name_takes_its_appends_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut storage = FsStorage::open(dir.path()).unwrap();
    storage.create("old").unwrap();
    storage.append("old", b"12345").unwrap();
    storage.overwrite("old", 0, b"x").unwrap();
    storage.create("new").unwrap();
    storage.append("new", b"abc").unwrap();
    storage.sync("new").unwrap();
    storage.rename("new", "old").unwrap();
    storage.overwrite("old", 0, b"A").unwrap();
    storage.append("old", b"d").unwrap();
    storage.sync("old").unwrap();
    assert_eq!(storage.read("old").unwrap(), b"Abcd");
}

#[test]
fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut storage = FsStorage::open(&path).unwrap();
    storage.create("a").unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.join("a"))), (0o700, 0o600));
}
