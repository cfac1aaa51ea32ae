//! `SINGLELINE`: one line of a record's several.

/// Joins lines; each is trimmed first.
#[derive(Debug, Default)]
pub(crate) struct SingleLine {
    /// `NO_TRIM`: blanks around a line stay.
    pub(crate) keep_blanks: bool,
    /// `ESCAPE_NEW_LINE`: two backslashes and an `n` stand where a line ended.
    pub(crate) escape_newlines: bool,
}

impl SingleLine {
    pub(super) fn convert(&self, text: &str) -> Vec<u8> {
        let between = if self.escape_newlines { r"\\n" } else { "" };
        let mut out = Vec::with_capacity(text.len() + 1);
        // Empty lines at the end are no lines, as for Java's split.
        for (index, line) in text.trim_end_matches('\n').split('\n').enumerate() {
            if index > 0 {
                out.extend_from_slice(between.as_bytes());
            }
            let line = if self.keep_blanks { line } else { line.trim_matches(|character| character <= ' ') };
            out.extend_from_slice(line.as_bytes());
        }
        out.push(b'\n');
        out
    }
}
