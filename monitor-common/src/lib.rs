//! What crosses the boundary between the kernel half and the user half, and nothing else.
//!
//! The two halves are built by different compilers, so the wire is plain data: `#[repr(C)]`, explicit padding, sizes
//! asserted at compile time, numeric kinds, no `bool`, no `usize`, no enums. One file per family; the same file name
//! holds the probes in monitor-ebpf and the decoder in monitor.

#![no_std]

pub mod file;
pub mod gate;
pub mod offsets;
pub mod process;
pub mod record;
pub mod session;
pub mod socket;
pub mod tls;

/// Asserts the size of a wire type when it is compiled, for both halves.
macro_rules! wire_size {
    ($($type:ty = $size:expr),+ $(,)?) => {
        $(const _: () = assert!(core::mem::size_of::<$type>() == $size);)+
    };
}
use wire_size;
