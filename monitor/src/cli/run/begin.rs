//! What happens before the command runs: the policy is read, the kernel half loaded, the capture begun.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::child::Identity;
use super::teller;
use crate::cli::{Context, Exit, Failure, RunArgs, judge};
use crate::credential::given::{arguments, environment};
use crate::credential::host_key;
use crate::credential::scan::{ScanRequest, Scanner};
use crate::credential::{Limits, Redactor};
use crate::daemon::{Given, Live, boot_now, prove, wall_now};
use crate::detect::Catalog;
use crate::event::{CredentialsSeen, Mode, Place, Rung, ScanOutcome, SessionStarted};
use crate::secret::Fingerprinter;
use crate::sensor::{Rings, Sensor, load};
use crate::store::capture::{FORMAT, Header, WriteError, Writer};
use crate::store::new_session_id;

/// A session that is ready for its command.
pub(super) struct Begun {
    pub(super) live: Live,
    pub(super) sensor: Sensor,
    pub(super) rings: Rings,
    pub(super) scanner: Scanner,
    pub(super) hold_timeout: Duration,
    /// The line that says so.
    pub(super) monitoring: String,
}

/// Times another id is tried when one is taken.
const IDS: usize = 16;

pub(super) fn begin(args: &RunArgs, identity: &Identity, context: &Context) -> Result<Begun, Failure> {
    let mut sources = Vec::new();
    sources.extend(judge::policy_source(args.policy.as_deref().unwrap_or("default"))?);
    // It may only tighten: the agent can write it.
    if let Some(project) = judge::project_source(&identity.concerned())? {
        if sources.is_empty() {
            sources.push(judge::builtin_source());
        }
        sources.push(project);
    }
    let policy = judge::policy(&sources)?;
    let catalog = Catalog::builtin()
        .map_err(|error| Failure::new(Exit::RunFailed, "The built-in catalogue is broken").because(error))?;

    let loaded = load().map_err(Failure::not_loaded)?;
    let (file_sensor, not_seen) = (loaded.file_sensor().to_owned(), loaded.not_seen());
    let tls = teller::tls(&loaded.attached);
    let (mut sensor, rings) = Sensor::new(loaded).map_err(Failure::not_loaded)?;
    if args.mode != Mode::Observe {
        prove(&mut sensor).map_err(|error| {
            Failure::new(
                Exit::Privilege,
                format!("The gate does not hold on this host, so mode {} cannot be used", args.mode),
            )
            .because(error)
            .next("holdfire doctor; --mode observe watches without a gate")
        })?;
    }
    let key = host_key::load_or_create(&context.settings.state_dir.join("host.key"))
        .map_err(|error| Failure::new(Exit::RunFailed, "There is no key for fingerprints").because(error))?;
    let fingerprinter = Fingerprinter::new(&key);
    let redactor = Redactor::new(fingerprinter.clone());

    let time = boot_now();
    let wall_clock = wall_now();
    let kernel = first_line("/proc/sys/kernel/osrelease");
    let mut header = Header {
        format: FORMAT,
        session: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        boot_id: first_line("/proc/sys/kernel/random/boot_id"),
        kernel: kernel.clone(),
        wall_clock,
        boot_clock: time,
        fingerprint_key: fingerprinter.key_id(),
        policies: sources,
    };
    let writer = create(&mut header, context)?;

    let mut scanner = Scanner::new(Limits::default());
    let (given, given_known) = given(args, &redactor, &mut scanner);
    let argv: Vec<String> = args.command.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let rung = if args.mode == Mode::Observe { Rung::Alert } else { Rung::StopAndEgress };
    let started = SessionStarted {
        session: header.session.clone(),
        name: given_known.text(&args.name.clone().unwrap_or_else(|| file_name(&args.command))),
        argv: given_known.argv(&argv),
        cwd: std::env::current_dir()
            .map(|path| given_known.path(&path.to_string_lossy()).into_owned())
            .unwrap_or_default(),
        uid: identity.uid(),
        wall_clock,
        mode: args.mode,
        policy: policy.reference(),
        rung,
        file_sensor,
        not_seen,
        version: header.version,
        kernel,
    };
    let monitoring = teller::monitoring(&started, tls);
    let hold_timeout = policy.hold().timeout;
    let number = session_number(&header.session);
    let live =
        Live::begin(number, started, given, time, (Arc::new(policy), Arc::new(catalog)), redactor, writer)
            .map_err(|error| {
                Failure::new(Exit::RunFailed, "The session cannot be recorded").because(error)
            })?;
    Ok(Begun { live, sensor, rings, scanner, hold_timeout, monitoring })
}

fn create(header: &mut Header, context: &Context) -> Result<Writer, Failure> {
    let mut attempts = 0;
    loop {
        header.session = new_session_id(random()?, header.wall_clock);
        match context.sessions().create(header) {
            Err(WriteError::Create { source, .. })
                if source.kind() == std::io::ErrorKind::AlreadyExists && attempts < IDS =>
            {
                attempts += 1;
            }
            Err(error) => {
                return Err(Failure::new(
                    Exit::RunFailed,
                    "The session cannot be recorded, so the command is not run",
                )
                .because(error)
                .next("name a folder that can be written with --state-dir"));
            }
            Ok(writer) => return Ok(writer),
        }
    }
}

/// What the command is given: its environment, its arguments, and what its descriptors lead to.
fn given(args: &RunArgs, redactor: &Redactor, scanner: &mut Scanner) -> (Given, Redactor) {
    let variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let pairs = variables.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let whole = |place, sightings| CredentialsSeen { place, sightings, scan: ScanOutcome::Whole };
    let mut seen = vec![
        whole(Place::Environment, environment(pairs, redactor)),
        whole(Place::Arguments, arguments(args.command.iter().map(|arg| arg.as_bytes()), redactor)),
    ];
    // Only the standard streams are passed on: all other descriptors of holdfire close at exec.
    for fd in 0..3 {
        let link = format!("/proc/self/fd/{fd}");
        let (Ok(target), Ok(file)) = (fs::read_link(&link), fs::metadata(&link)) else { continue };
        if !file.is_file() {
            continue;
        }
        let path = target.to_string_lossy().into_owned();
        let dev = kernel_dev(file.dev());
        let request =
            ScanRequest { pid: std::process::id(), fd: Some(fd), path: &path, dev, ino: file.ino() };
        if let Some(found) = scanner.scan(&request, redactor) {
            seen.push(CredentialsSeen {
                place: Place::Inherited { path },
                sightings: found.sightings,
                scan: found.outcome,
            });
        }
    }
    seen.retain(|seen| !seen.sightings.is_empty() || seen.scan != ScanOutcome::Whole);
    let mut known = redactor.clone();
    seen.iter().flat_map(|seen| &seen.sightings).for_each(|sighting| known.learn_sighting(sighting));
    for seen in &mut seen {
        if let Place::Inherited { path } = &mut seen.place {
            *path = known.path(path).into_owned();
        }
    }
    (Given { seen }, known)
}

/// stat(2)'s device number as the kernel half writes it: major << 20 | minor.
fn kernel_dev(dev: u64) -> u32 {
    libc::major(dev) << 20 | libc::minor(dev)
}

fn file_name(command: &[OsString]) -> String {
    let first = command.first().map(Path::new);
    first.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn first_line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

/// The kernel half's number of a session: never zero, and as unique as the id.
fn session_number(id: &str) -> u64 {
    let digest = blake3::hash(id.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_ne_bytes(bytes).max(1)
}

fn random() -> Result<[u8; 8], Failure> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Failure::new(Exit::RunFailed, "There is no randomness to be had").because(error))?;
    Ok(bytes)
}
