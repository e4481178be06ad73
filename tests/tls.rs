//! TLS with a private authority and client certificates, against a broker that insists on them.

use crate::support::certs::{Authority, Identity};
use crate::support::folder::Folder;
use crate::support::ports::free_port;
use crate::support::publisher::{self, Load};
use crate::support::recorder::Recorder;
use crate::support::scene::Scene;
use crate::support::settings::Settings;

#[test]
fn a_private_authority_and_a_client_certificate_open_the_broker() {
    let world = World::new();
    let recorder = world.scene.recorder(&world.settings(&world.authority, &world.client));
    let published = publisher::publish(world.scene.broker.port(), Load::numbered(1).count(5_000));
    world.scene.settle(recorder, &published);
}

#[test]
fn a_broker_that_we_have_no_reason_to_trust_is_refused_and_called_so() {
    let world = World::new();
    let stranger = Authority::new(&world.scene.folder, "stranger");
    let mut recorder = Recorder::start(&world.settings(&stranger, &world.client));
    let event = recorder.event("broker_unreachable").to_string().to_lowercase();
    assert!(event.contains("tls") || event.contains("certificate"), "{event}");
    assert!(recorder.events("broker_connected").is_empty());
    recorder.stop();
}

#[test]
fn a_client_certificate_that_the_broker_does_not_trust_is_refused_and_said() {
    let world = World::new();
    let stranger = Authority::new(&world.scene.folder, "stranger").sign("intruder");
    let mut recorder = Recorder::start(&world.settings(&world.authority, &stranger));
    recorder.event("broker_unreachable");
    assert!(recorder.events("broker_connected").is_empty());
    recorder.stop();
}

/// A broker with a second, encrypted listener; the publisher takes the plain one.
struct World {
    scene: Scene,
    authority: Authority,
    client: Identity,
    port: u16,
}

impl World {
    fn new() -> Self {
        let port = free_port();
        let mut made = None;
        let scene = Scene::with_broker(|folder: &Folder| {
            let authority = Authority::new(folder, "attic");
            let server = authority.sign("localhost");
            let lines = format!(
                "allow_anonymous true\nlistener {port} 127.0.0.1\ncafile {}\ncertfile {}\n\
                 keyfile {}\nrequire_certificate true",
                authority.file().display(),
                server.cert.display(),
                server.key.display(),
            );
            made = Some(authority);
            lines
        });
        let authority = made.expect("the closure ran");
        let client = authority.sign("recorder");
        Self { scene, authority, client, port }
    }

    fn settings(&self, authority: &Authority, client: &Identity) -> Settings {
        self.scene
            .settings()
            .text("mqtt", "url", &format!("mqtts://localhost:{}", self.port))
            .path("mqtt", "ca_file", &authority.file())
            .path("mqtt", "client_cert", &client.cert)
            .path("mqtt", "client_key", &client.key)
    }
}
