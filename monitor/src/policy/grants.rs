//! Credentials the operator declared as given.

use crate::secret::Fingerprint;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Grant {
    /// The value whose fingerprint begins with these hex digits, of which there are at least eight: a session cannot
    /// choose fingerprints, since their key is the host's.
    Value(String),
    /// What stands under this name in this file.
    Place { name: String, file: String },
}

impl Grant {
    pub(super) fn is_value(&self, fingerprint: Fingerprint) -> bool {
        matches!(self, Self::Value(digits) if fingerprint.to_hex().starts_with(digits))
    }

    pub(super) fn is_place(&self, name: Option<&str>, path: &str) -> bool {
        matches!(self, Self::Place { name: granted, file } if Some(granted.as_str()) == name && file == path)
    }
}
