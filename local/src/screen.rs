//! The live table: redrawn in place on a terminal, printed now and then elsewhere.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use comfy_table::{CellAlignment, Table, TableComponent, presets};

use crate::counts::View;

/// Clients shown.
const ROWS: usize = 10;
/// Off a terminal, a table at most this often, and only when it changed.
const PAUSE: Duration = Duration::from_secs(5);

/// Where the table goes.
#[derive(Debug)]
pub(crate) struct Screen {
    is_terminal: bool,
    /// Lines of the table that is on the terminal now.
    drawn: usize,
    printed: Option<(Instant, String)>,
}

impl Screen {
    /// Standard output as it is.
    pub(crate) fn new() -> Self {
        Self { is_terminal: io::stdout().is_terminal(), drawn: 0, printed: None }
    }

    /// Shows the table.
    pub(crate) fn show(&mut self, view: &View) {
        let text = render(view);
        if self.is_terminal {
            let up = if self.drawn > 0 { format!("\x1b[{}A\x1b[J", self.drawn) } else { String::new() };
            self.drawn = text.lines().count();
            say(&format!("{up}{text}"));
        } else if self.printed.as_ref().is_none_or(|(when, before)| when.elapsed() >= PAUSE && *before != text) {
            say(&text);
            self.printed = Some((Instant::now(), text));
        }
    }
}

/// Prints a line. A closed standard output is no reason to stop counting.
pub(crate) fn say(text: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).ok();
}

fn render(view: &View) -> String {
    let window = |start: &Option<String>| start.as_deref().map_or("none yet", time_of_day).to_owned();
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_style(TableComponent::HeaderLines, '─').set_style(TableComponent::MiddleHeaderIntersections, '─');
    table.set_header([
        "client".to_owned(),
        format!("open window ({})", window(&view.open_window)),
        format!("last closed ({})", window(&view.last_window)),
        "total".to_owned(),
    ]);
    for client in view.clients.iter().take(ROWS) {
        table.add_row([client.address.clone(), client.open.to_string(), client.last.to_string(), client.total.to_string()]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    if view.clients.is_empty() {
        return "no requests counted yet".to_owned();
    }
    table.to_string()
}

/// `02:08:50` of `2026-11-21T02:08:50Z`.
fn time_of_day(timestamp: &str) -> &str {
    timestamp.split('T').nth(1).map_or(timestamp, |time| time.trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::Client;

    #[test]
    fn the_table_names_its_windows_and_counts() {
        let clients = vec![Client { address: "127.0.0.2".into(), open: 3, last: 41, total: 1_044 }];
        let view = View { clients, open_window: Some("2026-11-21T02:08:50Z".into()), last_window: None };
        let text = render(&view);
        assert!(text.contains("open window (02:08:50)") && text.contains("last closed (none yet)"), "{text}");
        assert!(text.lines().any(|line| line.split_whitespace().eq(["127.0.0.2", "3", "41", "1044"])), "{text}");
    }
}
