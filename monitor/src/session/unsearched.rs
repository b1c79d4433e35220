//! What a session read and the monitor could not search for credentials, or not wholly.
//!
//! Bias: a value nobody knows may have stood there. A file that could not be searched at all and is called like one that
//! holds credentials is taken to have held some; of one searched in part that is not said, since its beginning would have
//! told, and what is that long is a log or a lock file.

use crate::event::{Place, ScanOutcome};

/// Files named; the rest are counted.
const MAX_NAMED: usize = 16;

/// Files that hold credentials, by their whole name.
const NAMES: [&str; 13] = [
    ".netrc",
    "_netrc",
    "netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".git-credentials",
    ".htpasswd",
    ".vault_pass",
    "id_rsa",
    "id_ed25519",
    "id_ecdsa",
    "kubeconfig",
];

/// Endings of files with keys.
const KEYS: [&str; 8] = ["pem", "key", "p12", "pfx", "jks", "keystore", "kdbx", "ppk"];

/// Words that name credentials, in files that hold data (`tokens.json`, not `token.rs`).
const WORDS: [&str; 8] =
    ["token", "tokens", "secret", "secrets", "credential", "credentials", "password", "passwords"];
const DATA: [&str; 13] =
    ["", "txt", "json", "yaml", "yml", "toml", "ini", "cfg", "conf", "env", "properties", "xml", "tfvars"];

/// All of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Unsearched {
    /// Path and why.
    named: Vec<(String, String)>,
    more: u64,
}

impl Unsearched {
    /// Takes in how far a search got. Says whether the session is tainted by that.
    pub(super) fn note(&mut self, place: &Place, scan: &ScanOutcome) -> bool {
        let why = match scan {
            ScanOutcome::Whole => return false,
            ScanOutcome::Partly { bytes } => format!("only its first {bytes} bytes were searched"),
            ScanOutcome::Replaced { .. } => {
                "another file had taken its place when it was searched".to_owned()
            }
            ScanOutcome::Failed { why } => why.clone(),
        };
        let path = match place {
            Place::File { path, .. } | Place::Inherited { path } => path.as_str(),
            Place::Environment => "the environment at the start",
            Place::Arguments => "the arguments at the start",
        };
        if self.named.iter().all(|(known, _)| known != path) {
            if self.named.len() < MAX_NAMED {
                self.named.push((path.to_owned(), why));
            } else {
                self.more += 1;
            }
        }
        // What was handed to the session at its start is given to it.
        matches!(place, Place::File { .. })
            && !matches!(scan, ScanOutcome::Partly { .. })
            && names_credentials(path)
    }

    /// Whether there was anything.
    pub(super) fn any(&self) -> bool {
        !self.named.is_empty()
    }

    /// It, in sentences.
    pub(super) fn not_seen(&self, sentences: &mut Vec<String>) {
        for (path, why) in &self.named {
            sentences.push(format!("{path} was read but not wholly searched for credentials: {why}."));
        }
        if self.more > 0 {
            sentences.push(format!("{} more files were not wholly searched for credentials.", self.more));
        }
    }
}

/// Whether a file is called like one that holds credentials. Of the scanner's own notion this is the narrow part: that
/// one only costs a search, this one a session's good standing.
fn names_credentials(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let (stem, extension) = match file.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, extension),
        _ => (file.as_str(), ""),
    };
    let mut words = stem.split(|c: char| !c.is_ascii_alphanumeric());
    NAMES.contains(&file.as_str())
        || file == ".env"
        || file.starts_with(".env.")
        || [".envrc", ".dev.vars"].contains(&file.as_str())
        || KEYS.contains(&extension)
        || extension == "env"
        || (DATA.contains(&extension) && words.any(|word| WORDS.contains(&word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_taints_without_a_search() {
        let failed = || ScanOutcome::Failed { why: "it had gone".to_owned() };
        let replaced = || ScanOutcome::Replaced { bytes: 10 };
        let partly = || ScanOutcome::Partly { bytes: 8 << 20 };
        for (path, scan, taints) in [
            ("/repo/.env", failed(), true),
            ("/repo/.env.legacy", replaced(), true),
            ("/repo/deploy/prod.env", failed(), true),
            ("/home/dev/.aws/credentials", failed(), true),
            ("/home/dev/.netrc", replaced(), true),
            ("/home/dev/.ssh/id_ed25519", failed(), true),
            ("/etc/ssl/server.PEM", failed(), true),
            ("/home/dev/.config/gh/api-token", failed(), true),
            ("/repo/tokens.json", failed(), true),
            ("/repo/.env", partly(), false),
            ("/repo/.env", ScanOutcome::Whole, false),
            ("/repo/package-lock.json", partly(), false),
            ("/repo/package-lock.json", failed(), false),
            ("/var/log/build.log", replaced(), false),
            ("/repo/src/token.rs", replaced(), false),
            ("/repo/tokenizer.json", failed(), false),
            ("/repo/environment.yml", failed(), false),
            ("/tmp/cc4TkQ.o", failed(), false),
            ("", failed(), false),
        ] {
            let place = Place::File { path: path.to_owned(), opened: 1 };
            let mut unsearched = Unsearched::default();
            assert_eq!(unsearched.note(&place, &scan), taints, "{path} {scan:?}");
            assert_eq!(unsearched.any(), scan != ScanOutcome::Whole, "{path} {scan:?}");
        }
        let given = Place::Inherited { path: "/repo/.env".to_owned() };
        assert!(!Unsearched::default().note(&given, &failed()));
    }

    #[test]
    fn many_are_counted() {
        let mut unsearched = Unsearched::default();
        for n in 0..MAX_NAMED + 2 {
            let place = Place::File { path: format!("/{n}"), opened: 1 };
            unsearched.note(&place, &ScanOutcome::Failed { why: "gone".to_owned() });
        }
        let mut sentences = Vec::new();
        unsearched.not_seen(&mut sentences);
        assert_eq!(sentences[0], "/0 was read but not wholly searched for credentials: gone.");
        assert_eq!(sentences[MAX_NAMED..], ["2 more files were not wholly searched for credentials."]);
    }
}
