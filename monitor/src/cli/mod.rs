//! The command line: one file per command, and what they share: arguments, exit codes, and how a failure is told.

mod args;
mod decide;
mod demo;
mod doctor;
mod explain;
mod failure;
mod judge;
mod log;
mod policy;
mod policy_text;
mod replay;
mod run;
mod sessions;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

pub use self::args::{
    ApproveArgs, Cli, Command, DemoArgs, DenyArgs, DoctorArgs, ExplainArgs, PendingArgs, PolicyCommand,
    ReplayArgs, RunArgs, SessionsCommand,
};
pub use self::failure::{Exit, Failure};
use crate::settings::{Overrides, Settings};
use crate::store::Folder;
use crate::ui::Printer;

/// What every command is given.
pub struct Context {
    pub settings: Settings,
    pub printer: Printer,
}

impl Context {
    /// The captures of the state directory.
    pub fn sessions(&self) -> Folder {
        Folder::new(&self.settings.state_dir)
    }
}

/// Runs holdfire with these arguments, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Nowhere left to say that even this could not be printed.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Fine }.into();
        }
    };
    let overrides = Overrides { state_dir: cli.state_dir, run_dir: cli.run_dir };
    let printer = Printer::stdio(cli.color.into());
    let context = Context { settings: Settings::load(overrides), printer };
    let _log = match log::start(context.settings.log.as_deref()) {
        Ok(log) => Some(log),
        Err(error) => {
            context.printer.note(format_args!("holdfire: its own warnings will not be told: {error}"));
            None
        }
    };
    let result = dispatch(cli.command, &context)
        .and_then(|exit| context.printer.flush().map(|()| exit).map_err(Into::into));
    result.unwrap_or_else(|error| failure::tell(&error, &context.printer)).into()
}

fn dispatch(command: Command, context: &Context) -> anyhow::Result<Exit> {
    match command {
        Command::Run(args) => run::run(args, context),
        Command::Pending(args) => decide::pending(&args, context),
        Command::Approve(args) => decide::approve(&args, context),
        Command::Deny(args) => decide::deny(&args, context),
        Command::Sessions { command } => sessions::run(command, context),
        Command::Replay(args) => replay::run(args, context),
        Command::Explain(args) => explain::run(args, context),
        Command::Policy { command } => policy::run(command, context),
        Command::Doctor(args) => doctor::run(&args, context),
        Command::Demo(args) => demo::run(&args, context),
    }
}
