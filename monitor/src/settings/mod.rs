//! Where things are and who people are: the one place that reads the environment.
//!
//! A flag comes before the environment, the environment before the default. An empty variable counts as unset, as the
//! XDG base directory specification has it, and so does a relative path in an XDG variable.

mod users;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub use self::users::user_name;

/// Where root keeps sessions.
const SYSTEM_STATE: &str = "/var/lib/holdfire";

/// Where the control sockets are. Not below XDG_RUNTIME_DIR even for a user: approvals go to the monitor of root.
const SYSTEM_RUN: &str = "/run/holdfire";

/// What a process of holdfire needs to know of its surroundings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Captures and the fingerprint key.
    pub state_dir: PathBuf,
    /// Control sockets.
    pub run_dir: PathBuf,
    /// Which of holdfire's own messages are told, if it was said: `debug`, `monitor::daemon=trace,warn`.
    pub log: Option<String>,
}

/// What flags said.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub state_dir: Option<PathBuf>,
    pub run_dir: Option<PathBuf>,
}

impl Settings {
    /// Reads the environment of this process.
    pub fn load(overrides: Overrides) -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
        let variable = |name: &str| std::env::var_os(name);
        Self::new(overrides, nix::unistd::geteuid().is_root(), variable)
    }

    fn new(overrides: Overrides, root: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let state_dir = overrides.state_dir.or_else(|| path("HOLDFIRE_STATE_DIR")).unwrap_or_else(|| {
            if root {
                return SYSTEM_STATE.into();
            }
            let home = || path("HOME").map(|home| home.join(".local/state"));
            match path("XDG_STATE_HOME").filter(|path| path.is_absolute()).or_else(home) {
                Some(folder) => folder.join("holdfire"),
                // Without a home there is no folder of one's own; what the system keeps can still be asked for.
                None => SYSTEM_STATE.into(),
            }
        });
        let run_dir =
            overrides.run_dir.or_else(|| path("HOLDFIRE_RUN_DIR")).unwrap_or_else(|| SYSTEM_RUN.into());
        let log = variable("HOLDFIRE_LOG").filter(|value| !value.is_empty());
        let log = log.map(|value| value.to_string_lossy().into_owned());
        Self { state_dir, run_dir, log }
    }

    /// Whether sessions are looked for where root keeps them.
    pub fn is_system_state(&self) -> bool {
        self.state_dir == Path::new(SYSTEM_STATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_before_the_environment_and_that_before_defaults() {
        fn check(flag: Option<&str>, root: bool, environment: &[(&str, &str)], expect: &str) {
            let overrides = Overrides { state_dir: flag.map(PathBuf::from), run_dir: None };
            let variable = |name: &str| {
                environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
            };
            let settings = Settings::new(overrides, root, variable);
            assert_eq!(settings.state_dir, Path::new(expect), "{flag:?} {root} {environment:?}");
        }
        let home = ("HOME", "/home/dev");
        check(None, true, &[home], "/var/lib/holdfire");
        check(None, false, &[home], "/home/dev/.local/state/holdfire");
        check(None, false, &[home, ("XDG_STATE_HOME", "/x")], "/x/holdfire");
        check(None, false, &[home, ("XDG_STATE_HOME", "")], "/home/dev/.local/state/holdfire");
        check(None, false, &[home, ("XDG_STATE_HOME", "x")], "/home/dev/.local/state/holdfire");
        check(None, false, &[], "/var/lib/holdfire");
        check(None, true, &[("HOLDFIRE_STATE_DIR", "/s")], "/s");
        check(None, true, &[("HOLDFIRE_STATE_DIR", "")], "/var/lib/holdfire");
        check(Some("/f"), true, &[("HOLDFIRE_STATE_DIR", "/s")], "/f");
    }

    #[test]
    fn control_sockets_are_roots() {
        let run = |value: Option<&str>| {
            let value = value.map(OsString::from);
            let variable = |name: &str| if name == "HOLDFIRE_RUN_DIR" { value.clone() } else { None };
            Settings::new(Overrides::default(), false, variable).run_dir
        };
        assert_eq!(run(None), Path::new("/run/holdfire"));
        assert_eq!(run(Some("/tmp/r")), Path::new("/tmp/r"));
    }
}
