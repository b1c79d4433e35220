//! What an action would do: the effect of a request, by the catalogue and by the generic verb rule.

mod effect;

pub use self::effect::{Confidence, Effect, Reversibility, Verb};
