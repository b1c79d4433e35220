//! Chooses the instruction of a function at which a probe is cheapest.
//!
//! A uprobe on an instruction the kernel can emulate costs half a microsecond, one that must be single-stepped 18 in a
//! virtual machine. So the probe goes to the first emulatable instruction that is reached from the entry in a straight
//! line while the argument registers still hold the arguments; if there is none, to the entry itself. When in doubt the
//! entry: slower is better than wrong.

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, InstructionInfoFactory, Mnemonic, OpAccess, Register,
};

/// Bytes of a prologue looked at.
const PROLOGUE: usize = 96;

/// The registers of the first four integer arguments (System V).
const ARGUMENTS: [Register; 4] = [Register::RDI, Register::RSI, Register::RDX, Register::RCX];

/// The offset from the entry at which to probe the function whose bytes (from its entry, as far as known) are `code`.
pub fn probe_offset(code: &[u8]) -> u64 {
    let prologue = &code[..code.len().min(PROLOGUE)];
    let Some(site) = first_emulated(prologue) else { return 0 };
    // A loop whose head lies at or before the site would fire the probe again.
    if branches_into(code, site) { 0 } else { site }
}

fn first_emulated(code: &[u8]) -> Option<u64> {
    let mut info = InstructionInfoFactory::new();
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    while decoder.can_decode() {
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            return None;
        }
        if emulated(instruction.code(), instruction.mnemonic(), &code[instruction.ip() as usize..]) {
            return Some(instruction.ip());
        }
        if instruction.flow_control() != FlowControl::Next {
            return None;
        }
        let spoils = info.info(&instruction).used_registers().iter().any(|used| {
            let writes = !matches!(used.access(), OpAccess::None | OpAccess::Read | OpAccess::CondRead);
            writes && ARGUMENTS.contains(&used.register().full_register())
        });
        if spoils {
            return None;
        }
    }
    None
}

/// Whether `arch/x86/kernel/uprobes.c` emulates the instruction: push of a register, the one-byte nop, near jumps and
/// calls to a fixed target, conditional jumps. Longer nops are emulated since 6.18 only, so they do not count.
fn emulated(code: Code, mnemonic: Mnemonic, bytes: &[u8]) -> bool {
    match mnemonic {
        Mnemonic::Push => code == Code::Push_r64,
        Mnemonic::Nop => bytes.first() == Some(&0x90),
        Mnemonic::Jmp => matches!(code, Code::Jmp_rel8_64 | Code::Jmp_rel32_64),
        Mnemonic::Call => code == Code::Call_rel32_64,
        _ => matches!(bytes, [0x70..=0x7f, ..] | [0x0f, 0x80..=0x8f, ..]),
    }
}

/// Whether any branch of the function leads to a place after its entry and not after `site`.
fn branches_into(code: &[u8], site: u64) -> bool {
    Decoder::with_ip(64, code, 0, DecoderOptions::NONE).iter().any(|instruction| {
        matches!(
            instruction.flow_control(),
            FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch
        ) && (1..=site).contains(&instruction.near_branch_target())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &[u8], expect: u64) {
        assert_eq!(probe_offset(code), expect, "{code:02x?}");
    }

    #[test]
    fn the_cheapest_safe_instruction_is_chosen() {
        // push rbp; mov rbp,rsp
        check(&[0x55, 0x48, 0x89, 0xe5, 0xc3], 0);
        // endbr64; push r12
        check(&[0xf3, 0x0f, 0x1e, 0xfa, 0x41, 0x54, 0xc3], 4);
        // sub rsp,24; test edx,edx; js +2 — as in libssl.so.3
        check(&[0x48, 0x83, 0xec, 0x18, 0x85, 0xd2, 0x78, 0x02, 0xc3, 0xc3, 0xc3], 6);
        // mov rdi,rax spoils an argument before the push
        check(&[0x48, 0x89, 0xc7, 0x55, 0xc3], 0);
        // xor edx,edx spoils the lower half of one
        check(&[0x31, 0xd2, 0x55, 0xc3], 0);
        // ret before anything emulated
        check(&[0x90 ^ 0x90, 0xc3], 0);
        // endbr64; push rbp; jmp back to the push: a loop through the site
        check(&[0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0xeb, 0xfd], 0);
        check(&[], 0);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_a_place_inside_them(code: Vec<u8>) {
            let site = probe_offset(&code);
            proptest::prop_assert!(site == 0 || (site as usize) < code.len().min(PROLOGUE));
        }
    }
}
