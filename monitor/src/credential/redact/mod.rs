//! Replaces secrets in text by their fingerprints, before the text becomes part of an event.
//!
//! Bias: when in doubt a value is replaced, except where it names what an action is about: a UUID argument
//! stays unless it is a known secret or stands under a secret's name, since "which volume" is what people
//! must be able to read.
//!
//! Two ways, both always taken: every word of the text is looked up among the secrets the session has met,
//! and whatever the search for credentials would find is replaced, met or not. A secret with blanks in it
//! that was met elsewhere is only recognised as a whole argument or field, or by its name.

mod argv;
mod path;
mod words;

use std::collections::HashSet;
use std::ops::Range;

use super::format::plain;
use super::judge::{VALUE_MAX, is_placeholder};
use super::kind::Kind;
use super::name::{self, Says};
use crate::event::Sighting;
use crate::secret::{Fingerprint, Fingerprinter};

/// Longer texts are cut: an event is a line people read, and Linux allows arguments of 128 KiB each.
pub(super) const TEXT_MAX: usize = 64 * 1024;
/// Shorter values are not replaced because of their name: `auth: yes`.
const NAMED_MIN: usize = 4;

/// Knows this host's fingerprints and the secrets one session has met.
#[derive(Clone, Debug)]
pub struct Redactor {
    fingerprinter: Fingerprinter,
    known: HashSet<Fingerprint>,
}

impl Redactor {
    /// Knows no secret yet.
    pub fn new(fingerprinter: Fingerprinter) -> Self {
        Self { fingerprinter, known: HashSet::new() }
    }

    /// Remembers a secret the session has met, so that it is recognised in any text from now on.
    pub fn learn(&mut self, fingerprint: Fingerprint) {
        self.known.insert(fingerprint);
    }

    /// Remembers what was found, unless its kind says that it names a thing (`volume_id`) or is plain text
    /// (`HOME`): these must stay readable.
    pub fn learn_sighting(&mut self, sighting: &Sighting) {
        if Kind::of_name(&sighting.kind).is_none_or(Kind::hides) {
            self.learn(sighting.fingerprint);
        }
    }

    /// Whether the session has met this secret.
    pub fn knows(&self, fingerprint: Fingerprint) -> bool {
        self.known.contains(&fingerprint)
    }

    /// The fingerprint of a value.
    pub fn fingerprint(&self, value: &[u8]) -> Fingerprint {
        self.fingerprinter.fingerprint(value)
    }

    /// `text` with every secret in it replaced by `‹fp:…›`; what is over 64 KiB becomes `‹n B›`.
    pub fn text(&self, text: &str) -> String {
        if !is_placeholder(text.as_bytes()) && self.is_known(text.as_bytes()) {
            return self.hidden(text.as_bytes());
        }
        let kept = &text[..cut(text)];
        let mut secrets: Vec<Range<usize>> = Vec::new();
        plain::hits(kept.as_bytes(), false, &mut |hit| {
            let replace = hit.kind.is_strong() && !in_mark(kept.as_bytes(), &hit.value);
            secrets.extend(replace.then_some(hit.value));
        });
        if !self.known.is_empty() {
            words::each(kept, &mut |word| {
                let known = self.is_known(&kept.as_bytes()[word.clone()]);
                secrets.extend(known.then_some(word));
                known
            });
        }
        let mut redacted = self.replace(kept, secrets);
        if kept.len() < text.len() {
            redacted.push_str(&format!("‹{} B›", text.len() - kept.len()));
        }
        redacted
    }

    /// The value of a field called `name`, or `‹fp:…›` when name or value say that it is a secret.
    pub fn field(&self, name: &str, value: &str) -> String {
        const WORDS: &[&str] = &["true", "false", "null", "none", "basic", "bearer"];
        let bytes = value.as_bytes();
        let named = name::judge(name.as_bytes()).0 == Says::Secret && value.len() >= NAMED_MIN;
        if !named || is_placeholder(bytes) || WORDS.iter().any(|word| value.eq_ignore_ascii_case(word)) {
            return self.text(value);
        }
        let scheme = super::collect::scheme_len(bytes);
        let Some((scheme, secret)) = value.split_at_checked(scheme) else { return self.hidden(bytes) };
        format!("{scheme}{}", self.hidden(secret.as_bytes()))
    }

    fn is_known(&self, value: &[u8]) -> bool {
        value.len() <= VALUE_MAX && self.knows(self.fingerprint(value))
    }

    fn hidden(&self, secret: &[u8]) -> String {
        format!("‹{}›", self.fingerprint(secret))
    }

    /// `text` with each range replaced; of ranges that overlap, all that they cover together goes as one.
    fn replace(&self, text: &str, mut secrets: Vec<Range<usize>>) -> String {
        secrets.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
        let mut redacted = String::with_capacity(text.len());
        let mut done = 0;
        let mut secrets = secrets.into_iter().peekable();
        while let Some(mut secret) = secrets.next() {
            while let Some(next) = secrets.next_if(|next| next.start < secret.end) {
                secret.end = secret.end.max(next.end);
            }
            // A range ends inside a character only where the search cut a value at its limit: the character
            // goes with it.
            let start = floor(text, secret.start);
            let end = (secret.end..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
            redacted.push_str(&text[done..start.max(done)]);
            redacted.push_str(&self.hidden(&text.as_bytes()[secret]));
            done = end;
        }
        redacted.push_str(&text[done..]);
        redacted
    }
}

/// Where a text is cut: at a blank if there is one within the length of a secret, so that no secret loses its
/// end, by which it would be recognised.
fn cut(text: &str) -> usize {
    if text.len() <= TEXT_MAX {
        return text.len();
    }
    let end = floor(text, TEXT_MAX);
    let tail = floor(text, end - VALUE_MAX);
    text[tail..end].rfind(char::is_whitespace).map_or(tail, |at| tail + at)
}

/// Whether a range lies inside a `‹fp:9c1e8a04›` of an earlier redaction.
fn in_mark(text: &[u8], range: &Range<usize>) -> bool {
    const LENGTH: usize = "‹fp:9c1e8a04›".len();
    let first = range.end.saturating_sub(LENGTH);
    (first..=range.start).any(|at| {
        let mark = text.get(at..at + LENGTH);
        let digits = mark.and_then(|mark| mark.strip_prefix("‹fp:".as_bytes())?.strip_suffix("›".as_bytes()));
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "3d2c1f9e-7a64-4d1e-9f25-0c6c1d2b7a55";

    fn redactor(known: &[&str]) -> Redactor {
        let mut redactor = Redactor::new(Fingerprinter::new(&[7; 32]));
        for secret in known {
            redactor.learn(redactor.fingerprint(secret.as_bytes()));
        }
        redactor
    }

    /// `expect` with `S` for the fingerprint of `secret`, which is not known beforehand.
    fn check(text: &str, secret: &str, expect: &str) {
        let redactor = redactor(&[]);
        assert_eq!(redactor.text(text), expect.replace('§', &redactor.hidden(secret.as_bytes())), "{text}");
    }

    #[test]
    fn secrets_are_replaced_and_nothing_else() {
        check(
            "curl -H 'Authorization: Bearer hunter2hunter2' x",
            "hunter2hunter2",
            "curl -H 'Authorization: Bearer §' x",
        );
        check("TOKEN=hunter2hunter2 make", "hunter2hunter2", "TOKEN=§ make");
        check("psql postgres://app:pw@db/app", "pw", "psql postgres://app:§@db/app");
        check("login --password hunter2hunter2 -v", "hunter2hunter2", "login --password § -v");
        check(
            "git clone https://ghp_16C7e42F292c6912E7710c838347Ae178B4a@github.com/a/b",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "git clone https://§@github.com/a/b",
        );
        check("curl -u alice:hunter2hunter2 x", "hunter2hunter2", "curl -u alice:§ x");
        check("{\"apiToken\":\"hunter2hunter2\"}", "hunter2hunter2", "{\"apiToken\":\"§\"}");
        check("sk-ant-api03-AbCdEf0123456789 é", "sk-ant-api03-AbCdEf0123456789", "§ é");
    }

    #[test]
    fn text_without_secrets_is_unchanged() {
        for text in [
            "",
            "ls -la /home/alice/.config/gh/hosts.yml",
            "git commit -m 'rotate the token'",
            "grep -rn RAILWAY_TOKEN .",
            "cargo test --workspace -- --nocapture auth::session",
            "export TOKEN=$RAILWAY_TOKEN",
            "echo $(cat token)",
            "volumeDelete(volumeId: \"3d2c1f9e-7a64-4d1e-9f25-0c6c1d2b7a55\")",
            "docker run -u 1000:1000 -p 8080:80 x",
            "curl -H 'Authorization: Bearer $TOKEN' https://backboard.railway.app/graphql/v2",
            "git checkout 9fceb02d0ae598e95dc970b74767f19372d61af8",
            "TOKEN=‹fp:9c1e8a04› run",
            "mutation { projectTokenDelete(id: \"3d2c1f9e-7a64-4d1e-9f25-0c6c1d2b7a55\") }",
        ] {
            assert_eq!(redactor(&["hunter2hunter2"]).text(text), text);
        }
    }

    #[test]
    fn a_shell_line_keeps_its_mutation_readable() {
        let line = format!(
            "curl -s https://backboard.railway.app/graphql/v2 -H 'Authorization: Bearer {UUID}' \
             -d '{{\"query\":\"mutation {{ volumeDelete(volumeId: \\\"4{}\\\") }}\"}}'",
            &UUID[1..]
        );
        insta::assert_snapshot!(redactor(&[]).text(&line), @r#"curl -s https://backboard.railway.app/graphql/v2 -H 'Authorization: Bearer ‹fp:916870dc›' -d '{"query":"mutation { volumeDelete(volumeId: \"4d2c1f9e-7a64-4d1e-9f25-0c6c1d2b7a55\") }"}'"#);
    }

    #[test]
    fn known_secrets_are_recognised_between_any_delimiters() {
        let redactor = redactor(&[UUID]);
        let hidden = redactor.hidden(UUID.as_bytes());
        for text in [
            "U",
            "x U y",
            "'U'",
            "(U)",
            "a=U&b",
            "u:U@h",
            "/v1/U/x",
            "[\"U\"]",
            "U.",
            "«U»",
            "x,U;",
            "{U}",
            "a|U",
            "\\\"U\\\"",
            "t:U\n",
            "é U",
            "#U",
        ] {
            let text = text.replace('U', UUID);
            assert_eq!(redactor.text(&text), text.replace(UUID, &hidden));
        }
        assert_eq!(redactor.text(&format!("{}f", UUID)), format!("{}f", UUID));
    }

    #[test]
    fn fields_are_judged_by_name_and_value() {
        let redactor = redactor(&[UUID]);
        let check = |name: &str, value: &str, secret: &str| {
            let expect = value.replace(secret, &redactor.hidden(secret.as_bytes()));
            assert_eq!(
                redactor.field(name, value),
                if secret.is_empty() { value.to_owned() } else { expect },
                "{name}"
            );
        };
        check("token", "abc1", "abc1");
        check("Authorization", "Bearer abcdefgh", "abcdefgh");
        check("id", UUID, UUID);
        check("id", "4d2c1f9e-7a64-4d1e-9f25-0c6c1d2b7a55", "");
        check("auth", "true", "");
        check("url", "https://u:pw1@h/", "pw1");
        check("volumeId", "vol_main", "");
    }

    #[test]
    fn long_texts_are_cut_before_the_secret_that_straddles_the_limit() {
        let text = format!("{} hunter2hunter2 {}", "a ".repeat(TEXT_MAX / 2 - 5), "b".repeat(100));
        let redacted = redactor(&["hunter2hunter2"]).text(&text);
        assert!(
            redacted.ends_with("a ‹116 B›") && !redacted.contains("hunter"),
            "{}",
            &redacted[redacted.len() - 40..]
        );
        assert!(redactor(&[]).text(&"é".repeat(TEXT_MAX)).len() < TEXT_MAX);
    }

    #[test]
    fn what_names_a_thing_is_not_learnt() {
        let mut redactor = redactor(&[]);
        for (kind, learnt) in [
            ("identifier", false),
            ("text", false),
            ("opaque", true),
            ("railway-token", true),
            ("new-kind", true),
        ] {
            let fingerprint = redactor.fingerprint(kind.as_bytes());
            redactor.learn_sighting(&Sighting { fingerprint, name: None, kind: kind.to_owned() });
            assert_eq!(redactor.knows(fingerprint), learnt, "{kind}");
        }
    }

    proptest! {
        #[test]
        fn no_known_secret_remains(
            secret in "[A-Za-z0-9_~+-]{8,60}[a-z0-9]",
            before in "([a-z0-9=:\"'{}\\\\ é@/?&-]{0,40}[ \"'=,:/@({])?",
            after in "([ \"',;&)}\\]@/][a-zA-Z0-9=:\"'{}\\\\ é@-]{0,40})?",
        ) {
            prop_assume!(!is_placeholder(secret.as_bytes()));
            let redacted = redactor(&[&secret]).text(&format!("{before}{secret}{after}"));
            prop_assert!(!redacted.contains(&secret), "{}", redacted);
        }

        #[test]
        fn no_named_secret_remains(secret in "[a-z][A-Za-z0-9_/+~-]{7,60}[0-9]", form in prop::sample::select(&[
            "TOKEN=§", "--password §", "Authorization: Bearer §", "{\"secret\": \"§\"}", "https://u:§@h/", "curl -u a:§ x", "{\\\"token\\\":\\\"§\\\"}",
        ][..])) {
            prop_assume!(!form.contains("u:§@h") || !secret.contains('/'));
            let redacted = redactor(&[]).text(&form.replace('§', &secret));
            prop_assert!(!redacted.contains(&secret), "{}", redacted);
            prop_assert_eq!(redactor(&[]).text(&redacted), redacted, "a second redaction changes nothing");
        }

        #[test]
        fn any_text_is_taken(text: String, marks in "(token|=| |\"|:|'|Bearer |aB3dE6gH9|‹|›|é|://|@|-u |\\\\){0,40}") {
            let redactor = redactor(&["hunter2hunter2"]);
            redactor.text(&text);
            redactor.text(&marks);
        }
    }
}
