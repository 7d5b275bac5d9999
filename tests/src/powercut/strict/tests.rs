use std::collections::BTreeSet;

use super::*;

fn made(name: &str, inode: Inode) -> Entry {
    Entry::Changed(Change::Made { dir: ROOT, name: name.into(), inode, is_dir: false })
}

fn wrote(inode: Inode, at: u64, bytes: Vec<u8>) -> Entry {
    Entry::Changed(Change::Wrote { inode, at, bytes })
}

fn left(entries: &[Entry], ignored: usize, model: Model, seed: u64) -> BTreeMap<String, Vec<u8>> {
    let tree = Tree::default().after(entries, ignored, model, &mut Dice::named(seed, "kept"));
    let Some(Node::Dir(names)) = tree.node(ROOT) else { panic!("no root") };
    let bytes = |inode: &Inode| if let Some(Node::File(bytes)) = tree.node(*inode) { bytes.clone() } else { vec![] };
    names.iter().map(|(name, inode)| (name.clone(), bytes(inode))).collect()
}

#[test]
fn contents_are_durable_with_the_file_and_names_with_the_directory() {
    let file = [made("a", 2), wrote(2, 0, vec![7; 3]), Entry::Synced(2)];
    assert_eq!(left(&file, 0, Model::None, 0), BTreeMap::new(), "a synced file without a synced name");
    assert_eq!(left(&file, 0, Model::All, 0), BTreeMap::from([("a".into(), vec![7; 3])]));
    let name = [made("a", 2), wrote(2, 0, vec![7; 3]), Entry::Synced(ROOT)];
    assert_eq!(left(&name, 0, Model::None, 0), BTreeMap::from([("a".into(), vec![])]), "a name and nothing in it");
    let both = [&file[..], &[Entry::Synced(ROOT)]].concat();
    assert_eq!(left(&both, 0, Model::None, 0), BTreeMap::from([("a".into(), vec![7; 3])]));
    assert_eq!(left(&both, 2, Model::None, 0), BTreeMap::new(), "a disk that ignores both syncs");
    let renamed =
        Entry::Changed(Change::Renamed { dir: ROOT, name: "a".into(), to_dir: ROOT, to: "b".into(), inode: 2 });
    let renamed = [&both[..], &[renamed]].concat();
    let names = |model, seed| left(&renamed, 0, model, seed).into_keys().collect::<String>();
    assert_eq!(names(Model::None, 0), "a");
    assert_eq!(names(Model::All, 0), "b");
    let seen: BTreeSet<_> = (0..100).map(|seed| names(Model::Some, seed)).collect();
    assert_eq!(seen, BTreeSet::from(["a".into(), "b".into()]), "one of both, never both or none");
}

#[test]
fn what_waits_is_kept_in_pieces_as_the_disk_writes_them() {
    // From the middle of the first block on: one part in it, one in the second.
    let entries = [made("a", 2), Entry::Synced(ROOT), wrote(2, 4_000, vec![1; 1_000])];
    let seen: BTreeSet<_> = (0..200)
        .map(|seed| {
            let bytes = &left(&entries, 0, Model::Some, seed)["a"];
            (bytes.len(), bytes.iter().filter(|byte| **byte == 1).count())
        })
        .collect();
    assert_eq!(seen, BTreeSet::from([(0, 0), (4_096, 96), (5_000, 904), (5_000, 1_000)]));
}
