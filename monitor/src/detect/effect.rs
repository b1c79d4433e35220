//! The words in which an effect is told.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an action would do to something outside the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    pub verb: Verb,
    /// S4 … S1 and G of the catalogue.
    pub reversibility: Reversibility,
    /// What is hit, as the provider calls it: `volume`, `environment`, `repository`.
    pub object: String,
    /// Which one, as far as the request says (redacted, at most 64 characters).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// `railway`, or `unknown`.
    pub provider: String,
    /// The provider's name for it (`volumeDelete`), or the verb rule's (`DELETE /v1/things/{}`).
    pub operation: String,
    /// How it could be undone and how long, with the source; none known if empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<String>,
    pub confidence: Confidence,
}

/// The kind of harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Makes data or a resource go away.
    Destroys,
    /// Takes access away or gives it to others.
    ChangesAccess,
    /// Changes a setting.
    Configures,
    /// Takes a protection away, which makes a later destruction possible.
    RemovesGuard,
}

/// How an effect could be undone, worst last.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum Reversibility {
    /// Guard removal: no loss by itself.
    G,
    /// Can be made again.
    S1,
    /// Can be undone through the API within a window that exists by default.
    S2,
    /// Can be undone only from a separate backup, or by the provider's support.
    S3,
    /// Cannot be undone.
    S4,
}

impl fmt::Display for Reversibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::G => "removes a protection",
            Self::S1 => "can be made again",
            Self::S2 => "can be undone for a while",
            Self::S3 => "only a separate backup brings it back",
            Self::S4 => "cannot be undone",
        })
    }
}

/// How sure the catalogue is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// The generic verb rule on an unknown host.
    Generic,
    /// A known provider, an operation recognised by its name only.
    Likely,
    /// An operation of the catalogue.
    Sure,
}
