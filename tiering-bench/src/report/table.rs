//! A table of text.

/// Rows of cells under a header. The first column is aligned left, the others right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// Sentences below it.
    pub notes: Vec<String>,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new<T: Into<String>>(title: &str, header: impl IntoIterator<Item = T>) -> Self {
        let header = header.into_iter().map(Into::into).collect();
        Self { title: title.to_owned(), header, ..Self::default() }
    }

    /// Adds a row.
    ///
    /// # Panics
    ///
    /// If it has not one cell per column.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        assert_eq!(cells.len(), self.header.len(), "{cells:?} under {:?}", self.header);
        self.rows.push(cells);
    }

    /// Adds a sentence below the table.
    pub fn note(&mut self, sentence: impl Into<String>) {
        self.notes.push(sentence.into());
    }

    /// The columns' names.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The cells.
    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// The table in columns of spaces.
    pub fn to_text(&self) -> String {
        let widths: Vec<usize> = (0..self.header.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| &row[column]);
                cells.chain([&self.header[column]]).map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let line = |cells: &[String]| {
            let mut line = String::new();
            for (column, (cell, &width)) in std::iter::zip(cells, &widths).enumerate() {
                let padding = " ".repeat(width - cell.chars().count());
                line +=
                    &if column == 0 { format!("  {cell}{padding}") } else { format!("   {padding}{cell}") };
            }
            line.trim_end().to_owned() + "\n"
        };
        let mut text = format!("{}\n{}", self.title, line(&self.header));
        text.extend(self.rows.iter().map(|row| line(row)));
        for note in &self.notes {
            text += &format!("  - {note}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new("latency", ["server", "p50 us"]);
        table.row(["ours", "8.25"]);
        table.row(["redis-server", "10"]);
        table.note("closed loop");
        assert_eq!(
            table.to_text(),
            "latency\n  server         p50 us\n  ours             8.25\n  redis-server       10\n  - closed loop\n"
        );
    }
}
