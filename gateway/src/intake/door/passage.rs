//! One connection of the home, from its device to the broker and back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::frame::{self, Front};
use super::guests::Guest;
use super::lanes::Lanes;
use super::{
    ANSWER_WAIT, ASK_AGAIN_FIRST, ASK_AGAIN_MAX, House, LARGE_WAIT, PACKET_BYTES_MAX, READ_AHEAD_BYTES_MAX,
    READ_AHEAD_TOTAL_BYTES_MAX, SEE_OFF_WAIT, SIGN_IN_WAIT, SMALL_BYTES_MAX, dial,
};

/// Bytes asked of a socket at once.
const READ_BYTES: usize = 16 * 1024;

/// Bytes read ahead on all connections.
#[derive(Debug, Clone, Default)]
pub struct ReadAhead(Arc<AtomicUsize>);

/// How far a connection is.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is passed on before a whole CONNECT.
    Arriving,
    /// The broker has the CONNECT of this user name.
    Asked(SignIn),
    /// The broker has let it in.
    Present,
}

/// A sign-in that waits for its answer.
#[derive(Debug, PartialEq, Eq)]
struct SignIn {
    name: String,
    connect: Bytes,
    /// How often the broker could not take it.
    put_off: u32,
}

/// A packet too long to be held: it is passed on as it comes, once nothing is before it.
struct Large {
    left: usize,
    _permit: OwnedSemaphorePermit,
}

/// One connection.
pub struct Passage {
    client: TcpStream,
    broker: TcpStream,
    house: House,
    guest: Guest,
    stage: Stage,
    lanes: Lanes,
    /// Read from the client and not yet a whole packet.
    inbound: BytesMut,
    /// On its way to the broker.
    up: BytesMut,
    large: Option<Large>,
    /// Read from the broker and not yet looked at.
    outbound: BytesMut,
    /// Bytes of the broker's packet that is passing.
    passing: usize,
    /// On its way to the client.
    down: BytesMut,
    client_ended: bool,
    broker_ended: bool,
    /// The broker could not take the sign-in just now.
    ask_again: bool,
    counted_bytes: usize,
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.house.read_ahead.0.fetch_sub(self.counted_bytes, Ordering::Relaxed);
    }
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl Passage {
    pub(super) fn new(client: TcpStream, broker: TcpStream, house: House, guest: Guest) -> Self {
        let lanes = Lanes::new(house.topics.clone());
        Self {
            client,
            broker,
            house,
            guest,
            stage: Stage::Arriving,
            lanes,
            inbound: BytesMut::new(),
            up: BytesMut::new(),
            large: None,
            outbound: BytesMut::new(),
            passing: 0,
            down: BytesMut::new(),
            client_ended: false,
            broker_ended: false,
            ask_again: false,
            counted_bytes: 0,
        }
    }

    /// Passes packets until either side ends.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let sign_in = tokio::time::sleep(SIGN_IN_WAIT);
        let large_end = tokio::time::sleep(LARGE_WAIT);
        tokio::pin!(sign_in, large_end);
        loop {
            if self.ask_again {
                self.say_sign_in_again().await?;
            }
            self.advance()?;
            if self.broker_ended || self.client_ended && self.is_passed_on() {
                return self.see_off().await;
            }
            let permits = self.house.large.clone();
            let front_large = self.front_large();
            tokio::select! {
                ready = self.client.readable(), if self.may_read() => {
                    ready?;
                    self.read_client();
                }
                ready = self.broker.readable(), if self.down.len() < SMALL_BYTES_MAX => {
                    ready?;
                    self.read_broker();
                }
                ready = self.broker.writable(), if !self.up.is_empty() => ready?,
                ready = self.client.writable(), if !self.down.is_empty() => ready?,
                permit = permits.acquire_owned(), if front_large.is_some() => {
                    let permit = permit.map_err(|_| refused("no long packet is taken any more"))?;
                    self.large = front_large.map(|left| Large { left, _permit: permit });
                    large_end.set(tokio::time::sleep(LARGE_WAIT));
                }
                () = &mut sign_in, if self.stage != Stage::Present => {
                    return self.send_away("sign_in_too_slow");
                }
                () = &mut large_end, if self.large.is_some() => return self.send_away("packet_too_slow"),
                () = tokio::time::sleep(ANSWER_WAIT), if self.lanes.is_held() => {
                    self.guest.count("answers_missing");
                    self.lanes.forgive();
                }
            }
        }
    }

    /// Gives the broker the sign-in once more, on a connection of its own.
    async fn say_sign_in_again(&mut self) -> io::Result<()> {
        self.ask_again = false;
        let Stage::Asked(sign_in) = &mut self.stage else { return Ok(()) };
        self.guest.count("sign_in_put_off");
        tokio::time::sleep(ASK_AGAIN_FIRST * 2_u32.pow(sign_in.put_off)).await;
        sign_in.put_off += 1;
        self.up = BytesMut::from(&*sign_in.connect);
        self.outbound.clear();
        self.broker = dial(&self.house, &mut self.guest).await?;
        self.broker_ended = false;
        Ok(())
    }

    fn send_away<T>(&self, why: &'static str) -> io::Result<T> {
        self.guest.count(why);
        Err(refused(why))
    }

    /// Whether more of the client is read now: ahead of the broker, but only so far.
    fn may_read(&self) -> bool {
        let own = self.lanes.bytes() + self.inbound.len();
        let everybody = self.house.read_ahead.0.load(Ordering::Relaxed);
        !self.client_ended
            && match self.stage {
                Stage::Arriving => own < SMALL_BYTES_MAX,
                Stage::Asked(_) => false,
                Stage::Present => {
                    let ahead = own < READ_AHEAD_BYTES_MAX && everybody < READ_AHEAD_TOTAL_BYTES_MAX;
                    own < SMALL_BYTES_MAX || ahead && self.large.is_none()
                }
            }
    }

    /// Length of a long packet that stands at the front with nothing before it.
    fn front_large(&self) -> Option<usize> {
        let clear = self.stage == Stage::Present && self.large.is_none() && self.lanes.is_empty() && self.up.is_empty();
        match frame::front(&self.inbound) {
            Front::Packet(header) if clear && header.total_bytes > SMALL_BYTES_MAX => Some(header.total_bytes),
            Front::Packet(_) | Front::Unknown | Front::Malformed => None,
        }
    }

    /// Whether the broker has everything that it will ever have of a client that has ended.
    fn is_passed_on(&self) -> bool {
        self.up.is_empty() && self.lanes.is_empty() && !matches!(self.stage, Stage::Asked(_))
    }

    fn read_client(&mut self) {
        self.inbound.reserve(READ_BYTES);
        match self.client.try_read_buf(&mut self.inbound) {
            Ok(0) => self.client_ended = true,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // What was read before is still passed on.
            Err(_) => self.client_ended = true,
        }
    }

    fn read_broker(&mut self) {
        self.outbound.reserve(READ_BYTES);
        match self.broker.try_read_buf(&mut self.outbound) {
            Ok(0) => self.broker_ended = true,
            Ok(_) => self.look_at_answers(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.broker_ended = true,
        }
    }

    /// Counts the broker's answers off and passes them on, all but those to pings of the door's own.
    fn look_at_answers(&mut self) {
        loop {
            if self.passing > 0 {
                let passed = self.outbound.split_to(self.passing.min(self.outbound.len()));
                self.passing -= passed.len();
                self.down.unsplit(passed);
                if self.passing > 0 {
                    return;
                }
            }
            let Front::Packet(header) = frame::front(&self.outbound) else { return };
            if header.packet() == frame::CONNACK {
                let Some(code) = self.outbound.get(header.header_bytes + 1) else { return };
                match &self.stage {
                    Stage::Asked(sign_in) if *code == 0 => {
                        self.guest.signed_in(&sign_in.name);
                        self.stage = Stage::Present;
                    }
                    Stage::Asked(sign_in) if frame::UNAVAILABLE.contains(code) && sign_in.put_off < ASK_AGAIN_MAX => {
                        self.ask_again = true;
                        return;
                    }
                    Stage::Arriving | Stage::Asked(_) | Stage::Present => {}
                }
            }
            if self.lanes.answered(header.packet()) {
                self.passing = header.total_bytes;
            } else {
                // A PINGRESP is its header and nothing else.
                self.outbound.advance(header.total_bytes);
            }
        }
    }

    /// Moves everything that can move now without waiting.
    fn advance(&mut self) -> io::Result<()> {
        self.write_down();
        loop {
            self.take_in()?;
            if !self.write_up() {
                break;
            }
        }
        let own = self.lanes.bytes() + self.inbound.len();
        self.house.read_ahead.0.fetch_add(own, Ordering::Relaxed);
        self.house.read_ahead.0.fetch_sub(std::mem::replace(&mut self.counted_bytes, own), Ordering::Relaxed);
        Ok(())
    }

    /// Sorts what was read into the lanes, packet by packet.
    fn take_in(&mut self) -> io::Result<()> {
        if let Some(large) = &mut self.large {
            if self.up.is_empty() {
                self.up = self.inbound.split_to(large.left.min(self.inbound.len()));
                large.left -= self.up.len();
                if large.left == 0 {
                    self.large = None;
                }
            }
            return Ok(());
        }
        loop {
            let header = match frame::front(&self.inbound) {
                Front::Packet(header) => header,
                Front::Unknown => return Ok(()),
                Front::Malformed => return self.send_away("packet_malformed"),
            };
            if header.total_bytes > PACKET_BYTES_MAX {
                return self.send_away("packet_too_large");
            }
            let whole = self.inbound.len() >= header.total_bytes;
            match self.stage {
                Stage::Arriving if header.packet() != frame::CONNECT => return self.send_away("not_a_sign_in"),
                Stage::Arriving if header.total_bytes > SMALL_BYTES_MAX => return self.send_away("sign_in_too_large"),
                Stage::Arriving if whole => {
                    let packet = self.inbound.split_to(header.total_bytes);
                    let Some(name) = frame::user_name(&packet, header) else {
                        return self.send_away("sign_in_malformed");
                    };
                    let connect = packet.freeze();
                    self.up = BytesMut::from(&*connect);
                    self.stage = Stage::Asked(SignIn { name, connect, put_off: 0 });
                    return Ok(());
                }
                Stage::Present if whole && header.total_bytes <= SMALL_BYTES_MAX => {
                    let packet = self.inbound.split_to(header.total_bytes).freeze();
                    self.lanes.push(packet, header);
                    if header.packet() == frame::DISCONNECT {
                        // The broker waits for a client to close behind its last packet; some never do.
                        self.client_ended = true;
                        self.inbound.clear();
                    }
                }
                Stage::Arriving | Stage::Asked(_) | Stage::Present => return Ok(()),
            }
        }
    }

    /// Gives the broker what may go. Returns whether it took all, so that there may be more.
    fn write_up(&mut self) -> bool {
        let mut moved = false;
        loop {
            while self.stage == Stage::Present && self.large.is_none() && self.up.len() < READ_BYTES {
                let Some(packet) = self.lanes.pop() else { break };
                self.up.extend_from_slice(&packet);
            }
            if self.up.is_empty() {
                return moved;
            }
            match self.broker.try_write(&self.up) {
                Ok(count) => self.up.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => {
                    self.broker_ended = true;
                    return false;
                }
            }
            moved = true;
        }
    }

    fn write_down(&mut self) {
        while !self.down.is_empty() {
            match self.client.try_write(&self.down) {
                Ok(count) => self.down.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.client_ended = true;
                    self.down.clear();
                }
            }
        }
    }

    /// One side has ended: the other gets what is still on its way, and the end.
    async fn see_off(mut self) -> io::Result<()> {
        let rest = async {
            self.broker.shutdown().await?;
            loop {
                self.client.write_all_buf(&mut self.down).await?;
                if self.broker_ended {
                    return self.client.shutdown().await;
                }
                self.broker.readable().await?;
                self.read_broker();
            }
        };
        tokio::time::timeout(SEE_OFF_WAIT, rest).await.unwrap_or(Ok(()))
    }
}
