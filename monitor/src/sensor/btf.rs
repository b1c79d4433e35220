//! Finds the offsets of kernel fields in the kernel's own type information.
//!
//! By hand, because aya keeps the members of its BTF types to itself and the other parser is LGPL; only structs and
//! unions are read, the rest is stepped over. The input is the kernel's, yet every read is checked: a fixture or a
//! foreign file gives an error, never a panic.

use std::collections::HashMap;

use monitor_common::offsets::{LOOKUPS, Offsets};
use zerocopy::FromBytes;

/// Where the running kernel keeps its type information.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Why offsets could not be found.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BtfError {
    #[error("the type information of the kernel is damaged at byte {0}")]
    Damaged(usize),
    #[error("this kernel has no field {strukt}.{field}, which holdfire needs")]
    NoField { strukt: String, field: String },
}

/// Looks all of [`Offsets`] up in raw BTF.
///
/// # Errors
/// The bytes are no BTF, or a struct or field is not in them under any of its known names.
pub fn offsets(raw: &[u8]) -> Result<Offsets, BtfError> {
    let btf = Btf::parse(raw)?;
    let values: Vec<u32> = LOOKUPS
        .iter()
        .map(|(_, strukt, fields)| {
            fields
                .iter()
                .find_map(|field| btf.offset_of(strukt, field))
                .ok_or_else(|| BtfError::NoField { strukt: (*strukt).to_owned(), field: fields.join(" or ") })
        })
        .collect::<Result<_, _>>()?;
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
    Offsets::read_from_bytes(&bytes).map_err(|_size| BtfError::Damaged(0))
}

/// A struct, a union, or something that stands for another type.
enum Type {
    Composite(Vec<Member>),
    Alias(u32),
    Other,
}

struct Member {
    name: u32,
    of: u32,
    /// In bits.
    offset: u32,
}

struct Btf<'a> {
    types: Vec<Type>,
    /// Structs by name.
    structs: HashMap<&'a [u8], usize>,
    strings: &'a [u8],
}

mod kind {
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const TYPE_TAG: u32 = 18;
}

/// Bytes that follow a type of `kind`, per member and once.
fn trailer(kind: u32) -> Option<(usize, usize)> {
    Some(match kind {
        1 | 14 | 17 => (0, 4),
        3 => (0, 12),
        kind::STRUCT | kind::UNION | 15 | 19 => (12, 0),
        6 | 13 => (8, 0),
        0 | 2 | 7..=12 | 16 | 18 => (0, 0),
        _ => return None,
    })
}

impl<'a> Btf<'a> {
    fn parse(raw: &'a [u8]) -> Result<Self, BtfError> {
        const MAGIC: u32 = 0xeb9f;
        if word(raw, 0)? & 0xffff != MAGIC {
            return Err(BtfError::Damaged(0));
        }
        let header = word(raw, 4)? as usize;
        let section = |at: usize| -> Result<&'a [u8], BtfError> {
            let start = header.saturating_add(word(raw, at)? as usize);
            let end = start.saturating_add(word(raw, at + 4)? as usize);
            raw.get(start..end).ok_or(BtfError::Damaged(at))
        };
        let (types, strings) = (section(8)?, section(16)?);
        let mut btf = Self { types: vec![Type::Other], structs: HashMap::new(), strings };
        let mut at = 0;
        while at < types.len() {
            let (name, info, of) = (word(types, at)?, word(types, at + 4)?, word(types, at + 8)?);
            let (count, kind, bitfields) = ((info & 0xffff) as usize, info >> 24 & 0x1f, info >> 31 == 1);
            let (each, once) = trailer(kind).ok_or(BtfError::Damaged(at))?;
            let body = at + 12;
            let parsed = match kind {
                kind::STRUCT | kind::UNION => {
                    let mut members = Vec::with_capacity(count);
                    for place in (0..count).map(|index| body + index * each) {
                        let offset = word(types, place + 8)?;
                        members.push(Member {
                            name: word(types, place)?,
                            of: word(types, place + 4)?,
                            offset: if bitfields { offset & 0x00ff_ffff } else { offset },
                        });
                    }
                    if kind == kind::STRUCT && name != 0 {
                        // Forward declarations are another kind, and the first definition is the kernel's.
                        let index = btf.types.len();
                        btf.structs.entry(text(strings, name)).or_insert(index);
                    }
                    Type::Composite(members)
                }
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    Type::Alias(of)
                }
                _ => Type::Other,
            };
            btf.types.push(parsed);
            at = body + count * each + once;
        }
        Ok(btf)
    }

    /// The byte offset of `path` (`a.b` descends) in the struct called `strukt`.
    fn offset_of(&self, strukt: &str, path: &str) -> Option<u32> {
        let mut of = *self.structs.get(strukt.as_bytes())?;
        let mut bits = 0;
        for name in path.split('.') {
            let (inner, offset) = self.member(of, name.as_bytes(), 0)?;
            bits += offset;
            of = inner;
        }
        Some(bits / 8)
    }

    /// A member's type and offset in bits; members of unnamed structs and unions count as the outer one's.
    fn member(&self, of: usize, wanted: &[u8], depth: u32) -> Option<(usize, u32)> {
        /// The kernel nests unnamed unions three deep; beyond that the input is no kernel's.
        const DEPTH: u32 = 16;
        if depth > DEPTH {
            return None;
        }
        match self.types.get(of)? {
            Type::Alias(to) => self.member(*to as usize, wanted, depth + 1),
            Type::Composite(members) => members.iter().find_map(|member| {
                if member.name == 0 {
                    let (inner, offset) = self.member(member.of as usize, wanted, depth + 1)?;
                    Some((inner, offset + member.offset))
                } else if text(self.strings, member.name) == wanted {
                    Some((member.of as usize, member.offset))
                } else {
                    None
                }
            }),
            Type::Other => None,
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Result<u32, BtfError> {
    bytes
        .get(at..at.saturating_add(4))
        .and_then(|four| four.try_into().ok())
        .map(u32::from_ne_bytes)
        .ok_or(BtfError::Damaged(at))
}

fn text(strings: &[u8], at: u32) -> &[u8] {
    let rest = strings.get(at as usize..).unwrap_or_default();
    &rest[..rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Type 1: `struct path { void *mnt; void *dentry; }`; type 2: const of 1; type 3:
    /// `struct file { int; union { const struct path f_path; }; }`.
    fn sample() -> Vec<u8> {
        let strings = b"\0path\0mnt\0dentry\0file\0f_path\0f_mode\0";
        let name = |wanted: &str| {
            let wanted = [b"\0", wanted.as_bytes(), b"\0"].concat();
            strings.windows(wanted.len()).position(|window| window == wanted).unwrap() as u32 + 1
        };
        let words = [
            vec![name("path"), 4 << 24 | 2, 16, name("mnt"), 0, 0, name("dentry"), 0, 64],
            vec![0, 10 << 24, 1],
            vec![0, 5 << 24 | 1, 16, name("f_path"), 2, 0],
            vec![name("file"), 4 << 24 | 2, 24, name("f_mode"), 0, 0, 0, 3, 64],
        ]
        .concat();
        let types: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_ne_bytes()).collect();
        let header = [0xeb9f | 1 << 16, 24, 0, types.len() as u32, types.len() as u32, strings.len() as u32];
        [header.iter().flat_map(|word| word.to_ne_bytes()).collect(), types, strings.to_vec()].concat()
    }

    #[test]
    fn fields_are_found_through_unions_and_qualifiers() {
        let raw = sample();
        let btf = Btf::parse(&raw).unwrap();
        assert_eq!(btf.offset_of("file", "f_mode"), Some(0));
        assert_eq!(btf.offset_of("file", "f_path.dentry"), Some(16));
        assert_eq!(btf.offset_of("path", "dentry"), Some(8));
        assert_eq!(btf.offset_of("file", "f_path.gone"), None);
        assert_eq!(btf.offset_of("inode", "i_ino"), None);
    }

    #[test]
    fn a_missing_field_is_named() {
        let error = offsets(&sample()).unwrap_err();
        assert_eq!(error.to_string(), "this kernel has no field task_struct.tgid, which holdfire needs");
    }

    proptest::proptest! {
        #[test]
        fn damage_is_an_error_never_a_panic(at in 0usize..200, value: u8, cut in 0usize..200) {
            let mut raw = sample();
            let length = raw.len();
            raw[at % length] = value;
            raw.truncate(length - cut % length);
            let _ = offsets(&raw);
        }
    }
}
