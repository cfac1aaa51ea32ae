//! The whole site over HTTP: the real router on a free port, a temporary data folder, a client with cookies.

mod accounts;
mod edges;
mod logging;
mod nasty;
mod operations;
mod photos;
mod protection;
mod uploading;

use std::{
    fs,
    io::Cursor,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    thread::park_timeout,
    time::{Duration, Instant},
};

use image::{ImageFormat, RgbImage};
use reqwest::{Client, Response, StatusCode, multipart};
use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    access_log::{AccessLog, AccessLogThread},
    admin, pages, server,
    settings::{Overrides, Settings},
    site::Site,
};

const DEADLINE: Duration = Duration::from_secs(20);

/// Waits on a thread of its own.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        park_timeout(Duration::from_millis(5));
    }
}

/// A JPEG whose EXIF data says how to turn it (values 1 to 8, EXIF 2.3, tag 0x0112).
pub(crate) fn jpeg_with_exif(pixels: &RgbImage, orientation: u8) -> Vec<u8> {
    let plain = jpeg(pixels);
    let exif = [b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", &[orientation][..], b"\0\0\0\0\0\0"].concat();
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&plain[..2], &[0xff, 0xe1], &length, &exif, &plain[2..]].concat()
}

fn jpeg(pixels: &RgbImage) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    pixels.write_to(&mut out, ImageFormat::Jpeg).unwrap();
    out.into_inner()
}

/// A site that serves until it is stopped or dropped.
struct Running {
    address: SocketAddr,
    data: TempDir,
    log: AccessLog,
    site: Arc<Site>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    log_thread: AccessLogThread,
}

impl Running {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let overrides = Overrides { data_dir: Some(data.path().to_owned()), ..Overrides::default() };
        let mut settings = Settings::load(None, overrides).unwrap();
        settings.demo.pictures = false;
        change(&mut settings);

        let lines = settings.access_log.queue_lines;
        let (log, log_thread) = AccessLog::start(&settings.access_log_file, lines, settings.log_style()).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let site = Site::open(settings).await.unwrap();
        let serving = tokio::spawn({
            let (log, stop, site) = (log.clone(), stop.clone(), site.clone());
            async move {
                server::serve(listener, pages::router(site.clone(), log.clone()), log, &site.settings.server, stop).await;
                site.close().await;
            }
        });
        Self { address, data, log, site, stop, serving, log_thread }
    }

    /// The admin listener beside the site.
    async fn admin(&self) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(admin::serve(listener, self.site.clone(), self.log.clone(), self.stop.clone()));
        format!("http://{address}")
    }

    /// Stops as the signal does. All lines of the access log are in its file afterwards.
    async fn stop(self) -> TempDir {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.serving).await.expect("drained in time").unwrap();
        drop(self.log_thread);
        self.data
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn page_url(&self) -> String {
        self.url(pages::PAGE)
    }

    fn visitor(&self) -> Visitor {
        Visitor { client: Client::builder().cookie_store(true).user_agent("probe/1").build().unwrap(), page_url: self.page_url() }
    }

    async fn logged_in(&self, name: &str) -> Visitor {
        let visitor = self.visitor();
        assert_eq!(visitor.login(name).await.status(), StatusCode::OK);
        visitor
    }

    fn log_file(&self) -> PathBuf {
        self.data.path().join("access.log")
    }
}

/// A browser with a cookie jar.
struct Visitor {
    client: Client,
    page_url: String,
}

impl Visitor {
    async fn get(&self, url: &str) -> Response {
        self.client.get(url).send().await.unwrap()
    }

    async fn page(&self) -> String {
        self.get(&self.page_url).await.text().await.unwrap()
    }

    async fn login(&self, name: &str) -> Response {
        self.post_form(&[("username", name)]).await
    }

    async fn post_form(&self, fields: &[(&str, &str)]) -> Response {
        self.post_form_to(&self.page_url, fields).await
    }

    async fn post_form_to(&self, url: &str, fields: &[(&str, &str)]) -> Response {
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", percent(value))).collect();
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        self.client.post(url).header(form.0, form.1).body(body.join("&")).send().await.unwrap()
    }

    async fn form_token(&self) -> String {
        first_between(&self.page().await, "name=\"csrf\" value=\"", "\"").unwrap_or_default()
    }

    /// Sends files as the form does: the token first.
    async fn upload(&self, files: Vec<(&str, Vec<u8>)>) -> Response {
        let token = multipart::Form::new().text("csrf", self.form_token().await);
        let form = files.into_iter().fold(token, |form, (name, bytes)| {
            form.part("fileToUpload", multipart::Part::bytes(bytes).file_name(name.to_owned()))
        });
        self.client.post(&self.page_url).multipart(form).send().await.unwrap()
    }
}

fn percent(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn first_between(text: &str, before: &str, after: &str) -> Option<String> {
    Some(text.split_once(before)?.1.split_once(after)?.0.to_owned())
}

/// Paths of pictures in their full size, in the order of a page.
fn full_picture_paths(page: &str) -> Vec<String> {
    let small = page.split("<img src=\"/web-demo/uploads/").skip(1).filter_map(|rest| rest.split_once("-small.jpg\""));
    small.map(|(id, _)| format!("/web-demo/uploads/{id}.jpg")).collect()
}

/// Paths of the pages of single photos, in the order of a page.
fn photo_paths(page: &str) -> Vec<String> {
    let links = page.split("<a href=\"/web-demo/photos/").skip(1).filter_map(|rest| rest.split_once('"'));
    links.map(|(id, _)| format!("/web-demo/photos/{id}")).collect()
}

fn log_lines(text: &str) -> Vec<Map<String, Value>> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))).collect()
}

/// The log's lines, once there are `count`.
async fn wait_for_log(site: &Running, count: usize) -> Vec<Map<String, Value>> {
    let file = site.log_file();
    let waiting = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        wait_until("the lines are in the access log", || {
            text = fs::read_to_string(&file).unwrap();
            text.lines().count() >= count && text.ends_with('\n')
        });
        log_lines(&text)
    });
    waiting.await.unwrap()
}
