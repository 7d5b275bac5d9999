//! The home's rotating presence code: RFC 6238, SHA-1, six digits, a new one each minute.
//!
//! Whoever knows the code of this minute has seen the gateway's own display. Pure.

use aws_lc_rs::hmac;

/// How long one code is shown, milliseconds.
pub const STEP_MS: u64 = 60_000;
/// Codes of so many steps before and after the present one are taken too.
const STEPS_AROUND: u64 = 1;
const MODULUS: u32 = 1_000_000;

/// The step of a wall clock; `None` before 1970.
pub fn step_at(wall_ms: i64) -> Option<u64> {
    u64::try_from(wall_ms).ok().map(|wall_ms| wall_ms / STEP_MS)
}

/// The six digits of a step.
pub fn code_of(secret: &[u8], step: u64) -> String {
    format!("{:06}", truncated(secret, step) % MODULUS)
}

/// The steps around `wall_ms` that `typed` is the code of; spaces and hyphens in it do not count.
pub fn steps_matching(secret: &[u8], wall_ms: i64, typed: &str) -> Vec<u64> {
    let digits: String = typed.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let Some(now) = step_at(wall_ms) else { return Vec::new() };
    let around = now.saturating_sub(STEPS_AROUND)..=now.saturating_add(STEPS_AROUND);
    around.filter(|step| code_of(secret, *step) == digits).collect()
}

/// RFC 4226 section 5.3: 31 bits of the HMAC of the counter.
fn truncated(secret: &[u8], counter: u64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &counter.to_be_bytes());
    let bytes = tag.as_ref();
    let offset = usize::from(bytes.last().copied().unwrap_or(0) & 0x0F);
    let four = bytes.get(offset..offset + 4).and_then(|four| four.try_into().ok()).unwrap_or([0; 4]);
    u32::from_be_bytes(four) & 0x7FFF_FFFF
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn the_vectors_of_rfc_6238_hold() {
        let vectors = [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ];
        for (unix_secs, code) in vectors {
            assert_eq!(truncated(SECRET, unix_secs / 30) % 100_000_000, code, "at {unix_secs}");
        }
    }

    #[test]
    fn a_code_is_taken_one_step_early_or_late_and_no_further() {
        let typed = code_of(SECRET, 1000);
        for (step, taken) in [(998, false), (999, true), (1000, true), (1001, true), (1002, false)] {
            let matching = steps_matching(SECRET, step * STEP_MS as i64, &typed);
            assert_eq!(matching, if taken { vec![1000] } else { vec![] }, "at step {step}");
        }
        let spaced = format!("{} {}", &typed[..3], &typed[3..]);
        assert_eq!(steps_matching(SECRET, 60_000_000, &spaced), [1000]);
        assert!(steps_matching(SECRET, -1, &typed).is_empty());
    }
}
