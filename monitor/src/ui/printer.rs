//! Decides what reaches standard output and standard error.
//!
//! Data goes to standard output and nothing else does; remarks, progress and errors go to standard error. Colours are
//! taken out where nobody sees them (NO_COLOR, CLICOLOR, TERM and pipes, as the `anstream` crate reads them).

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use anstream::AutoStream;
pub use anstream::ColorChoice;
use serde::Serialize;

type Stream = Mutex<Box<dyn Write + Send>>;

/// Both streams. Lines of several threads do not mix.
pub struct Printer {
    out: Stream,
    err: Stream,
    /// Each line of data is shown at once.
    live: bool,
}

impl Printer {
    /// Prints to the streams of this process.
    pub fn stdio(color: ColorChoice) -> Self {
        let live = io::stdout().is_terminal();
        let out = AutoStream::new(io::stdout(), choose(color, AutoStream::choice(&io::stdout())));
        let err = AutoStream::new(io::stderr(), choose(color, AutoStream::choice(&io::stderr())));
        Self { out: Mutex::new(Box::new(BufWriter::new(out))), err: Mutex::new(Box::new(err)), live }
    }

    /// Prints a line of data; the caller has escaped it.
    ///
    /// # Errors
    /// If standard output is closed or full.
    pub fn line(&self, line: impl Display) -> io::Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(out, "{line}")?;
        if self.live { out.flush() } else { Ok(()) }
    }

    /// Prints data that ends its own lines, such as a table.
    ///
    /// # Errors
    /// As [`Printer::line`].
    pub fn text(&self, text: impl Display) -> io::Result<()> {
        write!(self.out.lock().unwrap_or_else(PoisonError::into_inner), "{text}")
    }

    /// Prints a value as one line of JSON.
    ///
    /// # Errors
    /// As [`Printer::line`].
    pub fn json(&self, value: &impl Serialize) -> io::Result<()> {
        self.line(serde_json::to_string(value)?)
    }

    /// Prints a remark to standard error. That nobody reads remarks is no reason to stop, so this cannot fail.
    pub fn note(&self, note: impl Display) {
        let _ = self.flush();
        // One write, so that lines of others who write there stay whole.
        let note = format!("{note}\n");
        let mut err = self.err.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = err.write_all(note.as_bytes());
    }

    /// Shows all data printed so far.
    ///
    /// # Errors
    /// As [`Printer::line`].
    pub fn flush(&self) -> io::Result<()> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

/// What the user asks for comes before what the environment says.
fn choose(asked: ColorChoice, environment: ColorChoice) -> ColorChoice {
    if asked == ColorChoice::Auto { environment } else { asked }
}

#[cfg(test)]
pub(crate) mod testing {
    use std::sync::Arc;

    use super::*;

    /// What was printed.
    #[derive(Clone, Default)]
    pub(crate) struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Screen {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Printer {
        /// A printer without colours, and its two screens: output and error.
        pub(crate) fn to_screens() -> (Self, Screen, Screen) {
            let (out, err) = (Screen::default(), Screen::default());
            let plain = |screen: &Screen| -> Stream {
                Mutex::new(Box::new(AutoStream::never(Box::new(screen.clone()) as Box<dyn Write + Send>)))
            };
            (Self { out: plain(&out), err: plain(&err), live: true }, out, err)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::style;

    #[test]
    fn data_and_remarks_go_their_own_ways_without_colour() {
        let (printer, out, err) = Printer::to_screens();
        let bad = style::BAD;
        printer.line(format_args!("{bad}HOLD{bad:#}")).unwrap();
        printer.json(&[1, 2]).unwrap();
        printer.note("1 hidden");
        assert_eq!((out.text().as_str(), err.text().as_str()), ("HOLD\n[1,2]\n", "1 hidden\n"));
    }

    #[test]
    fn a_flag_comes_before_the_environment() {
        assert_eq!(choose(ColorChoice::Always, ColorChoice::Never), ColorChoice::Always);
        assert_eq!(choose(ColorChoice::Auto, ColorChoice::Never), ColorChoice::Never);
    }
}
