//! `holdfire pending`, `approve` and `deny`: what waits for a human, and what the human says.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{ApproveArgs, Context, DenyArgs, Exit, Failure, PendingArgs};
use crate::daemon::{Client, ClientError, Decide, boot_now};
use crate::event::Decision;
use crate::response::Hold;
use crate::ui::{Align, Cell, Table, safe, span, style};

/// How often `--watch` looks.
const WATCH: Duration = Duration::from_millis(500);

/// Lists what waits.
///
/// # Errors
/// No monitor runs, or none answers this user.
pub(super) fn pending(args: &PendingArgs, context: &Context) -> anyhow::Result<Exit> {
    let mut shown = BTreeSet::new();
    loop {
        let holds = block_on(all_holds(context))??;
        let fresh: Vec<Hold> =
            holds.into_iter().filter(|hold| shown.insert((hold.session.clone(), hold.id.clone()))).collect();
        if args.json {
            fresh.iter().try_for_each(|hold| context.printer.json(hold))?;
        } else if !fresh.is_empty() {
            context.printer.text(table(&fresh))?;
        } else if !args.watch {
            context.printer.note("Nothing waits for a decision.");
        }
        if !args.watch {
            return Ok(Exit::Fine);
        }
        context.printer.flush()?;
        std::thread::sleep(WATCH);
    }
}

/// Approves a hold.
///
/// # Errors
/// There is no such hold, it is decided already, or this user may not decide.
pub(super) fn approve(args: &ApproveArgs, context: &Context) -> anyhow::Result<Exit> {
    decide(&args.hold, Decision::Approved, args.reason.clone(), context)
}

/// Denies a hold.
///
/// # Errors
/// As [`approve`].
pub(super) fn deny(args: &DenyArgs, context: &Context) -> anyhow::Result<Exit> {
    let decision = if args.kill { Decision::Killed } else { Decision::Denied };
    decide(&args.hold, decision, args.reason.clone(), context)
}

fn decide(name: &str, decision: Decision, reason: Option<String>, context: &Context) -> anyhow::Result<Exit> {
    let hold = block_on(async {
        let (session, id) = match name.split_once('/') {
            Some((session, id)) => (Some(session), id),
            None => (None, name),
        };
        let mut fitting = Vec::new();
        for client in clients(context)? {
            let holds = client.pending().await.or_else(skip_gone)?;
            let fits =
                |hold: &Hold| hold.id.starts_with(id) && session.is_none_or(|s| hold.session.starts_with(s));
            let exact = holds.iter().any(|hold| fits(hold) && hold.id == id);
            fitting.extend(
                holds
                    .into_iter()
                    .filter(|hold| fits(hold) && (!exact || hold.id == id))
                    .map(|h| (client.clone(), h)),
            );
        }
        let decide = Decide { decision, reason };
        match fitting.as_slice() {
            [(client, hold)] => client.decide(&hold.id, &decide).await.map_err(Failure::from),
            [] => {
                // It may have been decided already, which its monitor knows.
                let mut answer = Failure::from(ClientError::NoSuchHold);
                for client in clients(context)? {
                    match client.decide(id, &decide).await {
                        Ok(hold) => return Ok(hold),
                        Err(ClientError::NoSuchHold | ClientError::Unreachable { .. }) => {}
                        Err(error) => answer = error.into(),
                    }
                }
                Err(answer)
            }
            several => {
                let names: Vec<String> =
                    several.iter().map(|(_, hold)| format!("{}/{}", hold.session, hold.id)).collect();
                Err(Failure::new(Exit::Usage, format!("{name} may be any of {}", names.join(", ")))
                    .next("name it with its session, as listed here"))
            }
        }
    })??;
    let word = match decision {
        Decision::Approved => "Approved",
        Decision::Killed => "Denied and killed",
        _ => "Denied",
    };
    context.printer.note(format!("{word} {}/{}: {}", hold.session, hold.id, safe(&hold.title)));
    Ok(Exit::Fine)
}

/// Every monitor of this host.
fn clients(context: &Context) -> Result<Vec<Client>, Failure> {
    let clients = Client::all(&context.settings.run_dir).map_err(|error| {
        let folder = context.settings.run_dir.display();
        if error.kind() == std::io::ErrorKind::PermissionDenied {
            Failure::new(Exit::Privilege, format!("You may not look into {folder}"))
                .because(error)
                .next("run it with sudo, or join the group holdfire")
        } else {
            Failure::new(Exit::Unreachable, "No monitor runs on this host")
                .because(error)
                .next("holdfire run --mode hold -- COMMAND starts one")
        }
    })?;
    if clients.is_empty() {
        return Err(Failure::new(Exit::Unreachable, "No monitor runs on this host")
            .next("holdfire run --mode hold -- COMMAND starts one"));
    }
    Ok(clients)
}

/// What waits at all monitors. One that has just ended is passed over; if none answers, that is the answer.
async fn all_holds(context: &Context) -> Result<Vec<Hold>, Failure> {
    let mut holds = Vec::new();
    let (mut answered, mut silent) = (false, None);
    for client in clients(context)? {
        match client.pending().await {
            Ok(found) => {
                answered = true;
                holds.extend(found);
            }
            Err(error @ ClientError::Unreachable { .. }) => silent = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    match silent {
        Some(error) if !answered => Err(error.into()),
        _ => Ok(holds),
    }
}

/// A monitor that has ended has nothing waiting.
fn skip_gone(error: ClientError) -> Result<Vec<Hold>, Failure> {
    match error {
        ClientError::Unreachable { .. } => Ok(Vec::new()),
        other => Err(other.into()),
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match &error {
            ClientError::Unreachable { .. } => Self::new(Exit::Unreachable, "The monitor does not answer")
                .because(error)
                .next("its session may have ended: holdfire sessions list"),
            ClientError::NotAllowed { .. } => Self::new(Exit::Privilege, "You may not decide about holds")
                .because(error)
                .next("run it with sudo, or join the group holdfire"),
            ClientError::Refused(_) => {
                Self::new(Exit::No, "The monitor refused").because(error).next("holdfire pending")
            }
            ClientError::NoSuchHold => Self::new(Exit::No, "There is no such hold").next("holdfire pending"),
            ClientError::Garbled => Self::new(Exit::Unreachable, "The monitor cannot be understood")
                .because(error)
                .next("use the holdfire that started it"),
        }
    }
}

fn table(holds: &[Hold]) -> String {
    let mut table = Table::new(&[
        ("HOLD", Align::Left, 24),
        ("LEFT", Align::Right, 8),
        ("SEVERITY", Align::Left, 8),
        ("PROCESS", Align::Left, 24),
        ("WHAT", Align::Left, 90),
    ]);
    let now = boot_now();
    for hold in holds {
        table.row([
            Cell::from(format!("{}/{}", hold.session, hold.id)),
            Cell::from(span(hold.until.since(now))),
            Cell::styled(hold.severity.to_string(), style::WARN),
            Cell::from(format!("{}({})", hold.command, hold.pid)),
            Cell::from(hold.title.clone()),
        ]);
    }
    table.to_string()
}

fn block_on<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future))
}
