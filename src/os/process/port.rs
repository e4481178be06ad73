//! Who listens on a TCP port.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::{Holder, process_with};

/// `TCP_LISTEN` in the kernel's numbers.
const LISTENS: &str = "0A";

/// The process that keeps others from listening on this address. Best effort: the descriptors of other
/// users' processes are hidden from us.
pub fn port_holder(address: SocketAddr) -> Option<Holder> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let sockets = tables.iter().flatten().flat_map(|table| listeners(table));
    let mut inodes = sockets.filter(|(at, _)| excludes(*at, address)).map(|(_, inode)| inode);
    inodes.find_map(|inode| {
        process_with(Path::new(&format!("socket:[{inode}]")), None).and_then(Holder::of_pid)
    })
}

/// Whether a listener on the one address keeps another from the other.
fn excludes(there: SocketAddr, wanted: SocketAddr) -> bool {
    let (a, b) = (there.ip().to_canonical(), wanted.ip().to_canonical());
    there.port() == wanted.port() && (a == b || a.is_unspecified() || b.is_unspecified())
}

/// The listening sockets of a table, with their inodes (`0: 0100007F:1F90 00000000:0000 0A … 0
/// 4711 …`).
fn listeners(table: &str) -> impl Iterator<Item = (SocketAddr, u64)> + '_ {
    table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        (*state == LISTENS).then_some((address(local)?, inode.parse().ok()?))
    })
}

/// Each 32-bit word of an address is printed as this machine reads it, its bytes in network order.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for index in 0..4 {
                bytes[index * 4..index * 4 + 4].copy_from_slice(&word(index * 8)?);
            }
            IpAddr::from(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  \
            timeout inode\n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 \
            1000        0 4711 1 0 100 0 0 10 0\n   1: 0100007F:1F90 0100007F:D431 01 \
            00000000:00000000 00:00000000 00000000  1000        0 4712 1 0 20 4 30 10 -1\n";
        let found: Vec<_> = listeners(table).collect();
        assert_eq!(found, [("127.0.0.1:8080".parse().unwrap(), 4711)]);
        let six = address("00000000000000000000000001000000:0016");
        assert_eq!(six, Some("[::1]:22".parse().unwrap()));
        assert_eq!(address("0100007F"), None);
    }

    #[test]
    fn listeners_exclude_each_other_on_the_same_address_and_on_all() {
        let table = [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80", true),
            ("127.0.0.1:81", "127.0.0.1:80", false),
        ];
        for (there, wanted, expected) in table {
            let (at, address) = (there.parse().unwrap(), wanted.parse().unwrap());
            assert_eq!(excludes(at, address), expected, "{there} {wanted}");
        }
    }

    #[test]
    fn a_listener_finds_itself() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let holder = port_holder(listener.local_addr().unwrap());
        assert_eq!(holder.and_then(|holder| holder.pid), Some(std::process::id()));
    }
}
