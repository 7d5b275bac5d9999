//! Resident memory of a running program.

use anyhow::Context as _;

use crate::harness::program::Program;

/// Resident memory the gateway may reach under any flood of the home's clients, bytes; docs/reliability.md
/// says how it comes about.
pub const GATEWAY_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// What a program holds now, bytes.
///
/// # Errors
/// When it has ended.
pub fn bytes(program: &Program) -> anyhow::Result<u64> {
    field(program, "VmRSS:")
}

/// The most it ever held, bytes.
///
/// # Errors
/// When it has ended.
pub fn peak_bytes(program: &Program) -> anyhow::Result<u64> {
    field(program, "VmHWM:")
}

fn field(program: &Program, name: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024)
}
