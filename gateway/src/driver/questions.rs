//! Questions that pages put to the loop; that it answers shows that it lives.

use std::time::Duration;

use protocol::stage::Stage;
use tokio::sync::{mpsc, oneshot};

use crate::engine::registry::DeviceLine;
use crate::engine::{Completion, Counters, Engine, Gauges, Now, SendFailure};

/// Longest wait for the loop's answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What a page asks of the loop.
#[derive(Debug)]
pub enum Question {
    /// Its state.
    State(oneshot::Sender<Answer>),
    /// The device list.
    Devices(oneshot::Sender<Vec<DeviceLine>>),
    /// An installer asks for a test press; the answer says whether the device is configured.
    Test {
        /// The device.
        device: String,
        /// Where the answer goes.
        reply: oneshot::Sender<bool>,
    },
}

/// The loop's state at one moment.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was counted.
    pub counters: Counters,
    /// Numbers of the moment.
    pub gauges: Gauges,
    /// The stage the elder is told.
    pub stage: Stage,
    /// The embedded broker is deaf: what is published there does not come in.
    pub canary_lost: bool,
}

impl Question {
    /// Answers it, or gives what the loop is to do about it.
    pub(super) fn answer(self, engine: &Engine, now: &Now, canary_lost: bool) -> Option<Completion> {
        // Whoever asked may have gone away meanwhile; then nobody is told.
        match self {
            Self::State(reply) => {
                let (counters, gauges) = (engine.counters().clone(), engine.gauges(now));
                let _ = reply.send(Answer { counters, gauges, stage: engine.stage(now), canary_lost });
                None
            }
            Self::Devices(reply) => {
                let _ = reply.send(engine.devices(now));
                None
            }
            Self::Test { device, reply } => {
                let known = engine.home().rules().devices.contains_key(&device);
                let _ = reply.send(known);
                known.then_some(Completion::TestAsked { device })
            }
        }
    }
}

/// Puts a question to the loop.
///
/// # Errors
/// [`SendFailure::Unreachable`] when it does not answer within two seconds.
pub async fn ask<T>(
    questions: &mpsc::Sender<Question>,
    question: impl FnOnce(oneshot::Sender<T>) -> Question,
) -> Result<T, SendFailure> {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        questions.send(question(reply)).await.ok()?;
        answer.await.ok()
    };
    let answered = tokio::time::timeout(ANSWER_WITHIN, asked).await.ok().flatten();
    answered.ok_or_else(|| SendFailure::Unreachable("the loop does not answer".into()))
}
