//! Voice prompts: the files of `config/voice` read into samples, the alert tone, and how loud.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use protocol::stage::Stage;

/// Samples a second of every prompt and of what is played.
pub const RATE_HZ: u32 = 16_000;

/// The low tone that people with age-related hearing loss still hear, hertz.
const TONE_HZ: u32 = 520;

/// Longest prompt file, bytes; two minutes of it.
const FILE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Why a prompt cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// The file.
    #[error("cannot read the prompt {path}; make the prompts with config/voice/make and set `voice.prompts_dir`")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not a prompt.
    #[error("{path} is not a 16 kHz mono WAV file of mu-law or 16-bit samples: {what}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
}

/// Prompts of one language and speed, kept as they are in their files: 16 bytes a millisecond.
#[derive(Debug, Clone, Default)]
pub struct Prompts(BTreeMap<Stage, Vec<u8>>);

impl Prompts {
    /// Reads every stage's prompt below `dir`.
    ///
    /// # Errors
    /// Each stage without a usable prompt, by file; the others can be spoken all the same.
    pub fn read(dir: &Path) -> (Self, Vec<PromptError>) {
        let (mut prompts, mut errors) = (BTreeMap::new(), Vec::new());
        for (word, stage) in Stage::WORDS {
            let path = dir.join(format!("{word}.wav"));
            match std::fs::read(&path) {
                Ok(bytes) => match samples(&bytes) {
                    Ok(_) => {
                        prompts.insert(*stage, bytes);
                    }
                    Err(what) => errors.push(PromptError::Format { path, what }),
                },
                Err(source) => errors.push(PromptError::File { path, source }),
            }
        }
        (Self(prompts), errors)
    }

    /// A stage's samples; none where its file was not usable.
    pub fn samples(&self, stage: Stage) -> Option<Vec<i16>> {
        samples(self.0.get(&stage)?).ok()
    }
}

/// The samples of a WAV file.
fn samples(bytes: &[u8]) -> Result<Vec<i16>, &'static str> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err("it is too long");
    }
    if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
        return Err("no RIFF header");
    }
    let word = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let long = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let (mut at, mut mu_law) = (12, None);
    while let (Some(name), Some(length)) = (bytes.get(at..at + 4), long(at + 4)) {
        let body = at + 8;
        let length = usize::try_from(length).map_err(|_| "a chunk is too long")?;
        match name {
            b"fmt " => {
                let coding = (word(body), word(body + 2), long(body + 4), word(body + 14));
                mu_law = Some(match coding {
                    (Some(7), Some(1), Some(RATE_HZ), Some(8)) => true,
                    (Some(1), Some(1), Some(RATE_HZ), Some(16)) => false,
                    _ => return Err("another coding, rate or number of channels"),
                });
            }
            b"data" => {
                let data = &bytes[body..bytes.len().min(body.saturating_add(length))];
                return match mu_law {
                    Some(true) => Ok(data.iter().map(|byte| from_mu_law(*byte)).collect()),
                    Some(false) => {
                        Ok(data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
                    }
                    None => Err("samples before their coding"),
                };
            }
            _ => {}
        }
        // Chunks begin at even places.
        at = body.saturating_add(length).saturating_add(length & 1);
    }
    Err("no samples")
}

/// ITU-T G.711 mu-law.
fn from_mu_law(byte: u8) -> i16 {
    let byte = !byte;
    let exponent = u32::from(byte >> 4 & 7);
    let magnitude = ((i32::from(byte & 15) * 8 + 132) << exponent) - 132;
    let signed = if byte & 0x80 == 0 { magnitude } else { -magnitude };
    i16::try_from(signed).unwrap_or(i16::MAX)
}

/// The alert: `beeps` of half a second each with as much silence after them, square, at half height.
pub fn tone(beeps: u32) -> Vec<i16> {
    let beep = (0..RATE_HZ / 2).map(|sample| {
        let half_waves = u64::from(sample) * u64::from(TONE_HZ) * 2 / u64::from(RATE_HZ);
        if half_waves % 2 == 0 { 16_000 } else { -16_000 }
    });
    let mut samples = Vec::new();
    for _ in 0..beeps {
        samples.extend(beep.clone());
        samples.extend(silence(500));
    }
    samples
}

/// Silence, milliseconds.
pub fn silence(ms: u32) -> impl Iterator<Item = i16> {
    (0..ms * (RATE_HZ / 1_000)).map(|_| 0)
}

/// The same samples at `percent` of their height, as little-endian bytes.
pub fn at_volume(samples: &[i16], percent: u8) -> Vec<u8> {
    let scaled = samples.iter().map(|sample| i32::from(*sample) * i32::from(percent.min(100)) / 100);
    scaled.flat_map(|sample| i16::try_from(sample).unwrap_or(i16::MAX).to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/voice")
    }

    #[test]
    fn every_stage_has_a_prompt_in_every_language_that_is_neither_silent_nor_long() {
        for folder in ["zh", "zh-slow", "en", "en-slow"] {
            let (prompts, errors) = Prompts::read(&dir().join(folder));
            assert!(errors.is_empty(), "{errors:?}");
            for (word, stage) in Stage::WORDS {
                let samples = prompts.samples(*stage).unwrap();
                let secs = samples.len() as f64 / f64::from(RATE_HZ);
                assert!((0.5..10.0).contains(&secs), "{folder}/{word} lasts {secs} s");
                assert!(samples.iter().any(|sample| sample.unsigned_abs() > 12_000), "{folder}/{word} is too soft");
            }
        }
    }

    #[test]
    fn the_words_spoken_are_of_the_stages_there_are() {
        let text = std::fs::read_to_string(dir().join("prompts.tsv")).unwrap();
        let spoken = std::fs::read_to_string(dir().join("spoken.tsv")).unwrap();
        assert_eq!(spoken, text, "the words have changed since the prompts were made: run config/voice/make");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let rows: Vec<_> = lines.map(|line| line.split('\t').collect::<Vec<_>>()).collect();
        assert!(rows.iter().all(|row| row.len() == 3), "stage, Chinese, English");
        let words: Vec<_> = rows.iter().map(|row| row[0]).collect();
        assert_eq!(words, Stage::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>());
        // What is spoken is what is shown, but for pauses, the digits of the number, and what is said twice.
        let plain = |text: &str| {
            let text = text.to_lowercase().replace("幺二零", "120").replace("one, two, zero", "120");
            text.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>()
        };
        let same = |spoken: &str, shown: &str| {
            let (spoken, shown) = (plain(spoken), plain(shown));
            assert!(spoken == shown || spoken == shown.repeat(2), "{shown} is spoken as {spoken}");
        };
        for (row, (_, stage)) in rows.iter().zip(Stage::WORDS) {
            same(row[1], stage.zh());
            same(row[2], stage.en());
        }
    }

    #[test]
    fn mu_law_reads_as_the_standard_says() {
        let cases = [(0xff, 0), (0x7f, 0), (0x80, 32_124), (0x00, -32_124), (0xf0, 120), (0x70, -120)];
        assert_eq!(cases.map(|(byte, _)| from_mu_law(byte)), cases.map(|(_, sample)| sample));
    }

    #[test]
    fn the_tone_is_low_and_square() {
        let samples = tone(1);
        let crossings = samples.windows(2).filter(|pair| pair[0].signum() * pair[1].signum() < 0).count();
        assert_eq!((crossings as u32).div_ceil(2), TONE_HZ / 2, "half a second of it");
    }

    #[test]
    fn what_is_no_prompt_is_refused() {
        assert_eq!(samples(b"not a sound"), Err("no RIFF header"));
        let mut wav = std::fs::read(dir().join("zh/quiet.wav")).unwrap();
        wav[24..28].copy_from_slice(&8_000_u32.to_le_bytes());
        assert_eq!(samples(&wav), Err("another coding, rate or number of channels"));
        assert!(samples(&wav[..40]).is_err());
    }
}
