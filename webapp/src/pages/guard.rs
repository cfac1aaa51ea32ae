//! What a request must pass before any page sees it: a host that makes sense, and an allowance.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, Version, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{PROBES, forms};
use crate::{
    client::{Client, is_host, is_known_host},
    site::Site,
};

/// Refuses requests for hosts that are not ours, and clients that ask too often.
pub(super) async fn guard(
    State(site): State<Arc<Site>>,
    Extension(client): Extension<Client>,
    request: Request,
    next: Next,
) -> Response {
    let is_probe = PROBES.contains(&request.uri().path());
    let refused = refused_host(&request, if is_probe { &[] } else { &site.settings.server.hosts });
    let response = if let Some(refusal) = refused {
        refusal.into_response()
    } else if let Some(wait) = (!is_probe).then(|| site.limits.requests.check(client).err()).flatten() {
        too_many(wait)
    } else {
        return next.run(request).await;
    };
    forms::discard(&site, request);
    response
}

fn refused_host(request: &Request, known: &[String]) -> Option<(StatusCode, &'static str)> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    let is_sane = match host {
        Some(host) => second.is_none() && is_host(host.as_bytes()),
        None => request.version() <= Version::HTTP_10, // RFC 9112, section 3.2: 1.1 must have one
    };
    if !is_sane {
        return Some((StatusCode::BAD_REQUEST, "the request names no valid host\n"));
    }
    if request.uri().scheme_str().is_some_and(|scheme| scheme != "http" && scheme != "https") {
        return Some((StatusCode::BAD_REQUEST, "only http and https are served here\n"));
    }
    // The target's host counts, if it has one (RFC 9112, section 3.2.2).
    let name = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let name = name.or_else(|| host.and_then(|host| host.to_str().ok()).map(str::to_owned)).unwrap_or_default();
    (!is_known_host(&name, known)).then_some((StatusCode::MISDIRECTED_REQUEST, "this server has no site of that name\n"))
}

/// The answer for programs; pages have words of their own.
fn too_many(wait: Duration) -> Response {
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, retry_after(wait))], "too many requests; please wait a moment\n")
        .into_response()
}

/// The value of `Retry-After`, in seconds.
pub(super) fn retry_after(wait: Duration) -> HeaderValue {
    HeaderValue::from(wait.as_secs())
}
