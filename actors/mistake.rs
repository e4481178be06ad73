//! Mistakes that a recorder can be built to make, for the tests of the tests: a test that passes with
//! them as well would prove nothing. Without the feature `mistakes` there are none.

/// Something done wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mistake {
    /// Acknowledgements leave before the commit: messages are lost.
    AcknowledgeEarly = 1,
    /// The first new packet id on a connection is taken as proof that nothing of earlier connections
    /// will be delivered again: messages are stored twice.
    ConfirmByOrder = 2,
}

impl Mistake {
    /// Every mistake, by the name that the tests choose it by.
    pub const ALL: [(&'static str, Self); 2] =
        [("acknowledge-early", Self::AcknowledgeEarly), ("confirm-by-order", Self::ConfirmByOrder)];
}

#[cfg(feature = "mistakes")]
static MADE: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// From now on this process makes the mistake.
#[cfg(feature = "mistakes")]
pub fn make(mistake: Mistake) {
    MADE.store(mistake as u8, std::sync::atomic::Ordering::Relaxed);
}

/// Whether this process makes the mistake.
#[cfg(feature = "mistakes")]
#[inline]
pub fn makes(mistake: Mistake) -> bool {
    MADE.load(std::sync::atomic::Ordering::Relaxed) == mistake as u8
}

/// Whether this process makes the mistake: never, in a recorder that records.
#[cfg(not(feature = "mistakes"))]
#[inline]
pub const fn makes(_: Mistake) -> bool {
    false
}
