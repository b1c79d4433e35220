//! The few colours. Each also has a word on the screen: colour never carries a meaning alone.

use anstyle::{AnsiColor, Style};

pub const PLAIN: Style = Style::new();
/// Headings, and what a line is about.
pub const STRONG: Style = Style::new().bold();
/// What may be skipped.
pub const FAINT: Style = Style::new().dimmed();
/// Went well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Wants attention.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// Was stopped, or is destroyed.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// A credential.
pub const SECRET: Style = AnsiColor::Magenta.on_default();
