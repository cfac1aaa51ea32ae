//! People with a password. Hashing is the caller's; this is the table.

use sqlx::FromRow;

use super::{Records, on_engine};
use crate::{remote::StoreError, user_name::UserName};

/// Someone who can sign in with a password.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Account {
    /// As it is shown; may differ in case from what was typed.
    pub(crate) username: String,
    /// Argon2id in PHC form.
    pub(crate) password_hash: String,
}

impl Records {
    /// The account of a name, whatever its case.
    ///
    /// # Errors
    /// When the database does not answer; so do all of these.
    pub(crate) async fn account(&self, name: &UserName) -> Result<Option<Account>, StoreError> {
        const ACCOUNT: &str = "SELECT username, password_hash FROM accounts WHERE name_key = ?";
        let key = name_key(name);
        self.guard
            .call(async { on_engine!(&self.engine, pool => sqlx::query_as(ACCOUNT).bind(key).fetch_optional(pool).await) })
            .await
    }

    /// Adds an account. False if the name is taken.
    pub(crate) async fn add_account(&self, name: &UserName, password_hash: &str) -> Result<bool, StoreError> {
        const ADD: &str = "INSERT INTO accounts (username, name_key, password_hash) VALUES (?, ?, ?)";
        let key = name_key(name);
        self.insert_unless_there(async {
            on_engine!(&self.engine, pool => {
                sqlx::query(ADD).bind(name.as_str()).bind(key).bind(password_hash).execute(pool).await.map(drop)
            })
        })
        .await
    }
}

fn name_key(name: &UserName) -> String {
    name.as_str().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::empty, *};

    #[tokio::test]
    async fn a_name_is_taken_in_any_case() {
        let (_folder, records) = empty().await;
        let name = |text: &str| UserName::parse(text).unwrap();
        assert!(records.add_account(&name("José"), "hash").await.unwrap());
        assert!(!records.add_account(&name("JOSÉ"), "other").await.unwrap());
        let found = records.account(&name("josé")).await.unwrap().unwrap();
        assert_eq!((found.username.as_str(), found.password_hash.as_str()), ("José", "hash"));
        assert!(records.account(&name("Bob")).await.unwrap().is_none());
    }
}
