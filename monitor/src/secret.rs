//! Secrets and their fingerprints.
//!
//! A [`Secret`] cannot be printed, serialised or compared; it is wiped when dropped. All that may leave memory is a
//! [`Fingerprint`]: a BLAKE3 hash keyed with a key of this host, so that a fingerprint in a capture file or an alert can
//! neither be looked up elsewhere nor be tested against guesses without that key.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

/// A value that must not leave memory. `Debug` prints only its length; there is no `Display` and no `Serialize`.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes, for fingerprinting and for nothing else.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// The first 128 bits of BLAKE3 of the secret, keyed with the host key. Shown as `fp:9c1e8a04`, stored as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// All 32 hex digits.
    pub fn to_hex(self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }
}

/// The short form people read: eight digits, enough to tell a host's secrets apart.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fp:{}", data_encoding::HEXLOWER.encode(&self.0[..4]))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(de::Error::custom)?;
        <[u8; 16]>::try_from(bytes.as_slice()).map(Self).map_err(de::Error::custom)
    }
}

/// Makes fingerprints under one host's key.
#[derive(Clone)]
pub struct Fingerprinter {
    key: Zeroizing<[u8; 32]>,
}

impl Fingerprinter {
    /// A fingerprinter for the host key.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { key: Zeroizing::new(*key) }
    }

    /// The fingerprint of `value`.
    pub fn fingerprint(&self, value: &[u8]) -> Fingerprint {
        let digest = blake3::keyed_hash(&self.key, value);
        let mut short = [0; 16];
        short.copy_from_slice(&digest.as_bytes()[..16]);
        Fingerprint(short)
    }

    /// Eight hex digits that name the key and tell nothing else about it.
    pub fn key_id(&self) -> String {
        let digest = blake3::derive_key("holdfire 2026-04-25 name of a fingerprint key", self.key.as_slice());
        data_encoding::HEXLOWER.encode(&digest[..4])
    }
}

impl fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprinter(keyed)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_cannot_be_printed() {
        assert_eq!(format!("{:?}", Secret::new(*b"hunter2hunter2")), "Secret(14 bytes)");
    }

    #[test]
    fn fingerprints_depend_on_the_key_and_survive_json() {
        let one = Fingerprinter::new(&[1; 32]).fingerprint(b"token");
        let two = Fingerprinter::new(&[2; 32]).fingerprint(b"token");
        assert_ne!(one, two);
        assert_eq!(one, Fingerprinter::new(&[1; 32]).fingerprint(b"token"));
        let json = serde_json::to_string(&one).unwrap();
        assert_eq!(json.len(), 34);
        assert_eq!(serde_json::from_str::<Fingerprint>(&json).unwrap(), one);
        assert!(one.to_string().starts_with("fp:") && one.to_string().len() == 11);
    }
}
