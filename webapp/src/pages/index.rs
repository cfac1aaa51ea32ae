//! The front page and the pages behind it: pictures, newest first, so many at a time.

use std::sync::Arc;

use askama::Template;
use axum::{
    Extension,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use tracing::error;

use super::{
    PAGE, PHOTOS, grid,
    layout::{Layout, rendered, rendered_refusal},
    refusal::Refusal,
    visitor::Visitor,
};
use crate::{
    newest::Source,
    records::{Cursor, Record},
    server::Connection,
    site::Site,
};

/// Longest description of a photo.
pub(super) const MAX_ALT_CHARS: usize = 1000;

#[derive(Template)]
#[template(path = "index.html")]
struct Page {
    layout: Layout,
    /// The photos as HTML, empty without any. None: the database could not be asked.
    grid: Option<Arc<str>>,
    /// How many a page shows at most.
    count: u32,
    is_front: bool,
    is_from_database: bool,
    source: &'static str,
    older_url: Option<String>,
    newer_url: Option<String>,
    /// Where a photo that was just deleted is brought back.
    undo_url: Option<String>,
    /// What was said about its deletion, in one breath with the offer.
    undo_notice: Option<String>,
    undo_minutes: u64,
    max_upload_mib: u64,
    max_upload_bytes: u64,
    max_alt_chars: usize,
}

/// What of the pictures is asked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    /// Pictures older than this place.
    before: Option<String>,
    /// Pictures newer than this place.
    after: Option<String>,
    /// The photo that was deleted just now.
    deleted: Option<i64>,
    /// The original signed out with this address; a link must not, so it leads to a form.
    logout: Option<String>,
}

/// One page of pictures and its neighbours.
struct Listed {
    records: Arc<Vec<Record>>,
    source: Source,
    older: Option<Cursor>,
    newer: Option<Cursor>,
}

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(ends): Extension<Connection>,
    wanted: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let wanted = wanted.map(|Query(wanted)| wanted).unwrap_or_default();
    let (mut visitor, problems) = match Visitor::of(&site, &headers).await {
        Ok(visitor) => (visitor, Vec::new()),
        Err(_) => (None, Refusal::no_sessions().problems),
    };
    let mut layout = Layout::new(&site, ends, visitor.as_ref());
    if wanted.logout.is_some() && visitor.is_some() {
        return super::sign_in::sign_out_page(layout, visitor.as_ref());
    }
    layout.problems = problems;
    if let Some(visitor) = &mut visitor {
        layout.notice = visitor.take_notice(&site).await;
    }
    let (page, status) = page(&site, layout, &wanted).await;
    rendered(&page, status, visitor.as_ref())
}

/// The front page with what went wrong.
pub(super) async fn refused(site: &Site, ends: Connection, visitor: Option<&Visitor>, refusal: &Refusal) -> Response {
    let layout = Layout::new(site, ends, visitor).refusing(refusal);
    let (page, _) = page(site, layout, &Wanted::default()).await;
    rendered_refusal(&page, refusal, visitor)
}

async fn page(site: &Site, mut layout: Layout, wanted: &Wanted) -> (Page, StatusCode) {
    let (status, listed) = match list(site, wanted).await {
        Ok(listed) => (StatusCode::OK, Some(listed)),
        Err(error) => {
            error!(error = error.chain(), "cannot read the pictures from the database");
            let problem = "The database does not answer, so no pictures are shown. Please try again in a moment.";
            layout.problems.push(problem.to_owned());
            (StatusCode::SERVICE_UNAVAILABLE, None)
        }
    };
    let source = listed.as_ref().map(|listed| listed.source);
    if source == Some(Source::Stale) {
        let problem = "The database does not answer. These photos are from a moment ago, and uploading has to wait.";
        layout.problems.push(problem.to_owned());
    }
    let url = |key: &str, cursor: Option<Cursor>| cursor.map(|cursor| format!("{PAGE}?{key}={}", cursor.to_text()));
    let undo_id = wanted.deleted.filter(|_| layout.visitor.is_some());
    let undo_notice = undo_id.and_then(|_| layout.notice.take());
    let page = Page {
        layout,
        older_url: url("before", listed.as_ref().and_then(|listed| listed.older)),
        newer_url: url("after", listed.as_ref().and_then(|listed| listed.newer)),
        grid: match listed {
            Some(listed) => Some(grid::html(site, &listed.records, listed.source).await),
            None => None,
        },
        count: site.settings.page.pictures,
        is_front: wanted.before.is_none() && wanted.after.is_none(),
        is_from_database: source == Some(Source::Database),
        source: source.map_or("none", Source::as_str),
        undo_url: undo_id.map(|id| format!("{PHOTOS}{id}/restore")),
        undo_notice,
        undo_minutes: site.settings.upload.undo.as_secs().div_ceil(60),
        max_upload_mib: site.settings.upload.max_mib,
        max_upload_bytes: site.settings.upload.max_bytes(),
        max_alt_chars: MAX_ALT_CHARS,
    };
    (page, status)
}

/// The front page comes through the cache, the others from the database.
async fn list(site: &Site, wanted: &Wanted) -> Result<Listed, crate::remote::StoreError> {
    let count = site.settings.page.pictures;
    let is_full = |records: &[Record]| records.len() >= count as usize;
    let (before, after) = (place(wanted.before.as_deref()), place(wanted.after.as_deref()));
    let mut listed = if let Some(place) = before {
        let records = site.records.older(place, count).await?;
        let newer = records.first().map(Record::cursor);
        Listed { older: None, newer, source: Source::Database, records: Arc::new(records) }
    } else if let Some(place) = after {
        let records = site.records.newer(place, count).await?;
        let newer = records.first().filter(|_| is_full(&records)).map(Record::cursor);
        Listed { older: None, newer, source: Source::Database, records: Arc::new(records) }
    } else {
        let newest = site.newest().await?;
        Listed { older: None, newer: None, source: newest.source, records: newest.records }
    };
    let has_older = is_full(&listed.records) || after.is_some();
    listed.older = listed.records.last().filter(|_| has_older).map(Record::cursor);
    Ok(listed)
}

fn place(text: Option<&str>) -> Option<Cursor> {
    text.and_then(Cursor::parse)
}
