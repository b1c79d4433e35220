//! `holdfire policy`: checking a policy before it judges.

use super::{Context, Exit, PolicyCommand, judge};
use crate::event::PolicyRef;
use crate::policy::{Policy, schema};

/// Checks a policy, lists the shipped ones, or prints the schema.
///
/// # Errors
/// The policy cannot be read or is not valid.
pub(super) fn run(command: PolicyCommand, context: &Context) -> anyhow::Result<Exit> {
    match command {
        PolicyCommand::Check { file, json } => {
            let source = judge::policy_source(&file.to_string_lossy())?;
            let policy = judge::policy(source.as_slice())?;
            show(&policy.reference(), json, "is valid", context)
        }
        PolicyCommand::Schema => {
            context.printer.line(serde_json::to_string_pretty(&schema())?)?;
            Ok(Exit::Fine)
        }
        PolicyCommand::List { json } => show(&Policy::builtin()?.reference(), json, "is built in", context),
    }
}

fn show(policy: &PolicyRef, json: bool, what: &str, context: &Context) -> anyhow::Result<Exit> {
    if json {
        context.printer.json(policy)?;
    } else {
        context.printer.line(format!("{}@{} {what}", crate::ui::safe(&policy.name), policy.hash))?;
    }
    Ok(Exit::Fine)
}
