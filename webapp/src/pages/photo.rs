//! A page for one photo, and what its owner can do with it.

use std::sync::Arc;

use askama::Template;
use axum::{
    Extension,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    PAGE, PHOTOS,
    card::Card,
    forms,
    index::{self, MAX_ALT_CHARS},
    layout::{Layout, rendered, rendered_refusal},
    refusal::Refusal,
    upload::clean_alt,
    visitor::Visitor,
};
use crate::{records::Record, remote::StoreError, server::Connection, site::Site};

#[derive(Template)]
#[template(path = "photo.html")]
struct PhotoPage {
    layout: Layout,
    photo: Card,
    newer_url: Option<String>,
    older_url: Option<String>,
    /// Given to its owner only.
    own: Option<Own>,
}

/// What its owner can do with a photo.
struct Own {
    describe_url: String,
    /// The words as they are, without what stands for them when there are none.
    alt_text: String,
    max_alt_chars: usize,
    delete_url: String,
    undo_minutes: u64,
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    layout: Layout,
    title: &'static str,
    /// What happened, and what to do.
    text: &'static str,
}

#[derive(Deserialize)]
struct OwnersForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    alt: String,
}

/// What an owner asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Describe,
    Delete,
    Restore,
}

/// GET: the photo, with its neighbours.
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(ends): Extension<Connection>,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Response {
    let mut visitor = Visitor::of(&site, &headers).await.ok().flatten();
    let mut layout = Layout::new(&site, ends, visitor.as_ref());
    if let Some(visitor) = &mut visitor {
        layout.notice = visitor.take_notice(&site).await;
    }
    let (record, [newer, older]) = match found(&site, id).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            let page =
                MessagePage { layout, title: "No such photo", text: "This photo is not here. Perhaps its owner deleted it." };
            return rendered(&page, StatusCode::NOT_FOUND, visitor.as_ref());
        }
        Err(error) => {
            let refusal = Refusal::no_database(&error);
            let text = "The database does not answer, so the photo is not shown. Please try again in a moment.";
            return rendered_refusal(&MessagePage { layout, title: "Not now", text }, &refusal, visitor.as_ref());
        }
    };
    let is_own = visitor.as_ref().is_some_and(|visitor| visitor.user().as_str() == record.username);
    let url = |neighbour: Option<Record>| neighbour.map(|record| format!("{PHOTOS}{}", record.id));
    let page = PhotoPage {
        layout,
        photo: Card::new(&site, &record).await,
        newer_url: url(newer),
        older_url: url(older),
        own: is_own.then(|| Own {
            describe_url: format!("{PHOTOS}{id}/describe"),
            alt_text: record.alt_text.clone(),
            max_alt_chars: MAX_ALT_CHARS,
            delete_url: format!("{PHOTOS}{id}/delete"),
            undo_minutes: site.settings.upload.undo.as_secs().div_ceil(60),
        }),
    };
    rendered(&page, StatusCode::OK, visitor.as_ref())
}

async fn found(site: &Site, id: i64) -> Result<Option<(Record, [Option<Record>; 2])>, StoreError> {
    let Some(record) = site.records.picture(id).await? else { return Ok(None) };
    let newer = site.records.newer(record.cursor(), 1).await?.pop();
    let older = site.records.older(record.cursor(), 1).await?.pop();
    Ok(Some((record, [newer, older])))
}

/// POST: takes a photo off the site. It can be brought back for a while.
pub(super) async fn delete(
    state: State<Arc<Site>>,
    ends: Extension<Connection>,
    Path(id): Path<i64>,
    request: Request,
) -> Response {
    change(state, ends, id, request, Change::Delete).await
}

/// POST: brings a deleted photo back.
pub(super) async fn restore(
    state: State<Arc<Site>>,
    ends: Extension<Connection>,
    Path(id): Path<i64>,
    request: Request,
) -> Response {
    change(state, ends, id, request, Change::Restore).await
}

/// POST: changes the words for those who do not see it.
pub(super) async fn describe(
    state: State<Arc<Site>>,
    ends: Extension<Connection>,
    Path(id): Path<i64>,
    request: Request,
) -> Response {
    change(state, ends, id, request, Change::Describe).await
}

async fn change(
    State(site): State<Arc<Site>>,
    Extension(ends): Extension<Connection>,
    id: i64,
    request: Request,
    change: Change,
) -> Response {
    let mut visitor = match forms::visitor_of_form(&site, request.headers()).await {
        Ok(visitor) => visitor,
        Err(refusal) => {
            forms::discard(&site, request);
            return index::refused(&site, ends, None, &refusal).await;
        }
    };
    match changed(&site, visitor.as_mut(), id, request, change).await {
        Ok(response) => response,
        Err(refusal) => index::refused(&site, ends, visitor.as_ref(), &refusal).await,
    }
}

async fn changed(
    site: &Arc<Site>,
    visitor: Option<&mut Visitor>,
    id: i64,
    request: Request,
    change: Change,
) -> Result<Response, Refusal> {
    let form: OwnersForm = forms::read(request).await?;
    let visitor = visitor.ok_or_else(Refusal::signed_out)?;
    if !visitor.owns(Some(&form.csrf)) {
        return Err(Refusal::foreign_form());
    }
    let owner = visitor.user().as_str().to_owned();
    let done = match change {
        Change::Describe => site.records.describe(id, &owner, &clean_alt(&form.alt)).await,
        Change::Delete => site.records.delete(id, &owner).await,
        Change::Restore => site.records.restore(id, &owner).await,
    };
    if !done.map_err(|error| Refusal::no_database(&error))? {
        let problem = match change {
            Change::Describe | Change::Delete => "This photo is not yours, or is gone already.",
            Change::Restore => "This photo cannot be brought back: the time for it is over.",
        };
        return Err(Refusal::new(StatusCode::NOT_FOUND, problem));
    }
    site.pictures_changed().await;
    let (notice, target) = match change {
        Change::Describe => ("Description saved.", format!("{PHOTOS}{id}")),
        Change::Delete => ("Photo deleted.", format!("{PAGE}?deleted={id}")),
        Change::Restore => ("The photo is back.", format!("{PHOTOS}{id}")),
    };
    visitor.leave_notice(site, Some(notice.to_owned())).await;
    Ok((visitor.cookies(), Redirect::to(&target)).into_response())
}
