//! `[watchtower]`: where the page is served is read here, and that nobody reads it who was not meant to.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use crate::credentials::read_private;
use crate::keys::{self, Key};
use crate::problems::{Complaint, Spot};
use crate::reader::Reader;
use crate::section::{Answer, Section};
use crate::settings::Secret;
use crate::values;
use crate::watchtower::{Listen, PageTls, Watchtower};
use crate::world::World;

/// Fewest characters of a token: whoever tries has all the time in the world.
const TOKEN_CHARS_MIN: usize = 16;

/// Most characters of a token: it must fit into a request's header.
const TOKEN_CHARS_MAX: usize = 512;

/// Longest path of a Unix socket that Linux takes, in bytes.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Most names of the page.
const HOSTS_MAX: usize = 100;

/// Longest name of a host, in bytes.
const HOST_BYTES_MAX: usize = 253;

/// The port that is offered where one is missing.
const PORT: u16 = 8000;

/// Reads the section over its defaults.
pub(crate) fn read(reader: &mut Reader<'_>, world: &World, watchtower: &mut Watchtower) {
    let mut section = reader.section(&keys::WATCHTOWER);
    let listen = section.take("listen", read_listen).store(&mut watchtower.listen);
    let anonymous = section.flag("anonymous_read", &mut watchtower.anonymous_read);
    let admin = read_token(&mut section, "admin_token_file", &world.cwd);
    let read = read_token(&mut section, "read_token_file", &world.cwd);
    let is_known = !(listen.is_bad() || anonymous.is_bad() || admin.is_bad() || read.is_bad());
    keep_apart(&mut section, &admin, &read, anonymous.spot(), watchtower.anonymous_read);
    watchtower.admin_token = admin.good().map(|(token, _)| token);
    watchtower.read_token = read.good().map(|(token, _)| token);
    watchtower.tls = read_certificate(&mut section, &watchtower.listen);
    section.take("hosts", read_hosts).store(&mut watchtower.hosts);
    section.whole("max_connections", &mut watchtower.max_connections);
    section.whole("max_connections_per_address", &mut watchtower.max_connections_per_address);
    if let Some(spot) = listen.spot().filter(|_| is_known && section.reader.is_whole()) {
        refuse_open_house(section.reader, spot, watchtower);
    }
}

fn read_listen(value: &DeValue<'_>, key: &Key) -> Result<Listen, Complaint> {
    if let Some(port) = value.as_integer().and_then(|port| port.as_str().parse::<u16>().ok()) {
        let why = "an address of this machine is wanted before the port";
        return Err(Complaint::write(why, format!("\"127.0.0.1:{port}\"")));
    }
    let text = values::text(value, key)?;
    if let Some(path) = text.strip_prefix("unix:") {
        return socket_path(path).map(Listen::Unix);
    }
    match text.as_str() {
        "off" => Ok(Listen::Off),
        "systemd" => Ok(Listen::Systemd),
        address => address.parse().map(Listen::Tcp).map_err(|_| {
            let why = "an address of this machine and a port are wanted (0.0.0.0: on all addresses), \
                       or one of \"unix:/path\", \"systemd\", \"off\"";
            Complaint::write(why, format!("\"{}\"", address_like(address)))
        }),
    }
}

fn socket_path(path: &str) -> Result<PathBuf, Complaint> {
    let example = "\"unix:/run/barograph/page.sock\"";
    if path.is_empty() || path.ends_with('/') {
        return Err(Complaint::write("the path of a socket is wanted after `unix:`", example));
    }
    if path.len() > SOCKET_PATH_BYTES_MAX {
        let why = format!("the path of a socket has at most {SOCKET_PATH_BYTES_MAX} bytes");
        return Err(Complaint::write(why, example));
    }
    Ok(PathBuf::from(path))
}

/// What was meant, as far as it can be seen.
fn address_like(text: &str) -> SocketAddr {
    let text = text.trim().trim_start_matches("http://").trim_end_matches('/');
    if let Ok(address) = text.trim_matches(['[', ']']).parse() {
        return SocketAddr::new(address, PORT);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or((text, text));
    let local = IpAddr::from([127, 0, 0, 1]);
    let everywhere = IpAddr::from([0, 0, 0, 0]);
    let address = if host == "*" { everywhere } else { host.parse().unwrap_or(local) };
    SocketAddr::new(address, port.parse().unwrap_or(PORT))
}

fn read_token(section: &mut Section<'_, '_>, name: &str, cwd: &Path) -> Answer<Secret> {
    let (path, spot) = match section.path(name) {
        Answer::Good(path, spot) => (path, spot),
        Answer::Unset => return Answer::Unset,
        Answer::Bad => return Answer::Bad,
    };
    let token = read_private(&cwd.join(path)).and_then(|token| match token_fault(token.expose()) {
        None => Ok(token),
        Some(why) => {
            let advice = "delete the file, and let `barograph token FILE` make it anew";
            Err(Complaint::advise(why, advice))
        }
    });
    match token {
        Ok(token) => Answer::Good(token, spot),
        Err(complaint) => {
            section.reader.refuse(&spot, complaint);
            Answer::Bad
        }
    }
}

fn token_fault(token: &str) -> Option<String> {
    let count = token.chars().count();
    if count < TOKEN_CHARS_MIN {
        return Some(format!(
            "the token in the file has {count} characters, and could be guessed; \
             {TOKEN_CHARS_MIN} are the least"
        ));
    }
    if count > TOKEN_CHARS_MAX {
        return Some(format!(
            "the token in the file has {count} characters, {TOKEN_CHARS_MAX} are the most"
        ));
    }
    let is_sent_as_it_is = token.chars().all(|c| c.is_ascii_graphic());
    (!is_sent_as_it_is).then(|| {
        "the token in the file holds something other than letters a to z, digits and signs \
         (blanks and line ends count)"
            .to_owned()
    })
}

/// The two tokens open different doors, and one that everybody passes needs none.
fn keep_apart(
    section: &mut Section<'_, '_>,
    admin: &Answer<Secret>,
    read: &Answer<Secret>,
    anonymous: Option<&Spot>,
    anonymous_read: bool,
) {
    let Answer::Good(read, spot) = read else { return };
    if let Answer::Good(admin, at) = admin
        && admin == read
    {
        let why = format!(
            "{} ({}) holds the same token: who may read could give commands",
            at.path, at.place
        );
        section.reader.refuse(spot, Complaint::advise(why, "write another token into one of them"));
    }
    if let Some(anonymous) = anonymous.filter(|_| anonymous_read) {
        let why = format!(
            "{} ({}) says that everybody may read, so this token would keep nobody out",
            anonymous.path, anonymous.place
        );
        section.reader.refuse(spot, Complaint::advise(why, "keep only one of them"));
    }
}

fn read_certificate(section: &mut Section<'_, '_>, listen: &Listen) -> Option<PageTls> {
    let (cert, key) = (section.path("cert_file"), section.path("key_file"));
    if let Some(spot) = cert.spot().or(key.spot())
        && matches!(listen, Listen::Unix(_))
    {
        let why = "a Unix socket is served in the clear: nobody else hears it";
        section.reader.refuse(spot, Complaint::advise(why, "remove cert_file and key_file"));
        return None;
    }
    let (spot, why, advice) = match (cert, key) {
        (Answer::Good(cert_file, _), Answer::Good(key_file, _)) => {
            return Some(PageTls { cert_file, key_file });
        }
        (Answer::Good(_, spot), Answer::Unset) => {
            let advice = "add: key_file = \"...\", the file with its private key";
            (spot, "a certificate needs its key", advice)
        }
        (Answer::Unset, Answer::Good(_, spot)) => {
            let advice = "add: cert_file = \"...\", the file with its certificate";
            (spot, "a key needs its certificate", advice)
        }
        (Answer::Good(..) | Answer::Unset | Answer::Bad, _) => return None,
    };
    if section.reader.is_whole() {
        section.reader.refuse(&spot, Complaint::advise(why, advice));
    }
    None
}

fn read_hosts(value: &DeValue<'_>, key: &Key) -> Result<Vec<String>, Complaint> {
    let names = value.as_array().ok_or_else(|| values::wrong_type(value, key))?;
    if names.len() > HOSTS_MAX {
        let why = format!("the list has at most {HOSTS_MAX} entries");
        return Err(Complaint::advise(why, "write the names that browsers really use"));
    }
    let mut hosts = Vec::with_capacity(names.len());
    for name in names.iter() {
        let why = "each entry of the list is a text, in quotes";
        let name = name.get_ref().as_str().ok_or_else(|| Complaint::write(why, key.example))?;
        hosts.push(host(name, key)?);
    }
    Ok(hosts)
}

/// A name in lower case, as it is compared with what a browser says.
fn host(name: &str, key: &Key) -> Result<String, Complaint> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_host = |name: &str| {
        let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.len() <= HOST_BYTES_MAX
            && name.chars().all(is_part)
            && !name.ends_with('.');
        is_name || name.parse::<IpAddr>().is_ok()
    };
    if is_host(name) {
        return Ok(name.to_ascii_lowercase());
    }
    let why = format!(
        "`{}` is no name of a host: neither `http://` nor a port nor a `*` belongs to it",
        crate::redact::shorten(name)
    );
    let (_, bare) = name.rsplit_once("//").unwrap_or(("", name));
    let bare = bare.split(['/', ':']).next().unwrap_or_default().trim_end_matches('.');
    let example = if is_host(bare) { format!("[\"{bare}\"]") } else { key.example.to_owned() };
    Err(Complaint::write(why, example))
}

/// Who serves the page beyond this machine says who may read it.
fn refuse_open_house(reader: &mut Reader<'_>, spot: &Spot, watchtower: &Watchtower) {
    let has_a_token = watchtower.admin_token.is_some() || watchtower.read_token.is_some();
    if watchtower.listen.is_local() {
        return;
    }
    if !has_a_token && !watchtower.anonymous_read {
        let why = "the page would be served beyond this machine, and nothing says who may read it";
        let advice = "let it ask for a token: type barograph token /etc/barograph/read-token, and add: \
                      read_token_file = \"/etc/barograph/read-token\"; or let everybody read, and \
                      add: anonymous_read = true";
        reader.refuse(spot, Complaint::advise(why, advice));
    } else if has_a_token && watchtower.tls.is_none() && matches!(watchtower.listen, Listen::Tcp(_))
    {
        let text = "tokens travel through the network in the clear: give the page a certificate \
                    (cert_file, key_file), or listen on 127.0.0.1 behind a proxy that has one";
        reader.warn(spot, text);
    }
}
