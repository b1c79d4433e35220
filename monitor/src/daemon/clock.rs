//! The clocks of the shells.

use nix::time::{ClockId, clock_gettime};

use crate::time::Timestamp;

/// Nanoseconds since boot, on the clock that the kernel half stamps its records with.
pub fn boot_now() -> Timestamp {
    Timestamp(read(ClockId::CLOCK_BOOTTIME))
}

/// Nanoseconds since 1970.
pub fn wall_now() -> u64 {
    read(ClockId::CLOCK_REALTIME)
}

fn read(clock: ClockId) -> u64 {
    // Both clocks exist on every kernel holdfire loads on, and neither stands before its epoch.
    clock_gettime(clock).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec()).unwrap_or(0))
    })
}
