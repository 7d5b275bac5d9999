//! Credentials drawn at random for one run; none is ever stored in the repository.

/// Letters of base32 (RFC 4648).
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A token of 40 base32 letters, 200 random bits.
///
/// # Errors
/// When the operating system has no randomness.
pub fn token() -> anyhow::Result<String> {
    draw(40)
}

/// A TOTP secret of 32 base32 letters, 20 bytes.
///
/// # Errors
/// When the operating system has no randomness.
pub fn totp() -> anyhow::Result<String> {
    draw(32)
}

#[expect(clippy::disallowed_methods, reason = "credentials must not be repeatable")]
fn draw(letters: usize) -> anyhow::Result<String> {
    let mut bytes = vec![0; letters];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness from the machine: {error}"))?;
    Ok(bytes.iter().map(|byte| char::from(BASE32[usize::from(byte & 31)])).collect())
}
