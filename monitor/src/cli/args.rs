//! What can be said on the command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::event::Mode;
use crate::policy::Severity;
use crate::replay::{Filter, Pace, Place, Speed};
use crate::ui::ColorChoice;

/// Watches AI coding agents and stops a destructive action before it leaves the machine.
#[derive(Debug, Parser)]
#[command(name = "holdfire", version, max_term_width = 100)]
pub struct Cli {
    /// Where sessions are kept [default: /var/lib/holdfire for root, else the user's state folder]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,
    /// Where control sockets are [default: /run/holdfire]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub run_dir: Option<PathBuf>,
    /// Whether to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a command under watch
    Run(RunArgs),
    /// List what waits for a decision
    Pending(PendingArgs),
    /// Let a held action go
    Approve(ApproveArgs),
    /// Refuse a held action
    Deny(DenyArgs),
    /// List, show or verify recorded sessions
    Sessions {
        #[command(subcommand)]
        command: SessionsCommand,
    },
    /// Play a recorded session through the policy again
    Replay(ReplayArgs),
    /// Show a finding and its causes
    Explain(ExplainArgs),
    /// Check or list policies, or print their schema
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Show what this host can see and stop
    Doctor(DoctorArgs),
    /// Play the incident that defines holdfire
    Demo(DemoArgs),
}

/// `holdfire run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Policy to judge by: a shipped policy's name, or a file
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<String>,
    /// Alert only, wait for a human, or deny at once
    #[arg(long, value_enum, default_value_t)]
    pub mode: Mode,
    /// What to call the session [default: the command's file name]
    #[arg(long)]
    pub name: Option<String>,
    /// Exit with 1 if anything at least this bad was found
    #[arg(long, value_name = "SEVERITY", value_enum)]
    pub fail_on: Option<Severity>,
    /// User to run the command as [default: who called sudo]
    #[arg(long)]
    pub user: Option<String>,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// `holdfire pending`
#[derive(Debug, Args)]
pub struct PendingArgs {
    /// Go on showing holds as they come
    #[arg(long)]
    pub watch: bool,
    /// Print JSON, one object per hold
    #[arg(long)]
    pub json: bool,
}

/// `holdfire approve`
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// The hold: H-…
    pub hold: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `holdfire deny`
#[derive(Debug, Args)]
pub struct DenyArgs {
    /// The hold: H-…
    pub hold: String,
    /// End the process too
    #[arg(long)]
    pub kill: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `holdfire sessions`
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// List the sessions of this host, oldest first
    List {
        /// Print JSON, one object per session
        #[arg(long)]
        json: bool,
    },
    /// Show one session as a whole
    Show {
        /// S-… or its beginning, @last, or a capture file
        #[arg(default_value = "@last")]
        session: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check that a capture is what was written
    Verify {
        /// S-… or its beginning, @last, or a capture file
        #[arg(default_value = "@last")]
        session: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// `holdfire replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// S-… or its beginning, @last, or a capture file
    pub session: String,
    /// Policy to judge by instead: a shipped policy's name, or a file
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<String>,
    /// real, max, or a factor
    #[arg(long, default_value = "max")]
    pub speed: Speed,
    /// Longest pause between two events
    #[arg(long, value_name = "DURATION", value_parser = Pace::parse_idle)]
    pub idle: Option<Duration>,
    /// Begin there: 9.7, 1m30s, @alert, @A-7f3c
    #[arg(long, value_name = "PLACE")]
    pub from: Option<Place>,
    /// End there
    #[arg(long, value_name = "PLACE")]
    pub until: Option<Place>,
    /// story, all, or topics with commas: exec,http,alert
    #[arg(long, value_name = "TOPICS", default_value = "story")]
    pub filter: Filter,
    /// Print the findings as JSON, one per line, as they stand in the capture
    #[arg(long)]
    pub json: bool,
    /// Exit with 1 if the findings are not those of the capture
    #[arg(long)]
    pub check: bool,
}

/// `holdfire explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A-… or its beginning, H-…, e118, or @last
    #[arg(default_value = "@last")]
    pub subject: String,
    /// The session it is in: S-… or its beginning, @last, or a capture file
    #[arg(long, default_value = "@last")]
    pub session: String,
    /// Show the events it rests on as well
    #[arg(long)]
    pub evidence: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `holdfire doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Exit with 1 unless this mode can be used
    #[arg(long, value_name = "MODE", value_enum)]
    pub require: Option<Mode>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `holdfire demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// pocketos, or list
    #[arg(default_value = "list")]
    pub story: String,
    /// Run it here, against a server on loopback
    #[arg(long)]
    pub live: bool,
}

/// `holdfire policy`
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Check a policy file
    Check {
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of policy files
    Schema,
    /// List the policies there are
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
