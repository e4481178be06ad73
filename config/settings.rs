//! The resolved settings: what the rest of the program reads. No optional left open that a default could close, no
//! string that a type could hold, no secret that `Debug` could print.

use std::sync::OnceLock;

use toml::de::DeTable;

use crate::alert::{self, Alert};
use crate::declare::key::{Complaint, SUBTABLES, Table, Wants, section};
use crate::declare::settings;
use crate::field::{Declared, Field};
use crate::mqtt::{Mqtt, client_id};
use crate::page::print;
use crate::part::Part;
use crate::read::reader::SettingsReader;
use crate::read::section::Section;
use crate::route::{Route, route_set};
use crate::sections::{
    Database, Health, Instance, Log, Metrics, Quarantine, SpoolSettings, Supervision,
};
use crate::watchtower::Watchtower;

settings! {
    /// Everything the operator can set, checked and resolved.
    pub struct Settings in "" concerns Part::Instance;

    /// The one running instance.
    instance: Instance = Instance::initial(), section(&Instance::TABLE);
    /// The broker and our session there.
    mqtt: Mqtt = Mqtt::initial(), section(&Mqtt::TABLE);
    /// The database file and how it is written.
    database: Database = Database::initial(), section(&Database::TABLE);
    /// Where batches go while the database cannot take them.
    spool: SpoolSettings = SpoolSettings::initial(), section(&SpoolSettings::TABLE);
    /// What is checked, and when messages go to the spool.
    health: Health = Health::initial(), section(&Health::TABLE);
    /// What is kept of messages that cannot become rows.
    quarantine: Quarantine = Quarantine::initial(), section(&Quarantine::TABLE);
    /// How actors are restarted.
    supervisor: Supervision = Supervision::initial(), section(&Supervision::TABLE);
    /// The log.
    log: Log = Log::initial(), section(&Log::TABLE);
    /// The metrics endpoint.
    metrics: Metrics = Metrics::initial(), section(&Metrics::TABLE);
    /// The page.
    watchtower: Watchtower = Watchtower::initial(), section(&Watchtower::TABLE);
    /// Who is notified of issues: names never repeat, at most one is on MQTT.
    alerts: Vec<Alert> = Vec::new(), as "alert" SUBTABLES
        .of("alerts")
        .at_most(100, "let one webhook or command notify the others")
        .affects(Part::Alerts);
    /// What is recorded, and where: never empty, and the first that matches takes a message.
    routes: Vec<Route> = built_in(), as "route" SUBTABLES
        .of("routes")
        .at_most(10_000, "use wildcards and captures, or a second recorder")
        .affects(Part::Routes);
}

/// The tables of the file that environment variables can set, too.
pub(crate) fn sections() -> impl Iterator<Item = &'static Table> {
    Settings::TABLE.keys().filter_map(|key| {
        if let Wants::Section(table) = key.spec.wants { Some(table) } else { None }
    })
}

impl Settings {
    /// The built-in settings of a host of this name.
    pub fn default_with(hostname: &str) -> Self {
        let mut settings = Self::initial();
        settings.mqtt.client_id = client_id(hostname);
        settings.instance.lock_file = settings.database.lock_beside();
        settings.spool.dir = settings.database.spool_beside();
        settings
    }

    /// Sets the client id, and the topics that follow from it.
    pub fn use_client_id(&mut self, client_id: &str) {
        alert::follow_client_id(&mut self.alerts, &self.mqtt.client_id, client_id);
        client_id.clone_into(&mut self.mqtt.client_id);
    }

    /// Fills what follows from several sections, and compares them with each other.
    pub(crate) fn join(&mut self, file: &mut Section<'_, '_>) {
        self.join_sections(file);
        if let Some(value) = file.value("route").filter(|_| self.routes.is_empty())
            && file.reader.is_whole()
        {
            let spot = file.reader.spot("route".to_owned(), value.span(), None);
            let why = "without a route nothing is recorded";
            let advice = "write a [[route]], or remove this line: then the built-in routes hold";
            file.reader.refuse(&spot, Complaint::advise(why, advice));
        }
        if file.value("route").is_some() {
            route_set::compare(file.reader, &self.routes);
        }
        let filters: Vec<&str> = self.routes.iter().map(|route| route.filter.as_str()).collect();
        alert::compare(file, &mut self.alerts, &self.mqtt.client_id, &filters);
    }

    fn join_sections(&mut self, file: &mut Section<'_, '_>) {
        let reader = &mut *file.reader;
        let is_set = |path: &str| reader.good(path).is_some();
        if !is_set("instance.lock_file") {
            self.instance.lock_file = self.database.lock_beside();
        }
        if !is_set("spool.dir") {
            self.spool.dir = self.database.spool_beside();
        }
        let (database, log) = (&self.database.path, &self.log.file);
        let lock = &self.instance.lock_file;
        if lock == database || Some(lock) == log.as_ref() {
            let why = "expected another file than the database and the log";
            refuse_path(reader, "instance.lock_file", why);
        }
        if log.as_ref() == Some(database) {
            refuse_path(reader, "log.file", "expected another file than the database");
        }
        if let Some(spot) = reader.good("database.busy_timeout")
            && self.database.busy_timeout >= self.supervisor.stuck_after
        {
            let text = "a writer that waits this long is taken for stuck; keep it below supervisor.stuck_after";
            reader.warn(&spot, text);
        }
    }

    /// The settings as TOML, every key that is set, secrets as `***`. Loading the text gives equal settings, except for
    /// secrets; with a token of the page it cannot be loaded, because the token's file is not named.
    pub fn to_toml(&self) -> String {
        print("", &Declared::lines(self))
    }
}

/// The lock would truncate the database or the log, and the log would write into the database.
fn refuse_path(reader: &mut SettingsReader<'_>, key: &str, why: &str) {
    if let Some(spot) = reader.good(key) {
        reader.refuse(&spot, Complaint::advise(why, "write another path"));
    }
}

/// The routes of the shipped file, which hold if the operator's file has none.
fn built_in() -> Vec<Route> {
    static ROUTES: OnceLock<Vec<Route>> = OnceLock::new();
    let read_shipped = || {
        let tree = DeTable::parse(crate::DEFAULT_FILE).expect("the shipped file is TOML");
        let (layered, cwd) = (&[], std::path::Path::new(""));
        let mut reader = SettingsReader::new(crate::DEFAULT_FILE, &[], layered, Vec::new(), cwd);
        let mut root = Section::root(&mut reader, tree.get_ref(), Settings::TABLE.keys());
        let mut routes = Vec::new();
        let declared = Settings::TABLE.key("route");
        routes.take(&mut root, std::slice::from_ref(declared));
        routes
    };
    ROUTES.get_or_init(read_shipped).clone()
}
