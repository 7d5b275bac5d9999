//! `cargo mutants-of-the-product`: breaks a copy of the product in one place after the other and expects the
//! seeded world to name the promise that no longer holds.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use tests::mutants::copy::ProductCopy;
use tests::mutants::{MUTANTS, Mutant};

/// Copies the tree to `target/mutants/tree`, puts one mutant at a time into it, builds only what that
/// changes and lives seeded worlds until one of them breaks an invariant named for that mutant. A world that
/// breaks another one first is told and lived past. Exits with 1 when no named invariant speaks in any
/// world, or a mutant no longer fits its file.
#[derive(Parser)]
#[command(name = "cargo mutants-of-the-product", about, long_about)]
struct Cli {
    /// Worlds lived for each mutant at most.
    #[arg(long, default_value_t = 300)]
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
    bench.copy.build("tests", "sim")?;
    if let Life::Broke { invariant, seed } = bench.live(0..cli.seeds, now() + Duration::from_secs(cli.secs_max))? {
        bail!("the product itself breaks {invariant} in seed {seed}; mend that first");
    }
    let mut survived = 0;
    println!("{:<76} {:<22} {:>6} {:>6}", "mutant", "caught by", "seed", "s");
    for mutant in chosen {
        let began = now();
        let (life, others) = bench.try_mutant(mutant, &cli)?;
        let secs = began.elapsed().as_secs();
        let (verdict, seed) = match &life {
            Life::Broke { invariant, seed } => (invariant.as_str(), seed.to_string()),
            Life::Held => ("SURVIVED", String::new()),
            Life::Hung => ("HUNG", String::new()),
        };
        survived += u32::from(!matches!(life, Life::Broke { .. }));
        println!("{:<76} {verdict:<22} {seed:>6} {secs:>6}", mutant.name);
        for (other, worlds) in others {
            println!("    lived past {worlds} world(s) that broke {other}, which is not named for it");
        }
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
    Broke { invariant: String, seed: u64 },
    Hung,
}

/// How many worlds broke each invariant that is not named for the mutant.
type Others = BTreeMap<String, u32>;

/// The copy that is broken and mended again.
struct Bench {
    root: PathBuf,
    copy: ProductCopy,
}

impl Bench {
    fn prepare() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate has no parent")?.to_owned();
        Ok(Self { copy: ProductCopy::of(&root)?, root })
    }

    fn try_mutant(&self, mutant: &Mutant, cli: &Cli) -> anyhow::Result<(Life, Others)> {
        let whole = fs::read_to_string(self.root.join(mutant.file)).with_context(|| mutant.file.to_owned())?;
        let broken = mutant.put_into(&whole).map_err(anyhow::Error::msg)?;
        self.copy.write(mutant.file, &broken)?;
        let found = self.copy.build("tests", "sim").and_then(|()| self.live_until_named(mutant, cli));
        self.copy.write(mutant.file, &whole)?;
        found.with_context(|| format!("mutant `{}`", mutant.name))
    }

    fn live_until_named(&self, mutant: &Mutant, cli: &Cli) -> anyhow::Result<(Life, Others)> {
        let until = now() + Duration::from_secs(cli.secs_max);
        let (mut from, mut others) = (0, Others::new());
        while from < cli.seeds {
            match self.live(from..cli.seeds, until)? {
                Life::Broke { invariant, seed } if !mutant.is_caught_by(&invariant) => {
                    *others.entry(invariant).or_default() += 1;
                    from = seed + 1;
                }
                life @ (Life::Broke { .. } | Life::Held | Life::Hung) => return Ok((life, others)),
            }
        }
        Ok((Life::Held, others))
    }

    fn live(&self, seeds: Range<u64>, until: Instant) -> anyhow::Result<Life> {
        let mut world = Command::new(self.copy.program("sim"))
            .args(["--seeds", &format!("{}..{}", seeds.start, seeds.end)])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("the world does not start")?;
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
                Life::Broke { invariant, seed: seed.parse().context("the world names no seed")? }
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
