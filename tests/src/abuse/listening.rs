//! Where a running program listens, as the kernel tells.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context as _;

use crate::harness::program::Program;

/// A listening socket's state in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// Every TCP address that a program listens on.
///
/// # Errors
/// When it has ended, or the kernel writes its tables otherwise.
pub fn addresses(program: &Program) -> anyhow::Result<BTreeSet<SocketAddr>> {
    let pid = program.pid();
    let mut inodes = BTreeSet::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        let Ok(target) = std::fs::read_link(entry?.path()) else { continue };
        let target = target.to_string_lossy().into_owned();
        inodes.extend(target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')).map(str::to_owned));
    }
    let mut addresses = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}"))?;
        for line in text.lines().skip(1) {
            let columns: Vec<_> = line.split_whitespace().collect();
            let [_, local, _, state, ..] = columns.as_slice() else { continue };
            let inode = columns.get(9).context("a table without inodes")?;
            if *state == LISTEN && inodes.contains(*inode) {
                addresses.insert(address(local).with_context(|| format!("an address like {local}"))?);
            }
        }
    }
    Ok(addresses)
}

/// An address as the kernel writes it: 32-bit words in its own byte order, hexadecimal.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words = (0..ip.len()).step_by(8).map(|at| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok());
    let bytes: Vec<u8> = words.collect::<Option<Vec<_>>>()?.into_iter().flat_map(u32::to_ne_bytes).collect();
    let ip = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn the_kernels_writing_is_read() {
        if cfg!(target_endian = "little") {
            assert_eq!(address("0100007F:1F90"), "127.0.0.1:8080".parse().ok());
            assert_eq!(address("00000000000000000000000001000000:0016"), "[::1]:22".parse().ok());
        }
        assert_eq!(address("0100007F"), None);
    }
}
