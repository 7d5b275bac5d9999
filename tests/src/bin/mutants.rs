//! `cargo mutants-of-the-product`: breaks a copy of the product in one place after the other and expects the
//! seeded world to name the promise that no longer holds.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use tests::mutants::{MUTANTS, Mutant};

/// Copies the tree to `target/mutants/tree`, puts one mutant at a time into it, builds only what that
/// changes and lives seeded worlds until one of them names the broken invariant. Exits with 1 when a
/// mutant survives, is caught by another invariant than the one named for it, or no longer fits its file.
#[derive(Parser)]
#[command(name = "cargo mutants-of-the-product", about, long_about)]
struct Cli {
    /// Worlds lived for each mutant at most.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// Longest life of all worlds of one mutant, seconds; a mutant that hangs has not been caught by name.
    #[arg(long, default_value_t = 300)]
    secs_max: u64,
    /// Only mutants whose name holds this text.
    #[arg(long, default_value = "")]
    only: String,
    /// Print the list and do nothing.
    #[arg(long)]
    list: bool,
}

/// Folders and files that the world is built from.
const TREE: &[&str] =
    &["Cargo.toml", "Cargo.lock", "clippy.toml", "protocol", "gateway", "cloud-bridge", "sensor-sim", "tests"];

/// What is optimised only a little: these are compiled anew for each mutant.
const REBUILT: &[&str] = &["protocol", "gateway", "cloud-bridge", "sensor-sim", "tests"];

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let chosen: Vec<&Mutant> = MUTANTS.iter().filter(|mutant| mutant.name.contains(&cli.only)).collect();
    ensure!(!chosen.is_empty(), "no mutant's name holds `{}`; --list shows them", cli.only);
    if cli.list {
        chosen.iter().for_each(|mutant| println!("{}: {} {:?}", mutant.name, mutant.file, mutant.caught_by));
        return Ok(ExitCode::SUCCESS);
    }
    let bench = Bench::prepare()?;
    eprintln!("mutants: the product as it is…");
    if let Life::Broke { invariant, seed } = bench.build_and_live(&cli)? {
        bail!("the product itself breaks {invariant} in seed {seed}; mend that first");
    }
    let mut survived = 0;
    println!("{:<76} {:<22} {:>6} {:>6}", "mutant", "caught by", "seed", "s");
    for mutant in chosen {
        let began = now();
        let found = bench.try_mutant(mutant, &cli);
        let secs = began.elapsed().as_secs();
        let (verdict, seed, good) = match found? {
            Life::Broke { invariant, seed } => {
                let named = mutant.caught_by.iter().any(|by| format!("{by:?}") == invariant);
                let verdict = if named { invariant } else { format!("{invariant}, NOT NAMED") };
                (verdict, seed, named)
            }
            Life::Held => ("SURVIVED".to_owned(), String::new(), false),
            Life::Hung => ("HUNG, unnamed".to_owned(), String::new(), false),
        };
        survived += u32::from(!good);
        println!("{:<76} {verdict:<22} {seed:>6} {secs:>6}", mutant.name);
    }
    if survived > 0 {
        println!("{survived} not caught as named");
        return Ok(ExitCode::FAILURE);
    }
    println!("every mutant was caught");
    Ok(ExitCode::SUCCESS)
}

/// What became of the worlds.
enum Life {
    Held,
    Broke { invariant: String, seed: String },
    Hung,
}

/// The copy that is broken and mended again.
struct Bench {
    root: PathBuf,
    tree: PathBuf,
    target: PathBuf,
}

impl Bench {
    fn prepare() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate has no parent")?.to_owned();
        let place = root.join("target").join("mutants");
        let bench = Self { tree: place.join("tree"), target: place.join("target"), root };
        bench.copy_tree()?;
        bench.share_dependencies()?;
        Ok(bench)
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

    fn try_mutant(&self, mutant: &Mutant, cli: &Cli) -> anyhow::Result<Life> {
        let file = self.tree.join(mutant.file);
        let whole = fs::read_to_string(self.root.join(mutant.file)).with_context(|| mutant.file.to_owned())?;
        let broken = mutant.put_into(&whole).map_err(anyhow::Error::msg)?;
        fs::write(&file, broken)?;
        let life = self.build_and_live(cli);
        fs::write(&file, whole)?;
        life.with_context(|| format!("mutant `{}`", mutant.name))
    }

    fn build_and_live(&self, cli: &Cli) -> anyhow::Result<Life> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--release", "--quiet", "--package", "tests", "--bin", "sim"]);
        for package in REBUILT {
            build.arg("--config").arg(format!("profile.release.package.{package}.opt-level=1"));
        }
        build.current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.target).env("CARGO_INCREMENTAL", "1");
        let built = build.stderr(Stdio::piped()).output().context("cargo build")?;
        ensure!(built.status.success(), "does not build:\n{}", String::from_utf8_lossy(&built.stderr));
        self.live(cli)
    }

    fn live(&self, cli: &Cli) -> anyhow::Result<Life> {
        let mut world = Command::new(self.target.join("release").join("sim"))
            .args(["--seeds", &format!("0..{}", cli.seeds)])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("the world does not start")?;
        let until = now() + Duration::from_secs(cli.secs_max);
        let mut told = world.stdout.take().context("no output")?;
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            told.read_to_string(&mut text).map(|_| text)
        });
        while world.try_wait()?.is_none() {
            if now() >= until {
                world.kill()?;
                world.wait()?;
                return Ok(Life::Hung);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let text = reader.join().map_err(|_| anyhow::anyhow!("the world's output was not read"))??;
        // "seed 7 VIOLATED PressCountsOnce at …"
        let line = text.lines().find_map(|line| line.strip_prefix("seed ")?.split_once(" VIOLATED "));
        Ok(match line {
            Some((seed, what)) => {
                let invariant = what.split(' ').next().unwrap_or_default().to_owned();
                Life::Broke { invariant, seed: seed.to_owned() }
            }
            None if text.contains("no violation") => Life::Held,
            None => bail!("the world ended without a verdict"),
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "a run that hangs is ended")]
fn now() -> Instant {
    Instant::now()
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
