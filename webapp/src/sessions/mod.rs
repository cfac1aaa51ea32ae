//! Who is logged in.
//!
//! | module | what it is |
//! |---|---|
//! | `settings` | `[sessions]` |
//! | `session` | a login and when it is over; pure |
//! | `local` | sessions in this process's memory; pure |
//! | `signed` | sessions in signed cookies; pure |
//! | `shared` | sessions in memcached or Redis, which all nodes share |
//!
//! A session is made only at login, with an id of our making. Whatever the store, a page does the same: [`Sessions::find`]
//! with the cookie's text, and whenever it changed a session, [`Sessions::save`], whose result goes into the cookie.

mod local;
mod session;
mod settings;
mod shared;
mod signed;

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result};
use jiff::Timestamp;

use self::{local::Local, session::Lifetime, shared::Shared, signed::Signer};
pub(crate) use self::{
    session::{FormToken, Session, SessionId},
    settings::{SessionSettings, SessionStore},
};
use crate::{
    random::RandomId,
    remote::{StoreError, memories::Memories},
    user_name::UserName,
};

/// All logins.
pub(crate) struct Sessions {
    store: Store,
    lifetime: Lifetime,
}

enum Store {
    /// Locked for a look-up at a time, never across an await.
    Local(Mutex<Local>),
    Cookie(Box<Signer>),
    Shared(Shared),
}

impl Sessions {
    /// Opens the configured store. Nothing is asked yet: a store that is down does not keep the site from starting.
    ///
    /// # Errors
    /// When the signing key can neither be read nor made.
    pub(crate) fn open(settings: &SessionSettings, data_dir: &Path, memories: &Memories) -> Result<Self> {
        let store = match settings.store {
            SessionStore::Local => Store::Local(Mutex::new(Local::new(settings.max))),
            SessionStore::Cookie => Store::Cookie(Box::new(match &settings.key {
                Some(key) => Signer::new(key.expose().as_bytes()),
                None => Signer::new(&own_key(data_dir)?),
            })),
            SessionStore::Memcached => Store::Shared(Shared::new(memories.memcached()?)),
            SessionStore::Redis => Store::Shared(Shared::new(memories.redis()?)),
        };
        Ok(Self { store, lifetime: settings.duration() })
    }

    /// The session that a cookie names. Ids we did not make, and sessions that are over, are nobody's.
    ///
    /// # Errors
    /// When the store does not answer in time; so do all of these.
    pub(crate) async fn find(&self, cookie: &str) -> Result<Option<Session>, StoreError> {
        let found = match &self.store {
            Store::Cookie(signer) => signer.read(cookie),
            Store::Local(local) => id(cookie).and_then(|id| lock(local).get(id).cloned()),
            Store::Shared(shared) => match id(cookie) {
                Some(id) => shared.get(id).await?,
                None => None,
            },
        };
        Ok(found.filter(|session| !session.is_over(now(), self.lifetime)))
    }

    /// Makes a session, and the cookie for it.
    pub(crate) async fn create(&self, user: UserName) -> Result<(Session, String), StoreError> {
        let session = Session::new(user, now());
        match &self.store {
            Store::Cookie(_) => {}
            Store::Local(local) => lock(local).create(session.clone(), |session| session.is_over(now(), self.lifetime)),
            Store::Shared(shared) => shared.keep(&session, session.seconds_left(now(), self.lifetime)).await?,
        }
        let cookie = self.cookie(&session);
        Ok((session, cookie))
    }

    /// Keeps what was changed in a session, and gives the cookie for it.
    pub(crate) async fn save(&self, session: &Session) -> Result<String, StoreError> {
        match &self.store {
            Store::Cookie(_) => {}
            Store::Local(local) => lock(local).save(session),
            Store::Shared(shared) => shared.keep(session, session.seconds_left(now(), self.lifetime)).await?,
        }
        Ok(self.cookie(session))
    }

    /// Counts a session's idle time anew if it is time for that, and gives the cookie for it.
    pub(crate) async fn renew(&self, session: &mut Session) -> Result<Option<String>, StoreError> {
        if !session.is_renewal_due(now(), self.lifetime) {
            return Ok(None);
        }
        session.renew(now());
        self.save(session).await.map(Some)
    }

    /// Ends a session.
    pub(crate) async fn remove(&self, session: &Session) -> Result<(), StoreError> {
        match &self.store {
            Store::Cookie(_) => {} // forgotten with the cookie
            Store::Local(local) => lock(local).remove(session.id),
            Store::Shared(shared) => shared.remove(session.id).await?,
        }
        Ok(())
    }

    /// Asks the store whether it is there; nothing for a store that cannot be away.
    pub(crate) async fn ping(&self) -> Vec<(String, Result<(), StoreError>)> {
        if let Store::Shared(shared) = &self.store { shared.ping().await } else { Vec::new() }
    }

    fn cookie(&self, session: &Session) -> String {
        match &self.store {
            Store::Cookie(signer) => signer.write(session),
            Store::Local(_) | Store::Shared(_) => session.id.0.to_string(),
        }
    }
}

fn id(cookie: &str) -> Option<SessionId> {
    RandomId::parse(cookie).map(SessionId)
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

/// Nothing panics while holding them, and they are worth keeping if something did.
fn lock(local: &Mutex<Local>) -> MutexGuard<'_, Local> {
    local.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A key that is made once and outlives restarts, for a site of one node.
fn own_key(data_dir: &Path) -> Result<Vec<u8>> {
    let file = data_dir.join("session.key");
    let remedy =
        || format!("cannot make the signing key {}; check the folder's permissions, or set sessions.key", file.display());
    fs::create_dir_all(data_dir).with_context(remedy)?;
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file) {
        Ok(mut out) => {
            let key = format!("{}{}", RandomId::new(), RandomId::new());
            out.write_all(key.as_bytes()).with_context(remedy)?;
            Ok(key.into_bytes())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => fs::read(&file).with_context(remedy),
        Err(error) => Err(error).with_context(remedy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(store: SessionStore, folder: &Path) -> Sessions {
        let settings = SessionSettings { store, ..SessionSettings::default() };
        Sessions::open(&settings, folder, &Memories::default()).unwrap()
    }

    #[tokio::test]
    async fn every_store_finds_what_it_made_and_what_was_saved() {
        let folder = tempfile::tempdir().unwrap();
        for store in [SessionStore::Local, SessionStore::Cookie] {
            let sessions = open(store, folder.path());
            let (mut session, cookie) = sessions.create(UserName::parse("Ann").unwrap()).await.unwrap();
            assert_eq!(sessions.find(&cookie).await.unwrap().unwrap().user.as_str(), "Ann");
            session.notice = Some("hello".to_owned());
            let cookie = sessions.save(&session).await.unwrap();
            assert_eq!(sessions.find(&cookie).await.unwrap().unwrap().notice.as_deref(), Some("hello"));
            assert!(sessions.renew(&mut session).await.unwrap().is_none(), "too early");
            assert!(sessions.find("0123456789abcdef0123456789abcdef").await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn a_removed_session_is_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        let sessions = open(SessionStore::Local, folder.path());
        let (session, cookie) = sessions.create(UserName::parse("Ann").unwrap()).await.unwrap();
        sessions.remove(&session).await.unwrap();
        assert!(sessions.find(&cookie).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn signed_cookies_outlive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (_, cookie) = open(SessionStore::Cookie, folder.path()).create(UserName::parse("Ann").unwrap()).await.unwrap();
        assert!(open(SessionStore::Cookie, folder.path()).find(&cookie).await.unwrap().is_some());
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(open(SessionStore::Cookie, elsewhere.path()).find(&cookie).await.unwrap().is_none());
    }
}
