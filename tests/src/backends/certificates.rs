//! A certificate for 127.0.0.1 and the authority that signed it, made by the `openssl` command.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use super::program;

/// What rustls wants of a server's certificate: version 3, with the address among its alternative names.
const EXTENSIONS: &str = "basicConstraints=CA:FALSE\nsubjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n";

/// Files of an authority and of one server it vouches for.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes new ones; nobody else has their keys.
    ///
    /// # Errors
    /// When `openssl` is missing and must not be, or fails.
    pub async fn make() -> Result<Option<Self>> {
        let Some(openssl) = program("openssl", "openssl")? else { return Ok(None) };
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        fs::write(path.join("extensions"), EXTENSIONS)?;
        let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let ca = [["req", "-x509"].as_slice(), &new_key, &["-days", "2", "-subj", "/CN=weir test authority"]].concat();
        run(&openssl, path, &[&ca[..], &["-keyout", "ca.key", "-out", "ca.pem"]].concat()).await?;
        let request = [["req", "-new"].as_slice(), &new_key, &["-subj", "/CN=127.0.0.1"]].concat();
        run(&openssl, path, &[&request[..], &["-keyout", "server.key", "-out", "server.csr"]].concat()).await?;
        let sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
        run(&openssl, path, &[&sign[..], &["-extfile", "extensions", "-out", "server.pem"]].concat()).await?;
        Ok(Some(Self { folder }))
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The server's certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    /// The server's key.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("server.key")
    }
}

async fn run(openssl: &Path, folder: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new(openssl).args(arguments).current_dir(folder).output().await.context("cannot run openssl")?;
    ensure!(output.status.success(), "openssl {arguments:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
