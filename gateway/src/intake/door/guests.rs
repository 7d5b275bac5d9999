//! Who is at the door: connections that have not signed in, and those that have, by name. Each kind is
//! bounded, and at the bound the oldest goes: one that is honest signs in within a second or two.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

/// Most connections that have not signed in.
pub const ARRIVING_MAX: usize = 32;

/// Most connections signed in under one name.
pub const PRESENT_MAX: usize = 32;

/// Counts by name, for `/metrics`.
#[derive(Debug, Clone, Default)]
pub struct DoorCounts(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl DoorCounts {
    /// Counts one.
    pub fn count(&self, name: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
    }

    /// Everything counted so far.
    pub fn named(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug, Default)]
struct Book {
    next: u64,
    arriving: VecDeque<(u64, AbortHandle)>,
    present: BTreeMap<String, VecDeque<(u64, AbortHandle)>>,
    /// Local ports of the door's own connections to the broker.
    ports: BTreeSet<u16>,
}

/// Everybody who is connected.
#[derive(Debug, Clone, Default)]
pub struct Guests {
    book: Arc<Mutex<Book>>,
    counts: DoorCounts,
}

impl Guests {
    /// Nobody yet.
    pub fn new(counts: DoorCounts) -> Self {
        Self { book: Arc::default(), counts }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a connection in: `serve` is spawned with its guest's entry.
    pub fn arrive<F: Future<Output = ()> + Send + 'static>(&self, serve: impl FnOnce(Guest) -> F) {
        let mut book = self.book();
        if book.arriving.len() >= ARRIVING_MAX
            && let Some((_, oldest)) = book.arriving.pop_front()
        {
            oldest.abort();
            self.counts.count("arriving_crowded");
        }
        let id = book.next;
        book.next += 1;
        let guest = Guest { guests: self.clone(), id, port: None };
        // The entry is made under the lock that its end waits for, so that it cannot end first.
        let handle = tokio::spawn(serve(guest)).abort_handle();
        book.arriving.push_back((id, handle));
    }

    /// Whether a connection to the broker from this local port is the door's own.
    pub fn is_own(&self, port: u16) -> bool {
        self.book().ports.contains(&port)
    }
}

/// One connection's entry; it ends with it.
#[derive(Debug)]
pub struct Guest {
    guests: Guests,
    id: u64,
    port: Option<u16>,
}

impl Guest {
    /// Its connection to the broker comes from this local port, and from no other before it any more.
    pub fn dials_from(&mut self, port: u16) {
        let mut book = self.guests.book();
        if let Some(before) = self.port.replace(port) {
            book.ports.remove(&before);
        }
        book.ports.insert(port);
    }

    /// The broker has let it in under this name.
    pub fn signed_in(&self, name: &str) {
        let mut book = self.guests.book();
        let Some(at) = book.arriving.iter().position(|(id, _)| *id == self.id) else { return };
        let Some(entry) = book.arriving.remove(at) else { return };
        let present = book.present.entry(name.to_owned()).or_default();
        present.push_back(entry);
        if present.len() > PRESENT_MAX
            && let Some((_, oldest)) = present.pop_front()
        {
            oldest.abort();
            self.guests.counts.count("name_crowded");
        }
    }

    /// Counts why it is sent away.
    pub fn count(&self, name: &'static str) {
        self.guests.counts.count(name);
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut book = self.guests.book();
        book.arriving.retain(|(id, _)| *id != self.id);
        book.present.retain(|_, present| {
            present.retain(|(id, _)| *id != self.id);
            !present.is_empty()
        });
        if let Some(port) = self.port {
            book.ports.remove(&port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_who_never_signs_in_makes_room_and_one_name_cannot_fill_the_house() {
        let guests = Guests::default();
        let (told, mut hear) = tokio::sync::mpsc::unbounded_channel();
        for number in 0..ARRIVING_MAX + 1 {
            let told = told.clone();
            guests.arrive(move |guest| async move {
                let _ = told.send(number);
                let _kept = guest;
                std::future::pending::<()>().await;
            });
        }
        for _ in 0..ARRIVING_MAX {
            hear.recv().await.unwrap();
        }
        assert_eq!(guests.counts.named(), BTreeMap::from([("arriving_crowded", 1)]));
        assert_eq!(guests.book().arriving.len(), ARRIVING_MAX);
        assert_eq!(guests.book().arriving.front().map(|(id, _)| *id), Some(1));
        for _ in 0..PRESENT_MAX + 5 {
            let told = told.clone();
            guests.arrive(move |guest| async move {
                guest.signed_in("bridge");
                let _ = told.send(1_000);
                std::future::pending::<()>().await;
            });
            while hear.recv().await != Some(1_000) {}
        }
        assert_eq!(guests.book().present["bridge"].len(), PRESENT_MAX);
    }
}
