//! What an HTTP request would do.

use super::{Catalog, Effect};
use crate::event::Request;

/// What is known of a request's consequences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assessment {
    /// Every different effect of the operations in the request, worst first, at most `MAX_EFFECTS`.
    pub effects: Vec<Effect>,
    /// Why part of the request could not be judged, if it writes and part of it could not. A sentence fragment that
    /// follows "the request": `has a body of 70000 bytes that was only read in part`.
    pub blind: Option<String>,
    /// The catalogue's provider behind the host or the server name, whatever the request does.
    pub provider: Option<String>,
}

impl Assessment {
    /// The worst effect.
    pub fn worst(&self) -> Option<&Effect> {
        self.effects.first()
    }
}

impl Catalog {
    /// What `request` would do. `server_name` is the name its TLS connection was opened for, which the server may go by
    /// rather than by the request's own `Host`. An incomplete request is judged by what there is of it.
    pub fn assess(&self, request: &Request, server_name: Option<&str>) -> Assessment {
        let _ = (request, server_name);
        Assessment::default()
    }

    /// The worst effect of `request`, by its own `Host`.
    pub fn effect(&self, request: &Request) -> Option<Effect> {
        self.assess(request, None).effects.into_iter().next()
    }

    /// Whether an incomplete request may turn out worse with the rest of its body.
    pub fn could_become(&self, request: &Request) -> bool {
        !request.complete
    }
}
