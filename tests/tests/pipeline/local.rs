//! `local`, as a newcomer meets it: in a browser, then with Ctrl-C.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use fantoccini::{Client, Locator};
use image::{Rgb, RgbImage};
use serde_json::Value;
use tests::{
    binaries,
    browser::Browser,
    process::{Process, command},
    stream::{NAME, client, read_all},
    wait,
};

use crate::steps::DEADLINE;

/// From a click in the browser to its count: what a newcomer waits for.
const PATIENCE: Duration = Duration::from_secs(15);
/// The browser's own address; the built-in visitor has others.
const BROWSER: &str = "127.0.0.1";

/// A running `local` and the addresses it printed.
pub(crate) struct Local {
    pub(crate) process: Process,
    site: String,
    api: String,
    stream: String,
}

impl Local {
    pub(crate) async fn start(folder: &Path, flags: &[&str]) -> Self {
        let mut local = command(binaries::path("local").unwrap());
        local.arg("--dir").arg(folder.join("weir")).args(["--port", "0", "--stream-port", "0", "--api-port", "0"]).args(flags);
        let mut process = Process::start("local", local, folder).unwrap();
        process.line_with("Ctrl-C stops", DEADLINE).await.unwrap();
        let mut addresses = Vec::new();
        for name in ["photo site", "live counts", "stream  "] {
            let line = process.line_with(name, DEADLINE).await.unwrap();
            addresses.push(line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned());
        }
        let [site, api, stream] = addresses.try_into().unwrap();
        Self { process, site, api, stream }
    }

    /// The row of a client in the newest table that was printed, as words.
    fn row_of(&self, client: &str) -> Option<Vec<String>> {
        let output = self.process.output();
        let row = output.lines().rev().find(|line| line.split_whitespace().next() == Some(client))?;
        Some(row.split_whitespace().map(str::to_owned).collect())
    }

    /// Requests of a client, as `GET /request_counts` says.
    async fn counted(&self, http: &reqwest::Client, client: &str) -> Option<u64> {
        let url = self.api.replace("limit=10", "limit=1000");
        let answer: Value = http.get(url).send().await.ok()?.json().await.ok()?;
        let rows = answer["rows"].as_array()?.iter().filter(|row| row["client_ip"] == client);
        Some(rows.filter_map(|row| row["request_count"].as_u64()).sum())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_uploaded_in_a_browser_appears_and_its_requests_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path(), &[]).await;
    let browser = Browser::start().await.unwrap();
    log_in(browser.client(), &local.site).await;
    upload(browser.client(), &jpeg(folder.path())).await;
    browser.close().await.unwrap();

    let uploaded = Instant::now();
    let http = reqwest::Client::new();
    let counted = || async { local.counted(&http, BROWSER).await.filter(|count| *count > 0) };
    wait::until("the browser's requests in GET /request_counts", PATIENCE, counted).await.unwrap();
    let row = wait::until("the browser's row in the table", PATIENCE, || async { local.row_of(BROWSER) }).await.unwrap();
    println!("counted after {:?}: {row:?}", uploaded.elapsed());
    assert!(uploaded.elapsed() < PATIENCE);
    assert_eq!(row.len(), 4, "client, open window, last window, total: {row:?}");

    let ended = local.process.interrupt(DEADLINE).await.unwrap().success().unwrap();
    println!("{}", ended.output);
    assert!(ended.output.contains("all agree: every request that was logged was shipped and counted"), "{}", ended.output);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_on_the_same_folder_keeps_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path(), &[]).await;
    let has_records = || async { read_all(&client(&local.stream), NAME).await.ok().filter(|records| records.len() > 5) };
    wait::until("the visitor's requests in the stream", DEADLINE, has_records).await.unwrap();
    let ended = local.process.interrupt(DEADLINE).await.unwrap().success().unwrap();
    let before = records_in_stream(&ended.output);

    let local = Local::start(folder.path(), &["--no-traffic"]).await;
    let after = read_all(&client(&local.stream), NAME).await.unwrap();
    assert_eq!(after.len(), before);
    let ended = local.process.interrupt(DEADLINE).await.unwrap().success().unwrap();
    assert!(ended.output.contains(&format!("0 new, {before} from earlier runs")), "{}", ended.output);
    assert!(ended.output.contains("all agree"), "{}", ended.output);
}

/// The number before "new" in the summary's line.
fn records_in_stream(output: &str) -> usize {
    let line = output.lines().find(|line| line.contains("records in stream")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    words[words.iter().position(|word| *word == "new,").unwrap() - 1].parse().unwrap()
}

async fn log_in(browser: &Client, site: &str) {
    browser.goto(site).await.unwrap();
    browser.find(Locator::Id("username")).await.unwrap().send_keys("Ada").await.unwrap();
    browser.find(Locator::XPath("//button[normalize-space()='login']")).await.unwrap().click().await.unwrap();
    browser.wait().at_most(DEADLINE).for_element(Locator::Id("fileToUpload")).await.unwrap();
}

/// Uploads a file and waits until the browser has drawn it.
async fn upload(browser: &Client, picture: &Path) {
    let input = browser.find(Locator::Id("fileToUpload")).await.unwrap();
    input.send_keys(picture.to_str().unwrap()).await.unwrap();
    browser.find(Locator::Css("dialog .actions button")).await.unwrap().click().await.unwrap();
    let is_drawn = || async {
        let script = "const i = document.querySelector(\"#pictures img[alt^='Photo by Ada']\"); return i ? i.naturalWidth : 0";
        let width = browser.execute(script, Vec::new()).await.ok()?;
        width.as_u64().filter(|width| *width > 0)
    };
    wait::until("the picture to be drawn", DEADLINE, is_drawn).await.unwrap();
}

fn jpeg(folder: &Path) -> PathBuf {
    let path = folder.join("sunset.jpg");
    RgbImage::from_fn(640, 480, |_, y| Rgb([255, (y / 2) as u8, 60])).save(&path).unwrap();
    path
}
