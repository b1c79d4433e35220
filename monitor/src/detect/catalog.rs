//! The catalogue of destructive operations, checked and ready to ask.

/// Which operations destroy what.
#[derive(Clone, Debug)]
pub struct Catalog {}

impl Catalog {
    /// The catalogue built into the program.
    ///
    /// # Errors
    /// Only if the data it was built from is wrong, which a test rules out.
    pub fn builtin() -> Result<Self, CatalogError> {
        Ok(Self {})
    }

    /// The provider whose control plane answers under `host`.
    pub fn provider_of(&self, host: &str) -> Option<&str> {
        let _ = host;
        None
    }
}

/// The catalogue's data is wrong.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {}
