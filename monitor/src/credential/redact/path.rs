//! Paths and host names, piece by piece, and the facts that carry them.
//!
//! A session opens thousands of files a second, so a path in which nothing is hidden costs no allocation. What a
//! session has met in a file counts as a secret, and it chooses what is in its files: mere words are therefore
//! always shown, or it could hide `/etc/passwd` by writing `TOKEN=passwd` somewhere.

use std::borrow::Cow;

use super::{Redactor, words};
use crate::credential::judge::OPAQUE_MIN;
use crate::event::{Fact, Place};

/// Longest word. A random token of letters alone that is shorter than this can hardly occur.
const MAX_WORD: usize = 32;

impl Redactor {
    /// A path with every secret in its segments replaced, as [`Redactor::text`] does.
    pub fn path<'a>(&self, path: &'a str) -> Cow<'a, str> {
        self.pieces(path, '/')
    }

    /// A host name with every label that is a secret replaced.
    pub fn host<'a>(&self, host: &'a str) -> Cow<'a, str> {
        self.pieces(host, '.')
    }

    /// Replaces secrets in the texts that come into a fact unseen: paths, server names, what people wrote. To be called
    /// once for each fact, before it is kept, and after whoever needs the real path has taken it.
    pub fn clean(&self, fact: &mut Fact) {
        match fact {
            Fact::FileOpened(opened) => replace(&mut opened.path, |path| self.path(path)),
            Fact::Executed(executed) => {
                replace(&mut executed.exe, |path| self.path(path));
                replace(&mut executed.cwd, |path| self.path(path));
            }
            Fact::CredentialsSeen(seen) => match &mut seen.place {
                Place::Inherited { path } | Place::File { path, .. } => replace(path, |path| self.path(path)),
                Place::Environment | Place::Arguments => {}
            },
            Fact::ServerNamed(named) => {
                named.name.iter_mut().for_each(|name| replace(name, |name| self.host(name)));
                named.alpn.iter_mut().for_each(|name| replace(name, |name| self.host(name)));
            }
            Fact::Decided(decided) => {
                decided.reason.iter_mut().for_each(|reason| replace(reason, |text| self.text(text).into()));
            }
            Fact::SessionStarted(started) => {
                replace(&mut started.name, |text| self.text(text).into());
                replace(&mut started.cwd, |path| self.path(path));
            }
            _ => {}
        }
    }

    fn pieces<'a>(&self, text: &'a str, separator: char) -> Cow<'a, str> {
        let first = text.split(separator).position(|piece| self.may_hide(piece));
        let Some(first) = first else { return Cow::Borrowed(text) };
        let mut shown = String::with_capacity(text.len());
        for (at, piece) in text.split(separator).enumerate() {
            if at > 0 {
                shown.push(separator);
            }
            if at >= first && self.may_hide(piece) {
                shown.push_str(&self.text(piece));
            } else {
                shown.push_str(piece);
            }
        }
        if shown == text { Cow::Borrowed(text) } else { Cow::Owned(shown) }
    }

    /// Whether [`Redactor::text`] may replace something in a piece. Yes is right or a loss of time.
    fn may_hide(&self, piece: &str) -> bool {
        if is_word(piece) {
            return false;
        }
        // What is not known is found by the form of a token, or by a name before it.
        if piece.len() >= OPAQUE_MIN || piece.contains([':', '=', '>', ' ', ',']) {
            return true;
        }
        let mut hides = false;
        if !self.known.is_empty() {
            hides = self.is_known(piece.as_bytes());
            words::each(piece, &mut |word| {
                hides |= self.is_known(&piece.as_bytes()[word]);
                hides
            });
        }
        hides
    }
}

/// Letters, and what joins them.
fn is_word(text: &str) -> bool {
    text.len() <= MAX_WORD && text.bytes().all(|byte| byte.is_ascii_alphabetic() || b"-_.".contains(&byte))
}

fn replace(text: &mut String, with: impl for<'a> FnOnce(&'a str) -> Cow<'a, str>) {
    if let Cow::Owned(shown) = with(text) {
        *text = shown;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Access, Decided, Decision, FileOpened, ServerNamed};
    use crate::secret::Fingerprinter;

    const TOKEN: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    const MET: &str = "hunter2hunter2";

    fn redactor() -> Redactor {
        let mut redactor = Redactor::new(Fingerprinter::new(&[7; 32]));
        for met in [MET, "passwd", "9c1e8a04"] {
            redactor.learn(redactor.fingerprint(met.as_bytes()));
        }
        redactor
    }

    #[test]
    fn secrets_in_paths_are_replaced() {
        let check = |path: &str, secret: &str| {
            let expect = path.replace(secret, &redactor().hidden(secret.as_bytes()));
            assert_eq!(redactor().path(path), expect);
        };
        check(&format!("/run/{MET}"), MET);
        check(&format!("/run/{MET}/a"), MET);
        check("/run/9c1e8a04/x", "9c1e8a04");
        check(&format!("/tmp/{TOKEN}/x"), TOKEN);
        check(&format!("/tmp/cache-{TOKEN}"), TOKEN);
        check("/tmp/token=aB3dE6gH9kL", "aB3dE6gH9kL");
    }

    #[test]
    fn nothing_else_is_changed_or_copied() {
        for path in [
            "",
            "/",
            "/etc/passwd",
            "/usr/lib/python3.11/site-packages/requests/__pycache__/api.cpython-311.pyc",
            "/home/a/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/insta-1.49.0/src/runtime.rs",
            "/repo/.git/objects/9f/ceb02d0ae598e95dc970b74767f19372d61af8",
            "/proc/4127/fd/3",
            "…/a/b",
        ] {
            assert!(matches!(redactor().path(path), Cow::Borrowed(same) if same == path), "{path}");
        }
    }

    #[test]
    fn facts_are_cleaned() {
        let redactor = redactor();
        let hidden = redactor.hidden(MET.as_bytes());
        let mut facts = [
            Fact::FileOpened(FileOpened {
                path: format!("/x/{MET}"),
                dev: 1,
                ino: 1,
                access: Access::Read,
                truncates: false,
            }),
            Fact::CredentialsSeen(crate::event::CredentialsSeen {
                place: Place::File { path: format!("/x/{MET}"), opened: 1 },
                sightings: Vec::new(),
                scan: crate::event::ScanOutcome::Whole,
            }),
            Fact::ServerNamed(ServerNamed {
                socket: 1,
                name: Some(format!("{MET}.example.com")),
                alpn: Vec::new(),
            }),
            Fact::Decided(Decided {
                hold: "H-1".to_owned(),
                decision: Decision::Denied,
                by: "dev".to_owned(),
                uid: None,
                reason: Some(format!("it is {MET}, ours")),
            }),
        ];
        for fact in &mut facts {
            redactor.clean(fact);
            let text = serde_json::to_string(fact).unwrap();
            assert!(text.contains(&hidden) && !text.contains(MET), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_fast_way_misses_nothing(path in "(/|[a-z.]{0,9}|hunter2hunter2|9c1e8a04|[=: _-]|token|ghp_16C7e42F292c6912E7710c838347Ae178B4a|\\PC){0,12}") {
            let redactor = redactor();
            let slow: Vec<String> = path
                .split('/')
                .map(|piece| if is_word(piece) { piece.to_owned() } else { redactor.text(piece) })
                .collect();
            prop_assert_eq!(redactor.path(&path), slow.join("/"));
        }
    }
}
