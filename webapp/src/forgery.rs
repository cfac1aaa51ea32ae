//! Was a form sent by a page of ours?
//!
//! Pure logic over a request's headers. Browsers say where a form came from; programs such as curl say nothing and are
//! let through, because they carry no one's cookie by accident.

use axum::http::{HeaderMap, HeaderName, header};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a browser says that another site's page sent the request.
pub(crate) fn is_cross_site(headers: &HeaderMap) -> bool {
    // Set by the browser alone, and right behind proxies that change Host. Sent over https and to loopback only.
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let origin_host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_scheme, host)| host);
    let own_host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    match (origin_host, own_host) {
        (Some(origin_host), Some(own_host)) => !origin_host.eq_ignore_ascii_case(own_host),
        _ => true, // also `Origin: null`, which sandboxed pages send
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(pairs: &[(HeaderName, &'static str)]) -> bool {
        is_cross_site(&pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect())
    }

    #[test]
    fn our_own_pages_may_send_forms() {
        assert!(!check(&[(header::HOST, "Photos.test:8080"), (header::ORIGIN, "http://photos.test:8080")]));
        assert!(!check(&[(header::HOST, "inner"), (header::ORIGIN, "https://outer"), (SEC_FETCH_SITE, "same-origin")]));
    }

    #[test]
    fn other_sites_pages_may_not() {
        assert!(check(&[(header::HOST, "photos.test"), (header::ORIGIN, "http://evil.test")]));
        assert!(check(&[(header::HOST, "photos.test"), (header::ORIGIN, "http://photos.test:81")]));
        assert!(check(&[(header::HOST, "photos.test"), (header::ORIGIN, "null")]));
        assert!(check(&[(header::HOST, "photos.test"), (SEC_FETCH_SITE, "cross-site")]));
        assert!(check(&[(header::HOST, "photos.test"), (SEC_FETCH_SITE, "same-site")]));
    }

    #[test]
    fn programs_that_say_nothing_are_let_through() {
        assert!(!check(&[(header::HOST, "photos.test")]));
    }
}
