//! What an action would do: the effect of a request, by the catalogue and by the generic verb rule.
//!
//! Bias: when in doubt an action is destructive and cannot be undone, and the doubt is told as a lower
//! [`Confidence`]. What could not be read is neither harmless nor harmful; it is said to be unread.

mod catalog;
mod effect;
mod path;
mod request;
mod verbs;
mod words;

pub(crate) use self::catalog::bare_host;
pub use self::catalog::{Catalog, CatalogError};
pub use self::effect::{Confidence, Effect, Reversibility, Verb};
pub use self::request::{Assessment, MAX_EFFECTS};
