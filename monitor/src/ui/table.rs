//! Columns.
//!
//! Written by hand: the crates that lay out tables draw borders and wrap cells, while here a table is aligned text that
//! `awk` can take apart, cuts what is too wide, and must know that cells are hostile. Widths count characters, so a
//! row with double-width characters is shown a little too far right.

use std::borrow::Cow;
use std::fmt;

use anstyle::Style;

use super::safe::{cut, safe};
use super::style;

/// Where a cell stands in its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// Text in one style. It is escaped when made.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Self { text: safe(text.as_ref()).into_owned(), style }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, style::PLAIN)
    }
}

/// Rows under headings. A column is as wide as its widest cell, up to its limit.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(&'static str, Align, usize)>,
    rows: Vec<Vec<Cell>>,
    headed: bool,
}

impl Table {
    /// A table with these columns: heading, alignment, and the most characters a cell may take before it is cut.
    pub fn new(columns: &[(&'static str, Align, usize)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new(), headed: true }
    }

    /// Adds a row; cells beyond the last column are not shown.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Leaves the headings out.
    #[must_use]
    pub fn without_headings(mut self) -> Self {
        self.headed = false;
        self
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headings: Vec<Cell> =
            self.columns.iter().map(|(heading, ..)| Cell::styled(heading, style::FAINT)).collect();
        let rows = || self.headed.then_some(&headings).into_iter().chain(&self.rows);
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let widest = rows().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count());
                widest.max().unwrap_or(0).min(self.columns[column].2)
            })
            .collect();
        for row in rows() {
            let last = row.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |at| at + 1);
            for (column, cell) in row.iter().take(last.min(widths.len())).enumerate() {
                let (_, align, limit) = self.columns[column];
                let text: Cow<'_, str> = cut(&cell.text, limit);
                let space = widths[column] - text.chars().count();
                let style = cell.style;
                let (before, mut after) = if align == Align::Right { (space, 0) } else { (0, space) };
                if column + 1 == last.min(widths.len()) {
                    after = 0;
                } else {
                    after += 2;
                }
                write!(f, "{:before$}{style}{text}{style:#}{:after$}", "", "")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_cut_and_harmless() {
        let mut table = Table::new(&[("NAME", Align::Left, 8), ("N", Align::Right, 6), ("", Align::Left, 9)]);
        table.row(["short", "1", ""].map(Cell::from));
        table.row(["much too long", "1,234", "\u{1b}[31m!"].map(Cell::from));
        let (printer, out, _) = crate::ui::Printer::to_screens();
        printer.text(table).unwrap();
        insta::assert_snapshot!(out.text(), @r"
        NAME          N
        short         1
        much to…  1,234  \x1b[31m!
        ");
    }
}
