//! Levels 1 to 4 of the tutorial: two nodes behind a load balancer with health checks.

use std::time::Duration;

use anyhow::Result;
use reqwest::StatusCode;
use tests::{
    backends::{Haproxy, MariaDb, Memcached},
    wait,
};

use crate::{node::Node, visitor::Visitor};

const PATIENCE: Duration = Duration::from_secs(30);

const PASSWORD: [(&str, &str); 1] = [("WEBAPP_DATABASE_PASSWORD", MariaDb::PASSWORD)];

/// Two nodes behind HAProxy, which gives every request to the other one than the last.
struct Fleet {
    first: Node,
    second: Node,
    balancer: Haproxy,
}

impl Fleet {
    async fn start(settings: &str) -> Result<Option<Self>> {
        let (first, second) = (Node::start(settings, &PASSWORD).await?, Node::start(settings, &PASSWORD).await?);
        let nodes = [first.address().to_owned(), second.address().to_owned()];
        let Some(balancer) = Haproxy::start(&nodes, "/healthz").await? else { return Ok(None) };
        Ok(Some(Self { first, second, balancer }))
    }

    fn visitor(&self) -> Result<Visitor> {
        Visitor::new(&self.balancer.url())
    }
}

fn database(server: &MariaDb) -> String {
    format!("[database]\nurl = \"{}\"\ntimeout = \"1s\"\nconnect_timeout = \"500ms\"\n", server.url())
}

/// How many of some requests in a row greet Ann.
async fn greetings(visitor: &Visitor, requests: usize) -> Result<usize> {
    let mut greeted = 0;
    for _ in 0..requests {
        greeted += usize::from(visitor.page().await?.knows("Ann"));
    }
    Ok(greeted)
}

/// How many of some requests in a row for a picture bring it.
async fn picture_hits(visitor: &Visitor, address: &str, requests: usize) -> Result<usize> {
    let mut found = 0;
    for _ in 0..requests {
        found += usize::from(visitor.get(address).await?.0 == StatusCode::OK);
    }
    Ok(found)
}

#[tokio::test]
async fn with_local_sessions_and_folders_logins_and_pictures_come_and_go() -> Result<()> {
    let Some(server) = MariaDb::start().await? else { return Ok(()) };
    let Some(fleet) = Fleet::start(&database(&server)).await? else { return Ok(()) };
    let ann = fleet.visitor()?;
    ann.sign_in("Ann").await?;
    assert_eq!(greetings(&ann, 6).await?, 3, "the lesson: only the node that made the login knows it");

    let direct = fleet.first.visitor()?;
    direct.sign_in("Ann").await?;
    let address = direct.upload("one.jpg", 10).await?.pictures().remove(0);
    assert_eq!(picture_hits(&ann, &address, 6).await?, 3, "the lesson: only the node that took the picture has it");
    Ok(())
}

#[tokio::test]
async fn with_shared_sessions_and_a_shared_folder_no_node_is_missed() -> Result<()> {
    let (Some(server), Some(one), Some(mut two)) =
        (MariaDb::start().await?, Memcached::start().await?, Memcached::start().await?)
    else {
        return Ok(());
    };
    let share = tempfile::tempdir()?;
    let settings = format!(
        "{}[sessions]\nstore = \"memcached\"\n[cache]\nstore = \"memcached\"\n[memcached]\nservers = [\"{}\", \"{}\"]\n\
         [storage]\nfolder = \"{}\"\n",
        database(&server),
        one.address(),
        two.address(),
        share.path().display()
    );
    let Some(fleet) = Fleet::start(&settings).await? else { return Ok(()) };
    let ann = fleet.visitor()?;
    ann.sign_in("Ann").await?;
    assert_eq!(greetings(&ann, 6).await?, 6);
    let address = ann.upload("one.jpg", 10).await?.pictures().remove(0);
    assert_eq!(picture_hits(&ann, &address, 6).await?, 6);

    // A memcached node dies: nobody is logged out.
    two.kill().await?;
    assert_eq!(greetings(&ann, 6).await?, 6);

    // A node dies: after the balancer has noticed, nobody sees it.
    let Fleet { first, second, balancer } = fleet;
    first.kill().await?;
    wait::until("the balancer to leave the dead node out", PATIENCE, || async {
        (greetings(&ann, 4).await.ok()? == 4).then_some(())
    })
    .await?;
    assert_eq!(picture_hits(&ann, &address, 4).await?, 4);
    assert_eq!(ann.upload("two.jpg", 20).await?.pictures().len(), 2, "uploads go on");
    drop((second, balancer));
    Ok(())
}
