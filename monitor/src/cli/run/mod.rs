//! `holdfire run`: a command under watch, without a daemon.

mod begin;
mod child;
mod signals;
mod teller;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use self::begin::Begun;
use self::child::{Identity, Inherited, NotStarted};
use self::teller::Teller;
use super::{Context, Exit, Failure, RunArgs};
use crate::daemon::{Command, Engine, Handle, bind, serve};
use crate::event::Mode;

/// How often a session whose command has ended is asked whether others of its processes have, too.
const LINGER: Duration = Duration::from_millis(50);

/// Notices that wait to be shown; more are counted.
const NOTICES: usize = 1024;

/// How long the command's own last children may take to end before they are mentioned.
const LINGER_QUIETLY: Duration = Duration::from_secs(1);

/// Lines of `run` itself that may wait for the terminal; there are fewer.
const OWN_LINES: usize = 16;

/// Runs the command and returns its exit code.
///
/// # Errors
/// The host cannot be watched, or the command cannot be started; then nothing has run.
pub(super) fn run(args: RunArgs, context: &Context) -> anyhow::Result<Exit> {
    let identity = Identity::choose(args.user.as_deref())?;
    // Before any other thread exists, so that all of them leave signals to the one that forwards them.
    let signals = signals::block().map_err(|error| run_failed("Signals cannot be taken over", error))?;

    let Begun { live, sensor, rings, scanner, hold_timeout, monitoring } =
        begin::begin(&args, &identity, context)?;
    let (number, id) = (live.number, live.id.clone());
    let (notices, told) = mpsc::sync_channel(NOTICES);
    let (mut engine, handle) = Engine::new(sensor, scanner, notices)
        .map_err(|error| run_failed("The monitor cannot be started", error))?;
    engine.add(live, hold_timeout);
    let engine =
        thread::Builder::new().name("holdfire-engine".to_owned()).spawn(move || engine.run(rings))?;

    context.printer.note(monitoring);
    thread::scope(|scope| {
        let teller = Teller::new(&context.printer);
        let (say, said) = mpsc::sync_channel(OWN_LINES);
        let telling = scope.spawn(move || teller.tell_all(&told, &said));
        let say = |line: String| {
            // Never waits: standard error may not be read.
            let _ = say.try_send(line);
        };
        let control = control(&id, handle.clone(), context)?;
        let exit = watch(&args, number, &identity, signals, &handle, &say);
        // The last handles go: the engine ends, and with it the notices.
        drop(control);
        drop(handle);
        let engine = engine.join();
        let told = telling.join();
        match engine {
            Ok(Ok(())) if told.is_ok() => exit,
            _ => Err(Failure::new(Exit::RunFailed, "The monitor broke, and the session was ended with it")
                .next("report this with the output above")
                .into()),
        }
    })
}

/// Starts the command, waits for the whole session, and closes it.
fn watch(
    args: &RunArgs,
    number: u64,
    identity: &Identity,
    signals: signals::Blocked,
    handle: &Handle,
    say: &dyn Fn(String),
) -> anyhow::Result<Exit> {
    let armed = args.mode != Mode::Observe;
    let launch = |on| {
        let done = handle.ask(|reply| Command::Launch { number, on, armed, reply });
        done.unwrap_or_else(|| Err("the monitor has ended".to_owned()))
    };
    let descriptors = child::raise_descriptors()
        .map_err(|error| run_failed("The limit of descriptors cannot be read", error))?;
    launch(true).map_err(|why| run_failed("The session cannot be opened", std::io::Error::other(why)))?;
    let child = child::start(&args.command, identity, Inherited { mask: signals.inherited, descriptors });
    launch(false)
        .map_err(|why| run_failed("The session cannot be closed to others", std::io::Error::other(why)))?;

    let (exit, begun) = match child {
        Ok(mut child) => {
            let forwarding = signals.forward(child.id(), number, handle.clone());
            let status = child::wait(&mut child, || forwarding.command_ended())
                .map_err(|error| run_failed("The command cannot be waited for", error))?;
            linger(number, handle, say);
            forwarding.end();
            (Exit::Child(child::exit_code(status)), None)
        }
        Err(not_started) => (not_started.exit(), Some(not_started)),
    };
    let ended = handle.ask(|reply| Command::End { number, exit_code: exit.code(), reply });
    if let Some(NotStarted { command, source }) = begun {
        let sentence = format!("The command {} cannot be started", command.to_string_lossy());
        let next = "check its name and that it is executable";
        return Err(Failure::new(exit, sentence).because(source).next(next).into());
    }
    let Some(outcome) = ended else {
        return Err(Failure::new(Exit::RunFailed, "The monitor ended before the command did").into());
    };
    let exit = teller::exit(exit, &outcome, args.fail_on);
    say(teller::finished(&outcome, exit));
    if let Some(error) = &outcome.not_closed {
        say(teller::warning(&format!("the capture of this session could not be closed: {error}")));
    }
    Ok(exit)
}

/// Waits until the last process of the session has ended: what still runs is still watched, and letting it go would
/// open a door.
fn linger(number: u64, handle: &Handle, say: &dyn Fn(String)) {
    let mut waited = Duration::ZERO;
    loop {
        let Some(members) = handle.ask(|reply| Command::Members(number, reply)) else { return };
        if members.is_empty() {
            return;
        }
        if waited == LINGER_QUIETLY {
            say(teller::lingering(&members));
        }
        thread::sleep(LINGER);
        waited += LINGER;
    }
}

/// Serves the control socket on a thread of its own until the returned runtime is dropped.
fn control(id: &str, handle: Handle, context: &Context) -> Result<Control, Failure> {
    let failed = |error| run_failed("The control socket cannot be served", error);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(failed)?;
    let path = context.settings.run_dir.join(format!("{id}.sock"));
    let listener = {
        let _entered = runtime.enter();
        bind(&path).map_err(failed)?
    };
    runtime.spawn(serve(listener, handle));
    Ok(Control { runtime: Some(runtime), socket: path })
}

/// The control socket; taken away when dropped.
struct Control {
    runtime: Option<tokio::runtime::Runtime>,
    socket: std::path::PathBuf,
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // An answer under way is not waited for: its asker may never read it.
            runtime.shutdown_timeout(Duration::from_millis(100));
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn run_failed(sentence: &str, error: std::io::Error) -> Failure {
    Failure::new(Exit::RunFailed, sentence).because(error).next("holdfire doctor")
}
