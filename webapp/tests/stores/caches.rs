//! The front page's rows in a cache: the tutorial's message comes and goes, and no cache can break a page.

use std::time::Duration;

use anyhow::Result;
use reqwest::StatusCode;
use tests::{
    backends::{MariaDb, Memcached, Redis},
    wait,
};

use crate::node::Node;

const PATIENCE: Duration = Duration::from_secs(30);

/// The tutorial's words.
const MESSAGE: &str = "Getting latest 10 records from database.";

const SECRETS: [(&str, &str); 2] = [("WEBAPP_DATABASE_PASSWORD", MariaDb::PASSWORD), ("WEBAPP_REDIS_PASSWORD", Redis::PASSWORD)];

fn database(server: &MariaDb) -> String {
    format!("[database]\nurl = \"{}\"\ntimeout = \"1s\"\nconnect_timeout = \"500ms\"\n", server.url())
}

/// Two nodes on one database and one cache: the database is read once, and after an upload on either.
async fn is_shared_and_renewed(settings: &str) -> Result<()> {
    let (first, second) = (Node::start(settings, &SECRETS).await?, Node::start(settings, &SECRETS).await?);
    let page = first.visitor()?.page().await?;
    assert!(page.source() == "database" && page.html.contains(MESSAGE), "{}", page.html);
    for node in [&first, &second] {
        let page = node.visitor()?.page().await?;
        assert!(page.source() == "cache" && !page.html.contains(MESSAGE), "{}", page.html);
    }
    let ann = second.visitor()?;
    ann.sign_in("Ann").await?;
    let after = ann.upload("one.jpg", 10).await?;
    assert_eq!((after.source(), after.pictures().len()), ("database", 1), "{}", after.html);
    let elsewhere = first.visitor()?.page().await?;
    assert_eq!((elsewhere.source(), elsewhere.pictures().len()), ("cache", 1), "seen at once by the other node");
    Ok(())
}

#[tokio::test]
async fn rows_in_memcached_are_shared_and_renewed_by_an_upload() -> Result<()> {
    let (Some(server), Some(one), Some(two)) = (MariaDb::start().await?, Memcached::start().await?, Memcached::start().await?)
    else {
        return Ok(());
    };
    let servers = format!("servers = [\"{}\", \"{}\"]", one.address(), two.address());
    is_shared_and_renewed(&format!("{}[cache]\nstore = \"memcached\"\n[memcached]\n{servers}\n", database(&server))).await
}

#[tokio::test]
async fn rows_in_redis_are_shared_and_renewed_by_an_upload() -> Result<()> {
    let (Some(server), Some(redis)) = (MariaDb::start().await?, Redis::start().await?) else { return Ok(()) };
    let urls = format!("urls = [\"{}\"]\ntimeout = \"500ms\"", redis.url());
    is_shared_and_renewed(&format!("{}[cache]\nstore = \"redis\"\n[redis]\n{urls}\n", database(&server))).await
}

#[tokio::test]
async fn a_cache_that_hangs_or_is_dead_costs_a_moment_and_no_page() -> Result<()> {
    let Some(mut cache) = Memcached::start().await? else { return Ok(()) };
    let settings = format!("[cache]\nstore = \"memcached\"\n[memcached]\nservers = [\"{}\"]\n", cache.address());
    let node = Node::start(&settings, &[]).await?;
    let visitor = node.visitor()?;
    visitor.page().await?;
    assert_eq!(visitor.page().await?.source(), "cache");

    cache.process().hang()?;
    // Its threads stop one after the other; one of them may answer once more.
    wait::until("the cache to hang", PATIENCE, || async { (visitor.page().await.ok()?.source() == "database").then_some(()) })
        .await?;
    for _ in 0..5 {
        let page = visitor.page().await?;
        assert_eq!((page.status, page.source()), (StatusCode::OK, "database"));
    }
    cache.kill().await?;
    assert_eq!(visitor.page().await?.source(), "database");
    cache.revive().await?;
    wait::until("the cache to be used again", PATIENCE, || async {
        (visitor.page().await.ok()?.source() == "cache").then_some(())
    })
    .await
}

#[tokio::test]
async fn a_new_node_shows_the_caches_rows_while_the_database_is_down() -> Result<()> {
    let (Some(mut server), Some(cache)) = (MariaDb::start().await?, Memcached::start().await?) else { return Ok(()) };
    let settings = format!(
        "{}[cache]\nstore = \"memcached\"\nexpiry = \"100ms\"\n[memcached]\nservers = [\"{}\"]\n",
        database(&server),
        cache.address()
    );
    let (first, second) = (Node::start(&settings, &SECRETS).await?, Node::start(&settings, &SECRETS).await?);
    let ann = first.visitor()?;
    ann.sign_in("Ann").await?;
    assert_eq!(ann.upload("one.jpg", 10).await?.pictures().len(), 1);
    server.kill().await?;
    // The second node never read the database itself; the rows in the cache expire, and are better than nothing.
    let stranger = second.visitor()?;
    let page = wait::until("old rows to be shown as such", PATIENCE, || async {
        stranger.page().await.ok().filter(|page| page.source() == "stale")
    })
    .await?;
    assert_eq!((page.status, page.pictures().len()), (StatusCode::OK, 1));
    Ok(())
}

#[tokio::test]
async fn names_that_nobody_knows_keep_no_page_from_anyone() -> Result<()> {
    let nowhere = [
        "[cache]\nstore = \"memcached\"\n[memcached]\nservers = [\"cache.weir.invalid:11211\"]\n",
        "[cache]\nstore = \"redis\"\n[redis]\nurls = [\"redis://cache.weir.invalid:6379\"]\n",
        "[sessions]\nstore = \"memcached\"\n[memcached]\nservers = [\"sessions.weir.invalid:11211\"]\n",
        "[sessions]\nstore = \"redis\"\n[redis]\nurls = [\"redis://sessions.weir.invalid:6379\"]\n",
    ];
    for settings in nowhere {
        let node = Node::start(settings, &[]).await?;
        for _ in 0..3 {
            let page = node.visitor()?.page().await?;
            assert_eq!((page.status, page.source()), (StatusCode::OK, "database"), "{settings}");
        }
    }
    Ok(())
}
