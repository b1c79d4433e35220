//! Whether a value under a name may be a credential.
//!
//! Bias: when in doubt it may. A value too many costs a fingerprint that nothing ever matches; a value too
//! few is a credential whose use cannot be recognised. Only what cannot be a credential is left out:
//! references, placeholders, digests.

use super::kind::Kind;
use super::name::{self, Says};

/// Shorter values are taken for words and numbers; no API issues tokens this short.
pub(super) const VALUE_MIN: usize = 8;
/// Longer values are documents. Servers refuse header lines from 8 to 16 KiB on, so nothing longer is ever
/// sent as one.
pub(super) const VALUE_MAX: usize = 16 * 1024;
/// Random values below this length are too like identifiers to be taken without a name.
pub(super) const OPAQUE_MIN: usize = 20;
/// Values with spaces are passphrases up to this length, and sentences above it.
const PHRASE_MAX: usize = 200;

/// What `value` is, standing under `name`. None: no credential.
pub(super) fn judge(name: Option<&[u8]>, value: &[u8]) -> Option<Kind> {
    if !(VALUE_MIN..=VALUE_MAX).contains(&value.len()) || is_placeholder(value) {
        return None;
    }
    if let Some(kind) = Kind::of_value(value) {
        return Some(kind);
    }
    let (says, issuer) = name.map_or((Says::Nothing, None), name::judge);
    let opaque = || is_opaque(value);
    match says {
        Says::Secret => {
            let phrase = value.iter().any(u8::is_ascii_whitespace);
            if (phrase && value.len() > PHRASE_MAX) || (is_path(value) && !is_opaque(value)) {
                return None;
            }
            // Letters and what joins words: a passphrase, or a setting. Digits and other signs are what passwords are
            // made to contain.
            let words = value.iter().all(|b| b.is_ascii_alphabetic() || b" -_.,:'".contains(b));
            Some(if words { Kind::NamedWords } else { issuer.unwrap_or(Kind::NamedSecret) })
        }
        Says::Key if opaque() => Some(issuer.unwrap_or(Kind::NamedSecret)),
        Says::Nothing if opaque() => Some(issuer.filter(|_| is_uuid(value)).unwrap_or(Kind::Opaque)),
        Says::Identifier if opaque() => Some(Kind::Identifier),
        _ => None,
    }
}

/// Whether a value stands for another one, or for none: `${TOKEN}`, `<your-token>`, `changeme`, `xxxx…`,
/// `‹fp:…›`.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    let Some((&first, &last)) = value.first().zip(value.last()) else { return true };
    let identifier = |b: &u8| b.is_ascii_alphanumeric() || b"_.-:".contains(b);
    let uniform = value.iter().all(|b| b == &first || b"-_".contains(b));
    let reference = match first {
        b'$' => match value.get(1) {
            Some(b'{') => last == b'}',
            Some(b'(') => last == b')',
            Some(b) => (b.is_ascii_alphabetic() || *b == b'_') && value[1..].iter().all(identifier),
            None => true,
        },
        b'<' => last == b'>',
        b'{' => value.starts_with(b"{{") && value.ends_with(b"}}"),
        b'%' => last == b'%' && value[1..].iter().rev().skip(1).all(identifier),
        b'`' => last == b'`',
        _ => value.starts_with("‹".as_bytes()),
    };
    uniform || reference || is_filler(value)
}

/// Whether a value names the file that holds the secret: `$dir/private/cakey.pem`, `~/.netrc`.
fn is_path(value: &[u8]) -> bool {
    let starts = |prefix: &[u8]| value.starts_with(prefix);
    starts(b"/")
        || starts(b"./")
        || starts(b"../")
        || starts(b"~/")
        || (starts(b"$") && value.contains(&b'/'))
}

/// What people write where a secret belongs.
fn is_filler(value: &[u8]) -> bool {
    const WHOLE: &[&str] = &[
        "changeme",
        "change-me",
        "change_me",
        "changeit",
        "placeholder",
        "undefined",
        "redacted",
        "example",
        "required",
        "optional",
        "password",
        "passphrase",
        "access_token",
        "api_key",
        "optional[str]",
        "disabled",
        "username",
    ];
    const FIRST: &[&str] =
        &["your-", "your_", "your ", "<your", "replace-", "replace_", "insert-", "insert_", "todo:", "xxxx"];
    let starts = |prefix: &str| {
        value.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    // `xxxx-1f9e…` may be a token; `xxxxxxxx1234` shows the end of one.
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    WHOLE.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
        || (FIRST.iter().any(|prefix| starts(prefix)) && digits <= 4)
        || value.windows(4).any(|part| part == b"****")
}

/// Whether a value looks drawn at random: a UUID, 32 or more hex digits, or 20 or more characters of mixed
/// classes.
pub(super) fn is_opaque(value: &[u8]) -> bool {
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    if value.len() < OPAQUE_MIN || digits < 2 || !value.iter().all(|&b| is_opaque_byte(b) || b == b'=') {
        return false;
    }
    if is_uuid(value) {
        return true;
    }
    let letters = value.iter().filter(|b| b.is_ascii_alphabetic()).count();
    if letters < 2 || is_digest(value) {
        return false;
    }
    if value.len() >= 32 && value.iter().all(u8::is_ascii_hexdigit) {
        return true;
    }
    // Words and camelCase change class (lower, upper, digit) once in five characters or so, random text every
    // second to third character. Slashes and dots make paths and versions, which have no business here beyond
    // a few.
    let mut changes = 0;
    let mut previous = 0;
    for class in value.iter().map(|&b| class_of(b)).filter(|&class| class != 0) {
        changes += usize::from(previous != 0 && class != previous);
        previous = class;
    }
    let breaks = value.iter().filter(|b| b"/.-_".contains(b)).count();
    changes * 4 >= value.len() && breaks * 6 <= value.len()
}

/// Bytes a random value is made of; `=` only pads its end.
pub(super) const fn is_opaque_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'/' | b'.' | b'~')
}

fn class_of(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        b'0'..=b'9' => 3,
        _ => 0,
    }
}

/// `sha512-…` as package managers write it.
fn is_digest(value: &[u8]) -> bool {
    [b"sha256-", b"sha384-", b"sha512-"].iter().any(|prefix| value.starts_with(*prefix))
}

/// The 8-4-4-4-12 form, any version.
pub(super) fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36
        && value.iter().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "3d2c1f9e-7a64-4d1e-9f25-0c6c1d2b7a55";

    #[test]
    fn name_and_value_together_decide() {
        let check = |name: &str, value: &str, expect: Option<&str>| {
            let name = (!name.is_empty()).then_some(name.as_bytes());
            assert_eq!(judge(name, value.as_bytes()).map(Kind::as_str), expect, "{name:?} {value}");
        };
        check("RAILWAY_TOKEN", UUID, Some("railway-token"));
        check("railway", UUID, Some("railway-token"));
        check("RAILWAY_PROJECT_ID", UUID, Some("identifier"));
        check("volumeId", UUID, Some("identifier"));
        check("deploy", UUID, Some("opaque"));
        check("", UUID, Some("opaque"));
        check("DB_PASSWORD", "hunter2hunter2", Some("named-secret"));
        check("DB_PASSWORD", "hunter2", None);
        check("DB_PASSWORD", "correct horse battery staple", Some("named-words"));
        check("passwd", "files systemd", Some("named-words"));
        check("private_key", "$dir/private/cakey.pem", None);
        check("DB_PASSWORD", "ab&c;d(e)f", Some("named-secret"));
        check("greeting", "hunter2hunter2", None);
        check("commit", "9fceb02d0ae598e95dc970b74767f19372d61af8", None);
        check("blob", "9fceb02d0ae598e95dc970b74767f19372d61af8", Some("opaque"));
        check("integrity", "sha512-tw5BrPdKLPHr9ZUdJd0MYcnnnnFuMbi7XKKKqs2tOTFG==", None);
        check("anything", "sha512-tw5BrPdKLPHr9ZUdJd0MYcnnnnFuMbi7XKKKqs2tOTFG==", None);
        check("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzzzz", Some("aws-secret-key"));
        check("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7ABCDEFG", Some("aws-access-key-id"));
        check("MY_KEY", "k9Zq1Lw8Vb3Xn5Ty7Rm2", Some("named-secret"));
        check("key", "translation.of.something", None);
    }

    #[test]
    fn placeholders_are_no_values() {
        for value in [
            "${RAILWAY_TOKEN}",
            "$RAILWAY_TOKEN",
            "$(cat token)",
            "`cat token`",
            "<your-token>",
            "changeme",
            "CHANGEME",
            "xxxxxxxxxxxx",
            "********",
            "ghp_****************",
            "{{ secrets.TOKEN }}",
            "%RAILWAY_TOKEN%",
            "your-token-here",
            "........",
            "‹fp:9c1e8a04›",
            "xxxxxxxx1234",
        ] {
            assert!(is_placeholder(value.as_bytes()), "{value}");
        }
        for value in
            [UUID, "$2y$10$abcdefghijk", "hunter2hunter2", "a%b%c%d%e", "your-9f8e7d6c5b4a3210", "<>"]
        {
            assert_eq!(is_placeholder(value.as_bytes()), value == "<>", "{value}");
        }
    }

    #[test]
    fn random_values_are_told_from_words_and_paths() {
        for value in [
            UUID,
            "d41d8cd98f00b204e9800998ecf8427e",
            "k9Zq1Lw8Vb3Xn5Ty7Rm2",
            "dGhpcyBpcyBhIHRlc3Q0NTY3ODkw",
            "Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZg==",
            "v1.0-3f8a9b2c4d5e6f708192a3b4",
        ] {
            assert!(is_opaque(value.as_bytes()), "{value}");
        }
        for value in [
            "getElementByIdAndSomethingElse",
            "/usr/lib/x86_64-linux-gnu/libssl.so.3",
            "some-long-kebab-case-name-2024",
            "SCREAMING_SNAKE_CASE_NAME_2",
            "com.example.project.Module1.Class2",
            "12345678901234567890123456789012",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "2024-01-02-15-04-05-000000",
        ] {
            assert!(!is_opaque(value.as_bytes()), "{value}");
        }
    }
}
