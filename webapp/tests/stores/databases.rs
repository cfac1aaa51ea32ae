//! Rows in MariaDB, and what people see when it is hung or dead.

use anyhow::Result;
use reqwest::StatusCode;
use tests::{backends::MariaDb, wait};

use crate::node::Node;

fn settings(database: &MariaDb) -> String {
    format!("[database]\nurl = \"{}\"\ntimeout = \"1s\"\nconnect_timeout = \"500ms\"\n", database.url())
}

const PASSWORD: [(&str, &str); 1] = [("WEBAPP_DATABASE_PASSWORD", MariaDb::PASSWORD)];

#[tokio::test]
async fn rows_and_names_of_any_script_outlive_a_node_in_mariadb() -> Result<()> {
    let Some(database) = MariaDb::start().await? else { return Ok(()) };
    let first = Node::start(&settings(&database), &PASSWORD).await?;
    let visitor = first.visitor()?;
    assert!(visitor.sign_in("José 🙂").await?.knows("José 🙂"));
    let page = visitor.upload("夏休み 🌊.jpg", 10).await?;
    assert_eq!(page.status, StatusCode::OK, "{}", page.html);
    first.kill().await?;

    // Another node brings the same tables up to date, and finds nothing to do.
    let second = Node::start(&settings(&database), &PASSWORD).await?;
    let page = second.visitor()?.page().await?;
    assert_eq!(page.pictures().len(), 1);
    assert!(page.html.contains("夏休み 🌊") && page.html.contains("José 🙂"), "{}", page.html);
    assert_eq!(page.source(), "database");
    Ok(())
}

#[tokio::test]
async fn while_the_database_hangs_or_is_down_pages_show_old_photos_and_uploads_are_refused() -> Result<()> {
    let Some(mut database) = MariaDb::start().await? else { return Ok(()) };
    let node = Node::start(&settings(&database), &PASSWORD).await?;
    let visitor = node.visitor()?;
    visitor.sign_in("Ann").await?;
    let token = visitor.upload("one.jpg", 10).await?.token().unwrap_or_default();

    database.process().hang()?;
    // A stopped process may answer once more: the signal takes a moment.
    let is_stale = || async { visitor.page().await.ok().filter(|page| page.source() == "stale") };
    let page = wait::until("a page of a database that hangs", PATIENCE, is_stale).await?;
    assert_eq!((page.status, page.pictures().len()), (StatusCode::OK, 1));
    assert!(page.html.contains("The database does not answer"), "{}", page.html);
    let refused = visitor.upload_with("two.jpg", 20, token.clone()).await?;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.html);

    database.process().resume()?;
    wait::until("the hung database to be asked again", PATIENCE, || async {
        (visitor.page().await.ok()?.source() == "database").then_some(())
    })
    .await?;

    database.kill().await?;
    let page = visitor.page().await?;
    assert_eq!((page.status, page.source()), (StatusCode::OK, "stale"));
    assert!(!page.pictures().is_empty());
    let refused = visitor.upload_with("three.jpg", 30, token.clone()).await?;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.html);

    database.revive().await?;
    wait::until("the database to be asked again", PATIENCE, || async {
        (visitor.page().await.ok()?.source() == "database").then_some(())
    })
    .await?;
    assert_eq!(visitor.upload_with("four.jpg", 40, token).await?.status, StatusCode::OK);
    Ok(())
}

#[tokio::test]
async fn a_node_that_never_saw_a_photo_says_that_the_database_is_down() -> Result<()> {
    let Some(mut database) = MariaDb::start().await? else { return Ok(()) };
    let node = Node::start(&settings(&database), &PASSWORD).await?;
    database.kill().await?;
    let page = node.visitor()?.page().await?;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.html.contains("The database does not answer, so no pictures are shown"), "{}", page.html);
    Ok(())
}

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() -> Result<()> {
    let Some(database) = MariaDb::start().await? else { return Ok(()) };
    let refused = Node::start(&settings(&database), &[("WEBAPP_DATABASE_PASSWORD", "wrong-secret")]).await;
    let told = format!("{:#}", refused.err().expect("it cannot start"));
    assert!(told.contains("cannot open database web_demo on 127.0.0.1"), "{told}");
    assert!(told.contains("Access denied") && !told.contains("wrong-secret"), "{told}");
    Ok(())
}
