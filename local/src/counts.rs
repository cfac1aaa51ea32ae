//! From the live rows of analytics to a table of clients.
//!
//! Pure logic: rows in, table out. A closed window is added to the totals once; open windows are counted anew each time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use serde::Deserialize;

/// The answer of `GET /request_counts`: newest window first.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
}

/// One client in one window.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Row {
    /// ISO 8601 in UTC, so that text order is time order.
    pub(crate) window_start: String,
    /// Missing when the log line had no client.
    #[serde(default)]
    pub(crate) client_ip: Option<String>,
    pub(crate) request_count: u64,
    pub(crate) is_closed: bool,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) address: String,
    /// Requests in windows that are still open.
    pub(crate) open: u64,
    /// Requests in the window that closed last.
    pub(crate) last: u64,
    /// Requests in all windows.
    pub(crate) total: u64,
}

/// The table, and which windows it shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Most requests first.
    pub(crate) clients: Vec<Client>,
    /// Start of the newest open window.
    pub(crate) open_window: Option<String>,
    /// Start of the window that closed last.
    pub(crate) last_window: Option<String>,
}

/// What was added up so far. As large as there are clients, which on loopback are few.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    by_client: HashMap<String, u64>,
    /// Start of the newest window that is in `by_client`; older windows are never added again.
    added_until: Option<String>,
}

impl Totals {
    /// Takes an answer of at most `limit` rows and gives the table.
    pub(crate) fn view(&mut self, rows: &[Row], limit: usize) -> View {
        let last_window = rows.iter().filter(|row| row.is_closed).map(|row| &row.window_start).max().cloned();
        let open_window = rows.iter().filter(|row| !row.is_closed).map(|row| &row.window_start).max().cloned();
        self.add_closed(rows, limit);
        let mut clients: BTreeMap<&str, Client> = BTreeMap::new();
        for row in rows.iter().filter(|row| !row.is_closed || Some(&row.window_start) == last_window.as_ref()) {
            let address = row.address();
            let empty = || Client { address: address.to_owned(), open: 0, last: 0, total: 0 };
            let client = clients.entry(address).or_insert_with(empty);
            if row.is_closed { client.last += row.request_count } else { client.open += row.request_count }
        }
        for (address, total) in &self.by_client {
            let empty = || Client { address: address.clone(), open: 0, last: 0, total: 0 };
            clients.entry(address).or_insert_with(empty).total = *total;
        }
        let mut clients: Vec<Client> = clients.into_values().collect();
        clients.iter_mut().for_each(|client| client.total += client.open);
        clients.sort_by_key(|client| Reverse((client.open + client.last, client.total)));
        View { clients, open_window, last_window }
    }

    fn add_closed(&mut self, rows: &[Row], limit: usize) {
        // A full answer may have cut its oldest window in two; it is left out.
        let cut = if rows.len() >= limit { rows.last().map(|row| row.window_start.clone()) } else { None };
        let added_until = self.added_until.clone();
        let is_new = |row: &&Row| {
            row.is_closed && Some(&row.window_start) > added_until.as_ref() && Some(&row.window_start) != cut.as_ref()
        };
        for row in rows.iter().filter(is_new) {
            *self.by_client.entry(row.address().to_owned()).or_default() += row.request_count;
            self.added_until = self.added_until.take().max(Some(row.window_start.clone()));
        }
    }
}

impl Row {
    fn address(&self) -> &str {
        self.client_ip.as_deref().unwrap_or("(none)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(window_start: &str, client: &str, request_count: u64, is_closed: bool) -> Row {
        Row { window_start: window_start.into(), client_ip: Some(client.into()), request_count, is_closed }
    }

    fn client(address: &str, open: u64, last: u64, total: u64) -> Client {
        Client { address: address.into(), open, last, total }
    }

    #[test]
    fn a_closed_window_is_added_once() {
        let mut totals = Totals::default();
        totals.view(&[row("10", "a", 5, true)], 100);
        let view = totals.view(&[row("20", "a", 2, false), row("10", "a", 5, true)], 100);
        assert_eq!(view.clients, [client("a", 2, 5, 7)]);
        assert_eq!((view.open_window.as_deref(), view.last_window.as_deref()), (Some("20"), Some("10")));
    }

    #[test]
    fn a_client_that_left_keeps_its_total() {
        let mut totals = Totals::default();
        totals.view(&[row("10", "gone", 5, true)], 100);
        let view = totals.view(&[row("20", "here", 1, true)], 100);
        assert_eq!(view.clients, [client("here", 0, 1, 1), client("gone", 0, 0, 5)]);
    }

    #[test]
    fn a_window_cut_by_the_limit_is_not_added() {
        let mut totals = Totals::default();
        let view = totals.view(&[row("20", "a", 1, true), row("10", "b", 9, true)], 2);
        assert_eq!(view.clients, [client("a", 0, 1, 1)]);
    }
}
