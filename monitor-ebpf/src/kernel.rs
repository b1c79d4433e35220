//! Reading kernel structs: offsets come from BTF, destinations are zeroed first, and a failed read is zero.

use core::ffi::c_void;

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, generated};
use monitor_common::offsets::Offsets;

/// Filled in and frozen by the loader. A plain static, since the BTF name of a wrapper type is refused by kernels.
#[unsafe(no_mangle)]
static OFFSETS: Offsets = zeroed_offsets();

const fn zeroed_offsets() -> Offsets {
    // SAFETY: a struct of integers; all zeroes is a value of it.
    unsafe { core::mem::MaybeUninit::zeroed().assume_init() }
}

/// The offset of one field, as a constant to the verifier.
macro_rules! offset {
    ($field:ident) => {
        $crate::kernel::load_offset(|offsets| &raw const offsets.$field)
    };
}
pub(crate) use offset;

#[inline(always)]
pub(crate) fn load_offset(field: impl FnOnce(&'static Offsets) -> *const u32) -> usize {
    // SAFETY: points into OFFSETS; volatile, because the loader's value is not the one the compiler sees.
    unsafe { core::ptr::read_volatile(field(&OFFSETS)) as usize }
}

/// An address in kernel memory. Never dereferenced here: only handed to the helper that may fail.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) u64);

impl Address {
    pub(crate) const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// The value at `offset`, zero if it cannot be read.
    #[inline(always)]
    pub(crate) fn read<T: Copy + Default>(self, offset: usize) -> T {
        let mut value = T::default();
        // SAFETY: `value` is an initialised local of the size given; the helper checks the source.
        unsafe {
            generated::bpf_probe_read_kernel(
                (&raw mut value).cast::<c_void>(),
                size_of::<T>() as u32,
                self.0.wrapping_add(offset as u64) as *const c_void,
            );
        }
        value
    }

    /// The pointer at `offset`.
    #[inline(always)]
    pub(crate) fn follow(self, offset: usize) -> Self {
        Self(self.read(offset))
    }

    /// The address `offset` bytes on.
    #[inline(always)]
    pub(crate) fn field(self, offset: usize) -> Self {
        Self(self.0.wrapping_add(offset as u64))
    }
}

/// The current thread's task_struct.
#[inline(always)]
pub(crate) fn current_task() -> Address {
    // SAFETY: no arguments, no preconditions.
    Address(unsafe { generated::bpf_get_current_task() })
}

/// (thread group, thread) of the current thread.
#[inline(always)]
pub(crate) fn current_ids() -> (u32, u32) {
    let both = bpf_get_current_pid_tgid();
    ((both >> 32) as u32, both as u32)
}

/// Nanoseconds since boot.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: no arguments, no preconditions.
    unsafe { generated::bpf_ktime_get_boot_ns() }
}
