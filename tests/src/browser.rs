//! A headless Chromium, driven through chromedriver.

use std::time::Duration;

use anyhow::{Context, Result};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::Process;

/// A cold start reads 300 MB of program from disk.
const START: Duration = Duration::from_secs(60);

/// How a page is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    /// A phone, 390 points wide; else a window, 1280 wide.
    pub is_phone: bool,
    /// The system prefers dark pages.
    pub is_dark: bool,
    /// Without scripts.
    pub has_no_script: bool,
}

/// A browser with an empty profile. Dropped, it is killed with its driver.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    driver: Process,
    _folder: TempDir,
}

impl Browser {
    /// Starts chromedriver on a free port and one browser window.
    ///
    /// # Errors
    /// When either is missing or does not start.
    pub async fn start() -> Result<Self> {
        Self::start_as(Look::default()).await
    }

    /// As [`Browser::start`], for a certain look.
    ///
    /// # Errors
    /// When either is missing or does not start.
    pub async fn start_as(look: Look) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new("chromedriver");
        command.args(["--port=0", "--allowed-ips=127.0.0.1"]);
        let mut driver = Process::start("chromedriver", command, folder.path())
            .context("install the packages chromium and chromium-driver, or run ./test, which does")?;
        let line = driver.line_with("started successfully on port", START).await?;
        let port = line.rsplit(' ').next().unwrap_or_default().trim_end_matches('.');
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(folder.path(), look))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .context("chromium did not start")?;
        Ok(Self { client, driver, _folder: folder })
    }

    /// The window.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Closes the window and stops the driver.
    ///
    /// # Errors
    /// When the driver does not stop.
    pub async fn close(self) -> Result<()> {
        self.client.close().await.context("the browser did not close")?;
        self.driver.terminate(START).await.map(drop)
    }
}

/// No sandbox: tests may run as root in a container. The rest keeps the browser from talking to anything but the page.
fn capabilities(profile: &std::path::Path, look: Look) -> Map<String, Value> {
    let profile = format!("--user-data-dir={}", profile.join("profile").display());
    let quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"];
    let plain = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
    let mut arguments: Vec<&str> = [quiet.as_slice(), &plain].concat();
    arguments.extend([profile.as_str(), "--window-size=1280,1000", "--hide-scrollbars"]);
    arguments.push(if look.is_dark {
        "--blink-settings=preferredColorScheme=0"
    } else {
        "--blink-settings=preferredColorScheme=1"
    });
    let mut options = json!({ "args": arguments });
    if look.is_phone {
        options["mobileEmulation"] = json!({ "deviceMetrics": { "width": 390, "height": 844, "pixelRatio": 2.0 } });
    }
    if look.has_no_script {
        options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
    }
    Map::from_iter([("goog:chromeOptions".to_owned(), options)])
}
