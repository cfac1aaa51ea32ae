//! A running site and a browser in front of it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use fantoccini::{Client, Locator};
use image::{Rgb, RgbImage};
use tempfile::TempDir;
use tests::{
    browser::{Browser, Look},
    process::{Process, command},
    wait,
};

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The real program with an empty folder; stopped when dropped.
pub(crate) struct Site {
    pub(crate) page: String,
    pub(crate) folder: TempDir,
    pub(crate) process: Process,
}

impl Site {
    pub(crate) async fn start(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("webapp.toml");
        std::fs::write(&config, settings).unwrap();
        let mut webapp = command(env!("CARGO_BIN_EXE_webapp"));
        webapp.args(["run", "--listen", "127.0.0.1:0"]);
        webapp.arg("--config").arg(config).arg("--data-dir").arg(folder.path().join("data"));
        let mut process = Process::start("webapp", webapp, folder.path()).unwrap();
        let line = process.line_with("listening on", DEADLINE).await.unwrap();
        let page = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        Self { page, folder, process }
    }

    /// A browser that shows the page.
    pub(crate) async fn visited(&self, look: Look) -> Browser {
        let browser = Browser::start_as(look).await.unwrap();
        browser.client().goto(&self.page).await.unwrap();
        browser
    }

    /// A photo of a sunset on the disk, for the file field.
    pub(crate) fn photo(&self, name: &str, shade: u8) -> PathBuf {
        let path = self.folder.path().join(name);
        RgbImage::from_fn(900, 600, |_, y| Rgb([255, (y / 3) as u8, shade])).save(&path).unwrap();
        path
    }
}

/// Signs in with a name, as the demo has it.
pub(crate) async fn sign_in(client: &Client, name: &str) {
    client.find(Locator::Id("username")).await.unwrap().send_keys(name).await.unwrap();
    client.find(Locator::XPath("//button[normalize-space()='login']")).await.unwrap().click().await.unwrap();
    client.wait().at_most(DEADLINE).for_element(Locator::Id("fileToUpload")).await.unwrap();
}

/// What a script gives, as soon as it is not null or false.
pub(crate) async fn seen(client: &Client, what: &str, script: &str) -> serde_json::Value {
    let script = format!("return ({script}) || null");
    let probe = || async { client.execute(&script, Vec::new()).await.ok().filter(|value| !value.is_null()) };
    wait::until(what, DEADLINE, probe).await.unwrap()
}

/// Writes a picture of what the browser shows.
pub(crate) async fn screenshot(client: &Client, name: &str) {
    let folder = std::env::var_os("WEIR_SCREENSHOTS")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots"), PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.png")), client.screenshot().await.unwrap()).unwrap();
}
