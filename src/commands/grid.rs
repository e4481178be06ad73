//! Rows in aligned columns, broken into as many lines as the width demands.

/// Narrowest and widest column.
const CELL_MIN: usize = 8;
const CELL_MAX: usize = 12;

/// The columns of a route.
#[derive(Debug)]
pub(super) struct Grid {
    /// Before the values, on the first line.
    lead: usize,
    /// The names and units of the columns, each as wide as its column.
    names: Vec<String>,
    units: Vec<String>,
    /// The column that each line begins with.
    breaks: Vec<usize>,
}

impl Grid {
    /// Columns (name, unit) behind `lead` characters, in lines of `width`.
    pub(super) fn new(columns: &[(String, String)], lead: usize, width: usize) -> Self {
        let length = |text: &str| text.chars().count();
        let (mut names, mut units, mut breaks) = (Vec::new(), Vec::new(), Vec::new());
        let mut used = usize::MAX;
        for (index, (name, unit)) in columns.iter().enumerate() {
            let cell = length(name).max(length(unit)).clamp(CELL_MIN, CELL_MAX);
            if used.saturating_add(cell + 1) > width {
                breaks.push(index);
                used = lead;
            }
            used += cell + 1;
            names.push(fitted(name, cell));
            units.push(fitted(unit, cell));
        }
        Self { lead, names, units, breaks }
    }

    /// Names, and below them units where there are any, for each line of a row.
    pub(super) fn head(&self, lead: &str) -> String {
        let mut text = String::new();
        for (line, columns) in self.spans().enumerate() {
            text += &self.line(if line == 0 { lead } else { "" }, &self.names[columns.clone()]);
            let units = &self.units[columns];
            if units.iter().any(|unit| !unit.trim().is_empty()) {
                text += &self.line("", units);
            }
        }
        text
    }

    /// A row. A value that is too wide pushes the others aside: it is not cut.
    pub(super) fn row(&self, lead: &str, values: &[String]) -> String {
        let cells = self.names.iter().enumerate().map(|(index, name)| {
            let value = values.get(index).map_or("", String::as_str);
            format!("{value:>width$}", width = name.chars().count())
        });
        let cells: Vec<String> = cells.collect();
        let lead = |line| if line == 0 { lead } else { "" };
        let lines = self.spans().enumerate();
        lines.map(|(line, columns)| self.line(lead(line), &cells[columns])).collect()
    }

    /// The columns of each line.
    fn spans(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let ends = self.breaks.iter().skip(1).copied().chain([self.names.len()]);
        self.breaks.iter().copied().zip(ends).map(|(from, to)| from..to)
    }

    fn line(&self, lead: &str, cells: &[String]) -> String {
        let cells: String = cells.iter().map(|cell| format!(" {cell}")).collect();
        let line = format!("{lead:<width$}{cells}", width = self.lead);
        format!("{}\n", line.trim_end())
    }
}

/// To the right, in exactly this width.
fn fitted(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return format!("{text:>width$}");
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weather() -> Vec<(String, String)> {
        let names = [
            ("timestamp", ""),
            ("sample_interval", ""),
            ("temperature", "°C"),
            ("humidity", "%"),
            ("pressure", "hPa"),
            ("wind_direction", "°"),
            ("rain_gauge_count", ""),
            ("anemometer_count", ""),
        ];
        names.map(|(name, unit)| (name.to_owned(), unit.to_owned())).to_vec()
    }

    #[test]
    fn values_stand_below_their_names_and_every_line_fits() {
        let grid = Grid::new(&weather(), 12, 80);
        let values: Vec<String> = (0..8).map(|n| format!("{n}.25")).collect();
        let (head, row) = (grid.head("weather"), grid.row("16:27:19.000", &values));
        for line in head.lines().chain(row.lines()) {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(head.contains("temperature") && head.contains("sample_inte…"), "{head}");
        let column = |text: &str, what: &str| {
            let line = text.lines().find(|line| line.contains(what)).unwrap();
            line[..line.find(what).unwrap()].chars().count() + what.chars().count()
        };
        assert_eq!(column(&head, "temperature"), column(&row, "2.25"), "{head}{row}");
        assert_eq!(column(&head, "hPa"), column(&row, "4.25"), "{head}{row}");
        assert_eq!(row.lines().count(), 2, "{row}");
        assert_eq!(Grid::new(&weather(), 12, 200).row("", &values).lines().count(), 1);
    }

    #[test]
    fn fewer_or_wider_values_than_columns_are_no_reason_to_panic() {
        let grid = Grid::new(&weather(), 3, 40);
        assert!(grid.row("a", &["x".repeat(30)]).contains(&"x".repeat(30)));
        assert_eq!(Grid::new(&[], 3, 40).row("a", &[]), "");
    }
}
