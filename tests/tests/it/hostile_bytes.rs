//! The corpora of hostile bytes and mutations of them: bounded in number, the same every time.

use anyhow::{Context as _, ensure};
use sensor_sim::dice::Dice;
use tests::fuzz::TARGETS;

use crate::home::root;

/// Mutations of each target.
const MUTATIONS: u64 = 3_000;

/// The committed inputs of a target, in order.
fn corpus(target: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let dir = root().join("tests/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(&dir)
        .with_context(|| format!("no corpus in {}", dir.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).with_context(|| path.display().to_string())).collect()
}

/// One input made of another, as a fuzzer makes them: bytes flipped, cut, doubled, spliced.
fn mutated(dice: &mut Dice, from: &[Vec<u8>]) -> Vec<u8> {
    let pick = |dice: &mut Dice, count: usize| usize::try_from(dice.between(0, count as u64 - 1)).unwrap_or(0);
    let mut bytes = from[pick(dice, from.len())].clone();
    for _ in 0..dice.between(1, 8) {
        if bytes.is_empty() {
            bytes.push(dice.throw() as u8);
        }
        let at = pick(dice, bytes.len());
        match dice.between(0, 6) {
            0 => bytes[at] ^= 1 << dice.between(0, 7),
            1 => bytes[at] = dice.throw() as u8,
            2 => bytes.truncate(at),
            3 => bytes.insert(at, dice.throw() as u8),
            4 => {
                let doubled = bytes[at..].to_vec();
                bytes.extend(doubled.into_iter().take(512));
            }
            5 => {
                let other = &from[pick(dice, from.len())];
                bytes.truncate(at);
                bytes.extend(&other[at.min(other.len())..]);
            }
            _ => {
                let known: [&[u8]; 6] = [b"null", b"-1", b"1e999", b"\xfe", b"\"\\u0000\"", b"18446744073709551616"];
                let known = known[pick(dice, known.len())];
                bytes.splice(at..at, known.iter().copied());
            }
        }
    }
    bytes
}

#[test]
fn hostile_bytes_at_any_door_break_nothing() -> anyhow::Result<()> {
    for (name, target) in TARGETS {
        let corpus = corpus(name)?;
        ensure!(corpus.len() >= 2, "{name} has hardly a corpus");
        for bytes in &corpus {
            target(bytes);
        }
        let mut dice = Dice::named(1, name);
        for _ in 0..MUTATIONS {
            target(&mutated(&mut dice, &corpus));
        }
    }
    Ok(())
}
