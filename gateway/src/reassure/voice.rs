//! The voice: each stage spoken through ALSA (`aplay`), or as a printed line where there is no sound.
//!
//! A prompt is cut short by a newer stage. Danger is repeated until something changes; the low tone
//! and the slow voice are for people who hear badly.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use protocol::record::PlayOutcome;
use protocol::stage::Stage;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;

use super::prompt::{Prompts, RATE_HZ, at_volume, silence, tone};
use super::{Output, Showing};

/// How long the player may take beyond the sound itself before it counts as stuck.
const STUCK: Duration = Duration::from_secs(5);

/// How often it is looked whether the player has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Most repetitions of a prompt that asks the elder to do something; a press speaks it anew.
const REPEATS_MAX: u32 = 20;

/// Which languages are spoken, in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Mandarin.
    Chinese,
    /// English.
    English,
    /// Mandarin, then English.
    Both,
}

impl Language {
    /// Each choice's word in a configuration.
    pub const WORDS: &[(&str, Self)] = &[("zh", Self::Chinese), ("en", Self::English), ("zh_en", Self::Both)];
}

/// How the voice speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoiceSettings {
    /// Where `zh`, `en` and their slow forms `zh-slow` and `en-slow` are.
    pub prompts_dir: PathBuf,
    /// What is spoken.
    pub language: Language,
    /// Low tone first, then slowly: for people who hear badly.
    pub hard_of_hearing: bool,
    /// The player; `aplay` or a program that takes its options.
    pub player: PathBuf,
    /// The ALSA device.
    pub device: String,
    /// Height of every prompt, percent.
    pub volume_percent: u8,
    /// Height of prompts told in passing within silent hours, percent; 0 leaves them out.
    pub soft_percent: u8,
}

/// The voice with its prompts.
#[derive(Debug)]
pub struct Voice {
    settings: VoiceSettings,
    prompts: Vec<Prompts>,
    /// Something was told in this run, so that "all is well" is news.
    spoken: bool,
    /// That there is no sound was said.
    told_silent: bool,
}

impl Voice {
    /// Reads the prompts; what is missing is told at once and printed instead of spoken.
    pub fn new(settings: VoiceSettings) -> Self {
        let (chinese, english) = if settings.hard_of_hearing { ("zh-slow", "en-slow") } else { ("zh", "en") };
        let folders = match settings.language {
            Language::Chinese => vec![chinese],
            Language::English => vec![english],
            Language::Both => vec![chinese, english],
        };
        let mut prompts = Vec::new();
        for folder in folders {
            let (read, errors) = Prompts::read(&settings.prompts_dir.join(folder));
            for error in errors {
                tracing::error!(cause = std::error::Error::source(&error), "{error}; the stage is printed instead");
            }
            prompts.push(read);
        }
        Self { settings, prompts, spoken: false, told_silent: false }
    }

    pub(super) fn note_spoken(&mut self) {
        self.spoken = true;
    }

    /// Everything that is played for a stage: tone, words, pauses; none where a prompt is missing.
    fn sound(&self, showing: &Showing) -> Option<Vec<i16>> {
        let beeps = if showing.stage == Stage::LeaveNow {
            3
        } else if showing.stage.is_routine() {
            0
        } else {
            u32::from(self.settings.hard_of_hearing)
        };
        let mut sound = tone(beeps);
        for prompts in &self.prompts {
            sound.extend(prompts.samples(showing.stage)?);
            sound.extend(silence(300));
        }
        Some(sound)
    }

    fn volume(&self, showing: &Showing) -> u8 {
        if showing.soft { self.settings.soft_percent } else { self.settings.volume_percent }
    }

    async fn play(&self, sound: &[i16], percent: u8) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.settings.player.display());
        let (mut player, input) = Player::start(&self.settings).map_err(failed)?;
        let lasts = Duration::from_millis(sound.len() as u64 * 1_000 / u64::from(RATE_HZ));
        let bytes = at_volume(sound, percent);
        let played = async {
            let mut input = pipe::Sender::from_owned_fd(input).map_err(failed)?;
            // A player that ends early tells why by its status.
            let _ = input.write_all(&bytes).await;
            drop(input);
            player.ended().await.map_err(failed)
        };
        match tokio::time::timeout(lasts + STUCK, played).await {
            Err(_) => Err("the player is stuck".to_owned()),
            Ok(Err(error)) => Err(error),
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("the player ended with {status}")),
        }
    }
}

/// A running player; dropped when a newer stage comes, it ends in the middle of the older words.
struct Player(Child);

impl Player {
    fn start(settings: &VoiceSettings) -> std::io::Result<(Self, OwnedFd)> {
        let rate = RATE_HZ.to_string();
        let mut child = Command::new(&settings.player)
            .args(["-q", "-D", &settings.device, "-t", "raw", "-f", "S16_LE", "-r", &rate, "-c", "1", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let input = child.stdin.take().map(OwnedFd::from);
        let player = Self(child);
        let input = input.ok_or_else(|| std::io::Error::other("no way to its input"))?;
        Ok((player, input))
    }

    async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and is waited for either way.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[async_trait]
impl Output for Voice {
    fn name(&self) -> &str {
        "voice"
    }

    async fn show(&mut self, showing: &Showing) -> PlayOutcome {
        self.note_spoken();
        let (zh, en) = (showing.stage.zh(), showing.stage.en());
        let Some(sound) = self.sound(showing) else {
            tracing::warn!("voice, without a prompt: {zh} / {en}");
            return PlayOutcome::Printed;
        };
        match self.play(&sound, self.volume(showing)).await {
            Ok(()) => {
                self.told_silent = false;
                PlayOutcome::Whole
            }
            Err(error) => {
                if !std::mem::replace(&mut self.told_silent, true) {
                    tracing::error!(error, device = self.settings.device, "there is no sound; what is said is printed");
                }
                tracing::warn!("voice, printed only: {zh} / {en}");
                PlayOutcome::Printed
            }
        }
    }

    fn repeat_after(&self, stage: Stage, repeats: u32) -> Option<Duration> {
        match stage {
            Stage::LeaveNow => Some(Duration::from_secs(2)),
            Stage::PreAlarm => Some(Duration::from_secs(6)),
            Stage::NotConnected | Stage::StillNotConnected | Stage::ContactsCalled => {
                (repeats < REPEATS_MAX).then_some(Duration::from_secs(20))
            }
            Stage::Quiet
            | Stage::LinkDown
            | Stage::Cancelling
            | Stage::RadioLost
            | Stage::Recorded
            | Stage::NotRecorded
            | Stage::Received
            | Stage::Taken
            | Stage::Coming
            | Stage::Here
            | Stage::Retracted => None,
        }
    }

    /// A start that finds nothing open is not spoken of, nor what silent hours leave out.
    fn passes_over(&self, showing: &Showing) -> bool {
        (showing.stage == Stage::Quiet && !self.spoken) || self.volume(showing) == 0
    }
}
