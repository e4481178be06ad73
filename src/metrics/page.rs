//! Families of metrics, written into a page one after the other.

use std::fmt;

use barograph_actors::status::histogram::Histogram;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// Labels of a sample; in one family all samples have the same names.
pub(super) type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

/// What a family is called and means. A unit is the end of the name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    name: &'static str,
    unit: Option<&'static Unit>,
    help: &'static str,
}

impl Family {
    /// The name has neither prefix nor unit, nor the `_total` of a counter.
    pub(super) fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, unit: None, help }
    }

    pub(super) fn seconds(self) -> Self {
        Self { unit: Some(&Unit::Seconds), ..self }
    }

    pub(super) fn bytes(self) -> Self {
        Self { unit: Some(&Unit::Bytes), ..self }
    }
}

/// A page in the making.
pub(super) struct MetricsPage<'a>(pub(super) DescriptorEncoder<'a>);

impl MetricsPage<'_> {
    fn begin(&mut self, family: Family, kind: MetricType) -> Result<MetricEncoder<'_>, fmt::Error> {
        let Family { name, unit, help } = family;
        self.0.encode_descriptor(name, help, unit, kind)
    }

    /// What only ever grows.
    pub(super) fn counters<'s, const N: usize>(
        &mut self,
        family: Family,
        samples: impl IntoIterator<Item = (Labels<'s, N>, u64)>,
    ) -> fmt::Result {
        let mut encoder = self.begin(family, MetricType::Counter)?;
        for (labels, count) in samples {
            let mut sample = encoder.encode_family(&labels)?;
            sample.encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
        }
        Ok(())
    }

    /// A count without labels.
    pub(super) fn counter(&mut self, family: Family, count: u64) -> fmt::Result {
        self.counters(family, [([], count)])
    }

    /// As [`MetricsPage::counter`], in fractions.
    pub(super) fn fractional_counter(&mut self, family: Family, count: f64) -> fmt::Result {
        let mut encoder = self.begin(family, MetricType::Counter)?;
        encoder.encode_counter::<NoLabelSet, f64, f64>(&count, None)
    }

    /// What rises and falls.
    pub(super) fn gauges<'s, V: EncodeGaugeValue, const N: usize>(
        &mut self,
        family: Family,
        samples: impl IntoIterator<Item = (Labels<'s, N>, V)>,
    ) -> fmt::Result {
        let mut encoder = self.begin(family, MetricType::Gauge)?;
        for (labels, value) in samples {
            encoder.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// A gauge without labels; nothing where its value is not known.
    pub(super) fn gauge<V: EncodeGaugeValue>(
        &mut self,
        family: Family,
        value: Option<V>,
    ) -> fmt::Result {
        self.gauges(family, value.map(|value| ([], value)))
    }

    /// How often a value was how large.
    pub(super) fn histograms<'s, const N: usize>(
        &mut self,
        family: Family,
        samples: impl IntoIterator<Item = (Labels<'s, N>, &'s Histogram)>,
    ) -> fmt::Result {
        let mut encoder = self.begin(family, MetricType::Histogram)?;
        for (labels, histogram) in samples {
            let (sum, count) = (histogram.sum(), histogram.count());
            let buckets = histogram.buckets();
            let mut sample = encoder.encode_family(&labels)?;
            sample.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }

    /// A family whose labels are what it says.
    pub(super) fn info<const N: usize>(
        &mut self,
        family: Family,
        labels: Labels<'_, N>,
    ) -> fmt::Result {
        self.begin(family, MetricType::Info)?.encode_info(&labels)
    }
}
