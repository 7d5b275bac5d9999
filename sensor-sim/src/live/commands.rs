//! What a person types while a home is live: short words with the obvious device, or any act of a scenario.

use crate::device::{Click, Happening};
use crate::scenario::{Act, DeviceKind, HomeDevice, Place, VisitNote, parse_act};

/// What a typed line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Acts, in order.
    Acts(Vec<Act>),
    /// The list of commands.
    Help,
    /// The list of devices with their states.
    Devices,
    /// The end.
    Quit,
    /// Nothing: an empty line.
    Nothing,
}

/// The text of `help`.
pub const HELP: &str = "\
type one of these; a device may be named behind it, in quotes if its name has a space
  press           the SOS button                fall         the fall radar sees a fall
  cancel          \"I'm fine\": end a pre-alarm    up           the radar sees the person up again
  fine            the I'm-fine button           again        deliver the last message twice
  door            front door opens and closes   motion       somebody moves in the hall
  smoke, leak     an alarm; clear ends it       battery NAME PERCENT
  check-in        caregiver cg-17 arrives       check-out    and leaves
  devices         what there is                 quit         stop (as Ctrl-C)
or any act of a scenario, such as: press \"sos bathroom\" | lie down on \"bed pad\" | bridge restarts";

/// Reads a typed line; `last` is the device that spoke last at somebody's wish.
pub fn read(line: &str, home: &[HomeDevice], last: Option<&str>) -> Result<Command, String> {
    use DeviceKind as K;
    use Happening as H;
    let line = line.trim();
    let first = |kinds: &[K]| {
        let found = home.iter().find(|device| kinds.contains(&device.kind));
        found.map(|device| device.name.clone()).ok_or_else(|| format!("this home has no {}", kinds[0].word()))
    };
    let one = |kinds: &[K], what: H| Ok(Command::Acts(vec![Act::Device { device: first(kinds)?, what }]));
    let pressed = H::Pressed(Click::Single);
    match line {
        "" => Ok(Command::Nothing),
        "help" | "?" => Ok(Command::Help),
        "devices" => Ok(Command::Devices),
        "quit" | "exit" => Ok(Command::Quit),
        "press" | "sos" => one(&[K::Sos, K::TwoGestureSos, K::LatchingSos], pressed),
        "fall" => one(&[K::Fall, K::PostureFall, K::PresenceFall], H::Fell),
        "up" => one(&[K::Fall, K::PostureFall, K::PresenceFall], H::Recovered),
        "fine" => one(&[K::ImFine], pressed),
        "assistance" => one(&[K::Assistance], pressed),
        "motion" => one(&[K::Motion], H::Moved),
        "smoke" => one(&[K::Smoke], H::Alarmed),
        "leak" => one(&[K::Leak], H::Alarmed),
        "clear" => {
            let alarms = home.iter().filter(|device| matches!(device.kind, K::Smoke | K::Gas | K::Co | K::Leak));
            let clear = |device: &HomeDevice| Act::Device { device: device.name.clone(), what: H::Cleared };
            Ok(Command::Acts(alarms.map(clear).collect()))
        }
        "door" => {
            let device = first(&[K::ExitDoor, K::Door])?;
            let act = |what| Act::Device { device: device.clone(), what };
            Ok(Command::Acts(vec![act(H::Opened), act(H::Closed)]))
        }
        "again" => match last {
            Some(device) => Ok(Command::Acts(vec![Act::DeliverAgain { device: device.to_owned() }])),
            None => Err("nothing was sent yet that could be delivered again".into()),
        },
        "check-in" => Ok(Command::Acts(vec![Act::CheckIn(visit(Some("助洁"), None))])),
        "check-out" => Ok(Command::Acts(vec![Act::CheckOut(visit(None, Some("seen, safe")))])),
        other => parse_act(other, home).map(|act| Command::Acts(vec![act])),
    }
}

fn visit(service: Option<&str>, outcome: Option<&str>) -> VisitNote {
    VisitNote {
        caregiver: "cg-17".into(),
        method: protocol::visit::Method::Code,
        code: None,
        place: Some(Place::Home),
        service: service.map(str::to_owned),
        outcome: outcome.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests;
