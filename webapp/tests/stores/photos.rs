//! Picture files in a folder and in a bucket: how browsers get them, and how they move.

use anyhow::{Context, Result};
use image::ImageFormat;
use reqwest::StatusCode;
use tests::servers::{Kind, Server};

use crate::{node::Node, visitor::Visitor};

/// An S3 server with an empty, private bucket `photos`.
async fn bucket() -> Result<Option<Server>> {
    let Some(server) = Server::start(Kind::Moto).await? else { return Ok(None) };
    let made = reqwest::Client::new().put(format!("{}/photos", server.endpoint())).send().await?;
    anyhow::ensure!(made.status().is_success(), "cannot make the bucket: {}", made.status());
    Ok(Some(server))
}

fn s3(server: &Server, rest: &str) -> String {
    format!("[s3]\nbucket = \"photos\"\nendpoint = \"{}\"\npath_style = true\n{rest}\n", server.endpoint())
}

async fn ann(node: &Node) -> Result<Visitor> {
    let ann = node.visitor()?;
    assert!(ann.sign_in("Ann").await?.knows("Ann"));
    Ok(ann)
}

/// Every picture of the page is there in both formats, and is one. Gives the addresses of the JPEGs.
async fn all_load(visitor: &Visitor, count: usize) -> Result<Vec<String>> {
    let page = visitor.page().await?;
    for (pictures, format) in [(page.pictures(), ImageFormat::Jpeg), (page.webp_pictures(), ImageFormat::WebP)] {
        assert_eq!(pictures.len(), count);
        for address in &pictures {
            let (status, bytes) = visitor.get(address).await?;
            assert_eq!(status, StatusCode::OK, "{address}");
            image::load_from_memory_with_format(&bytes, format).with_context(|| format!("{address} is no {format:?}"))?;
        }
    }
    Ok(page.pictures())
}

fn files_in(node: &Node) -> Result<usize> {
    Ok(std::fs::read_dir(node.folder().join("uploads"))?.count())
}

#[tokio::test]
async fn pictures_in_a_bucket_come_with_addresses_that_stay_the_same() -> Result<()> {
    let Some(server) = bucket().await? else { return Ok(()) };
    let node = Node::start(&format!("[storage]\nkind = \"s3\"\n{}", s3(&server, "")), &[]).await?;
    let ann = ann(&node).await?;
    let page = ann.upload("one.jpg", 10).await?;
    assert_eq!(page.status, StatusCode::OK, "{}", page.html);
    assert!(page.policy.contains(&format!("img-src 'self' blob: {};", server.endpoint())), "{}", page.policy);
    let first = all_load(&ann, 1).await?;
    assert!(first[0].starts_with(server.endpoint()) && first[0].contains("X-Amz-Signature="), "{first:?}");
    assert_eq!(all_load(&ann, 1).await?, first, "a browser finds it in its cache");
    assert_eq!(files_in(&node)?, 0, "nothing stays on this machine");
    Ok(())
}

#[tokio::test]
async fn pictures_in_a_bucket_can_come_through_the_site_or_a_cdn() -> Result<()> {
    let Some(server) = bucket().await? else { return Ok(()) };
    let storage = "[storage]\nkind = \"s3\"\n";
    let node = Node::start(&format!("{storage}{}", s3(&server, "serve = \"proxied\"")), &[]).await?;
    let visitor = ann(&node).await?;
    visitor.upload("one.jpg", 10).await?;
    assert!(all_load(&visitor, 1).await?[0].starts_with("/web-demo/uploads/"));

    // A CDN whose origin is the bucket: the bucket itself plays it here.
    let cdn = format!("base_url = \"{}/photos\"", server.endpoint());
    let node = node.restart(&format!("{storage}{}", s3(&server, &cdn)), &[]).await?;
    let page = node.visitor()?.page().await?;
    assert!(page.pictures()[0].starts_with(&format!("{}/photos/uploads/", server.endpoint())), "{:?}", page.pictures());
    Ok(())
}

#[tokio::test]
async fn pictures_in_the_folder_can_come_through_a_cdn() -> Result<()> {
    let node = Node::start("", &[]).await?;
    ann(&node).await?.upload("one.jpg", 10).await?;
    let node = node.restart("[storage]\nbase_url = \"https://d1.example.net/web-demo/uploads\"\n", &[]).await?;
    let page = node.visitor()?.page().await?;
    assert!(page.pictures()[0].starts_with("https://d1.example.net/web-demo/uploads/"), "{:?}", page.pictures());
    Ok(())
}

#[tokio::test]
async fn pictures_move_to_a_bucket_and_back_while_the_site_runs() -> Result<()> {
    let Some(server) = bucket().await? else { return Ok(()) };
    let node = Node::start(&s3(&server, ""), &[]).await?;
    let ann = ann(&node).await?;
    ann.upload("one.jpg", 10).await?;
    ann.upload("two.jpg", 20).await?;
    let files = files_in(&node)?;

    let moved = node.migrate("folder", "s3").await?.success()?;
    assert!(moved.output.contains("2 pictures moved from folder to s3, 0 failed"), "{}", moved.output);
    assert!(all_load(&ann, 2).await?.iter().all(|address| address.starts_with(server.endpoint())));
    assert_eq!(files_in(&node)?, 0);
    let again = node.migrate("folder", "s3").await?.success()?;
    assert!(again.output.contains("0 pictures moved"), "{}", again.output);

    node.migrate("s3", "folder").await?.success()?;
    assert!(all_load(&ann, 2).await?.iter().all(|address| address.starts_with("/web-demo/uploads/")));
    assert_eq!(files_in(&node)?, files);
    Ok(())
}

#[tokio::test]
async fn a_move_that_was_stopped_goes_on_and_a_lost_file_is_reported() -> Result<()> {
    let Some(server) = bucket().await? else { return Ok(()) };
    let node = Node::start(&s3(&server, ""), &[]).await?;
    let ann = ann(&node).await?;
    ann.upload("one.jpg", 10).await?;
    ann.upload("two.jpg", 20).await?;
    let uploads = node.folder().join("uploads");
    let page = ann.page().await?;
    let name = page.pictures()[0].rsplit('/').next().context("an address has a name")?.split('-').next().map(str::to_owned);
    let lost = uploads.join(format!("{}.jpg", name.context("a name has a stem")?.trim_end_matches(".jpg")));
    let aside = node.folder().join("aside.jpg");
    std::fs::rename(&lost, &aside)?;
    let failed = node.migrate("folder", "s3").await?;
    assert_eq!(failed.status.code(), Some(1), "{}", failed.output);
    assert!(failed.output.contains("its file is not in folder") && failed.output.contains("1 failed"), "{}", failed.output);
    std::fs::rename(&aside, &lost)?;
    let rest = node.migrate("folder", "s3").await?.success()?;
    assert!(rest.output.contains("1 pictures moved"), "{}", rest.output);
    all_load(&ann, 2).await.map(drop)
}

#[tokio::test]
async fn a_bucket_that_is_not_there_refuses_uploads_and_leaves_no_row() -> Result<()> {
    let Some(server) = Server::start(Kind::Moto).await? else { return Ok(()) };
    let node = Node::start(&format!("[storage]\nkind = \"s3\"\n{}", s3(&server, "timeout = \"3s\"")), &[]).await?;
    let ann = ann(&node).await?;
    let refused = ann.upload("one.jpg", 10).await?;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.html);
    assert!(ann.page().await?.pictures().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_share_that_is_not_mounted_keeps_a_node_from_starting() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let settings = format!("[storage]\nfolder = \"{}\"\nfolder_is_mount = true\n", folder.path().display());
    let refused = Node::start(&settings, &[]).await;
    let told = format!("{:#}", refused.err().context("it must not start")?);
    assert!(told.contains("is not a mounted share; mount it"), "{told}");
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0, "nothing was written below the mount point");
    Ok(())
}
