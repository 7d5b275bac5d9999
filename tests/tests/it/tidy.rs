//! Rules of the source that no compiler checks.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::home::{root, text};

/// Longest file, lines of code: tests, comments and blank lines not counted.
const FILE_LINES_MAX: usize = 400;

/// Files that are longer, with the number they may not pass; each is to be shortened, never to grow.
const LONGER_FILES: &[(&str, usize)] = &[];

/// What decides and never touches the world: no IO, clock, randomness, async or logging.
const PURE: &[&str] = &[
    "protocol/src/",
    "gateway/src/home/",
    "gateway/src/decode/",
    "gateway/src/engine.rs",
    "gateway/src/engine/",
    "gateway/src/outbox.rs",
    "gateway/src/jitter.rs",
    "cloud-bridge/src/dispatch.rs",
    "cloud-bridge/src/dispatch/",
    "sensor-sim/src/device.rs",
    "sensor-sim/src/device/",
    "sensor-sim/src/bridge.rs",
    "sensor-sim/src/performer.rs",
    "sensor-sim/src/resident.rs",
    "sensor-sim/src/resident/",
    "sensor-sim/src/scenario.rs",
    "sensor-sim/src/scenario/",
];

/// What must not stand in a pure file.
const IMPURE: &[&str] = &[
    "tokio",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "async ",
    ".await",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "getrandom",
    "tracing::",
    "println!",
    "eprintln!",
    "thread::sleep",
];

/// One file of the repository.
struct Source {
    name: String,
    text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.name.ends_with(".rs")
    }

    fn is_test(&self) -> bool {
        self.name.contains("/tests/")
            || self.name.ends_with("/tests.rs")
            || self.name.ends_with("/testing.rs")
            || self.name.starts_with("tests/tests/")
    }

    /// Its lines of code, numbered: without comments, blank lines and the tests at its end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.find("#[cfg(test)]").unwrap_or(self.text.len());
        let lines = self.text[..end].lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        lines.filter(|(_, line)| !line.is_empty() && !line.starts_with("//"))
    }
}

/// Every text file that is, or would be, in the repository.
fn sources() -> anyhow::Result<Vec<Source>> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .ok()
        .filter(|output| output.status.success());
    let names = match listed {
        Some(output) => text(&output.stdout).lines().map(str::to_owned).collect(),
        // A copy without its history.
        None => walk(root())?,
    };
    let read = |name: String| {
        let bytes = std::fs::read(root().join(&name)).ok()?;
        Some(Source { name, text: String::from_utf8(bytes).ok()? })
    };
    let sources: Vec<_> = names.into_iter().filter_map(read).collect();
    ensure!(sources.iter().filter(|source| source.is_rust()).count() > 50, "the sources are not found");
    Ok(sources)
}

fn walk(root: &Path) -> anyhow::Result<Vec<String>> {
    let (mut names, mut dirs) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(root.join(&dir))? {
            let entry = entry?;
            let name = dir.join(entry.file_name());
            let skipped = ["target", ".git", "node_modules"].iter().any(|skipped| name.ends_with(skipped));
            if skipped {
                continue;
            }
            if entry.file_type()?.is_dir() {
                dirs.push(name);
            } else {
                names.push(name.to_string_lossy().into_owned());
            }
        }
    }
    Ok(names)
}

/// Fails with every finding at once.
fn none(what: &str, found: Vec<String>) -> anyhow::Result<()> {
    ensure!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
    Ok(())
}

#[test]
fn pure_code_does_no_io_and_reads_no_clock() -> anyhow::Result<()> {
    let sources = sources()?;
    for place in PURE {
        ensure!(sources.iter().any(|source| source.name.starts_with(place)), "{place} is not there any more");
    }
    let pure = |source: &&Source| {
        let placed = PURE.iter().any(|place| source.name.starts_with(place));
        placed && source.is_rust() && !source.is_test()
    };
    let mut found = Vec::new();
    for source in sources.iter().filter(pure) {
        for (line, code) in source.code() {
            let bad = IMPURE.iter().filter(|word| code.contains(**word));
            found.extend(bad.map(|word| format!("{}:{line}: `{word}`", source.name)));
        }
    }
    none("pure code touches the world", found)
}

#[test]
fn files_stay_short() -> anyhow::Result<()> {
    let mut found = Vec::new();
    for source in sources()?.iter().filter(|source| source.is_rust() && !source.is_test()) {
        let lines = source.code().count();
        let allowed = LONGER_FILES.iter().find(|(name, _)| *name == source.name);
        match allowed {
            Some((name, _)) if lines <= FILE_LINES_MAX => {
                found.push(format!("{name} has {lines} lines now: take it off the list"));
            }
            Some((name, max)) if lines > *max => found.push(format!("{name} has grown to {lines} lines, from {max}")),
            None if lines > FILE_LINES_MAX => {
                found.push(format!("{} has {lines} lines of code, {FILE_LINES_MAX} are allowed", source.name));
            }
            Some(_) | None => {}
        }
    }
    none("files are too long", found)
}

#[test]
fn nothing_is_left_unfinished() -> anyhow::Result<()> {
    // In two halves, so that this file does not find itself.
    let words = [
        concat!("to", "do!"),
        concat!("unimplemented", "!("),
        concat!("db", "g!("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
    ];
    let mut found = Vec::new();
    for source in sources()?.iter().filter(|source| source.name != "Cargo.lock") {
        for (at, line) in source.text.lines().enumerate() {
            let bad = words.iter().filter(|word| line.contains(**word));
            found.extend(bad.map(|word| format!("{}:{}: {word}", source.name, at + 1)));
        }
    }
    none("something is unfinished", found)
}

#[test]
fn the_repository_speaks_of_the_product_only() -> anyhow::Result<()> {
    let words = [
        concat!("/wo", "rk/"),
        concat!("../sha", "red"),
        concat!("cla", "ude"),
        concat!("anth", "ropic"),
        concat!("chat", "gpt"),
        concat!("sub", "agent"),
        concat!("ai ag", "ent"),
        concat!("work", "tree"),
        concat!("this ses", "sion wrote"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/user"),
    ];
    let mut found = Vec::new();
    for source in sources()?.iter().filter(|source| source.name != "Cargo.lock") {
        for (at, line) in source.text.lines().enumerate() {
            let lower = line.to_lowercase();
            let bad = words.iter().filter(|word| lower.contains(**word));
            found.extend(bad.map(|word| format!("{}:{}: {word}", source.name, at + 1)));
        }
    }
    none("words that are not the product's", found)
}

#[test]
fn names_say_what_things_are() -> anyhow::Result<()> {
    let modules = ["utils", "util", "common", "types", "manager", "helpers"];
    let types = ["Event", "Message", "Data", "Info"];
    let mut found = Vec::new();
    for source in sources()?.iter().filter(|source| source.is_rust()) {
        let path = Path::new(&source.name);
        let parts = path.with_extension("");
        let vague =
            parts.components().filter_map(|part| part.as_os_str().to_str()).filter(|part| modules.contains(part));
        found.extend(vague.map(|part| format!("{}: a module named `{part}`", source.name)));
        for (line, code) in source.code() {
            let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
            let keyword = words.by_ref().find(|word| !matches!(*word, "pub" | "crate" | "super" | "in"));
            if let (Some("struct" | "enum" | "type" | "trait"), Some(name)) = (keyword, words.next())
                && types.contains(&name)
            {
                found.push(format!("{}:{line}: a bare `{name}`", source.name));
            }
        }
    }
    none("vague names", found)
}

#[test]
fn every_crate_keeps_the_workspace_lints() -> anyhow::Result<()> {
    let sources = sources()?;
    let manifests = sources.iter().filter(|source| source.name.ends_with("/Cargo.toml"));
    let without = manifests.filter(|source| !source.text.contains("[lints]\nworkspace = true"));
    none("crates without the workspace's lints", without.map(|source| source.name.clone()).collect())
}

#[test]
fn documents_exist_and_stay_short() -> anyhow::Result<()> {
    let limits = [
        ("README.md", 400),
        ("README.zh-CN.md", 400),
        ("ARCHITECTURE.md", 200),
        ("CONTRIBUTING.md", 100),
        ("LICENSE", 400),
    ];
    for (name, lines_max) in limits {
        let text = std::fs::read_to_string(root().join(name)).with_context(|| format!("{name} cannot be read"))?;
        let lines = text.lines().count();
        ensure!((1..=lines_max).contains(&lines), "{name} has {lines} lines; at most {lines_max}");
    }
    Ok(())
}

#[test]
fn the_two_commands_can_be_run() -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    for name in ["demo", "test", ".ci/run"] {
        let mode =
            std::fs::metadata(root().join(name)).with_context(|| format!("{name} is missing"))?.permissions().mode();
        ensure!(mode & 0o111 == 0o111, "{name} is not executable");
    }
    Ok(())
}

#[test]
fn architecture_names_every_module() -> anyhow::Result<()> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).context("ARCHITECTURE.md cannot be read")?;
    let words: Vec<_> = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').collect();
    let mut missing = Vec::new();
    for source in sources()?.iter().filter(|source| source.is_rust() && !source.is_test()) {
        let Some((_, inside)) = source.name.split_once("/src/") else { continue };
        let module = inside.trim_end_matches(".rs").trim_end_matches("/mod").trim_end_matches("/main");
        let parts: Vec<_> = module.split('/').collect();
        // What a reader looks for by name: each crate's modules, programs, and the lifecycles of the two machines.
        let named = match parts.as_slice() {
            ["lib" | "main"] => None,
            [module] | ["bin", module] | ["home" | "dispatch", module] => Some(*module),
            _ => None,
        };
        if let Some(module) = named
            && !words.contains(&module)
        {
            missing.push(format!("{} ({module})", source.name));
        }
    }
    none("ARCHITECTURE.md does not name", missing)
}
