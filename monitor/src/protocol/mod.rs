//! Plaintext bytes into requests: pure, bounded, and never sure of more than the bytes say.
//!
//! Everything here is fed by the monitored process and may be made to mislead. The bias throughout: when in doubt a
//! request is *not* complete, a field *does* count, and what could not be read is said to be unread.
//!
//! - [`http1`]: the writes of one connection into HTTP/1.x requests.
//! - `body`: content codings undone; `json`, `form`: its syntax.
//! - `graphql`, `fields`: what a body says.
//! - `credentials`: what a request could prove itself with.
//! - `show`: which of it may be kept, and how short.
//! - [`describe`](mod@describe): all of it together, as an [`event::Request`](crate::event::Request).
//! - [`client_hello`]: the server a TLS connection asks for.

mod body;
pub mod client_hello;
mod credentials;
pub mod describe;
mod fields;
mod form;
mod graphql;
pub mod http1;
mod json;
mod show;

pub use self::client_hello::{ClientHello, NoClientHello};
pub use self::describe::describe;
pub use self::graphql::PERSISTED;
pub use self::http1::{Message, RequestStream, Suspicion, Unreadable, Why};
