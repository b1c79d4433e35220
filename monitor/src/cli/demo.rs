//! `holdfire demo`: the incident that defines holdfire, played.

use super::{Context, DemoArgs, Exit, Failure};
use crate::demo::{Options, pocketos_live};

/// Longest the agent waits for an answer that is held back.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Plays a story, or lists them.
///
/// # Errors
/// The scene cannot be set.
pub(super) fn run(args: &DemoArgs, context: &Context) -> anyhow::Result<Exit> {
    match (args.story.as_str(), args.live) {
        ("list", _) => {
            context
                .printer
                .line("pocketos  A production volume is deleted with a token found in an unrelated file")?;
            context.printer.note("Play it here with: holdfire demo pocketos --live");
            Ok(Exit::Fine)
        }
        ("pocketos", true) => {
            let options = Options { holdfire: std::env::current_exe()?, patience: PATIENCE };
            let outcome = pocketos_live(&options, &mut std::io::stdout())?;
            Ok(if outcome.as_told() { Exit::Fine } else { Exit::No })
        }
        ("pocketos", false) => {
            Err(Failure::new(Exit::Usage, "This story is played live, against a server on loopback")
                .next("holdfire demo pocketos --live")
                .into())
        }
        (other, _) => Err(Failure::new(Exit::Usage, format!("There is no story {other}"))
            .next("holdfire demo list")
            .into()),
    }
}
