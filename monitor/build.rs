//! Builds the kernel half and lays its object where `sensor` includes it.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::Context as _;
use aya_build::{Package, Toolchain, build_ebpf};
use object::{Object as _, ObjectSection as _};

/// The toolchain of rust-toolchain.toml: build-std needs the sources of exactly this compiler.
const TOOLCHAIN: &str = "1.95.0";

fn main() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate has a parent folder")?;
    println!("cargo:rerun-if-changed={}", root.join("monitor-common/src").display());
    // build-std is unstable, and a stable compiler builds the kernel half all the same. Set here, for the nested cargo
    // only, so that no other crate can lean on it.
    #[allow(unsafe_code, reason = "a build script has one thread")]
    // SAFETY: no other thread of this build script reads or writes the environment.
    unsafe {
        env::set_var("RUSTC_BOOTSTRAP", "1");
    }
    let ebpf = root.join("monitor-ebpf");
    build_ebpf(
        [Package {
            name: "monitor-ebpf",
            root_dir: ebpf.to_str().context("the path of the sources is UTF-8")?,
            ..Package::default()
        }],
        Toolchain::Custom(TOOLCHAIN),
    )?;

    #[expect(clippy::disallowed_methods, reason = "cargo talks to build scripts through the environment")]
    let object = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?).join("holdfire-ebpf");
    // With AYA_BUILD_SKIP=1 (rust-analyzer, documentation) there is no object; an empty one lets the sources compile.
    let bytes = fs::read(&object).unwrap_or_default();
    fs::write(&object, unname_unions(bytes)?)?;
    Ok(())
}

/// Takes the names of unions in the object's BTF away where the kernel would refuse them: aya-log keeps its level in a
/// `Global<u8>`, whose `MaybeUninit<u8>` the linker does not rename as it does structs. Nobody looks unions up by name.
fn unname_unions(mut bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    if bytes.is_empty() {
        return Ok(bytes);
    }
    let file = object::File::parse(bytes.as_slice())?;
    let section = file.section_by_name(".BTF").context("the kernel object carries BTF")?;
    let (start, _) = section.file_range().context(".BTF has a place in the file")?;
    let btf = section.data()?.to_vec();
    let word = |at: usize| -> anyhow::Result<u32> {
        let four = btf.get(at..at + 4).context("BTF ends within a type")?;
        Ok(u32::from_le_bytes(four.try_into()?))
    };
    let header = word(4)? as usize;
    let (mut at, strings) = (header + word(8)? as usize, header + word(16)? as usize);
    let end = at + word(12)? as usize;
    while at < end {
        let (name, info) = (strings + word(at)? as usize, word(at + 4)?);
        let (count, kind) = ((info & 0xffff) as usize, info >> 24 & 0x1f);
        let length = btf[name..].iter().position(|byte| *byte == 0).unwrap_or(0);
        let valid = btf[name..name + length].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        if kind == 5 && !valid {
            let place = start as usize + at;
            bytes[place..place + 4].fill(0);
        }
        at += 12
            + match kind {
                1 | 14 | 17 => 4,
                3 => 12,
                4 | 5 | 15 | 19 => count * 12,
                6 | 13 => count * 8,
                _ => 0,
            };
    }
    Ok(bytes)
}
