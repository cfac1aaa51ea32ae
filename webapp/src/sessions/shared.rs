//! Sessions in a memory that all nodes share: a login survives the node that made it.
//!
//! The key is a digest of the session's id, so that who can list the memory's keys can use none of the sessions.

use std::{fmt::Write, time::Duration};

use aws_lc_rs::digest;

use super::session::{Session, SessionId};
use crate::remote::{StoreError, memory::SharedMemory};

/// The name of a session in its place.
const NAME: &str = "session";

pub(crate) struct Shared {
    memory: SharedMemory,
}

impl Shared {
    pub(crate) fn new(memory: SharedMemory) -> Self {
        Self { memory }
    }

    /// # Errors
    /// When the memory does not answer in time; so do all of these.
    pub(crate) async fn get(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let [found] = self.memory.get_safely(&place(id), [NAME]).await?;
        Ok(found.and_then(|text| Session::parse(id, &text)))
    }

    /// Keeps a session for as long as it lasts. One that is over is not worth keeping.
    pub(crate) async fn keep(&self, session: &Session, seconds_left: u64) -> Result<(), StoreError> {
        if seconds_left == 0 {
            return Ok(());
        }
        let (place, text) = (place(session.id), session.to_text());
        self.memory.keep_safely(&place, NAME, text.as_bytes(), Duration::from_secs(seconds_left)).await
    }

    pub(crate) async fn remove(&self, id: SessionId) -> Result<(), StoreError> {
        self.memory.remove(&place(id), NAME).await
    }

    pub(crate) async fn ping(&self) -> Vec<(String, Result<(), StoreError>)> {
        self.memory.ping().await
    }
}

fn place(id: SessionId) -> String {
    let digest = digest::digest(&digest::SHA256, id.0.to_string().as_bytes());
    digest.as_ref()[..16].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}
