//! `webapp doctor` on real stores: what is well, and for what is not, the cause and the next step.

use anyhow::Result;
use tests::{
    backends::{MariaDb, Memcached, Redis},
    servers::{Kind, Server},
};

use crate::{
    node::Node,
    troublemaker::{Trouble, Troublemaker},
};

/// What the doctor says about a node with these settings, and whether it is content.
async fn says(settings: &str, password: &str) -> Result<(String, bool)> {
    let node = Node::start("", &[]).await?;
    std::fs::write(node.folder().join("webapp.toml"), settings)?;
    let secrets = [("WEBAPP_REDIS_PASSWORD", password), ("WEBAPP_DATABASE_PASSWORD", MariaDb::PASSWORD)];
    let told = node.tool(&["doctor", "--reader", "root"], &secrets).await?;
    Ok((told.output, told.status.success()))
}

/// The finding that begins with this, and its next step.
fn finding<'a>(told: &'a str, begin: &str) -> &'a str {
    let from = told.find(begin).unwrap_or_else(|| panic!("no {begin:?} in:\n{told}"));
    let rest = &told[from..];
    let end =
        rest.match_indices('\n').find(|(at, _)| !rest[at + 1..].starts_with("      next:")).map_or(rest.len(), |(at, _)| at);
    &rest[..end]
}

#[tokio::test]
async fn memcached_is_looked_at_node_by_node() -> Result<()> {
    let (Some(good), Some(mut dead), Some(hung)) =
        (Memcached::start().await?, Memcached::start().await?, Memcached::start().await?)
    else {
        return Ok(());
    };
    dead.kill().await?;
    hung.process().hang()?;
    let servers = [good.address(), dead.address(), hung.address()];
    let (told, is_well) = says(&format!("[memcached]\nservers = {servers:?}\n"), "").await?;
    assert!(!is_well, "{told}");
    assert!(told.contains(&format!("ok    memcached {}: connection, login and a question took", servers[0])), "{told}");
    let refused = finding(&told, &format!("BAD   memcached {}", servers[1]));
    assert!(refused.contains("refuses connections") && refused.contains("next: start the server"), "{refused}");
    let silent = finding(&told, &format!("BAD   memcached {}", servers[2]));
    assert!(silent.contains("timed out") && silent.contains("next: check that the port"), "{silent}");
    Ok(())
}

#[tokio::test]
async fn redis_is_asked_with_the_password_and_in_the_right_tongue() -> Result<()> {
    let Some(redis) = Redis::start().await? else { return Ok(()) };
    let settings = |url: &str| format!("[redis]\nurls = [\"{url}\"]\n");
    let (told, _) = says(&settings(&redis.url()), Redis::PASSWORD).await?;
    assert!(told.contains("ok    Redis: connection, login and a question took"), "{told}");
    let (told, is_well) = says(&settings(&redis.url()), "wrong-secret").await?;
    let refused = finding(&told, "BAD   Redis");
    assert!(!is_well && refused.contains("WEBAPP_REDIS_PASSWORD") && !refused.contains("wrong-secret"), "{told}");
    let (told, _) = says(&settings(&redis.url().replace("redis://", "rediss://")), Redis::PASSWORD).await?;
    assert!(finding(&told, "BAD   Redis").contains("next: check that the server speaks TLS on this port"), "{told}");

    let far = Troublemaker::start(redis.url().trim_start_matches("redis://")).await?;
    far.make(Trouble::Slow(std::time::Duration::from_millis(300)));
    let (told, _) = says(&settings(&format!("redis://{}", far.address())), Redis::PASSWORD).await?;
    assert!(finding(&told, "warn  Redis").contains("raise redis.timeout"), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_bucket_is_found_or_missed_by_name() -> Result<()> {
    let Some(server) = Server::start(Kind::Moto).await? else { return Ok(()) };
    let made = reqwest::Client::new().put(format!("{}/photos", server.endpoint())).send().await?;
    assert!(made.status().is_success(), "{}", made.status());
    let settings =
        |bucket: &str| format!("[s3]\nbucket = \"{bucket}\"\nendpoint = \"{}\"\npath_style = true\n", server.endpoint());
    let (told, _) = says(&settings("photos"), "").await?;
    assert!(finding(&told, "ok    S3 bucket photos").contains("signing and a question took"), "{told}");
    let (told, is_well) = says(&settings("pictures"), "").await?;
    let missed = finding(&told, "BAD   S3 bucket pictures");
    assert!(!is_well && missed.contains("there is no such bucket") && missed.contains("next: make the bucket"), "{told}");
    Ok(())
}
