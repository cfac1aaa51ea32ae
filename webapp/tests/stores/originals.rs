//! The original PHP site's rows and files become ours, from its dump and from its own database.

use std::{fs, path::Path};

use anyhow::Result;
use tests::backends::MariaDb;

use crate::node::Node;

/// As the original's `web_demo.sql`: its table, then rows of which one has no file.
const DUMP: &str = "DROP TABLE IF EXISTS `upload_images`;
CREATE TABLE `upload_images` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `username` varchar(255) DEFAULT '',
  `filename` varchar(255) DEFAULT '',
  `timeline` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=11 DEFAULT CHARSET=latin1;
INSERT INTO `upload_images` VALUES (1,'Qingye Jiang','clouds1.jpg','2015-01-31 04:21:11'),(2,'José','uploads/clouds2.jpg','2015-01-31 04:21:15'),(3,'Qingye Jiang','lost.jpg','2015-01-31 04:21:20');
";

fn old_pictures(folder: &Path) -> Result<()> {
    for name in ["clouds1.jpg", "clouds2.jpg"] {
        image::RgbImage::from_pixel(64, 48, image::Rgb([90, 140, 200])).save(folder.join(name))?;
    }
    Ok(())
}

/// Two of three pictures come, the third is named, and a second run adds only what was missing.
async fn comes_here(node: &Node, dump: Option<&Path>, environment: &[(&str, &str)]) -> Result<()> {
    let old = tempfile::tempdir()?;
    old_pictures(old.path())?;
    let pictures = old.path().display().to_string();
    let mut arguments = vec!["import-original", "--pictures", &pictures];
    let dump = dump.map(|file| file.display().to_string());
    if let Some(dump) = &dump {
        arguments.extend(["--dump", dump]);
    }
    let first = node.tool(&arguments, environment).await?;
    assert_eq!(first.status.code(), Some(1), "{}", first.output);
    assert!(first.output.contains("2 pictures imported, 0 were here already, 1 failed"), "{}", first.output);
    assert!(first.output.contains("lost.jpg is not there; copy it"), "{}", first.output);

    fs::copy(old.path().join("clouds1.jpg"), old.path().join("lost.jpg"))?;
    let second = node.tool(&arguments, environment).await?.success()?;
    assert!(second.output.contains("1 pictures imported, 2 were here already, 0 failed"), "{}", second.output);
    assert!(old.path().join("clouds1.jpg").is_file(), "the original keeps its files");

    let visitor = node.visitor()?;
    let page = visitor.page().await?;
    assert_eq!(page.pictures().len(), 3);
    assert!(page.html.contains("José") && page.html.contains("2015-01-31T04:21:15Z"), "{}", page.html);
    for picture in page.pictures() {
        assert!(visitor.get(&picture).await?.0.is_success(), "{picture}");
    }
    Ok(())
}

#[tokio::test]
async fn the_originals_dump_becomes_ours() -> Result<()> {
    let node = Node::start("", &[]).await?;
    let dump = node.folder().join("web_demo.sql");
    fs::write(&dump, DUMP)?;
    comes_here(&node, Some(&dump), &[]).await
}

#[tokio::test]
async fn the_originals_table_becomes_ours_in_its_own_database() -> Result<()> {
    let Some(database) = MariaDb::start().await? else { return Ok(()) };
    database.run_sql(&format!("SET NAMES utf8mb4; SET time_zone = '+00:00';\n{DUMP}")).await?;
    let password = [("WEBAPP_DATABASE_PASSWORD", MariaDb::PASSWORD)];
    let node = Node::start(&format!("[database]\nurl = \"{}\"\n", database.url()), &password).await?;
    comes_here(&node, None, &password).await
}
