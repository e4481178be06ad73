//! A real Mosquitto: its own process, port and folder, so that it can be stopped, killed, frozen and started again.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::{fs, net};

use nix::sys::signal::Signal;

use super::folder::Folder;
use super::ports::free_port;
use super::process::{Process, Stream};
use super::wait;
use super::wire::{Packet, Wire};

const PATIENCE: Duration = Duration::from_secs(10);
/// What our sample mosquitto.conf adds to Debian's: no limit to a queue, and no delay of small packets.
const SAMPLE: &str = "max_queued_messages 0\nset_tcp_nodelay true\n";

/// A broker.
pub(crate) struct Mosquitto {
    port: u16,
    folder: PathBuf,
    process: Option<Process>,
}

impl Mosquitto {
    /// A broker that keeps whatever it must (stock autosave: it saves at a clean end only); further lines of
    /// mosquitto.conf follow its plain listener.
    pub(crate) fn start(folder: &Folder, lines: &str) -> Self {
        Self::configured(folder, SAMPLE, lines)
    }

    /// The same without TCP_NODELAY, as Debian ships it: a packet waits until the client's kernel has acknowledged the one
    /// before.
    pub(crate) fn start_delaying(folder: &Folder, lines: &str) -> Self {
        Self::configured(folder, "max_queued_messages 0\n", lines)
    }

    /// A broker as Debian ships it: it queues 1000 messages for an absent client and drops the rest.
    pub(crate) fn start_stock(folder: &Folder) -> Self {
        Self::configured(folder, "", "allow_anonymous true")
    }

    fn configured(folder: &Folder, general: &str, lines: &str) -> Self {
        let home = folder.path("mosquitto");
        fs::create_dir_all(&home).expect("our own folder");
        let port = free_port();
        let configuration = format!(
            "user root\npersistence true\npersistence_location {home}/\n{general}\
             log_dest stderr\nlog_type error\nlog_type warning\n\
             log_type notice\nlog_type information\nlog_type subscribe\n\
             listener {port} 127.0.0.1\n{lines}\n",
            home = home.display(),
        );
        fs::write(home.join("mosquitto.conf"), configuration).expect("our own folder");
        let mut broker = Self { port, folder: home, process: None };
        broker.start_again();
        broker
    }

    /// Its plain TCP port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts it on the same port and folder, and waits until it accepts.
    pub(crate) fn start_again(&mut self) {
        self.launch();
        let process = self.process.as_mut().expect("launched");
        wait::until_true("mosquitto accepts connections", PATIENCE, || {
            assert!(process.is_running(), "mosquitto: {}", process.text(Stream::Stderr));
            net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    /// Starts it on the same port and folder, and does not wait.
    pub(crate) fn launch(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"];
        let program = program.iter().find(|path| fs::exists(path).unwrap_or(false));
        let mut command = Command::new(program.expect("the tests need mosquitto: apt install it"));
        command.arg("-c").arg(self.folder.join("mosquitto.conf"));
        self.process = Some(Process::spawn(command));
    }

    /// Asks it to end (SIGTERM), and does not wait.
    pub(crate) fn terminate(&mut self) {
        self.process.as_mut().expect("it runs").signal(Signal::SIGTERM);
    }

    /// Whether its process has ended; then `launch` starts another one.
    pub(crate) fn has_ended(&mut self) -> bool {
        let ended = self.process.as_mut().is_none_or(|process| !process.is_running());
        if ended {
            self.process = None;
        }
        ended
    }

    /// Whether it accepts connections on its port.
    pub(crate) fn accepts(&self) -> bool {
        net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    /// A clean end (SIGTERM): it saves its state.
    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.signal(Signal::SIGTERM);
        process.ended(PATIENCE);
    }

    /// `kill -9`: it comes back with its last snapshot.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// Its sockets stay open, and nothing answers (SIGSTOP).
    pub(crate) fn freeze(&mut self) {
        self.process.as_mut().expect("it runs").signal(Signal::SIGSTOP);
    }

    /// Goes on after `freeze`.
    pub(crate) fn thaw(&mut self) {
        self.process.as_mut().expect("it runs").signal(Signal::SIGCONT);
    }

    /// Reads its access lists again (SIGHUP).
    pub(crate) fn reload(&mut self) {
        self.process.as_mut().expect("it runs").signal(Signal::SIGHUP);
    }

    /// Takes a snapshot now, as the stock autosave does every half hour.
    pub(crate) fn save(&mut self) {
        let file = self.folder.join("mosquitto.db");
        let _ = fs::remove_file(&file);
        self.process.as_mut().expect("it runs").signal(Signal::SIGUSR1);
        wait::until_true("mosquitto saved its state", PATIENCE, || file.exists());
    }

    /// Loses everything it kept. Only while it is stopped.
    pub(crate) fn forget_everything(&mut self) {
        assert!(self.process.is_none(), "it still runs");
        fs::remove_file(self.folder.join("mosquitto.db")).expect("saved when it stopped");
    }

    /// How many messages it holds for anybody, by its own word: `$SYS` and the like (some 50), and whatever is not
    /// acknowledged. Needs `sys_interval 1` in its settings.
    pub(crate) fn messages_in_store(&self) -> u64 {
        let mut wire = Wire::connect(self.port, "counter").expect("it listens");
        wire.put_subscribe("$SYS/broker/store/messages/count", 0);
        wire.send().expect("it listens");
        loop {
            let packet = wire.receive(PATIENCE).expect("it answers").expect("a retained message");
            if let Packet::Publish { payload, .. } = packet {
                let count = String::from_utf8(payload).expect("a number is text");
                return count.parse().expect("a number");
            }
        }
    }

    /// How many lines it has logged: a place to count from.
    pub(crate) fn logged(&self) -> usize {
        self.process.as_ref().expect("it runs").with_lines(<[_]>::len)
    }

    /// How many such lines it has logged from a place on.
    pub(crate) fn count_lines(&self, from: usize, is_wanted: impl Fn(&str) -> bool) -> usize {
        let process = self.process.as_ref().expect("it runs");
        process.with_lines(|lines| lines[from..].iter().filter(|line| is_wanted(&line.1)).count())
    }

    /// Waits until someone has subscribed to this filter since the broker was started.
    pub(crate) fn has_subscriber(&self, filter: &str) {
        let process = self.process.as_ref().expect("it runs");
        wait::until_true(&format!("a subscription to {filter}"), PATIENCE, || {
            process.with_lines(|lines| lines.iter().any(|(_, line)| line.ends_with(filter)))
        });
    }
}
