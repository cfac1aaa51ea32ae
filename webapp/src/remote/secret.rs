//! Text that must not be shown.

use std::{convert::Infallible, fmt, str::FromStr};

use serde::Deserialize;

/// A password, or a URL that may hold one. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// A URL without its password, for messages.
    pub(crate) fn without_password(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else { return "(not a URL)".to_owned() };
        let authority_end = rest.find('/').unwrap_or(rest.len());
        match rest[..authority_end].rsplit_once('@') {
            Some((user, host)) => {
                let name = user.split(':').next().unwrap_or_default();
                format!("{scheme}://{name}@{host}{}", &rest[authority_end..])
            }
            None => self.0.clone(),
        }
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        let shown = |text: &str| text.parse::<Secret>().unwrap().without_password();
        assert_eq!(shown("mysql://ann:pa@ss@db:3306/web"), "mysql://ann@db:3306/web");
        assert_eq!(shown("redis://:geheim@cache"), "redis://@cache");
        assert_eq!(shown("redis://cache:6379/0"), "redis://cache:6379/0");
        assert_eq!(shown("geheim"), "(not a URL)");
        assert_eq!(format!("{:?}", "mysql://a:b@c/d".parse::<Secret>().unwrap()), "(secret)");
    }
}
