//! All metrics, and the two forms in which they are told.

use std::fmt;

use barograph_actors::message::routing::Routing;
use barograph_actors::status::Published;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;

use super::recorder::{MeasuredFiles, Recorder};
use super::this_process::ThisProcess;

/// What all names of the recorder's metrics begin with.
const PREFIX: &str = "barograph";

/// A form of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpositionFormat {
    /// Prometheus' own, which everything understands.
    Prometheus,
    /// OpenMetrics.
    OpenMetrics,
}

impl ExpositionFormat {
    /// `Content-Type`
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All metrics.
#[derive(Debug)]
pub(crate) struct Exposition {
    registry: Registry,
}

impl Exposition {
    pub(crate) fn new(published: Published, routing: Routing, places: MeasuredFiles) -> Self {
        let recorder = Recorder::new(published, routing, places);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ThisProcess));
        registry.sub_registry_with_prefix(PREFIX).register_collector(Box::new(recorder));
        Self { registry }
    }

    /// The page, as of now.
    ///
    /// # Errors
    /// None that a `String` could meet; the encoder's type allows for it.
    pub(crate) fn page(&self, form: ExpositionFormat) -> Result<String, fmt::Error> {
        let mut page = String::new();
        match form {
            ExpositionFormat::Prometheus => prometheus_text::encode(&mut page, &self.registry)?,
            ExpositionFormat::OpenMetrics => text::encode(&mut page, &self.registry)?,
        }
        Ok(page)
    }
}
