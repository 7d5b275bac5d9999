use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::voice::{Language, Voice, VoiceSettings};
use super::*;

/// An output that says when it begins, and ends when it is let.
struct Slow {
    begun: mpsc::UnboundedSender<Showing>,
    ends: mpsc::UnboundedReceiver<PlayOutcome>,
}

#[async_trait]
impl Output for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    async fn show(&mut self, showing: &Showing) -> PlayOutcome {
        let _ = self.begun.send(*showing);
        self.ends.recv().await.unwrap_or(PlayOutcome::Failed)
    }

    fn repeat_after(&self, _stage: Stage, repeats: u32) -> Option<Duration> {
        (repeats < 2).then_some(Duration::ZERO)
    }
}

fn played(completion: Option<Completion>) -> (String, Stage, PlayOutcome) {
    let Some(Completion::Played { output, stage, outcome }) = completion else { panic!("{completion:?}") };
    (output, stage, outcome)
}

#[tokio::test]
async fn a_newer_stage_cuts_the_older_short_and_overtaken_ones_are_never_shown() {
    let (begun, mut begins) = mpsc::unbounded_channel();
    let (end, ends) = mpsc::unbounded_channel();
    let (completions, mut completed) = mpsc::unbounded_channel();
    let outputs = Outputs::start(vec![Box::new(Slow { begun, ends })], &completions);
    outputs.tell(Stage::Recorded, false, false);
    assert_eq!(begins.recv().await.unwrap().stage, Stage::Recorded);
    outputs.tell(Stage::Received, false, false);
    outputs.tell(Stage::Taken, false, false);
    assert_eq!(played(completed.recv().await), ("slow".into(), Stage::Recorded, PlayOutcome::CutShort));
    assert_eq!(begins.recv().await.unwrap().stage, Stage::Taken);
    end.send(PlayOutcome::Whole).unwrap();
    assert_eq!(played(completed.recv().await), ("slow".into(), Stage::Taken, PlayOutcome::Whole));
}

#[tokio::test]
async fn a_standing_stage_is_repeated_and_recorded_once() {
    let (begun, mut begins) = mpsc::unbounded_channel();
    let (end, ends) = mpsc::unbounded_channel();
    let (completions, mut completed) = mpsc::unbounded_channel();
    let outputs = Outputs::start(vec![Box::new(Slow { begun, ends })], &completions);
    for _ in 0..4 {
        end.send(PlayOutcome::Whole).unwrap();
    }
    outputs.tell(Stage::LeaveNow, false, false);
    for repeats in 0..=2 {
        assert_eq!(begins.recv().await.unwrap().repeats, repeats);
    }
    outputs.tell(Stage::LeaveNow, true, false);
    assert!(begins.recv().await.unwrap().again);
    assert_eq!(played(completed.recv().await).1, Stage::LeaveNow);
    assert_eq!(played(completed.recv().await).2, PlayOutcome::Whole);
    assert!(completed.try_recv().is_err(), "a repetition is no record");
}

/// A player that keeps what it was given, and ends as it is told.
fn player(dir: &Path, last_line: &str) -> PathBuf {
    let path = dir.join("player");
    let script = format!("#!/bin/sh\necho \"$*\" > {0}/arguments\ncat > {0}/heard\n{last_line}\n", dir.display());
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

fn settings(player: PathBuf) -> VoiceSettings {
    VoiceSettings {
        prompts_dir: Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/voice"),
        language: Language::Chinese,
        hard_of_hearing: false,
        player,
        device: "plughw:1".into(),
        volume_percent: 100,
        soft_percent: 20,
    }
}

fn showing(stage: Stage, soft: bool) -> Showing {
    Showing { stage, again: false, soft, repeats: 0 }
}

fn loudest(dir: &Path) -> u16 {
    let heard = std::fs::read(dir.join("heard")).unwrap();
    heard.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]).unsigned_abs()).max().unwrap()
}

#[tokio::test]
async fn a_prompt_goes_to_the_player_as_samples_for_the_configured_device() {
    let dir = tempfile::tempdir().unwrap();
    let mut voice = Voice::new(settings(player(dir.path(), "exit 0")));
    assert_eq!(voice.show(&showing(Stage::Coming, false)).await, PlayOutcome::Whole);
    let arguments = std::fs::read_to_string(dir.path().join("arguments")).unwrap();
    assert_eq!(arguments, "-q -D plughw:1 -t raw -f S16_LE -r 16000 -c 1 -\n");
    assert!(loudest(dir.path()) > 12_000);
}

#[tokio::test]
async fn who_hears_badly_is_told_after_a_tone_and_slowly_in_every_language() {
    let dir = tempfile::tempdir().unwrap();
    let plain = settings(player(dir.path(), "exit 0"));
    for language in [Language::Chinese, Language::English, Language::Both] {
        let mut lengths = [0, 0];
        for (length, hard_of_hearing) in lengths.iter_mut().zip([false, true]) {
            let mut voice = Voice::new(VoiceSettings { language, hard_of_hearing, ..plain.clone() });
            voice.show(&showing(Stage::NotConnected, false)).await;
            *length = std::fs::read(dir.path().join("heard")).unwrap().len();
        }
        // The tone and the silence after it are a second: 32,000 bytes.
        let [usual, slow] = lengths;
        assert!(slow - 32_000 > usual * 5 / 4, "{language:?}: {usual}, {slow}");
    }
}

#[tokio::test]
async fn silent_hours_soften_what_is_told_in_passing_and_never_an_alarm() {
    let dir = tempfile::tempdir().unwrap();
    let mut voice = Voice::new(settings(player(dir.path(), "exit 0")));
    voice.show(&showing(Stage::LinkDown, true)).await;
    assert!(loudest(dir.path()) < 7_000);
    let (begun, mut begins) = mpsc::unbounded_channel();
    let (_end, ends) = mpsc::unbounded_channel();
    let (completions, _completed) = mpsc::unbounded_channel();
    let outputs = Outputs::start(vec![Box::new(Slow { begun, ends })], &completions);
    for (_, stage) in Stage::WORDS {
        outputs.tell(*stage, false, true);
        let begun = begins.recv().await.unwrap();
        assert_eq!((begun.stage, begun.soft), (*stage, stage.is_routine()));
    }
}

#[tokio::test]
async fn without_sound_the_stage_is_printed_and_the_record_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut silent = Voice::new(settings(player(dir.path(), "exit 1")));
    assert_eq!(silent.show(&showing(Stage::Here, false)).await, PlayOutcome::Printed);
    let mut missing = Voice::new(settings(dir.path().join("no such player")));
    assert_eq!(missing.show(&showing(Stage::Here, false)).await, PlayOutcome::Printed);
    let mut unmade = Voice::new(VoiceSettings { prompts_dir: dir.path().into(), ..settings(player(dir.path(), "")) });
    assert_eq!(unmade.show(&showing(Stage::Here, false)).await, PlayOutcome::Printed);
}

#[test]
fn a_quiet_start_is_not_spoken_of_but_the_end_of_a_call_is() {
    let mut voice = Voice::new(settings("aplay".into()));
    assert!(voice.passes_over(&showing(Stage::Quiet, false)));
    voice.note_spoken();
    assert!(!voice.passes_over(&showing(Stage::Quiet, false)));
}
