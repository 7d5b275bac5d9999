//! `cargo powercut`: records the real gateway on a real ext4, cuts the power at the places of that
//! record, and starts the real gateway on what the disk kept.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use tests::harness::program::path_of;
use tests::powercut::block_log::Recording;
use tests::powercut::cut::{self, Cut, Model};
use tests::powercut::enclosure::{self, Place};
use tests::powercut::ground::FileSystem;
use tests::powercut::mutants::{self, MUTANTS, Mutant};
use tests::powercut::run::{Failure, Job, Plan, check_all, recorded};
use tests::powercut::tally::Tally;
use tests::powercut::truth::Recorded;
use tests::powercut::workload::Workload;

/// Cuts on the lying disk: the control that must fail.
const CONTROL_CUTS: usize = 40;

/// What the columns count.
const LEGEND: &str =
    "cuts; of them followed to the real centre; cuts with a promised press lost, with a press doubled, without a start,
with a disk beyond mounting, with a press said again and not acknowledged, with wrong work orders, with a segment gone
before the centre had anything of it: all seven must be 0.
Counted only: ext4 needed e2fsck to be mounted; start-up named damage; presses recorded twice for a full disk, which the centre counts once.";

/// Cuts under one mutant, at most.
const MUTANT_CUTS: usize = 300;

/// How many failures are printed whole.
const TOLD_MAX: usize = 20;

/// Cuts the power under the real gateway and proves that no press that it acknowledged, or showed as
/// recorded, is lost or doubled, and that it always starts again.
///
/// The gateway lives on the kernel's real ext4 on a disk of our own, which records every block write and
/// every flush together with every acknowledgement. Each place of that record is a power cut: what was
/// flushed is kept, of the rest the disk keeps nothing, all, some blocks, or torn sectors. A disk that
/// ignores flushes is the control, which must fail. Needs root for FUSE and loop mounts; everything is
/// mounted in namespaces that end with this program. Exit 1 on any violation.
#[derive(Parser)]
#[command(name = "cargo powercut", about)]
struct Cli {
    /// Cuts in all, spread over the workloads; more than one recording holds means more recordings.
    #[arg(long, default_value_t = 1_200)]
    cuts: usize,
    /// Chooses the cuts and what each disk keeps; drawn from the clock and printed when left out.
    #[arg(long)]
    seed: Option<u64>,
    /// On what the gateway lives: the kernel's ext4, or a file system of our own on which contents are durable
    /// with the file's own sync, names with their directory's, and nothing a moment before.
    #[arg(long, value_enum, default_value = "ext4")]
    file_system: FileSystem,
    /// Only these workloads.
    #[arg(long = "workload", value_enum)]
    workloads: Vec<Workload>,
    /// One cut in so many is followed to work orders at the real centre.
    #[arg(long, default_value_t = 6)]
    centre_every: usize,
    /// Cuts checked at once; one a core when left out.
    #[arg(long)]
    workers: Option<usize>,
    /// Take the programs as they lie beside this one instead of building them first.
    #[arg(long)]
    no_build: bool,
    /// Break the gateway on purpose in one place after the other: cuts must see every break. Takes minutes
    /// a mutant, most of them for building it.
    #[arg(long)]
    mutants: bool,
    /// With --mutants: only those whose name holds this text.
    #[arg(long, default_value = "")]
    only: String,
    /// Repeat one cut of a recording that was kept after a violation.
    #[arg(long, value_name = "FILE", requires_all = ["at", "model", "cut_seed", "workloads"])]
    again: Option<PathBuf>,
    /// With --again: entries that had happened.
    #[arg(long)]
    at: Option<usize>,
    /// With --again: what the disk kept.
    #[arg(long, value_enum)]
    model: Option<Model>,
    /// With --again: chooses what it kept.
    #[arg(long)]
    cut_seed: Option<u64>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match begin(&cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("powercut: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn begin(cli: &Cli) -> anyhow::Result<ExitCode> {
    if let Err(impossible) = enclosure::check() {
        if std::env::var_os("CI").is_some_and(|value| value == "true") {
            anyhow::bail!("{impossible}");
        }
        eprintln!("\n*** POWER CUTS SKIPPED: {impossible}");
        eprintln!("*** Nothing was shown about power cuts by this run.\n");
        return Ok(ExitCode::SUCCESS);
    }
    if !enclosure::is_inside() {
        if !cli.no_build {
            build()?;
        }
        for mutant in chosen(cli) {
            println!("building the mutant {}: {}", mutant.name, mutant.breaks);
            mutants::build(&root(), mutant)?;
        }
    }
    match enclosure::enter()? {
        Place::Ended(code) => Ok(code),
        Place::Inside(dir) => inside(cli, &dir),
    }
}

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// The mutants that were asked for.
fn chosen(cli: &Cli) -> impl Iterator<Item = &'static Mutant> {
    MUTANTS.iter().filter(|mutant| cli.mutants && mutant.name.contains(&cli.only))
}

/// Builds the programs that are cut: a stale one would prove nothing.
fn build() -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--release", "--quiet", "--bin", "gateway", "--bin", "cloud-bridge"];
    let status = Command::new(cargo).args(arguments).current_dir(root()).status().context("cannot run cargo")?;
    ensure!(status.success(), "the programs do not build");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "how long it takes is told, and a seed must differ")]
fn inside(cli: &Cli, dir: &Path) -> anyhow::Result<ExitCode> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let plan = Plan {
        program: path_of("gateway")?,
        dir: dir.to_owned(),
        workers: cli.workers.unwrap_or(cores),
        centre_every: cli.centre_every,
        until_first: false,
        progress: true,
    };
    if let Some(file) = &cli.again {
        return again(cli, &plan, file);
    }
    let seed = cli.seed.unwrap_or_else(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        since.as_millis() as u64
    });
    println!("seed {seed}");
    if cli.mutants {
        return cut_mutants(cli, &plan, seed);
    }
    let workloads = if cli.workloads.is_empty() { Workload::ALL.to_vec() } else { cli.workloads.clone() };
    let began = Instant::now();
    let mut checking = Duration::ZERO;
    let mut tally = Tally::default();
    let mut control = None;
    let mut round = 0;
    while tally.sum().cuts < cli.cuts {
        let recordings = record_all(&workloads, cli.file_system, &plan)?;
        let jobs = jobs(&recordings, cli.cuts - tally.sum().cuts, seed.wrapping_add(round));
        let from = Instant::now();
        let (counted, failures) = check_all(&plan, &recordings, jobs)?;
        checking += from.elapsed();
        tally.merge(&counted);
        if !failures.is_empty() {
            println!("{tally}");
            return tell(&recordings, &failures, seed);
        }
        if control.is_none() {
            control = Some(lying(&plan, &recordings, seed)?);
        }
        round += 1;
    }
    println!("{tally}\n{LEGEND}");
    let cuts = tally.sum().cuts as f64;
    println!(
        "{cuts} cuts in {:.0} s, recordings included: {:.1} cuts/s while checking, {} at once",
        began.elapsed().as_secs_f64(),
        cuts / checking.as_secs_f64().max(0.001),
        plan.workers
    );
    let control = control.unwrap_or_default();
    println!("control, a disk that ignores flushes:\n{control}");
    let caught = control.sum();
    if caught.holds() {
        println!("VIOLATED: the control holds, so that these cuts show nothing");
        return Ok(ExitCode::FAILURE);
    }
    println!(
        "no acknowledged press lost, none doubled, every start succeeded; the control lost {} of {}",
        caught.lost, caught.cuts
    );
    Ok(ExitCode::SUCCESS)
}

fn record_all(
    workloads: &[Workload],
    file_system: FileSystem,
    plan: &Plan,
) -> anyhow::Result<Vec<(Workload, Recorded)>> {
    let mut recordings = Vec::new();
    for workload in workloads {
        let (recorded, said) = recorded(*workload, file_system, &plan.program, &plan.dir)?;
        println!("{said}");
        recordings.push((*workload, recorded));
    }
    Ok(recordings)
}

/// As many cuts of each recording, at most all that there are.
fn jobs(recordings: &[(Workload, Recorded)], cuts: usize, seed: u64) -> Vec<Job> {
    let each = cuts.div_ceil(recordings.len().max(1));
    let mut jobs = Vec::new();
    for (index, (_, recorded)) in recordings.iter().enumerate() {
        let chosen = cut::choose(cut::all_cuts(&recorded.recording.entries, seed), each, seed);
        jobs.extend(jobs_of(index, chosen));
    }
    jobs
}

/// The negative control: it stops nowhere, so that its share of losses is seen.
fn lying(plan: &Plan, recordings: &[(Workload, Recorded)], seed: u64) -> anyhow::Result<Tally> {
    let each = CONTROL_CUTS.div_ceil(recordings.len().max(1));
    let mut jobs = Vec::new();
    for (index, (_, recorded)) in recordings.iter().enumerate() {
        let cuts = cut::lying_cuts(&recorded.recording.entries, each, seed);
        jobs.extend(jobs_of(index, cuts));
    }
    let plan = Plan { progress: false, centre_every: usize::MAX, ..plan.clone() };
    Ok(check_all(&plan, recordings, jobs)?.0)
}

/// Cuts the power under every mutant until one cut sees it.
fn cut_mutants(cli: &Cli, plan: &Plan, seed: u64) -> anyhow::Result<ExitCode> {
    println!("{:<32} {:<20} {:>6}  seen as", "mutant", "workload", "cuts");
    let mut unseen = 0;
    for mutant in chosen(cli) {
        let plan = Plan {
            program: mutants::program(&root(), mutant.name),
            until_first: true,
            progress: false,
            ..plan.clone()
        };
        let recordings = match record_all(&[mutant.workload], mutant.file_system, &plan) {
            Ok(recordings) => recordings,
            Err(error) => {
                // A mutant that cannot live through its workload has shown nothing about cuts.
                println!("{:<32} {:<20} {:>6}  NOT RECORDED: {error:#}", mutant.name, mutant.workload.name(), 0);
                unseen += 1;
                continue;
            }
        };
        let entries = &recordings[0].1.recording.entries;
        let cuts = cut::choose(cut::all_cuts(entries, seed), MUTANT_CUTS, seed);
        let (tally, failures) = check_all(&plan, &recordings, jobs_of(0, cuts))?;
        let seen = failures.first().and_then(|failure| failure.violations.first());
        unseen += usize::from(seen.is_none());
        let said = seen.map_or("SURVIVED", String::as_str);
        println!("{:<32} {:<20} {:>6}  {said}", mutant.name, mutant.workload.name(), tally.sum().cuts);
    }
    println!("{}", if unseen == 0 { "every mutant was seen" } else { "NOT every mutant was seen" });
    Ok(if unseen == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn jobs_of(recording: usize, cuts: Vec<Cut>) -> Vec<Job> {
    cuts.into_iter().map(|cut| Job { recording, cut }).collect()
}

/// Tells every violation, keeps the recordings, and says how to repeat each cut.
fn tell(recordings: &[(Workload, Recorded)], failures: &[Failure], seed: u64) -> anyhow::Result<ExitCode> {
    let kept = root().join("target").join("powercut-kept");
    std::fs::create_dir_all(&kept).with_context(|| format!("cannot make {}", kept.display()))?;
    let file = |workload: &str| kept.join(format!("{workload}-{seed}.recording"));
    for failure in failures.iter().take(TOLD_MAX) {
        let (workload, recorded) = &recordings[failure.job.recording];
        let path = file(workload.name());
        if !path.exists() {
            recorded.recording.save(&path)?;
        }
        println!("VIOLATED {} ({}), {}", workload.name(), failure.doing, failure.job.cut);
        for violation in &failure.violations {
            println!("  {violation}");
        }
        println!(
            "  again: cargo powercut --workload {} --again {} {}",
            workload.name(),
            path.display(),
            failure.job.cut
        );
    }
    println!("{} cuts violated; seed {seed}", failures.len());
    Ok(ExitCode::FAILURE)
}

fn again(cli: &Cli, plan: &Plan, file: &Path) -> anyhow::Result<ExitCode> {
    let recording = Recording::load(file)?;
    let (Some(at), Some(model), Some(seed)) = (cli.at, cli.model, cli.cut_seed) else {
        anyhow::bail!("--again needs --at, --model and --cut-seed")
    };
    let Some(workload) = cli.workloads.first() else { anyhow::bail!("--again needs --workload") };
    let recordings = [(*workload, Recorded::new(recording))];
    let jobs = vec![Job { recording: 0, cut: Cut { at, model, seed } }];
    let (tally, failures) = check_all(&Plan { centre_every: 1, ..plan.clone() }, &recordings, jobs)?;
    println!("{tally}");
    for violation in failures.iter().flat_map(|failure| &failure.violations) {
        println!("VIOLATED {violation}");
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
