//! Names that say a value is a credential.
//!
//! The bias: a name that may mean a credential does. Only names that are known to mean something else (page tokens,
//! idempotency keys) are let off; their values still count when they are known from elsewhere.

/// Words that say it alone.
const SECRET: &[&str] = &[
    "apikey",
    "apitoken",
    "auth",
    "authentication",
    "authorization",
    "authtoken",
    "accesskey",
    "accesstoken",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "pat",
    "privatekey",
    "pwd",
    "secret",
    "secretkey",
    "session",
    "sessionid",
    "sig",
    "signature",
    "token",
];
/// Words that make a following `key` one.
const KEY_OF: &[&str] = &[
    "access",
    "account",
    "api",
    "auth",
    "master",
    "private",
    "secret",
    "service",
    "shared",
    "signing",
    "subscription",
];
/// Words that make a following `token` something else, and a header with a `key` too.
const HARMLESS: &[&str] = &[
    "cancellation",
    "client",
    "continuation",
    "csrf",
    "idempotency",
    "next",
    "page",
    "pagination",
    "request",
    "routing",
    "start",
    "starting",
    "surrogate",
    "sync",
    "websocket",
    "xsrf",
];
/// Words after one of the above that make it a description of a credential.
const ABOUT: &[&str] = &[
    "algorithm",
    "count",
    "expiry",
    "kind",
    "name",
    "limit",
    "method",
    "mode",
    "scope",
    "status",
    "type",
    "version",
];

/// Whether a field, parameter or header of this name holds a credential.
pub(in crate::protocol) fn credential(name: &str) -> bool {
    let words = words(name);
    let harmless = |at: usize| at > 0 && words[at] == "token" && HARMLESS.contains(&words[at - 1].as_str());
    words.iter().enumerate().any(|(at, word)| {
        let alone = SECRET.contains(&word.as_str());
        let key = word == "key" && at > 0 && KEY_OF.contains(&words[at - 1].as_str());
        let about = words.get(at + 1).is_some_and(|next| ABOUT.contains(&next.as_str()));
        (alone || key) && !harmless(at) && !about
    })
}

/// Whether a URL parameter does. There `key` alone is an API key.
pub(in crate::protocol) fn credential_parameter(name: &str) -> bool {
    name.eq_ignore_ascii_case("key") || credential(name)
}

/// Whether a header does. There every key, token and secret is one, whatever stands around the word.
pub(in crate::protocol) fn credential_header(name: &str) -> bool {
    let words = words(name);
    let telling = |word: &String| ["key", "token", "secret"].iter().any(|ending| word.ends_with(ending));
    let harmless = words.iter().any(|word| HARMLESS.contains(&word.as_str()));
    credential(name) || words.iter().any(telling) && !harmless
}

/// `clientSecret`, `client_secret` and `Client-Secret` as `client`, `secret`. At most 16 words.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for char in name.chars().take(128) {
        if !char.is_ascii_alphanumeric() || char.is_ascii_uppercase() && lower_before {
            words.push(String::new());
        }
        lower_before = char.is_ascii_lowercase();
        if let Some(last) = words.last_mut().filter(|_| char.is_ascii_alphanumeric()) {
            last.push(char.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words.truncate(16);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in [
            "password",
            "token",
            "apiKey",
            "api_key",
            "API-KEY",
            "clientSecret",
            "access_token",
            "X-Amz-Signature",
            "railwayToken",
            "private_key",
            "authToken",
            "personalAccessToken",
            "session_id",
            "sig",
        ] {
            assert!(credential(name), "{name}");
        }
        for name in [
            "key",
            "nextToken",
            "max_tokens",
            "idempotencyKey",
            "token_type",
            "author",
            "volumeId",
            "clientRequestToken",
            "keyName",
            "page-token",
            "",
        ] {
            assert!(!credential(name), "{name}");
        }
        for name in [
            "x-api-key",
            "dd-api-key",
            "fastly-key",
            "private-token",
            "xi-api-key",
            "x-vault-token",
            "x-auth-email",
        ] {
            assert!(credential_header(name), "{name}");
        }
        for name in
            ["idempotency-key", "sec-websocket-key", "surrogate-key", "x-github-api-version", "content-type"]
        {
            assert!(!credential_header(name), "{name}");
        }
        assert!(credential_parameter("key") && !credential_parameter("monkey"));
    }
}
