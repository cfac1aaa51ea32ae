//! The photos of a page as HTML, the same for every visitor.
//!
//! It is made of rows, and kept with them: as long as the cache says that the rows are of now, their HTML is, too. What a
//! shared cache holds are the rows; a node with other settings makes other HTML of them. Addresses that are signed end after
//! a while, so HTML with such ones is made anew for each page.

use std::sync::{Arc, Mutex, PoisonError};

use askama::Template;
use tracing::error;

use super::card::Card;
use crate::{newest::Source, records::Record, site::Site};

#[derive(Template)]
#[template(path = "grid.html")]
struct Grid<'a> {
    pictures: &'a [Card],
}

/// The HTML of the rows that were shown last out of the cache.
#[derive(Default)]
pub(crate) struct KeptGrid(Mutex<Option<Kept>>);

struct Kept {
    records: Arc<Vec<Record>>,
    html: Arc<str>,
}

impl KeptGrid {
    /// None if it is of other rows. The rows themselves are compared by identity: whoever reads rows anew gets others.
    fn find(&self, records: &Arc<Vec<Record>>) -> Option<Arc<str>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|kept| Arc::ptr_eq(&kept.records, records)).map(|kept| kept.html.clone())
    }

    fn keep(&self, records: Arc<Vec<Record>>, html: Arc<str>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Kept { records, html });
    }
}

/// The HTML of these rows; empty without any.
pub(super) async fn html(site: &Site, records: &Arc<Vec<Record>>, source: Source) -> Arc<str> {
    if records.is_empty() {
        return Arc::from("");
    }
    let may_be_kept = source == Source::Cache && site.storage.has_lasting_addresses();
    if may_be_kept && let Some(html) = site.grid.find(records) {
        return html;
    }
    let pictures = Card::all(site, records).await;
    let html: Arc<str> = match (Grid { pictures: &pictures }).render() {
        Ok(html) => html.into(),
        Err(error) => {
            error!(%error, "cannot render the photos of a page");
            return Arc::from("");
        }
    };
    if may_be_kept {
        site.grid.keep(records.clone(), html.clone());
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_belongs_to_the_very_rows_it_was_made_of() {
        let (rows, others) = (Arc::new(Vec::new()), Arc::new(Vec::new()));
        let kept = KeptGrid::default();
        assert!(kept.find(&rows).is_none());
        kept.keep(rows.clone(), "<ul></ul>".into());
        assert_eq!(kept.find(&rows).as_deref(), Some("<ul></ul>"));
        assert!(kept.find(&others).is_none(), "read anew, though equal");
    }
}
