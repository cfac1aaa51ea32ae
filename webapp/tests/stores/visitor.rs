//! A browser with a cookie jar, and what it reads from a page.

use std::{io::Cursor, time::Duration};

use anyhow::{Context, Result};
use image::{ImageFormat, Rgb, RgbImage};
use reqwest::{Client, StatusCode, multipart};

/// Longer than any time limit of the site, and far shorter than what a hung store would take: no request may hang.
const PATIENCE: Duration = Duration::from_secs(8);

/// Someone with a browser.
pub(crate) struct Visitor {
    client: Client,
    page_url: String,
}

/// A page, as far as these tests read it.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) html: String,
    /// Its content security policy: what the browser lets it load.
    pub(crate) policy: String,
}

impl Visitor {
    /// A browser that opens the site at `base` (`http://host:port`).
    pub(crate) fn new(base: &str) -> Result<Self> {
        let client = Client::builder().cookie_store(true).timeout(PATIENCE).build()?;
        Ok(Self { client, page_url: format!("{base}/web-demo/index.php") })
    }

    /// The same browser at another address of the same site. Cookies belong to the host, whatever the port.
    pub(crate) fn at(&self, base: &str) -> Self {
        Self { client: self.client.clone(), page_url: format!("{base}/web-demo/index.php") }
    }

    pub(crate) async fn page(&self) -> Result<Page> {
        Page::of(self.client.get(&self.page_url).send().await?).await
    }

    pub(crate) async fn sign_in(&self, name: &str) -> Result<Page> {
        self.post(&[("username", name)]).await
    }

    pub(crate) async fn sign_out(&self) -> Result<Page> {
        let token = self.page().await?.token().unwrap_or_default();
        self.post(&[("logout", "yes"), ("csrf", &token)]).await
    }

    /// Uploads a photo of one colour, with the page's own form.
    pub(crate) async fn upload(&self, filename: &str, colour: u8) -> Result<Page> {
        let token = self.page().await?.token().unwrap_or_default();
        self.upload_with(filename, colour, token).await
    }

    /// Uploads with the token of a page that was loaded before.
    pub(crate) async fn upload_with(&self, filename: &str, colour: u8, token: String) -> Result<Page> {
        let part = multipart::Part::bytes(photo(colour)?).file_name(filename.to_owned());
        let form = multipart::Form::new().text("csrf", token).part("fileToUpload", part);
        Page::of(self.client.post(&self.page_url).multipart(form).send().await?).await
    }

    /// What an address of a page answers, and its bytes.
    pub(crate) async fn get(&self, address: &str) -> Result<(StatusCode, Vec<u8>)> {
        let url = reqwest::Url::parse(&self.page_url)?.join(address)?;
        let answer = self.client.get(url).send().await?;
        Ok((answer.status(), answer.bytes().await?.to_vec()))
    }

    async fn post(&self, fields: &[(&str, &str)]) -> Result<Page> {
        let encode = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let form = self.client.post(&self.page_url).header("Content-Type", "application/x-www-form-urlencoded");
        Page::of(form.body(body.join("&")).send().await?).await
    }
}

impl Page {
    async fn of(answer: reqwest::Response) -> Result<Self> {
        let policy = answer.headers().get("content-security-policy").and_then(|value| value.to_str().ok());
        let policy = policy.unwrap_or_default().to_owned();
        Ok(Self { status: answer.status(), policy, html: answer.text().await? })
    }

    /// Where the photos' rows are from: `database`, `cache`, `stale`, `none`.
    pub(crate) fn source(&self) -> &str {
        between(&self.html, "data-source=\"", "\"").unwrap_or("missing")
    }

    /// Whether it greets somebody.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.html.contains(&format!("<bdi>{name}</bdi>")) && self.token().is_some()
    }

    /// Addresses of the pictures in the grid, newest first.
    pub(crate) fn pictures(&self) -> Vec<String> {
        let images = self.html.split("<img ").skip(1);
        images.filter_map(|tag| between(tag, "src=\"", "\"").map(plain)).collect()
    }

    /// Addresses of the small pictures as WebP, newest first.
    pub(crate) fn webp_pictures(&self) -> Vec<String> {
        let sources = self.html.split("<source type=\"image/webp\" srcset=\"").skip(1);
        sources.filter_map(|rest| rest.split(['"', ' ']).next()).map(plain).collect()
    }

    /// The secret of its forms.
    pub(crate) fn token(&self) -> Option<String> {
        between(&self.html, "name=\"csrf\" value=\"", "\"").map(str::to_owned)
    }
}

/// An address as it is meant.
fn plain(escaped: &str) -> String {
    escaped.replace("&amp;", "&").replace("&#38;", "&")
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}

fn photo(colour: u8) -> Result<Vec<u8>> {
    let mut out = Cursor::new(Vec::new());
    let pixels = RgbImage::from_pixel(320, 200, Rgb([colour, 90, 160]));
    pixels.write_to(&mut out, ImageFormat::Jpeg).context("a picture in memory can be encoded")?;
    Ok(out.into_inner())
}
