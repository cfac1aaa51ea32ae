//! Levels 0 to 5 of the tutorial, walked in a real browser: what a reader sees after each step, and the lessons between.
//!
//! One database and, from level 1 on, a load balancer in front of two nodes. Every level is the same program with other
//! settings. The browser is one and the same all the way, so what it keeps (its cookie) goes along.

use std::{fmt::Write, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use fantoccini::{Client, Locator};
use serde_json::Value;
use tempfile::TempDir;
use tests::{
    backends::{Haproxy, MariaDb, Memcached},
    browser::Browser,
    servers::{Kind, Server},
    wait,
};

use crate::{node::Node, troublemaker::Troublemaker};

/// A browser on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const PASSWORD: [(&str, &str); 1] = [("WEBAPP_DATABASE_PASSWORD", MariaDb::PASSWORD)];

/// The tutorial's words, when the database was read.
const MESSAGE: &str = "Getting latest 10 records from database.";

/// A person at the browser.
struct Reader {
    browser: Browser,
    folder: TempDir,
    /// Scheme, host and port of the site.
    site: String,
}

impl Reader {
    async fn start() -> Result<Self> {
        Ok(Self { browser: Browser::start().await?, folder: tempfile::tempdir()?, site: String::new() })
    }

    fn client(&self) -> &Client {
        self.browser.client()
    }

    /// Loads the front page, again if the balancer had no node for it: on a busy machine its checks may fail for a moment.
    async fn load(&self) -> Result<()> {
        let page = format!("{}/web-demo/index.php", self.site);
        let load = || async {
            self.client().goto(&page).await.ok()?;
            self.asks("document.querySelector('.node strong')").await.ok().filter(|is_ours| *is_ours).map(drop)
        };
        wait::until("the front page", PATIENCE, load).await
    }

    async fn sign_in(&self) -> Result<()> {
        self.load().await?;
        if self.is_known().await? {
            return Ok(());
        }
        self.client().find(Locator::Id("username")).await?.send_keys("Ann").await?;
        self.client().find(Locator::XPath("//button[normalize-space()='login']")).await?.click().await?;
        self.client().wait().at_most(PATIENCE).for_element(Locator::Css("header.top")).await.map(drop)?;
        Ok(())
    }

    /// Loads the front page from one node, past the balancer; a cookie is good for every port of a host.
    async fn load_from(&self, node: &Node) -> Result<()> {
        Ok(self.client().goto(&format!("http://{}/web-demo/index.php", node.address())).await?)
    }

    /// Whether the page that is shown greets her.
    async fn is_known(&self) -> Result<bool> {
        self.asks("document.querySelector('.user').textContent.includes('Ann')").await
    }

    /// What some page loads in a row show: the server of each, and whether it knew her.
    async fn reload(&self, times: usize) -> Result<(Vec<String>, usize)> {
        let (mut servers, mut known) = (Vec::new(), 0);
        for _ in 0..times {
            self.load().await?;
            servers.push(self.client().find(Locator::Css(".node strong")).await?.text().await?);
            known += usize::from(self.is_known().await?);
        }
        Ok((servers, known))
    }

    /// Uploads a photo of one colour through the dialog, and waits until it is on the page.
    async fn upload(&self, name: &str, colour: u8) -> Result<()> {
        let photo = self.photo(name, colour)?;
        self.load().await?;
        let before = self.count().await?;
        self.client().find(Locator::Id("fileToUpload")).await?.send_keys(&photo.display().to_string()).await?;
        self.client().wait().at_most(PATIENCE).for_element(Locator::Css("dialog[open] #progress li")).await?;
        self.client().find(Locator::Css("dialog .actions button")).await?.click().await?;
        self.until(&format!(
            "document.querySelectorAll('#pictures img').length > {before} && !document.querySelector('dialog[open]')"
        ))
        .await
    }

    fn photo(&self, name: &str, colour: u8) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        image::RgbImage::from_pixel(640, 480, image::Rgb([colour, 120, 160])).save(&path)?;
        Ok(path)
    }

    async fn count(&self) -> Result<u64> {
        let count = self.client().execute("return document.querySelectorAll('#pictures img').length", Vec::new()).await?;
        count.as_u64().context("a number")
    }

    /// Waits until every picture of the page has come, or failed to, and so many came.
    async fn pictures(&self, expected: usize) -> Result<()> {
        self.client()
            .execute("document.querySelectorAll('#pictures img').forEach(img => img.loading = 'eager')", Vec::new())
            .await?;
        let all = "[...document.querySelectorAll('#pictures img')]";
        let holds =
            format!("{all}.every(img => img.complete) && {all}.filter(img => img.naturalWidth > 0).length === {expected}");
        let waited = self.until(&holds).await;
        if waited.is_err() {
            let script =
                format!("return {all}.map(img => img.naturalWidth + ' ' + img.complete + ' ' + img.currentSrc).join('\\n')");
            waited.context(format!("not {expected} of:\n{}", self.client().execute(&script, Vec::new()).await?))?;
        }
        Ok(())
    }

    /// Where the first picture came from.
    async fn picture_origin(&self) -> Result<String> {
        let script = "return new URL(document.querySelector('#pictures img').currentSrc).origin";
        Ok(self.client().execute(script, Vec::new()).await?.as_str().context("an origin")?.to_owned())
    }

    async fn has_message(&self) -> Result<bool> {
        self.asks(&format!("document.body.textContent.includes('{MESSAGE}')")).await
    }

    async fn asks(&self, script: &str) -> Result<bool> {
        Ok(self.client().execute(&format!("return !!({script})"), Vec::new()).await? == Value::Bool(true))
    }

    async fn until(&self, script: &str) -> Result<()> {
        let holds = || async { self.asks(script).await.ok().filter(|holds| *holds).map(drop) };
        wait::until(script, PATIENCE, holds).await
    }
}

/// Two nodes with names, behind a load balancer.
struct Level {
    nodes: Vec<Node>,
    balancer: Haproxy,
}

impl Level {
    async fn start(settings: &str) -> Result<Option<Self>> {
        let mut nodes = Vec::new();
        for name in ["node-a", "node-b"] {
            let settings = format!("[server]\nnode = \"{name}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n{settings}");
            nodes.push(Node::start(&settings, &PASSWORD).await?);
        }
        let addresses: Vec<String> = nodes.iter().map(|node| node.address().to_owned()).collect();
        Ok(Haproxy::start(&addresses, "/healthz").await?.map(|balancer| Self { nodes, balancer }))
    }
}

/// Sections that grow from level to level.
struct Stores {
    database: MariaDb,
    caches: [Memcached; 3],
    bucket: Server,
    share: TempDir,
}

impl Stores {
    async fn start() -> Result<Option<Self>> {
        let Some(database) = MariaDb::start().await? else { return Ok(None) };
        let (Some(one), Some(two), Some(three)) =
            (Memcached::start().await?, Memcached::start().await?, Memcached::start().await?)
        else {
            return Ok(None);
        };
        let Some(bucket) = Server::start(Kind::Moto).await? else { return Ok(None) };
        let made = reqwest::Client::new().put(format!("{}/photos", bucket.endpoint())).send().await?;
        ensure!(made.status().is_success(), "cannot make the bucket: {}", made.status());
        Ok(Some(Self { database, caches: [one, two, three], bucket, share: tempfile::tempdir()? }))
    }

    fn database(&self) -> String {
        format!("[database]\nurl = \"{}\"\n", self.database.url())
    }

    fn shared_sessions(&self) -> String {
        let servers: Vec<String> = self.caches.iter().map(|node| format!("\"{}\"", node.address())).collect();
        format!("{}[sessions]\nstore = \"memcached\"\n[memcached]\nservers = [{}]\n", self.database(), servers.join(", "))
    }

    fn shared_folder(&self) -> String {
        format!("folder = \"{}\"\n", self.share.path().display())
    }

    fn bucket(&self) -> String {
        format!("[s3]\nbucket = \"photos\"\nendpoint = \"{}\"\npath_style = true\n", self.bucket.endpoint())
    }
}

#[tokio::test]
async fn from_one_process_to_a_fleet_in_a_browser() -> Result<()> {
    let Some(mut stores) = Stores::start().await? else { return Ok(()) };
    let mut reader = Reader::start().await?;
    level_0(&mut reader).await.context("level 0")?;
    if !local_sessions(&mut reader, &stores).await.context("level 1, nothing shared")? {
        return Ok(());
    }
    shared_sessions(&mut reader, &mut stores).await.context("level 1, shared")?;
    bucket(&mut reader, &stores).await.context("level 2")?;
    slow_and_dying_nodes(&mut reader, &stores).await.context("level 3")?;
    cache(&mut reader, &stores).await.context("level 4")?;
    cdn(&mut reader, &stores).await.context("level 5")?;
    reader.browser.close().await
}

/// One process, nothing else.
async fn level_0(reader: &mut Reader) -> Result<()> {
    let node = Node::start("", &[]).await?;
    reader.site = format!("http://{}", node.address());
    reader.sign_in().await?;
    ensure!(reader.is_known().await?, "she is signed in");
    reader.upload("small.jpg", 1).await?;
    reader.pictures(1).await?;
    Ok(())
}

/// Two nodes, each with sessions and a folder of its own: logins and pictures come and go. False without a balancer.
async fn local_sessions(reader: &mut Reader, stores: &Stores) -> Result<bool> {
    let Some(level) = Level::start(&stores.database()).await? else { return Ok(false) };
    reader.site = level.balancer.url();
    reader.sign_in().await?;
    let (servers, known) = reader.reload(6).await?;
    ensure!(servers.iter().filter(|name| *name == "node-a").count() == 3, "the balancer takes turns: {servers:?}");
    ensure!(known == 3, "the lesson: only the node that made the login knows it, {known} of 6");

    // A photo that one node took is a broken picture on every other load.
    reader.site = format!("http://{}", level.nodes[0].address());
    reader.sign_in().await?;
    reader.upload("local.jpg", 2).await?;
    reader.site = format!("http://{}", level.nodes[1].address());
    reader.load().await?;
    ensure!(reader.count().await? == 1, "the lesson: the row is there");
    reader.pictures(0).await.context("the lesson: the file is not")?;
    Ok(true)
}

/// Sessions in three memcached nodes and one folder for all: no node is missed, and no memcached either.
async fn shared_sessions(reader: &mut Reader, stores: &mut Stores) -> Result<()> {
    let settings = format!("{}[storage]\n{}", stores.shared_sessions(), stores.shared_folder());
    let level = Level::start(&settings).await?.context("there was a balancer before")?;
    reader.site = level.balancer.url();
    reader.sign_in().await?;
    reader.upload("shared.jpg", 3).await?;
    ensure!(reader.reload(6).await?.1 == 6, "every node knows the login");
    for node in &level.nodes {
        reader.load_from(node).await?;
        ensure!(reader.is_known().await?, "she is known");
        reader.pictures(1).await.context("one of two: the first was only in a folder that is gone")?;
    }
    stores.caches[0].kill().await?;
    ensure!(reader.reload(4).await?.1 == 4, "a memcached dies, and nobody is logged out");
    stores.caches[0].revive().await
}

/// Pictures move to a bucket while people look at them.
async fn bucket(reader: &mut Reader, stores: &Stores) -> Result<()> {
    let settings = format!("{}[storage]\nkind = \"s3\"\n{}{}", stores.shared_sessions(), stores.shared_folder(), stores.bucket());
    let level = Level::start(&settings).await?.context("there was a balancer before")?;
    reader.site = level.balancer.url();
    ensure!(reader.reload(2).await?.1 == 2, "the login outlives all nodes of the last level");
    reader.pictures(1).await.context("old photos stay where they are")?;
    // One file is lost for good, as level 1 taught; the other one moves.
    let moved = level.nodes[0].tool(&["migrate-storage", "--from", "folder", "--to", "s3"], &PASSWORD).await?;
    ensure!(moved.output.contains("1 pictures moved from folder to s3, 1 failed"), "{}", moved.output);
    reader.upload("in the bucket.jpg", 4).await?;
    for node in &level.nodes {
        reader.load_from(node).await?;
        reader.pictures(2).await.context("the one that moved, and the new one")?;
        ensure!(reader.picture_origin().await? == stores.bucket.endpoint(), "they come from the bucket itself");
    }
    Ok(())
}

/// The latency knob of one node, and the death of the other.
async fn slow_and_dying_nodes(reader: &mut Reader, stores: &Stores) -> Result<()> {
    let settings = format!("{}[storage]\nkind = \"s3\"\n{}{}", stores.shared_sessions(), stores.shared_folder(), stores.bucket());
    let Level { mut nodes, balancer } = Level::start(&settings).await?.context("there was a balancer before")?;
    reader.site = balancer.url();
    let turned = reqwest::Client::new().put(format!("{}/latency?delay_ms=300", nodes[0].admin()?)).send().await?;
    ensure!(turned.status().is_success(), "the knob turns: {}", turned.status());
    for node in &nodes {
        reader.load_from(node).await?;
    }
    let slow = reqwest::get(format!("{}/metrics", nodes[0].admin()?)).await?.text().await?;
    let fast = reqwest::get(format!("{}/metrics", nodes[1].admin()?)).await?.text().await?;
    ensure!(p99(&slow)? >= 0.3 && p99(&slow)? > p99(&fast)?, "each node's figures are its own: {slow}\n{fast}");

    nodes.remove(0).kill().await?;
    let only_the_other = || async {
        let (servers, known) = reader.reload(4).await.ok()?;
        (known == 4 && servers.iter().all(|name| name == "node-b")).then_some(())
    };
    wait::until("the balancer to leave the dead node out", PATIENCE, only_the_other).await?;
    reader.pictures(2).await.context("pictures are not missed either")?;
    reader.upload("after the death.jpg", 5).await
}

/// The message goes when the rows are cached, and is back after an upload.
async fn cache(reader: &mut Reader, stores: &Stores) -> Result<()> {
    let mut settings = stores.shared_sessions();
    write!(settings, "[cache]\nstore = \"memcached\"\n[storage]\nkind = \"s3\"\n{}{}", stores.shared_folder(), stores.bucket())?;
    let level = Level::start(&settings).await?.context("there was a balancer before")?;
    reader.site = level.balancer.url();
    reader.load().await?;
    ensure!(reader.has_message().await?, "the first page reads the database");
    for node in &level.nodes {
        reader.load_from(node).await?;
        ensure!(!reader.has_message().await?, "either node takes the rows out of the cache");
    }
    reader.upload("cached.jpg", 6).await?;
    ensure!(reader.has_message().await?, "an upload makes them read anew");
    reader.load().await?;
    ensure!(!reader.has_message().await? && reader.count().await? == 5, "and cached anew, by then with the new photo");
    Ok(())
}

/// A CDN in front of the pictures. Its origin is the site itself, which reads the private bucket.
async fn cdn(reader: &mut Reader, stores: &Stores) -> Result<()> {
    let storage = format!("{}[storage]\nkind = \"s3\"\n{}", stores.shared_sessions(), stores.shared_folder());
    let origin = Node::start(&format!("{storage}{}", stores.bucket()), &PASSWORD).await?;
    let edge = Troublemaker::start(origin.address()).await?;
    let behind_edge = format!("base_url = \"http://{}/web-demo\"\n", edge.address());
    let level = Level::start(&format!("{storage}{}{behind_edge}", stores.bucket())).await?;
    let level = level.context("there was a balancer before")?;
    reader.site = level.balancer.url();
    ensure!(reader.reload(2).await?.1 == 2, "one login from level 1 to level 5");
    reader.pictures(4).await.context("all but the one that was lost at level 1")?;
    ensure!(reader.picture_origin().await? == format!("http://{}", edge.address()), "they come from the CDN");
    Ok(())
}

fn p99(metrics: &str) -> Result<f64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix("webapp_page_duration_recent_seconds{quantile=\"0.99\"} "));
    Ok(line.context("the figures have a p99")?.parse()?)
}
