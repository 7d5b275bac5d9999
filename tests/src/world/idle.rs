//! Polls without news in a bulk run. Between two things that befall a home nobody looks at it: its polls
//! in between are answered in one go when the next thing comes, each through the real loop at its own time.

use gateway::engine::{Command, Completion};

use super::World;

/// A poll that the centre holds and that nothing can befall.
#[derive(Debug, Clone, Copy)]
pub(super) struct IdlePoll {
    pub(super) ends_ms: u64,
    pub(super) wait_ms: u64,
}

impl World {
    /// Whether polls may be answered late: lines that never fail, nobody who cuts them, and a loop that has seen one.
    pub(super) fn may_idle(&self, home: usize) -> bool {
        self.instant() && self.script.is_none() && self.homes[home].settled
    }

    /// Answers every poll whose wait has ended by now.
    pub(super) fn answer_idle_polls(&mut self, home: usize) {
        while let Some(poll) = self.homes[home].idle_poll
            && poll.ends_ms <= self.now_ms
        {
            let answer = self.downlink_answer(home, poll.ends_ms);
            let at = &mut self.homes[home];
            let now = at.clocks(poll.ends_ms);
            let Some(process) = &mut at.process else { return };
            self.tally.steps += 1;
            let mut commands = std::mem::take(&mut self.commands);
            process.engine.step_into(&now, Completion::Polled(Ok(answer)), &mut commands);
            if let [Command::Poll { .. }] = commands[..] {
                at.idle_poll = Some(IdlePoll { ends_ms: poll.ends_ms + poll.wait_ms, ..poll });
            } else {
                at.idle_poll = None;
                self.execute(home, &mut commands);
            }
            commands.clear();
            self.commands = commands;
        }
    }
}
