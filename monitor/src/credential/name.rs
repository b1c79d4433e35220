//! What the name of a value says about it.
//!
//! Bias: when in doubt a name says nothing, and the value has to speak for itself. Only names that are certain to mean
//! something else (`checksum`, `max_tokens`) take a value out.

use super::kind::Kind;

/// What a name says about the value under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// It is a secret.
    Secret,
    /// It is some key: a secret if it looks random.
    Key,
    /// It names something: `volume_id`.
    Identifier,
    /// It is a digest, a version, a setting: no credential whatever it looks like.
    Harmless,
    Nothing,
}

/// Names longer than this are not read to their end: no program's variables are, and a hostile file's may be.
pub(super) const NAME_MAX: usize = 128;

/// The words of a name, lower case: `myAPIToken`, `MY_API_TOKEN` and `my-api-token` all give `my api token`.
struct Words(Vec<String>);

impl Words {
    fn of(name: &[u8]) -> Self {
        let mut words: Vec<String> = Vec::new();
        let mut word = String::new();
        let mut previous = 0u8;
        let name = &name[..name.len().min(NAME_MAX)];
        for (at, &byte) in name.iter().enumerate() {
            let hump = byte.is_ascii_uppercase()
                && (previous.is_ascii_lowercase()
                    || (previous.is_ascii_uppercase()
                        && name.get(at + 1).is_some_and(u8::is_ascii_lowercase)));
            if !byte.is_ascii_alphanumeric() || hump {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            }
            if byte.is_ascii_alphanumeric() {
                word.push(char::from(byte.to_ascii_lowercase()));
            }
            previous = byte;
        }
        words.extend((!word.is_empty()).then_some(word));
        Self(words)
    }

    fn any(&self, list: &[&str]) -> bool {
        self.0.iter().any(|word| list.contains(&word.as_str()))
    }

    fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    fn pair(&self, first: &[&str], second: &str) -> bool {
        self.0.windows(2).any(|pair| first.contains(&pair[0].as_str()) && pair[1].starts_with(second))
    }
}

/// Say "secret" as part of a word too: `PGPASSWORD`, `authtoken`.
const PARTS: &[&str] =
    &["token", "secret", "password", "passwd", "passphrase", "credential", "apikey", "privatekey"];
/// Say "secret" as a word of their own.
const WORDS: &[&str] = &[
    "pass",
    "pwd",
    "pw",
    "auth",
    "authorization",
    "authentication",
    "pat",
    "dsn",
    "webhook",
    "session",
    "cookie",
    "bearer",
    "jwt",
    "creds",
    "cred",
    "accesskey",
    "secretkey",
    "authkey",
    "signature",
    "sig",
    "connectionstring",
    "extraheader",
    "macaroon",
    "otp",
    "dbpass",
];
/// Say "secret" before the word `key`.
const KEYS: &[&str] = &[
    "api",
    "access",
    "private",
    "secret",
    "signing",
    "encryption",
    "master",
    "account",
    "shared",
    "service",
    "role",
    "license",
    "deploy",
    "anon",
    "auth",
    "app",
    "application",
    "admin",
];
/// `…_key` that is no secret.
const OPEN_KEYS: &[&str] = &[
    "public",
    "primary",
    "foreign",
    "cache",
    "sort",
    "partition",
    "object",
    "idempotency",
    "hash",
    "map",
    "row",
    "storage",
    "query",
    "lookup",
    "i18n",
    "translation",
    "group",
];
/// As the last word, say that the value is about a secret and not the secret.
const ABOUT: &[&str] = &[
    "type",
    "url",
    "uri",
    "endpoint",
    "file",
    "filename",
    "path",
    "dir",
    "name",
    "names",
    "expiry",
    "expires",
    "expiration",
    "expire",
    "at",
    "ttl",
    "timeout",
    "length",
    "len",
    "count",
    "size",
    "limit",
    "tokenizer",
    "ref",
    "arn",
    "field",
    "header",
    "prefix",
    "suffix",
    "policy",
    "provider",
    "method",
    "mode",
    "scheme",
    "enabled",
    "required",
    "age",
    "format",
    "version",
    "algorithm",
    "alg",
    "class",
    "label",
    "hint",
    "placeholder",
    "description",
    "host",
    "port",
    "domain",
    "scope",
    "scopes",
    "style",
    "strategy",
    "command",
    "helper",
    "env",
    "regex",
    "pattern",
    "stdin",
];
/// Digests, versions and the like.
const HARMLESS: &[&str] = &[
    "integrity",
    "sha1",
    "sha256",
    "sha384",
    "sha512",
    "sha",
    "md5",
    "blake3",
    "checksum",
    "checksums",
    "hash",
    "hashes",
    "digest",
    "commit",
    "rev",
    "revision",
    "etag",
    "nonce",
    "version",
    "h1",
    "resolved",
    "fingerprint",
    "narhash",
    "buildid",
    "oid",
    "tree",
    "parent",
    "crc32",
    "ref",
    "x5t",
    "kid",
    "thumbprint",
    "shasum",
    "color",
    "font",
];
/// Name a thing.
const IDENTIFIERS: &[&str] = &["id", "ids", "uuid", "guid", "urn", "arn"];

/// What `name` says about its value, and the issuer its words point to.
pub(super) fn judge(name: &[u8]) -> (Says, Option<Kind>) {
    let words = Words::of(name);
    let issuer = Kind::of_words(words.0.iter().map(String::as_str));
    (says(&words), issuer)
}

fn says(words: &Words) -> Says {
    let last = words.last();
    // AppRole's secret_id, a session id and an access-key id are what is sent: they are credentials.
    if IDENTIFIERS.contains(&last) {
        let sent = words.any(&["session", "secret", "sid"]) || words.pair(&["access"], "key");
        return if sent { Says::Secret } else { Says::Identifier };
    }
    let webhook = words.any(&["webhook"]) && matches!(last, "url" | "uri");
    if ABOUT.contains(&last) && !webhook {
        return if HARMLESS.contains(&last) { Says::Harmless } else { Says::Nothing };
    }
    let tokens_counted = last == "tokens" && words.0.len() > 1;
    let secret = words.any(WORDS)
        || words.pair(KEYS, "key")
        || words.pair(&["connection"], "string")
        || words.0.iter().any(|word| PARTS.iter().any(|part| word.contains(part)));
    if secret && !tokens_counted && !words.any(&["public"]) {
        return Says::Secret;
    }
    if words.any(HARMLESS) {
        return Says::Harmless;
    }
    if last.ends_with("key") && !words.any(OPEN_KEYS) {
        return Says::Key;
    }
    Says::Nothing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_word_by_word() {
        let check = |name: &str, expect: Says| assert_eq!(judge(name.as_bytes()).0, expect, "{name}");
        for name in [
            "RAILWAY_TOKEN",
            "railwayToken",
            "api-key",
            "apiKey",
            "APIKey",
            "x-api-key",
            "PGPASSWORD",
            "MYSQL_PWD",
            "_authToken",
            "client_secret",
            "clientSecret",
            "private_key",
            "AWS_ACCESS_KEY_ID",
            "aws_secret_access_key",
            "SecretAccessKey",
            "GH_PAT",
            "SENTRY_DSN",
            "SLACK_WEBHOOK_URL",
            "session_id",
            "Cookie",
            "Authorization",
            "user.token",
            "_auth",
            "ConnectionString",
            "connection_string",
            "REDISCLI_AUTH",
            "SUPABASE_SERVICE_ROLE_KEY",
            "secret_id",
            "db.pass",
            "BW_SESSION",
            "client-key-password",
            "http.extraheader",
            "token",
        ] {
            check(name, Says::Secret);
        }
        for name in [
            "author",
            "path",
            "pattern",
            "keyboard",
            "token_type",
            "max_tokens",
            "authority",
            "auth_uri",
            "password_file",
            "secretName",
            "passenger",
            "patch",
            "tokenExpiresAt",
            "public_token_key",
            "total_tokens",
            "session_timeout",
            "",
        ] {
            check(name, Says::Nothing);
        }
        for name in ["volume_id", "volumeId", "RAILWAY_PROJECT_ID", "uuid", "token_id"] {
            check(name, Says::Identifier);
        }
        for name in
            ["integrity", "sha256", "checksum", "commit", "etag", "version", "content-hash", "gitHead.sha"]
        {
            check(name, Says::Harmless);
        }
        for name in ["OPENAI_KEY", "client-key", "key", "TunnelKey"] {
            check(name, Says::Key);
        }
    }

    #[test]
    fn a_name_points_to_its_issuer() {
        assert_eq!(judge(b"MY_RAILWAY_TOKEN").1, Some(Kind::RailwayToken));
        assert_eq!(judge(b"flyApiToken").1, Some(Kind::FlyToken));
        assert_eq!(judge(b"butterfly").1, None);
    }
}
