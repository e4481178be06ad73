//! The resolved settings: what the rest of the program reads. No optional left open that a default could close, no
//! string that a type could hold, no secret that `Debug` could print.

use crate::alert::Alert;
use crate::declare::key::Table;
use crate::field::Declared;
use crate::mqtt::{Mqtt, client_id};
use crate::page::{Sheet, print};
use crate::read::problems::{Place, Spot};
use crate::read::reader::Reader;
use crate::read::section::Section;
use crate::read::world::World;
use crate::route::{Route, built_in};
use crate::sections::{Database, Health, Instance, Log, Metrics, Quarantine, Spool, Supervision};
use crate::watchtower::Watchtower;

/// Lists the sections, in the order of the shipped file, once.
macro_rules! sections {
    ($( $(#[doc = $doc:literal])* $field:ident: $type:ident, )+) => {
        /// Everything the operator can set, checked and resolved.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Settings {
            $( $(#[doc = $doc])* pub $field: $type, )+
            /// Who is notified of issues: names never repeat, at most one is on MQTT.
            pub alerts: Vec<Alert>,
            /// What is recorded, and where: never empty, filters never overlap.
            pub routes: Vec<Route>,
        }

        /// The tables that environment variables can set, too.
        pub(crate) const SECTIONS: &[&Table] = &[$( &<$type as Declared>::TABLE ),+];

        impl Settings {
            fn initial(routes: Vec<Route>) -> Self {
                Self { $( $field: <$type as Declared>::initial(), )+ alerts: Vec::new(), routes }
            }

            fn take_sections(&mut self, reader: &mut Reader<'_>) {
                $( take(&mut self.$field, reader); )+
            }

            /// Every key that is set, section by section.
            fn section_sheets(&self) -> Vec<Sheet> {
                vec![$( sheet(&self.$field) ),+]
            }
        }
    };
}

sections! {
    /// The one running instance.
    instance: Instance,
    /// The broker and our session there.
    mqtt: Mqtt,
    /// The database file and how it is written.
    database: Database,
    /// Where batches go while the database cannot take them.
    spool: Spool,
    /// What is checked, and when messages go to the spool.
    health: Health,
    /// What is kept of messages that cannot become rows.
    quarantine: Quarantine,
    /// How actors are restarted.
    supervisor: Supervision,
    /// The log.
    log: Log,
    /// The metrics endpoint.
    metrics: Metrics,
    /// The page.
    watchtower: Watchtower,
}

impl Settings {
    /// The built-in settings of a host of this name.
    pub fn default_with(hostname: &str) -> Self {
        let mut settings = Self::initial(built_in());
        settings.mqtt.client_id = client_id(hostname);
        settings.instance.lock_file = settings.database.lock_beside();
        settings.spool.dir = settings.database.spool_beside();
        settings
    }

    /// Reads the sections over their defaults, and compares them with each other.
    pub(crate) fn read_sections(&mut self, reader: &mut Reader<'_>, world: &World) {
        self.take_sections(reader);
        if reader.good("instance.lock_file").is_none() {
            self.instance.lock_file = self.database.lock_beside();
        }
        if reader.good("spool.dir").is_none() {
            self.spool.dir = self.database.spool_beside();
        }
        let database = self.database.path.as_path();
        self.mqtt.check(&mut closed::<Mqtt>(reader), world);
        self.database.check(&mut closed::<Database>(reader));
        self.health.check(&mut closed::<Health>(reader));
        self.supervisor.check(&mut closed::<Supervision>(reader));
        self.log.check(&mut closed::<Log>(reader), database);
        self.instance.check(&mut closed::<Instance>(reader), database, self.log.file.as_deref());
        self.watchtower.check(&mut closed::<Watchtower>(reader));
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
        print(&self.sheets())
    }

    /// Every key that is set.
    pub(crate) fn sheets(&self) -> Vec<Sheet> {
        let mut sheets = self.section_sheets();
        sheets.extend(self.alerts.iter().flat_map(Alert::sheets));
        sheets.extend(self.routes.iter().flat_map(Route::sheets));
        sheets
    }
}

fn take<T: Declared>(target: &mut T, reader: &mut Reader<'_>) {
    let toml = reader.section(T::TABLE.name);
    let mut section = Section::open(reader, T::TABLE.keys(), toml, header_of(T::TABLE.name));
    target.take(&mut section);
}

/// A section that has been read, for the checks of its values.
fn closed<'r, 'a, T: Declared>(reader: &'r mut Reader<'a>) -> Section<'r, 'a> {
    Section::reopen(reader, T::TABLE.name, header_of(T::TABLE.name))
}

fn sheet<T: Declared>(section: &T) -> Sheet {
    Sheet::new(format!("[{}]", T::TABLE.name), section.lines())
}

fn header_of(name: &str) -> Spot {
    let place = Place::File { line: 1, column: 1 };
    Spot { place, path: name.to_owned(), name: name.to_owned(), written: None }
}
