//! The values inside an `Authorization` header, of whatever scheme.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD};

/// Hands every value that may be the credential to `found`, with whether it is one by definition. Of several forms of
/// one value only the one a file would hold is; the others count when known from elsewhere.
pub(super) fn values(header: &str, found: &mut impl FnMut(&[u8], bool)) {
    let header = header.trim();
    let (scheme, rest) = header.split_once(char::is_whitespace).unwrap_or(("", header));
    let rest = rest.trim();
    if rest.is_empty() {
        return;
    }
    if scheme.eq_ignore_ascii_case("basic") {
        basic(rest, found);
    } else if scheme.to_ascii_lowercase().starts_with("aws4-") {
        // The secret key itself is never sent; its id stands in for it.
        if let Some((_, id)) = rest.split_once("Credential=") {
            found(id.split(['/', ',', ' ']).next().unwrap_or_default().as_bytes(), true);
        }
    } else {
        let last = rest.rsplit(char::is_whitespace).next().unwrap_or(rest);
        if rest.contains(',') || last.contains("=\"") {
            // Macaroons of one list (Fly.io), or named parameters (OAuth 1, Digest).
            for piece in rest.split([',', ' ']).map(str::trim).filter(|piece| !piece.is_empty()) {
                match piece.split_once("=\"") {
                    Some((_, value)) => found(value.trim_end_matches('"').as_bytes(), false),
                    None => found(piece.as_bytes(), true),
                }
            }
        } else {
            found(last.as_bytes(), true);
        }
        found(rest.as_bytes(), false);
    }
    found(header.as_bytes(), false);
}

/// User and password of Basic, each and together. Some APIs take the key as the user and leave the password empty.
fn basic(encoded: &str, found: &mut impl FnMut(&[u8], bool)) {
    found(encoded.as_bytes(), false);
    let unpadded = encoded.trim_end_matches('=').as_bytes();
    let decoded = BASE64
        .decode(encoded.as_bytes())
        .or_else(|_| BASE64_NOPAD.decode(unpadded))
        .or_else(|_| BASE64URL_NOPAD.decode(unpadded));
    match decoded {
        Ok(pair) => user_and_password(&pair, found),
        Err(_) => found(encoded.as_bytes(), true),
    }
}

/// `user:password`.
pub(super) fn user_and_password(pair: &[u8], found: &mut impl FnMut(&[u8], bool)) {
    let colon = pair.iter().position(|byte| *byte == b':').unwrap_or(pair.len());
    let (user, password) = (&pair[..colon], pair.get(colon + 1..).unwrap_or_default());
    found(password, true);
    found(user, password.is_empty());
    found(pair, false);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_gives_its_credential() {
        let check = |header: &str, expect: &[&str]| {
            let mut by_definition = Vec::new();
            values(header, &mut |value, sure| {
                if sure && !value.is_empty() {
                    by_definition.push(String::from_utf8_lossy(value).into_owned());
                }
            });
            assert_eq!(by_definition, expect, "{header}");
        };
        check("Bearer abc.def", &["abc.def"]);
        check("token ghp_1", &["ghp_1"]);
        check("  rawkey ", &["rawkey"]);
        check("Basic dXNlcjpwYXNz", &["pass"]);
        check("basic c2tfbGl2ZV8xOg==", &["sk_live_1"]);
        check("Basic c2tfbGl2ZV8xOg", &["sk_live_1"]);
        check("Basic ???", &["???"]);
        check(
            "AWS4-HMAC-SHA256 Credential=AKIA1/20250101/eu/s3/aws4_request, SignedHeaders=host, Signature=ab",
            &["AKIA1"],
        );
        check("FlyV1 fm2_a,fm2_b, fo1_c", &["fm2_a", "fm2_b", "fo1_c"]);
        check("Weird a b c", &["c"]);
        check("OAuth oauth_token=\"t\", oauth_nonce=\"n\"", &[]);
        check("Bearer ", &["Bearer"]);
        check("", &[]);
    }
}
