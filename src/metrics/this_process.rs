//! What Prometheus' own clients tell of a process, under the same names.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::page::{Family, MetricsPage};
use crate::os::process::{Holder, TICKS_PER_SECOND};

/// Reads `/proc/self`; what it does not say is left out.
#[derive(Debug)]
pub(super) struct ThisProcess;

impl Collector for ThisProcess {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = MetricsPage(encoder);
        if let Some(seconds) = cpu_seconds() {
            let family = Family::new("process_cpu", "User and system time spent.").seconds();
            page.fractional_counter(family, seconds)?;
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = Family::new("process_resident_memory", "Memory in use.").bytes();
        page.gauge(resident, bytes_in(&status, "VmRSS:"))?;
        let virtual_memory = Family::new("process_virtual_memory", "Address space.").bytes();
        page.gauge(virtual_memory, bytes_in(&status, "VmSize:"))?;
        let open = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64);
        page.gauge(Family::new("process_open_fds", "Open file descriptors."), open)?;
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let family = Family::new("process_max_fds", "File descriptors that may be open.");
        page.gauge(family, fds_max(&limits))?;
        let start = "When the process began.";
        let began = Holder::this_process().since;
        page.gauge(Family::new("process_start_time", start).seconds(), began)
    }
}

/// Fields 14 and 15 of `/proc/self/stat`; the command's name before them may hold spaces.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let after_name = &stat[stat.rfind(')')? + 1..];
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: u32 = ticks.filter_map(|field| field.parse::<u32>().ok()).sum();
    Some(f64::from(ticks) / f64::from(TICKS_PER_SECOND))
}

/// `VmRSS:      9240 kB`
fn bytes_in(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

/// `Max open files            1024                 524288               files`
fn fds_max(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let status = "Name:\tbarograph\nVmSize:\t  123456 kB\nVmRSS:\t    9240 kB\n";
        assert_eq!(bytes_in(status, "VmRSS:"), Some(9_240 << 10));
        assert_eq!(bytes_in(status, "VmSwap:"), None);
        let limits =
            "Limit Soft Hard Units\nMax open files            1024      524288     files\n";
        assert_eq!(fds_max(limits), Some(1_024));
        assert!(cpu_seconds().is_some());
    }
}
