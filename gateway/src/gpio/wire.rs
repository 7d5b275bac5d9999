//! What the levels of a wired input say: debounced, and for a supervised cord whether its wire is cut.
//!
//! Pure: levels and times in, changes out. A supervised cord has a change-over switch on two pins, so
//! that at rest one contact is closed and when pulled the other: with neither closed the wire is cut.
//! With one normally closed contact a cut cannot be told from a pull, and counts as one.

/// A contact's way of being wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contacts {
    /// Closes when pulled; a cut wire is not noticed.
    NormallyOpen,
    /// Opens when pulled or cut: both are a press.
    NormallyClosed,
    /// Both, on two pins: a cut is told apart.
    Supervised,
}

/// Both contacts at one moment; an unsupervised input has no `rest` contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// The contact on `pin`.
    pub main: bool,
    /// The contact on `supervise_pin`, closed at rest.
    pub rest: bool,
}

/// What a wire says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// At rest.
    Rest,
    /// Pulled, or for a state: there.
    Active,
    /// Neither contact is closed: the wire is cut.
    Cut,
    /// Both are: the wire is shorted.
    Shorted,
}

/// A switch on its way has neither contact closed for a moment; only what lasts is a cut, milliseconds.
const FAULT_MS: u64 = 1_000;

/// One wired input.
#[derive(Debug, Clone)]
pub struct Wire {
    contacts: Contacts,
    debounce_ms: u64,
    said: Option<Said>,
    /// What the levels say now, and since when.
    seen: Option<(Said, u64)>,
}

impl Wire {
    /// A wire of which nothing is known yet.
    pub fn new(contacts: Contacts, debounce_ms: u64) -> Self {
        Self { contacts, debounce_ms, said: None, seen: None }
    }

    /// Takes the levels of a moment; says what is news. The first thing known is news too.
    pub fn sample(&mut self, now_ms: u64, closed: Closed) -> Option<Said> {
        let says = match (self.contacts, closed.main, closed.rest) {
            (Contacts::NormallyOpen, closed, _) => {
                if closed {
                    Said::Active
                } else {
                    Said::Rest
                }
            }
            (Contacts::NormallyClosed, closed, _) => {
                if closed {
                    Said::Rest
                } else {
                    Said::Active
                }
            }
            (Contacts::Supervised, false, true) => Said::Rest,
            (Contacts::Supervised, true, false) => Said::Active,
            (Contacts::Supervised, false, false) => Said::Cut,
            (Contacts::Supervised, true, true) => Said::Shorted,
        };
        let since_ms = match self.seen {
            Some((seen, since_ms)) if seen == says => since_ms,
            Some(_) | None => {
                self.seen = Some((says, now_ms));
                now_ms
            }
        };
        let wait_ms = match says {
            Said::Rest | Said::Active => self.debounce_ms,
            Said::Cut | Said::Shorted => FAULT_MS.max(self.debounce_ms),
        };
        let news = self.said != Some(says) && now_ms >= since_ms + wait_ms;
        if news {
            self.said = Some(says);
        }
        news.then_some(says)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of levels given as `(until_ms, main, rest)`, sampled every 5 ms.
    fn says(contacts: Contacts, levels: &[(u64, bool, bool)]) -> Vec<(u64, Said)> {
        let mut wire = Wire::new(contacts, 30);
        let mut said = Vec::new();
        let mut now_ms = 0;
        for (until_ms, main, rest) in levels {
            while now_ms < *until_ms {
                let news = wire.sample(now_ms, Closed { main: *main, rest: *rest });
                said.extend(news.map(|news| (now_ms, news)));
                now_ms += 5;
            }
        }
        said
    }

    #[test]
    fn a_bouncing_contact_is_one_press_and_each_pull_is_another() {
        let bounce = [(200, false, false), (205, true, false), (210, false, false), (400, true, false)];
        let again = [(600, false, false), (800, true, false)];
        let said = says(Contacts::NormallyOpen, &[&bounce[..], &again].concat());
        let presses = said.iter().filter(|(_, said)| *said == Said::Active).count();
        assert_eq!((presses, said[0]), (2, (30, Said::Rest)));
    }

    #[test]
    fn a_cut_wire_of_one_closed_contact_is_a_press() {
        let said = says(Contacts::NormallyClosed, &[(100, true, false), (300, false, false)]);
        assert_eq!(said, [(30, Said::Rest), (130, Said::Active)]);
    }

    #[test]
    fn a_supervised_cord_tells_a_pull_from_a_cut() {
        // On its way the switch has neither contact closed.
        let pull =
            [(100, false, true), (140, false, false), (400, true, false), (440, false, false), (700, false, true)];
        let said = says(Contacts::Supervised, &pull);
        assert_eq!(said.iter().map(|(_, said)| *said).collect::<Vec<_>>(), [Said::Rest, Said::Active, Said::Rest]);
        let cut = says(Contacts::Supervised, &[(100, false, true), (2_000, false, false), (2_200, true, false)]);
        assert_eq!(cut, [(30, Said::Rest), (1_100, Said::Cut), (2_030, Said::Active)], "still a press afterwards");
        let shorted = says(Contacts::Supervised, &[(100, false, true), (2_000, true, true)]);
        assert_eq!(shorted.last(), Some(&(1_100, Said::Shorted)));
    }

    #[test]
    fn a_cord_that_is_pulled_at_the_start_is_a_press() {
        assert_eq!(says(Contacts::Supervised, &[(100, true, false)]), [(30, Said::Active)]);
    }
}
