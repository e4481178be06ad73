//! A network that can be cut: a namespace of its own, and a cable (a veth pair) to it. Gone when dropped.

use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use super::process::wrap;

/// Numbers of networks of this process: two tests must not share one.
static NUMBERS: AtomicU16 = AtomicU16::new(0);

/// The namespace and the cable.
pub(crate) struct Network {
    name: String,
    /// Our end of the cable.
    cable: String,
    address: String,
}

impl Network {
    /// A namespace, whose other side is this machine.
    pub(crate) fn new() -> Self {
        // 240.0.0.0/4 is nobody's; the process keeps test binaries apart that run at the same time.
        let (number, process) = (NUMBERS.fetch_add(1, Ordering::Relaxed), std::process::id());
        let net = format!("240.{}.{}", process % 256, (process / 256 + u32::from(number)) % 256);
        let network = Self {
            name: format!("barograph-{process}-{number}"),
            cable: format!("bg{process}-{number}"),
            address: format!("{net}.1"),
        };
        let (name, cable) = (network.name.as_str(), network.cable.as_str());
        ip(&["netns", "add", name]);
        ip(&["link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name]);
        ip(&["address", "add", &format!("{net}.1/24"), "dev", cable]);
        ip(&["link", "set", cable, "up"]);
        ip(&["-n", name, "address", "add", &format!("{net}.2/24"), "dev", "eth0"]);
        ip(&["-n", name, "link", "set", "eth0", "up"]);
        ip(&["-n", name, "link", "set", "lo", "up"]);
        network
    }

    /// Where this machine is, seen from the namespace.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The program will run in the namespace.
    pub(crate) fn inside(&self, program: &Command) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]);
        wrap(command, program)
    }

    /// The cable is pulled: every packet is lost, and no connection is told.
    pub(crate) fn cut(&self) {
        ip(&["link", "set", &self.cable, "down"]);
    }

    /// It is plugged in again.
    pub(crate) fn mend(&self) {
        ip(&["link", "set", &self.cable, "up"]);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Its end of the cable goes with it, and ours with that one; no panic in a drop.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("iproute2 is here");
    assert!(output.status.success(), "ip {arguments:?}: {output:?}");
}
