//! Which policy judges, as commands name it.

use std::path::Path;
use std::sync::Arc;

use super::{Exit, Failure, policy_text};
use crate::detect::Catalog;
use crate::pipeline::Pipeline;
use crate::policy::Policy;
use crate::store::capture::PolicySource;

/// What a project's policy is called.
const PROJECT_POLICY: &str = ".holdfire/policy.yaml";

/// The policy called `name`, as text; none for `default`, which is built in.
pub(super) fn policy_source(name: &str) -> Result<Option<PolicySource>, Failure> {
    if name == "default" {
        return Ok(None);
    }
    let text = policy_text::named(Path::new(name)).map_err(|error| {
        Failure::new(Exit::Usage, format!("The policy {name} cannot be read"))
            .because(error)
            .next("name a readable file, or default")
    })?;
    Ok(Some(PolicySource { origin: name.to_owned(), text }))
}

/// The policy of the project in this directory, as text, if it has one; `owners` are those it may belong to.
pub(super) fn project_source(owners: &[u32]) -> Result<Option<PolicySource>, Failure> {
    let text = policy_text::of_project(Path::new("."), owners).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("The project's own policy {PROJECT_POLICY} cannot be used, so the command is not run"),
        )
        .because(error)
        .next(format!("look at {PROJECT_POLICY} and who put it there; mend it or take it away"))
    })?;
    Ok(text.map(|text| PolicySource { origin: PROJECT_POLICY.to_owned(), text }))
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
        std::fs::write(&path, " ".repeat(crate::yaml::MAX_BYTES + 1)).unwrap();
        assert!(policy_source(name).is_err());
        let wrong = PolicySource { origin: "wrong.yaml".to_owned(), text: "rules: 7".to_owned() };
        assert!(policy(&[wrong]).is_err());
    }
}
