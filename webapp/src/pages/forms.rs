//! The forms of the front page. One address takes them all, as the original's: told apart by type and fields.

use std::sync::Arc;

use axum::{
    Extension, Form,
    body::{Body, to_bytes},
    extract::{FromRequest, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    index,
    refusal::Refusal,
    sign_in::{self, Credentials},
    upload::upload,
    visitor::Visitor,
};
use crate::{client::Client, forgery, server::Connection, site::Site};

/// A small form has a name, a password and a token.
const MAX_FORM_BYTES: usize = 16 * 1024;

#[derive(Deserialize)]
struct SmallForm {
    username: Option<String>,
    password: Option<String>,
    logout: Option<String>,
    csrf: Option<String>,
}

/// POST to the front page.
pub(super) async fn act(
    State(site): State<Arc<Site>>,
    Extension(ends): Extension<Connection>,
    Extension(client): Extension<Client>,
    request: Request,
) -> Response {
    let mut visitor = match visitor_of_form(&site, request.headers()).await {
        Ok(visitor) => visitor,
        Err(refusal) => {
            discard(&site, request);
            return index::refused(&site, ends, None, &refusal).await;
        }
    };
    match dispatch(&site, visitor.as_mut(), client, request).await {
        Ok(response) => response,
        Err(refusal) => index::refused(&site, ends, visitor.as_ref(), &refusal).await,
    }
}

/// Who sent a form, if it is one of ours.
pub(super) async fn visitor_of_form(site: &Site, headers: &HeaderMap) -> Result<Option<Visitor>, Refusal> {
    if forgery::is_cross_site(headers) {
        return Err(Refusal::foreign_form());
    }
    Visitor::of(site, headers).await.map_err(|_| Refusal::no_sessions())
}

async fn dispatch(
    site: &Arc<Site>,
    visitor: Option<&mut Visitor>,
    client: Client,
    request: Request,
) -> Result<Response, Refusal> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/x-www-form-urlencoded" => small_form(site, visitor.as_deref(), client, request).await,
        "multipart/form-data" => upload(site, visitor, client, request).await,
        _ => {
            discard(site, request);
            Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This is not a form of this page. Please use the forms here."))
        }
    }
}

/// Lets the client finish sending, unless it waits for our word before it begins.
pub(super) fn discard(site: &Site, request: Request) {
    if !request.headers().contains_key(header::EXPECT) {
        site.discard(request.into_body());
    }
}

async fn small_form(site: &Arc<Site>, visitor: Option<&Visitor>, client: Client, request: Request) -> Result<Response, Refusal> {
    let form: SmallForm = read(request).await?;
    if form.logout.is_some() {
        return sign_in::sign_out(site, visitor, form.csrf.as_deref()).await;
    }
    let Some(name) = form.username else {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "The form was empty. Please type a name and press the button."));
    };
    let credentials = Credentials { name, password: form.password.unwrap_or_default() };
    sign_in::sign_in(site, visitor, client, credentials).await
}

/// The fields of a small form.
pub(super) async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Refusal> {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, MAX_FORM_BYTES).await.map_err(|_| Refusal::unreadable_form())?;
    let form = Form::from_request(Request::from_parts(parts, Body::from(bytes)), &()).await;
    form.map(|Form(form)| form).map_err(|_| Refusal::unreadable_form())
}
