//! The formats credentials are written in.
//!
//! Each module reads one and hands names and values to the [`Collector`]. A parse that fails has still handed over what
//! it read up to there.

mod dotenv;
mod ini;
mod json;
mod netrc;
pub(super) mod plain;
mod toml;
mod tree;
mod yaml;

use super::collect::Collector;

/// Larger files are searched line by line only: parsers take many times the memory of their input, and no
/// configuration file written by hand comes near 1 MiB.
const PARSED_MAX: usize = 1 << 20;

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Format {
    Dotenv,
    Ini,
    Json,
    Netrc,
    Toml,
    Yaml,
    /// Source text: an unquoted word after `=` is a variable, no value.
    Code,
    Plain,
}

#[rustfmt::skip]
const CODE: &[&str] = &[
    "rs", "ts", "tsx", "js", "jsx", "mjs", "cjs", "py", "go", "java", "kt", "c", "h", "cc", "cpp", "hpp", "cs", "rb", "php",
    "swift", "scala", "ex", "exs", "lua", "dart", "vue", "svelte",
];

impl Format {
    /// By file name; by the first characters where the name says nothing.
    pub(super) fn of(path_hint: Option<&str>, content: &[u8]) -> Self {
        path_hint.and_then(Self::of_path).unwrap_or_else(|| Self::sniff(content))
    }

    pub(super) fn of_path(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let format = match name.as_str() {
            ".netrc" | "_netrc" | "netrc" => Self::Netrc,
            ".envrc" | ".dev.vars" | "environ" => Self::Dotenv,
            ".yarnrc.yml" => Self::Yaml,
            ".npmrc" | "npmrc" | ".pypirc" | ".boto" | ".databrickscfg" | ".s3cfg" | ".my.cnf"
            | ".gitconfig" => Self::Ini,
            // `~/.aws/credentials` is ini, `~/.kube/config` is yaml, `~/.cargo/credentials` is toml.
            "credentials" | "config" => return None,
            _ if name.starts_with(".env") => Self::Dotenv,
            _ => match extension {
                "env" | "properties" => Self::Dotenv,
                "ini" | "cfg" | "cnf" | "conf" | "tfvars" => Self::Ini,
                "json" | "jsonl" | "ndjson" | "jsonc" | "json5" | "tfstate" | "ipynb" => Self::Json,
                "yaml" | "yml" => Self::Yaml,
                "toml" => Self::Toml,
                extension if CODE.contains(&extension) => Self::Code,
                _ => return None,
            },
        };
        Some(format)
    }

    fn sniff(content: &[u8]) -> Self {
        let head = &content[..content.len().min(4096)];
        let first = head.iter().find(|b| !b.is_ascii_whitespace());
        let line =
            |test: &dyn Fn(&[u8]) -> bool| head.split(|b| *b == b'\n').any(|line| test(line.trim_ascii()));
        match first {
            Some(b'{') => Self::Json,
            _ if line(&|line| line.starts_with(b"[") && line.ends_with(b"]")) => Self::Ini,
            _ if line(&|line| line.starts_with(b"machine ")) => Self::Netrc,
            _ if line(&|line| line == b"---" || line.ends_with(b":")) => Self::Yaml,
            _ => Self::Plain,
        }
    }
}

/// Hands everything in `content` to the collector.
pub(super) fn search(format: Format, path_hint: Option<&str>, content: &[u8], collector: &mut Collector) {
    if content.len() <= PARSED_MAX {
        match format {
            Format::Dotenv => dotenv::search(content, collector),
            Format::Ini => ini::search(content, collector),
            Format::Json => json::search(content, collector),
            Format::Netrc => netrc::search(content, collector),
            Format::Toml => toml::search(content, collector),
            Format::Yaml => yaml::search(content, collector),
            Format::Code | Format::Plain => {}
        }
    }
    plain::whole(path_hint, content, collector);
    plain::search(content, format == Format::Code, collector);
}
