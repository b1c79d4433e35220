//! What people see: escaping, units, tables, and the printer that decides what reaches which stream.
//!
//! It knows nothing of events, so that every screen can use it.

mod printer;
mod safe;
pub mod style;
mod table;
mod units;

pub use self::printer::{ColorChoice, Printer};
pub use self::safe::{cut, cut_front, safe};
pub use self::table::{Align, Cell, Table};
pub use self::units::{bytes, count, counted, span, wall_clock};
