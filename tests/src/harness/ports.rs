//! Loopback ports: free ones for a run of its own, and whether a wanted one is taken.

use std::net::TcpListener;

use anyhow::Context as _;

/// Finds `N` loopback ports that are free at this moment, all different.
///
/// # Errors
/// When the machine gives none.
pub fn free<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut ports = [0; N];
    // All are held until the last is found, so that no two are the same.
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port on 127.0.0.1")?;
        *port = listener.local_addr().context("a listener without an address")?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// Says why a program could not listen on `127.0.0.1:port`.
///
/// # Errors
/// The operating system's word.
pub fn check(port: u16) -> Result<(), std::io::Error> {
    TcpListener::bind(("127.0.0.1", port)).map(drop)
}
