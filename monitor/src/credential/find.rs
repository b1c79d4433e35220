//! Finds the values in a file that may be used as credentials.
//!
//! Bias: when in doubt a value is found. Files of a known format are read as such, for values only a parser
//! sees (escapes, block scalars, several lines) and for the better names; then every text is searched line by
//! line in any case, so that a file that is broken, cut, misnamed or commented out gives its values just the
//! same.

use std::ops::Deref;

use zeroize::Zeroizing;

use super::collect::Collector;
use super::format::{self, Format};
use super::kind::Kind;
use crate::secret::Secret;

/// Bounds of one search.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes searched; the rest is reported as overflow.
    pub bytes: usize,
    /// Values kept, the surest first.
    pub values: usize,
}

impl Default for Limits {
    /// 4 MiB: credential files have kilobytes, and at 200 MB/s this takes 20 ms, what a verdict may wait for
    /// it. 4096 values: the largest secret store met in one file had hundreds; more are generated data.
    fn default() -> Self {
        Self { bytes: 4 << 20, values: 4096 }
    }
}

/// One value that may be used as a credential.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it stood under: `RAILWAY_TOKEN`, `user.token`.
    pub name: Option<String>,
    /// The value.
    pub value: Secret,
    /// What it looks like.
    pub kind: Kind,
}

/// What a search found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Each value once, the surest first.
    pub found: Vec<Found>,
    /// There was more: content beyond the limit, or values beyond it.
    pub overflow: bool,
}

/// Searches `content`. `path_hint` is the path of the file, as far as known; it decides about the format.
pub fn find(path_hint: Option<&str>, content: &[u8], limits: Limits) -> Findings {
    let cut = content.len() > limits.bytes;
    let content = text(&content[..content.len().min(limits.bytes)]);
    let mut collector = Collector::new(limits.values);
    let format = Format::of(path_hint, &content);
    format::search(format, path_hint, &content, &mut collector);
    collector.finish(cut)
}

/// The content as UTF-8 without its byte-order mark. PowerShell writes UTF-16, in which nothing would be
/// found.
fn text(content: &[u8]) -> Text<'_> {
    let wide = |of: fn([u8; 2]) -> u16| {
        let units = content[2..].chunks_exact(2).map(|pair| of([pair[0], pair[1]]));
        let text: String =
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        Text::Decoded(Zeroizing::new(text.into_bytes()))
    };
    match content {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => Text::AsRead(rest),
        _ => Text::AsRead(content),
    }
}

/// Content to search; a decoded copy is wiped like the buffer it comes from.
enum Text<'a> {
    AsRead(&'a [u8]),
    Decoded(Zeroizing<Vec<u8>>),
}

impl Deref for Text<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::AsRead(bytes) => bytes,
            Self::Decoded(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "3d2c1f9e-7a64-4d1e-9f25-0c6c1d2b7a55";

    fn found(path: &str, content: &str) -> Vec<String> {
        let path = (!path.is_empty()).then_some(path);
        let show = |found: &Found| {
            let name = found.name.as_deref().unwrap_or("-");
            format!("{name} {} {}", String::from_utf8_lossy(found.value.expose()), found.kind)
        };
        find(path, content.as_bytes(), Limits::default()).found.iter().map(show).collect()
    }

    /// `expect`: `name value kind`, all of them and nothing else.
    fn check(path: &str, content: &str, expect: &[&str]) {
        let mut found = found(path, content);
        found.sort();
        let mut expect = expect.to_vec();
        expect.sort_unstable();
        assert_eq!(found, expect, "{path}: {content}");
    }

    #[test]
    fn settings_of_the_system_are_no_secrets() {
        // As openssl.cnf and nsswitch.conf have them: every session reads these.
        let openssl = "[insta] # CMP using Insta Demo CA\nsecret = pass:insta # can be used for both sides\n\
            [pbm] # Password-based protection\nsecret = $insta::secret # pass:insta\nsecret = # disable PBM\n\
            private_key = $dir/private/cakey.pem # The private key\n";
        check("/etc/ssl/openssl.cnf", openssl, &["insta.secret pass:insta named-words"]);
        check("/etc/nsswitch.conf", "passwd:         files systemd\n", &["passwd files systemd named-words"]);
    }

    #[test]
    fn every_way_to_write_an_assignment() {
        let token = format!("RAILWAY_TOKEN {UUID} railway-token");
        for line in [
            "RAILWAY_TOKEN=U",
            "export RAILWAY_TOKEN=\"U\"",
            "export RAILWAY_TOKEN='U' # prod",
            "RAILWAY_TOKEN: U",
            "\"RAILWAY_TOKEN\": \"U\",",
            "'RAILWAY_TOKEN' => 'U',",
            "RAILWAY_TOKEN := U",
            "set RAILWAY_TOKEN U",
            "set -gx RAILWAY_TOKEN U",
            "setx RAILWAY_TOKEN \"U\"",
            "--RAILWAY_TOKEN U",
            "--RAILWAY_TOKEN=U",
            "$env:RAILWAY_TOKEN = \"U\"",
            "const RAILWAY_TOKEN: &str = \"U\";",
            "RAILWAY_TOKEN: str = 'U'",
            "os.environ[\"RAILWAY_TOKEN\"] = \"U\"",
            "setenv(\"RAILWAY_TOKEN\", \"U\", 1)",
            "# RAILWAY_TOKEN=U",
            "<RAILWAY_TOKEN>U</RAILWAY_TOKEN>",
            "ENV RAILWAY_TOKEN U",
            "RAILWAY_TOKEN=\\\n  U",
            "RAILWAY_TOKEN=U railway up",
            "if RAILWAY_TOKEN == \"U\" {",
            "{\\\"RAILWAY_TOKEN\\\": \\\"U\\\"}",
            "https://h/p?RAILWAY_TOKEN=U&x=1",
            "`RAILWAY_TOKEN=U`",
            "* RAILWAY_TOKEN = U",
            "\u{feff}RAILWAY_TOKEN=U",
        ] {
            for (path, ending) in
                [("", ""), ("deploy.sh", "\n"), ("notes.md", "\r\nmore\r\n"), ("main.rs", "\n")]
            {
                check(path, &format!("{}{ending}", line.replace('U', UUID)), &[&token]);
            }
        }
    }

    #[test]
    fn credentials_in_commands_and_urls() {
        check(
            "a.sh",
            &format!("curl -H \"Authorization: Bearer {UUID}\" https://api"),
            &[&format!("Authorization {UUID} named-secret")],
        );
        check(
            "a.md",
            "Authorization: Basic YWxpY2U6aHVudGVyMmh1bnRlcjI=",
            &[
                "Authorization YWxpY2U6aHVudGVyMmh1bnRlcjI= named-secret",
                "Authorization alice:hunter2hunter2 named-secret",
                "Authorization hunter2hunter2 basic-auth",
            ],
        );
        check("", "postgres://app:s3cretpass@db.internal:5432/app", &["- s3cretpass url-password"]);
        check(
            "",
            "DATABASE_URL=postgres://app:s3cret%2Fpass@db/app",
            &["- s3cret%2Fpass url-password", "- s3cret/pass url-password"],
        );
        check(
            "",
            "https://ghp_16C7e42F292c6912E7710c838347Ae178B4a@github.com/o/r",
            &["- ghp_16C7e42F292c6912E7710c838347Ae178B4a github-token"],
        );
        check("", "curl -u alice:hunter2hunter2 https://h", &["- hunter2hunter2 named-secret"]);
        check("", "docker run -u 10000000:10000000 x", &[]);
        check("", "mysql --password=hunter2hunter2 db", &["password hunter2hunter2 named-secret"]);
        check(
            "x.sql",
            "CREATE USER a WITH PASSWORD 'hunter2hunter2';",
            &["PASSWORD hunter2hunter2 named-secret"],
        );
        check(
            "",
            "fly deploy -t 'FlyV1 fm2_lJPECAAAAAAAAABcxBDx1234,fm2_lJPETAAAAAAAAABcxBDx5678'",
            &["- fm2_lJPECAAAAAAAAABcxBDx1234 fly-token", "- fm2_lJPETAAAAAAAAABcxBDx5678 fly-token"],
        );
    }

    #[test]
    fn each_format_gives_its_values() {
        check(
            "p/.env",
            "A=1\nDB_PASS=ab&c;d(e)f\nGREETING=hello\nX=${T:-1}\n",
            &["DB_PASS ab&c;d(e)f named-secret"],
        );
        check(
            "p/.env",
            "PW_TOKEN=\"first line\nsecond line\"\n",
            &["PW_TOKEN first line\nsecond line named-secret"],
        );
        check(
            "/home/a/.aws/credentials",
            "[default]\naws_access_key_id = AKIAIOSFODNN7ABCDEFG\naws_secret_access_key = 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\n",
            &[
                "default.aws_access_key_id AKIAIOSFODNN7ABCDEFG aws-access-key-id",
                "default.aws_secret_access_key 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 aws-secret-key",
            ],
        );
        check(
            "~/.npmrc",
            "//registry.npmjs.org/:_authToken=npm_abcdefghijklmnopqrstuvwxyz0123456789\n",
            &["_authToken npm_abcdefghijklmnopqrstuvwxyz0123456789 npm-token"],
        );
        check(
            "~/.railway/config.json",
            &format!("{{\"user\":{{\"token\":\"{UUID}\"}}}}"),
            &[&format!("user.token {UUID} named-secret")],
        );
        check(
            "d.json",
            &format!("{{\"railway\":{{\"token\":\"{UUID}\"}},\"volumeId\":\"4{}\"}}", &UUID[1..]),
            &[
                &format!("railway.token {UUID} railway-token"),
                &format!("volumeId 4{} identifier", &UUID[1..]),
            ],
        );
        check(
            "pod.yaml",
            "env:\n- name: API_TOKEN\n  value: hunter2hunter2\n---\npassword: >-\n  correct horse\n  battery\n",
            &["env.0.API_TOKEN hunter2hunter2 named-secret", "password correct horse battery named-words"],
        );
        check(
            "c.toml",
            "[api]\nkey = 'x'\ntoken = '''hunter2hunter2'''\n",
            &["api.token hunter2hunter2 named-secret"],
        );
        check(
            ".netrc",
            "machine api.heroku.com login a@b.c\n password hunter2hunter2\n",
            &["api.heroku.com.password hunter2hunter2 heroku-key"],
        );
        check(
            "v.tfvars",
            &format!("railway_token = \"{UUID}\"\n"),
            &[&format!("railway_token {UUID} railway-token")],
        );
        check("/run/secrets/db", "hunter2hunter2\n", &["db hunter2hunter2 named-secret"]);
        check("/home/a/.vault-token", "hunter2hunter2", &[".vault-token hunter2hunter2 vault-token"]);
        check("token.txt", UUID, &[&format!("token.txt {UUID} named-secret")]);
        check("plain.txt", UUID, &[&format!("- {UUID} opaque")]);
    }

    #[test]
    fn a_broken_or_cut_file_still_gives_its_values() {
        let whole = format!("{{\"a\": 1, \"RAILWAY_TOKEN\": \"{UUID}\", \"rest\": [1, 2");
        let expect = format!("RAILWAY_TOKEN {UUID} railway-token");
        check("a.json", &whole, &[&expect]);
        check("a.json", &whole[5..], &[&expect]);
        check("a.yaml", &format!("a: [1\nRAILWAY_TOKEN: {UUID}\n b: }}"), &[&expect]);
        check("a.toml", &format!("a = \nRAILWAY_TOKEN = \"{UUID}\"\n"), &[&expect]);
        let utf16: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain(format!("RAILWAY_TOKEN={UUID}\r\n").encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        assert_eq!(find(None, &utf16, Limits::default()).found.len(), 1);
    }

    #[test]
    fn what_is_no_credential_is_not_found() {
        for (path, content) in [
            (
                ".env",
                "API_TOKEN=<your-token>\nB_SECRET=changeme\nC_TOKEN=${OTHER}\nD_PASSWORD=********\nE_TOKEN=$(cat x)\n",
            ),
            (
                "a.rs",
                "let token = next_token(input);\nlet password = config.password;\ntoken: CancellationToken,\nif token == other_token {",
            ),
            (
                "a.ts",
                "const secret = process.env.SECRET_VALUE;\nfunction auth(token: string, session: SessionContext) {}",
            ),
            ("a.py", "self.token = tokenizer_output\npassword=getpass.getpass()\n"),
            (
                "a.md",
                "A token identifies you. Set the token in the settings: see the password reset page. Bearer authentication is used.",
            ),
            ("Cargo.lock", "checksum = \"5c6cb57a04249c6480766f7f7cef5467412af1490f8d1e243141daddada3264f\""),
            (
                "package-lock.json",
                "{\"integrity\": \"sha512-tw5BrPdKLPHr9ZUdJd0MYcnnnnFuMbi7XKKKqs2tOTFG+Zz1==\"}",
            ),
            (
                "cert.pem",
                "-----BEGIN CERTIFICATE-----\nMIIBk9Zq1Lw8Vb3Xn5Ty7Rm2MIIBk9Zq1Lw8Vb3Xn5Ty7Rm2\n-----END CERTIFICATE-----\n",
            ),
            ("x.txt", "https://example.com/a/b@c http://localhost:8080/ ssh://git@github.com/o/r"),
        ] {
            check(path, content, &[]);
        }
    }

    #[test]
    fn json_lines_give_the_values_of_every_line() {
        let lines =
            "{\"a_token\": \"hunter\\u0032hunter2\"}\nbroken {\n{\"b_token\": \"hunter\\u0033hunter3\"}\n";
        let found = found("a.jsonl", lines);
        for expect in ["a_token hunter2hunter2 named-secret", "b_token hunter3hunter3 named-secret"] {
            assert!(found.iter().any(|found| found == expect), "{found:?}");
        }
    }

    #[test]
    fn sentences_about_headers_are_no_headers() {
        check("a.md", "authorization: request parameters. Cookie: can be set, given the session.", &[]);
        check("a.rs", "pub fn f(cookie: crate::lgrp_cookie_t) -> u64;", &[]);
        check(
            "a.http",
            "Cookie: sid=hunter2hunter2; theme=dark\n",
            &["Cookie sid=hunter2hunter2; theme=dark named-secret"],
        );
    }

    #[test]
    fn a_private_key_is_one_value() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIIEvk9Zq1Lw8Vb3Xn5Ty7Rm2MIIBk9Zq1Lw8Vb3Xn5Ty7Rm2\n-----END PRIVATE KEY-----";
        check("id_ed25519", &format!("{key}\n"), &[&format!("- {key} private-key")]);
        let json = format!("{{\"private_key\": {}}}", serde_json::to_string(key).unwrap());
        assert!(found("sa.json", &json).contains(&format!("private_key {key} private-key")));
    }

    #[test]
    fn values_over_the_limit_are_counted_the_sure_ones_kept() {
        let random = |n: u32| format!("X{n}=\"3d2c1f9e-7a64-4d1e-9f25-{n:012x}\"\n");
        let mut content: String = (0..200).map(random).collect();
        content.push_str("API_TOKEN=hunter2hunter2\n");
        let findings = find(None, content.as_bytes(), Limits { bytes: 1 << 20, values: 100 });
        assert!(findings.overflow && findings.found.len() == 100);
        assert_eq!(findings.found[0].name.as_deref(), Some("API_TOKEN"));
        assert!(find(None, content.as_bytes(), Limits { bytes: 64, values: 100 }).overflow);
    }

    /// A secret as programs make them: 12 to 60 letters and digits, at least one of each.
    fn secret() -> impl Strategy<Value = String> {
        "[a-z][A-Za-z0-9]{10,57}[0-9]"
    }

    const PATHS: &[&str] = &[
        "",
        ".env",
        "x.env",
        ".npmrc",
        "a.ini",
        "credentials",
        "config",
        "a.json",
        "a.yml",
        "a.toml",
        ".netrc",
        "a.tfvars",
        "a.rs",
        "/run/secrets/x",
    ];

    proptest! {
        #[test]
        fn never_panics(content: Vec<u8>, path in prop::sample::select(PATHS)) {
            find(Some(path), &content, Limits::default());
        }

        #[test]
        fn never_panics_on_text_made_of_its_marks(
            parts in prop::collection::vec(prop::sample::select(&[
                "token", "=", ":", "\"", "\\", "'", " ", "\n", "-----BEGIN ", "-----END ", "PRIVATE KEY", "://", "@", "$", "{", "}",
                "[", "]", "Bearer ", "-u ", "aA1", "sk-ant-", "ghp_", "<", ">", "é", "\0", "%", "`", "- ", "&a", "*a", ",", ";",
            ][..]), 0..60),
            path in prop::sample::select(PATHS),
        ) {
            find(Some(path), parts.concat().as_bytes(), Limits::default());
        }

        #[test]
        fn a_planted_secret_is_found_in_every_format(value in secret(), before in "[a-z \n]{0,80}") {
            for (path, content) in [
                (".env", format!("{before}\nAPI_TOKEN={value}\n")),
                ("a.ini", format!("[x]\napi_token = {value}\n")),
                ("a.json", format!("{{\"x\": {{\"apiToken\": \"{value}\"}}}}")),
                ("a.yaml", format!("x:\n  api_token: {value}\n")),
                ("a.toml", format!("[x]\napi_token = \"{value}\"\n")),
                (".netrc", format!("machine h login u password {value}")),
                ("a.tfvars", format!("api_token = \"{value}\"")),
                ("a.sh", format!("{before}\nexport API_TOKEN='{value}'")),
                ("a.md", format!("{before} `--token {value}` {before}")),
                ("a.py", format!("{before}\nAPI_TOKEN = \"{value}\"")),
                ("", format!("{before} Authorization: Bearer {value}")),
                ("", format!("{before} redis://u:{value}@h:1/0")),
            ] {
                let findings = find(Some(path), content.as_bytes(), Limits::default());
                prop_assert!(findings.found.iter().any(|f| f.value.expose() == value.as_bytes() && f.kind.is_strong()), "{path}: {content}");
            }
        }
    }
}
