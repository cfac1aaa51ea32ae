//! Sessions without a store: the cookie holds the session, signed with a key that all nodes share.
//!
//! `<id>.<the session's text, base64url>.<HMAC-SHA-256 of both, base64url>`. Its owner can read it, and cannot change it.
//! What no store remembers cannot be taken back either: after signing out, a copy of the cookie is good for the rest of
//! its time.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::session::{Session, SessionId};
use crate::random::RandomId;

/// Browsers keep no longer cookie.
const MAX_BYTES: usize = 4000;

/// Signs cookies and checks them.
pub(crate) struct Signer {
    key: hmac::Key,
}

impl Signer {
    /// `secret`: what only the site's nodes know.
    pub(crate) fn new(secret: &[u8]) -> Self {
        // A key of its own, so that the same secret can serve for other things without mixing them up.
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let key = hmac::sign(&root, b"weir webapp session cookie, version 1");
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()) }
    }

    /// The cookie of a session. A notice that does not fit is left out.
    pub(crate) fn write(&self, session: &Session) -> String {
        let cookie = self.sign(session);
        if cookie.len() <= MAX_BYTES { cookie } else { self.sign(&Session { notice: None, ..session.clone() }) }
    }

    /// The session of a cookie; none if we did not write it.
    pub(crate) fn read(&self, cookie: &str) -> Option<Session> {
        let (signed, signature) = cookie.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.key, signed.as_bytes(), &signature).ok()?;
        let (id, text) = signed.split_once('.')?;
        Session::parse(SessionId(RandomId::parse(id)?), &URL_SAFE_NO_PAD.decode(text).ok()?)
    }

    fn sign(&self, session: &Session) -> String {
        let signed = format!("{}.{}", session.id.0, URL_SAFE_NO_PAD.encode(session.to_text()));
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user_name::UserName;

    #[test]
    fn only_a_node_with_the_same_secret_reads_a_cookie() {
        let session = Session::new(UserName::parse("Ann").unwrap(), 5000);
        let cookie = Signer::new(b"one").write(&session);
        assert_eq!(Signer::new(b"one").read(&cookie).unwrap().user.as_str(), "Ann");
        assert!(Signer::new(b"other").read(&cookie).is_none());
    }

    #[test]
    fn a_cookie_that_was_changed_anywhere_is_nobodys() {
        let signer = Signer::new(b"one");
        let cookie = signer.write(&Session::new(UserName::parse("Ann").unwrap(), 5000));
        for index in 0..cookie.len() {
            let mut changed = cookie.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            assert!(signer.read(&String::from_utf8(changed).unwrap()).is_none(), "byte {index}");
        }
        for text in ["", ".", "..", "a.b.c"] {
            assert!(signer.read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_notice_that_does_not_fit_is_left_out() {
        let signer = Signer::new(b"one");
        let long = Session { notice: Some("x".repeat(9000)), ..Session::new(UserName::parse("Ann").unwrap(), 0) };
        let cookie = signer.write(&long);
        assert!(cookie.len() <= MAX_BYTES && signer.read(&cookie).unwrap().notice.is_none());
    }
}
