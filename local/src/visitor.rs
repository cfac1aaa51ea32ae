//! The built-in visitor: a little polite traffic, so that there is something to count.

use std::{
    io::Cursor,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use anyhow::{Context, Result};
use image::{ImageFormat, Rgb, RgbImage};
use rand::Rng;
use reqwest::{
    Client, Response, Url,
    header::CONTENT_TYPE,
    multipart::{Form, Part},
};
use tokio_util::sync::CancellationToken;

/// What the start says about it.
pub(crate) const NOTICE: &str =
    "A built-in visitor makes about four requests a second, as five clients 127.0.0.2 to 127.0.0.6; --no-traffic leaves it out.";

/// Last numbers of the addresses that the visitor uses; the first one logs in and uploads a picture.
const ADDRESSES: std::ops::RangeInclusive<u8> = 2..=6;
/// Pause between two requests, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 100..400;

/// What the visitor did.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Report {
    /// Requests that were answered, whatever the status.
    pub(crate) requests: u64,
    /// Requests without an answer.
    pub(crate) failures: u64,
}

/// One client: an address of its own, and cookies.
struct Visitor {
    http: Client,
    page: Url,
    /// Pictures on the page when it was last seen.
    pictures: Vec<Url>,
    requests: u64,
}

/// Visits the site at `page` until `stop`.
pub(crate) async fn visit(page: String, stop: CancellationToken) -> Report {
    let visitors: Result<Vec<Visitor>> = ADDRESSES.map(|last| Visitor::new(&page, last)).collect();
    let Ok(mut visitors) = visitors else { return Report::default() };
    let mut failures = 0;
    if let Some(first) = visitors.first_mut() {
        let shared = stop.run_until_cancelled(first.share_a_picture()).await;
        failures += u64::from(matches!(shared, Some(Err(_))));
    }
    loop {
        let (pause, chosen, action) = dice(visitors.len());
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            break;
        }
        // Not cut off at a stop: an answer that nobody waits for would still be in the log.
        failures += u64::from(visitors[chosen].act(action).await.is_err());
    }
    let requests = visitors.iter().map(|visitor| visitor.requests).sum();
    Report { requests, failures }
}

/// When the next request comes, from whom, and a number from 0 to 99 that says what it is. The first client comes
/// more often than the last, so that the table has an order.
fn dice(visitors: usize) -> (Duration, usize, u8) {
    let mut random = rand::rng();
    let chosen = random.random_range(0..visitors).min(random.random_range(0..visitors));
    (Duration::from_millis(random.random_range(PAUSE_MS)), chosen, random.random_range(0..100))
}

impl Visitor {
    fn new(page: &str, last: u8) -> Result<Self> {
        let http = Client::builder()
            .local_address(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
            .user_agent(concat!("weir-visitor/", env!("CARGO_PKG_VERSION")))
            .cookie_store(true)
            .timeout(Duration::from_secs(10))
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { http, page: Url::parse(page).context("the site's address")?, pictures: Vec::new(), requests: 0 })
    }

    async fn act(&mut self, action: u8) -> Result<()> {
        match action {
            0..50 => self.see_page().await.map(drop),
            50..90 => self.see_picture().await,
            90..96 => self.log_in().await.map(drop),
            _ => self.follow_dead_link().await,
        }
    }

    async fn see_page(&mut self) -> Result<String> {
        let answer = self.http.get(self.page.clone()).send().await;
        let html = self.noted(answer)?.text().await.context("a page that ends early")?;
        let pictures = values_of(&html, "<img src=\"").filter_map(|path| self.page.join(path).ok());
        self.pictures = pictures.collect();
        Ok(html)
    }

    async fn see_picture(&mut self) -> Result<()> {
        let count = self.pictures.len();
        if count == 0 {
            return self.see_page().await.map(drop);
        }
        let url = self.pictures[rand::rng().random_range(0..count)].clone();
        let answer = self.http.get(url).send().await;
        self.noted(answer)?.bytes().await.context("a picture that ends early").map(drop)
    }

    async fn log_in(&mut self) -> Result<String> {
        let form = self.http.post(self.page.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = form.body("username=visitor").send().await;
        self.noted(answer)?.text().await.context("a page that ends early")
    }

    async fn follow_dead_link(&mut self) -> Result<()> {
        let answer = self.http.get(self.page.join("no-such-page.html")?).send().await;
        self.noted(answer).map(drop)
    }

    /// Logs in and uploads one picture, with the hidden token that the form carries.
    async fn share_a_picture(&mut self) -> Result<()> {
        self.log_in().await?;
        let html = self.see_page().await?;
        let token = values_of(&html, "name=\"csrf\" value=\"").next().unwrap_or_default().to_owned();
        let picture = Part::bytes(picture()?).file_name("visitor.jpg").mime_str("image/jpeg")?;
        let form = Form::new().text("csrf", token).part("fileToUpload", picture);
        let answer = self.http.post(self.page.clone()).multipart(form).send().await;
        self.noted(answer).map(drop)
    }

    fn noted(&mut self, answer: reqwest::Result<Response>) -> Result<Response> {
        let answer = answer.context("no answer")?;
        self.requests += 1;
        Ok(answer)
    }
}

/// What stands between each `before` and the next quote.
fn values_of<'a>(html: &'a str, before: &str) -> impl Iterator<Item = &'a str> {
    html.split(before).skip(1).filter_map(|rest| rest.split('"').next())
}

/// A sky with a random colour, as JPEG.
fn picture() -> Result<Vec<u8>> {
    let [red, green] = [rand::rng().random_range(80..200), rand::rng().random_range(80..200)];
    let sky = RgbImage::from_fn(800, 600, |x, y| Rgb([red, green, (255 - y / 5 + x / 40).min(255) as u8]));
    let mut bytes = Cursor::new(Vec::new());
    sky.write_to(&mut bytes, ImageFormat::Jpeg).context("cannot write a picture")?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_a_page() {
        let html = "<img src=\"a.jpg\" alt=\"\"><p><img src=\"b.jpg\">";
        assert_eq!(values_of(html, "<img src=\"").collect::<Vec<_>>(), ["a.jpg", "b.jpg"]);
    }

    #[test]
    fn the_picture_is_a_real_jpeg() {
        let picture = picture().unwrap();
        assert_eq!(image::guess_format(&picture).unwrap(), ImageFormat::Jpeg);
    }
}
