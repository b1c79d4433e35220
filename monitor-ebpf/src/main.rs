//! The kernel half of holdfire.
//!
//! Each probe asks first whether its process is a member of a session; everybody else pays that one map miss. What a
//! probe saw goes through `emit`, the only user of the rings. Nothing here judges: the gate stops and holds, user space
//! decides. `unsafe` is the rule in this crate, not the exception, so each block says why it is sound.

#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![allow(internal_features, reason = "the atomic add of a counter; core's atomics have none for this target")]

mod emit;
mod file;
mod gate;
mod kernel;
mod process;
mod session;
mod socket;
mod tls;

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: the verifier refuses programs in which this could be reached.
    unsafe { core::hint::unreachable_unchecked() }
}

/// send_signal, probe_read_kernel and others are for GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
