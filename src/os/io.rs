//! Errors of the system, by what they mean for the recorder.

use barograph_actors::message::write::WriteCause;

/// What an error of the system, about a file to be made or opened, means.
pub(crate) fn cause_of_io(error: &std::io::Error) -> WriteCause {
    use std::io::ErrorKind;
    let causes = [
        (ErrorKind::ReadOnlyFilesystem, WriteCause::ReadOnly),
        (ErrorKind::PermissionDenied, WriteCause::Permission),
        (ErrorKind::StorageFull, WriteCause::Full),
        (ErrorKind::QuotaExceeded, WriteCause::Full),
        (ErrorKind::NotFound, WriteCause::Missing),
    ];
    let known = causes.into_iter().find(|(kind, _)| *kind == error.kind());
    known.map_or(WriteCause::Io, |(_, cause)| cause)
}
