//! The fault table of the README: each store slow, down, refusing and hung, and what visitors get meanwhile.
//!
//! Prints the table; times are those of this machine at this moment and are not asserted, but no request may take longer
//! than a [`Visitor`] waits. What is asserted is the answers, and that everything is well again when the store is.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use tests::{
    backends::{MariaDb, Memcached, Redis},
    servers::{Kind, Server},
    wait,
};

use crate::{
    node::Node,
    troublemaker::{Trouble, Troublemaker},
    visitor::{Page, Visitor},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Within every limit, and a few times what a store in the same building takes.
const SLOW: Duration = Duration::from_millis(20);

const SECRETS: [(&str, &str); 2] = [("WEBAPP_DATABASE_PASSWORD", MariaDb::PASSWORD), ("WEBAPP_REDIS_PASSWORD", Redis::PASSWORD)];

const FAULTS: [(&str, Trouble); 4] =
    [("slow", Trouble::Slow(SLOW)), ("down", Trouble::Down), ("refusing", Trouble::Refusing), ("hung", Trouble::Hung)];

/// Pages that are loaded one after the other during a fault: enough for the breaker to open, and for its probes.
const PAGES: usize = 12;

/// What visitors saw.
struct Seen {
    fault: &'static str,
    pages: Vec<(Duration, Page)>,
    upload: (Duration, Page),
    sign_in: (Duration, Page),
}

/// A node behind whose store there is trouble.
struct Scene {
    node: Node,
    proxy: Troublemaker,
    ann: Visitor,
    token: String,
    /// Where the rows of a page come from when all is well.
    source: String,
}

impl Scene {
    /// A node with a photo on it, and a visitor who is signed in.
    async fn start(proxy: Troublemaker, settings: &str) -> Result<Self> {
        // Nobody is to be told that these are many requests.
        let settings = format!("[limits]\nsign_ins_per_minute = 0\nuploads_per_minute = 0\n{settings}");
        let node = Node::start(&settings, &SECRETS).await?;
        let ann = node.visitor()?;
        ann.sign_in("Ann").await?;
        let page = ann.upload("one.jpg", 10).await?;
        let token = page.token().with_context(|| format!("a form with a secret: {}", page.html))?;
        let source = ann.page().await?.source().to_owned();
        Ok(Self { node, proxy, ann, token, source })
    }

    /// Looks at the site during every fault, one after the other, and after each whether all is well again.
    async fn walk(self, store: &str) -> Result<[Seen; 4]> {
        let mut all = Vec::new();
        // Colours far apart: the same photo twice is refused.
        for ((fault, trouble), colour) in FAULTS.into_iter().zip([50, 100, 150, 200]) {
            self.ann.page().await?;
            self.proxy.make(trouble);
            let seen = self.look(fault, colour).await;
            self.proxy.make(Trouble::None);
            all.push(seen.with_context(|| format!("{store} is {fault}"))?);
            self.is_well(colour + 25).await.with_context(|| format!("after {store} was {fault}"))?;
        }
        report(store, &all);
        all.try_into().ok().context("four faults")
    }

    async fn look(&self, fault: &'static str, colour: u8) -> Result<Seen> {
        let mut pages = Vec::new();
        for _ in 0..PAGES {
            pages.push(timed(self.ann.page()).await?);
        }
        let upload = timed(self.ann.upload_with("more.jpg", colour, self.token.clone())).await?;
        let sign_in = timed(self.node.visitor()?.sign_in("Bob")).await?;
        Ok(Seen { fault, pages, upload, sign_in })
    }

    /// Waits until an upload succeeds, somebody can sign in, and pages come from where they should.
    async fn is_well(&self, colour: u8) -> Result<()> {
        let probe = || async {
            let upload = self.ann.upload_with("again.jpg", colour, self.token.clone()).await.ok()?;
            let bob = self.node.visitor().ok()?.sign_in("Bob").await.ok()?;
            let page = self.ann.page().await.ok()?;
            (upload.status == StatusCode::OK && bob.knows("Bob") && page.source() == self.source).then_some(())
        };
        wait::until("uploads, logins and pages to be as before", PATIENCE, probe).await
    }
}

impl Seen {
    /// Every page was answered like this.
    fn pages_are(&self, status: StatusCode, sources: &[&str]) {
        for (_, page) in &self.pages {
            assert_eq!(page.status, status, "{}: {}", self.fault, page.html);
            assert!(sources.contains(&page.source()), "{}: {:?} is not of {sources:?}", self.fault, page.source());
        }
    }

    fn answers_are(&self, upload: StatusCode, sign_in: StatusCode) {
        assert_eq!(self.upload.1.status, upload, "{}: {}", self.fault, self.upload.1.html);
        assert_eq!(self.sign_in.1.status, sign_in, "{}: {}", self.fault, self.sign_in.1.html);
    }
}

async fn timed(request: impl Future<Output = Result<Page>>) -> Result<(Duration, Page)> {
    let began = Instant::now();
    let page = request.await?;
    Ok((began.elapsed(), page))
}

#[expect(clippy::print_stdout, reason = "the table is for the README")]
fn report(store: &str, all: &[Seen]) {
    let ms = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1000.0);
    for seen in all {
        let mut times: Vec<Duration> = seen.pages.iter().map(|(time, _)| *time).collect();
        times.sort();
        let mut answers: Vec<String> =
            seen.pages.iter().map(|(_, page)| format!("{} {}", page.status.as_u16(), page.source())).collect();
        answers.dedup();
        let answer = |(time, page): &(Duration, Page)| format!("{} in {}", page.status.as_u16(), ms(*time));
        println!(
            "| {store} | {} | {} | {} | {} | {} | {} |",
            seen.fault,
            answers.join(", "),
            ms(times[times.len() / 2]),
            ms(times[times.len() - 1]),
            answer(&seen.upload),
            answer(&seen.sign_in),
        );
    }
}

fn database(url: &str) -> String {
    format!("[database]\nurl = \"{url}\"\ntimeout = \"1s\"\nconnect_timeout = \"500ms\"\n")
}

#[tokio::test]
async fn the_database_in_trouble() -> Result<()> {
    let Some(server) = MariaDb::start().await? else { return Ok(()) };
    let url = server.url();
    let target = url.split(['@', '/']).find(|part| part.starts_with("127.0.0.1:")).context("a URL has an address")?;
    let proxy = Troublemaker::start(target).await?;
    let settings = database(&url.replace(target, &proxy.address().to_string()));
    let [slow, rest @ ..] = Scene::start(proxy, &settings).await?.walk("database").await?;
    slow.pages_are(StatusCode::OK, &["database"]);
    slow.answers_are(StatusCode::OK, StatusCode::OK);
    for seen in rest {
        seen.pages_are(StatusCode::OK, &["stale"]);
        seen.answers_are(StatusCode::SERVICE_UNAVAILABLE, StatusCode::OK);
    }
    Ok(())
}

#[tokio::test]
async fn the_cache_in_trouble() -> Result<()> {
    let (Some(server), Some(cache)) = (MariaDb::start().await?, Memcached::start().await?) else { return Ok(()) };
    let proxy = Troublemaker::start(&cache.address()).await?;
    let memcached = format!("[cache]\nstore = \"memcached\"\n[memcached]\nservers = [\"{}\"]\n", proxy.address());
    let settings = format!("{}{memcached}", database(&server.url()));
    let [slow, rest @ ..] = Scene::start(proxy, &settings).await?.walk("cache (memcached)").await?;
    slow.pages_are(StatusCode::OK, &["cache", "database"]);
    slow.answers_are(StatusCode::OK, StatusCode::OK);
    for seen in rest {
        seen.pages_are(StatusCode::OK, &["database"]);
        seen.answers_are(StatusCode::OK, StatusCode::OK);
    }
    Ok(())
}

#[tokio::test]
async fn the_session_store_in_trouble() -> Result<()> {
    let Some(redis) = Redis::start().await? else { return Ok(()) };
    let url = redis.url();
    let target = url.trim_start_matches("redis://").split('/').next().context("a URL has an address")?.to_owned();
    let proxy = Troublemaker::start(&target).await?;
    let settings = format!("[sessions]\nstore = \"redis\"\n[redis]\nurls = [\"redis://{}\"]\n", proxy.address());
    let [slow, rest @ ..] = Scene::start(proxy, &settings).await?.walk("sessions (Redis)").await?;
    slow.pages_are(StatusCode::OK, &["database"]);
    assert!(slow.pages.iter().all(|(_, page)| page.knows("Ann")), "still signed in");
    slow.answers_are(StatusCode::OK, StatusCode::OK);
    for seen in rest {
        seen.pages_are(StatusCode::OK, &["database"]);
        seen.answers_are(StatusCode::SERVICE_UNAVAILABLE, StatusCode::SERVICE_UNAVAILABLE);
    }
    Ok(())
}

#[tokio::test]
async fn the_bucket_in_trouble() -> Result<()> {
    let Some(server) = Server::start(Kind::Moto).await? else { return Ok(()) };
    let made = reqwest::Client::new().put(format!("{}/photos", server.endpoint())).send().await?;
    ensure!(made.status().is_success(), "cannot make the bucket: {}", made.status());
    let proxy = Troublemaker::start(server.endpoint().trim_start_matches("http://")).await?;
    let settings = format!(
        "[storage]\nkind = \"s3\"\n[s3]\nbucket = \"photos\"\nendpoint = \"http://{}\"\npath_style = true\n\
         connect_timeout = \"500ms\"\ntimeout = \"2s\"\n",
        proxy.address()
    );
    let [slow, rest @ ..] = Scene::start(proxy, &settings).await?.walk("storage (S3)").await?;
    slow.pages_are(StatusCode::OK, &["database"]);
    slow.answers_are(StatusCode::OK, StatusCode::OK);
    for seen in rest {
        seen.pages_are(StatusCode::OK, &["database"]);
        seen.answers_are(StatusCode::SERVICE_UNAVAILABLE, StatusCode::OK);
        assert!(!seen.pages[0].1.pictures().is_empty(), "the page has its pictures' signed addresses");
    }
    Ok(())
}

#[tokio::test]
async fn the_cdn_in_trouble() -> Result<()> {
    let origin = Node::start("", &[]).await?;
    let proxy = Troublemaker::start(origin.address()).await?;
    let settings = format!("[storage]\nbase_url = \"http://{}/web-demo/uploads\"\n", proxy.address());
    for seen in Scene::start(proxy, &settings).await?.walk("CDN").await? {
        seen.pages_are(StatusCode::OK, &["database"]);
        seen.answers_are(StatusCode::OK, StatusCode::OK);
    }
    Ok(())
}
