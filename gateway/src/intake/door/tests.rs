//! The door against a broker whose every answer the test decides.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{ASK_AGAIN_MAX, DoorCounts, Guests, Topics, keep};

/// A sign-in without name and password.
const CONNECT: [u8; 15] = [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 1, b'a'];

/// A broker that answers each sign-in with the next of these codes and ends the connection of one it refuses.
async fn broker(codes: Vec<u8>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for code in codes {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; CONNECT.len()];
            stream.read_exact(&mut asked).await.unwrap();
            assert_eq!(asked, CONNECT);
            stream.write_all(&[0x20, 2, 0, code]).await.unwrap();
            if code == 0 {
                let _kept = stream.read(&mut asked).await;
            }
        }
    });
    address
}

/// What a client hears of its sign-in, and how often the broker put it off.
async fn signs_in(codes: Vec<u8>) -> (u8, u64) {
    let broker = broker(codes).await;
    let counts = DoorCounts::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(keep(listener, broker, Topics::default(), Guests::new(counts.clone()), counts.clone()));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(&CONNECT).await.unwrap();
    let mut answer = [0; 4];
    client.read_exact(&mut answer).await.unwrap();
    (answer[3], counts.named().get("sign_in_put_off").copied().unwrap_or_default())
}

#[tokio::test]
async fn a_sign_in_that_the_broker_cannot_take_just_now_is_said_again() {
    assert_eq!(signs_in(vec![3, 3, 0]).await, (0, 2));
    // The word for it in MQTT 5.
    assert_eq!(signs_in(vec![0x88, 0]).await, (0, 1));
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once() {
    assert_eq!(signs_in(vec![4, 0]).await, (4, 0));
}

#[tokio::test]
async fn a_client_hears_in_the_end_that_the_broker_cannot_take_it() {
    let codes = vec![3; ASK_AGAIN_MAX as usize + 1];
    assert_eq!(signs_in(codes).await, (3, u64::from(ASK_AGAIN_MAX)));
}
