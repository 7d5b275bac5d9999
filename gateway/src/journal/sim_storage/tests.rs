use super::*;

fn disk_with(synced: &[u8], unsynced: &[u8]) -> SimStorage {
    let mut disk = SimStorage::new();
    disk.create("a").unwrap();
    disk.sync_dir().unwrap();
    disk.append("a", synced).unwrap();
    disk.sync("a").unwrap();
    disk.append("a", unsynced).unwrap();
    disk
}

#[test]
fn a_crash_keeps_what_was_synced_and_of_the_rest_what_the_model_says() {
    for (model, left) in [(CrashModel::None, &b"safe"[..]), (CrashModel::All, b"safe and not")] {
        let mut disk = disk_with(b"safe", b" and not");
        disk.crash(model, 1);
        assert_eq!(disk.read("a").unwrap(), left);
    }
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..64 {
        let mut disk = disk_with(b"safe", b" and not");
        disk.crash(CrashModel::Some, seed);
        let left = disk.read("a").unwrap();
        assert!(left.starts_with(b"safe"));
        lengths.insert(left.len());
    }
    assert_eq!(lengths.len(), 9, "every length from nothing to all of it occurs");
}

#[test]
fn an_unsynced_name_an_unsynced_removal_and_an_unsynced_cut_are_undone() {
    let mut disk = disk_with(b"safe", b"");
    disk.create("b").unwrap();
    disk.truncate("a", 1).unwrap();
    disk.append("a", b"xyz").unwrap();
    disk.remove("a").unwrap();
    disk.crash(CrashModel::None, 0);
    assert_eq!(disk.list().unwrap(), ["a"]);
    assert_eq!(disk.read("a").unwrap(), b"safe");
}

#[test]
fn what_a_failed_sync_dropped_stays_lost_unless_it_is_written_again() {
    let mut disk = disk_with(b"safe", b"gone");
    disk.fail(DiskOp::Sync, 1);
    assert!(disk.sync("a").is_err());
    disk.append("a", b"more").unwrap();
    disk.sync("a").unwrap();
    let mut rewritten = disk.image();
    disk.crash(CrashModel::All, 0);
    assert_eq!(disk.read("a").unwrap(), b"safe\0\0\0\0more");
    rewritten.truncate("a", 4).unwrap();
    rewritten.append("a", b"back").unwrap();
    rewritten.sync("a").unwrap();
    rewritten.crash(CrashModel::None, 0);
    assert_eq!(rewritten.read("a").unwrap(), b"safeback");
}

#[test]
fn a_full_disk_takes_what_fits() {
    let mut disk = disk_with(b"1234", b"");
    disk.set_capacity(Some(6));
    assert_eq!(disk.append("a", b"5678").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(disk.read("a").unwrap(), b"123456");
    disk.set_capacity(None);
    disk.append("a", b"78").unwrap();
    assert_eq!(disk.used(), 8);
}
