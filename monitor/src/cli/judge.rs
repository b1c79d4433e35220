//! Which policy judges, as commands name it.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use super::{Exit, Failure};
use crate::detect::Catalog;
use crate::pipeline::Pipeline;
use crate::policy::Policy;
use crate::store::capture::PolicySource;

/// Largest policy file. A hundred times the shipped one; a project writes its own, and must not fill the memory.
const POLICY_LIMIT: u64 = 512 << 10;

/// The policy called `name`, as text; none for `default`, which is built in.
pub(super) fn policy_source(name: &str) -> Result<Option<PolicySource>, Failure> {
    if name == "default" {
        return Ok(None);
    }
    let failed = |error| {
        Failure::new(Exit::Usage, format!("The policy {name} cannot be read"))
            .because(error)
            .next("name a readable file, or default")
    };
    let mut text = String::new();
    File::open(name)
        .and_then(|file| file.take(POLICY_LIMIT + 1).read_to_string(&mut text))
        .map_err(failed)?;
    if text.len() as u64 > POLICY_LIMIT {
        return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
    }
    Ok(Some(PolicySource { origin: name.to_owned(), text }))
}

/// The built-in policy as text, for whoever tightens it.
pub(super) fn builtin_source() -> PolicySource {
    PolicySource { origin: "default".to_owned(), text: crate::policy::DEFAULT.to_owned() }
}

/// The policy that these sources make: the first, tightened by the others; without any, the built-in one.
pub(super) fn policy(sources: &[PolicySource]) -> Result<Policy, Failure> {
    let read = |source: &PolicySource| {
        Policy::from_yaml(&source.origin, &source.text).map_err(|error| {
            Failure::new(Exit::Usage, format!("The policy {} is not valid", source.origin)).because(error)
        })
    };
    let Some((first, tightening)) = sources.split_first() else {
        return Policy::builtin()
            .map_err(|error| Failure::new(Exit::No, "The built-in policy is broken").because(error));
    };
    tightening.iter().try_fold(read(first)?, |policy, source| Ok(policy.tightened_by(&read(source)?)))
}

/// A fresh pipeline under `policy`.
pub(super) fn pipeline(policy: Policy) -> Result<Pipeline, Failure> {
    let catalog = Catalog::builtin()
        .map_err(|error| Failure::new(Exit::No, "The built-in catalogue is broken").because(error))?;
    Ok(Pipeline::new(Arc::new(policy), Arc::new(catalog)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_files_or_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.yaml");
        let name = path.to_str().unwrap();
        assert_eq!(policy_source("default").unwrap(), None);
        assert!(policy_source(name).is_err());
        std::fs::write(&path, include_str!("../../../policies/default.yaml")).unwrap();
        let source = policy_source(name).unwrap().unwrap();
        assert_eq!(policy(&[source]).unwrap().reference(), policy(&[]).unwrap().reference());
        std::fs::write(&path, " ".repeat(POLICY_LIMIT as usize + 1)).unwrap();
        assert!(policy_source(name).is_err());
        let wrong = PolicySource { origin: "wrong.yaml".to_owned(), text: "rules: 7".to_owned() };
        assert!(policy(&[wrong]).is_err());
    }
}
