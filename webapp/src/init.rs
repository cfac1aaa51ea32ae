//! `webapp init`: a first settings file, so that nobody starts from an empty page.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::Args;
use config::exit::Failure;

/// The shipped settings, which say every default; a test holds them to it.
const SHIPPED: &str = include_str!("../../config/webapp.toml");

/// Flags of `init`.
#[derive(Debug, Args)]
pub(crate) struct InitOptions {
    /// The file to write; an existing one is left alone
    #[arg(long, value_name = "FILE", default_value = "webapp.toml")]
    out: PathBuf,
    /// People sign in with a password instead of any name
    #[arg(long)]
    accounts: bool,
    /// The site is reached over https, through a proxy or a balancer
    #[arg(long)]
    https: bool,
    /// Network of the proxies or balancers in front, such as 10.0.0.0/8; may be given several times
    #[arg(long = "proxy", value_name = "NETWORK")]
    proxies: Vec<crate::client::Network>,
    /// Name the site is known by; may be given several times
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
}

/// Writes the file and says what to do next.
pub(crate) fn init(options: &InitOptions) -> Result<String, Failure> {
    write_new(&options.out, &text(options)?)?;
    let file = options.out.display();
    Ok(format!(
        "wrote {file}; every setting is in it with its meaning\nnext: webapp check --config {file}; webapp doctor --config {file}; webapp run --config {file}"
    ))
}

fn text(options: &InitOptions) -> Result<String, Failure> {
    let mut text = SHIPPED.to_owned();
    let quoted = |names: Vec<String>| serde_json::json!(names).to_string(); // a list of strings is the same in TOML
    if options.accounts {
        set(&mut text, "mode = \"demo\"    ", "mode = \"accounts\"")?;
    }
    if options.https {
        set(&mut text, "secure_cookie = false", "secure_cookie = true")?;
    }
    if !options.proxies.is_empty() {
        let networks = options.proxies.iter().map(ToString::to_string).collect();
        set(&mut text, "trusted_proxies = []", &format!("trusted_proxies = {}", quoted(networks)))?;
    }
    if !options.hosts.is_empty() {
        set(&mut text, "hosts = []", &format!("hosts = {}", quoted(options.hosts.clone())))?;
    }
    Ok(text)
}

/// Changes a line of the shipped file, which must be there.
fn set(text: &mut String, default: &str, value: &str) -> Result<(), Failure> {
    if !text.contains(default) {
        return Err(anyhow::anyhow!("the shipped settings have no line {default:?}").into());
    }
    *text = text.replacen(default, value, 1);
    Ok(())
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    // 0640: a password of a store may be added to it.
    let written = OpenOptions::new().write(true).create_new(true).mode(0o640).open(path);
    match written.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(Failure::usage(format!("{} is there already and was left alone; choose another with --out", path.display())))
        }
        Err(error) => Err(Failure::usage(format!("cannot write {}: {error}; check the folder's permissions", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Overrides, Settings, SignInMode};

    fn options(out: PathBuf) -> InitOptions {
        let (proxies, hosts) = (vec!["10.0.0.0/8".parse().unwrap()], vec!["photos.test".to_owned()]);
        InitOptions { out, accounts: true, https: true, proxies, hosts }
    }

    #[test]
    fn what_is_written_is_read_with_what_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("webapp.toml");
        init(&options(file.clone())).unwrap();
        let settings = Settings::load(Some(&file), Overrides::default()).unwrap();
        assert_eq!(settings.accounts.mode, SignInMode::Accounts);
        assert!(settings.sessions.secure_cookie);
        assert_eq!(settings.server.trusted_proxies, ["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(settings.server.hosts, ["photos.test"]);
    }

    #[test]
    fn an_existing_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("webapp.toml");
        std::fs::write(&file, "mine").unwrap();
        assert!(matches!(init(&options(file.clone())), Err(Failure::Usage(_))));
        assert_eq!(std::fs::read_to_string(file).unwrap(), "mine");
    }
}
