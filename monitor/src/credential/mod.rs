//! Finding credentials where they are written, and keeping them out of everything that is kept.

mod redact;

pub use self::redact::Redactor;
