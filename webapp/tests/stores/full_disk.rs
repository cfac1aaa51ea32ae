//! A disk that is really full: a small tmpfs, for which a test must be root.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use tempfile::TempDir;
use tests::{process::command, wait};

use crate::node::Node;

const PATIENCE: Duration = Duration::from_secs(30);

/// A small file system. Dropped, it is unmounted.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts one; none, and a word about it, where this is not allowed.
    async fn mount(mib: u32) -> Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let mut mount = command("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(folder.path());
        let output = mount.output().await.context("cannot start mount")?;
        if output.status.success() {
            return Ok(Some(Self { folder }));
        }
        skip(&String::from_utf8_lossy(&output.stderr));
        Ok(None)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes the last byte.
    fn fill(&self) -> Result<PathBuf> {
        let path = self.path().join("filler");
        let mut file = File::create(&path)?;
        for block in [64 * 1024, 1] {
            while file.write_all(&vec![0; block]).is_ok() {}
        }
        ensure!(file.write_all(&[0]).is_err(), "the disk takes more");
        Ok(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that is being killed may still have files open there.
        let _ = std::process::Command::new("umount").arg("-l").arg(self.path()).status(); // else it stays until the next boot
    }
}

#[expect(clippy::print_stderr, reason = "a test that proves nothing must say so")]
fn skip(why: &str) {
    eprintln!("SKIPPED: a small disk cannot be mounted, which root may do: {}", why.trim());
}

/// A counter of the node.
async fn counted(node: &Node, name: &str) -> Result<u64> {
    let text = reqwest::get(format!("{}/metrics", node.admin()?)).await?.text().await?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.with_context(|| format!("no {name} in {text}"))?.parse().map_err(anyhow::Error::from)
}

#[tokio::test]
async fn on_a_full_disk_uploads_are_refused_lost_lines_are_counted_and_all_else_goes_on() -> Result<()> {
    const LOST: &str = "webapp_access_log_lost_lines";
    let Some(disk) = SmallDisk::mount(8).await? else { return Ok(()) };
    // The database, the pictures and the access log are all on it.
    let settings = "[access_log]\nqueue_lines = 5\n[admin]\nlisten = \"127.0.0.1:0\"\n";
    let node = Node::start_in(disk.path(), settings, &[]).await?;
    let ann = node.visitor()?;
    ann.sign_in("Ann").await?;
    let page = ann.upload("one.jpg", 10).await?;
    assert_eq!((page.status, page.pictures().len()), (StatusCode::OK, 1), "{}", page.html);
    let token = page.token().context("a form with a secret")?;
    let uploads = node.folder().join("uploads");
    let files = fs::read_dir(&uploads)?.count();

    let filler = disk.fill()?;
    let refused = ann.upload_with("two.jpg", 20, token.clone()).await?;
    assert_eq!(refused.status, StatusCode::INSUFFICIENT_STORAGE, "{}", refused.html);
    assert!(refused.html.contains("there is no room left on the server&#39;s disk"), "{}", refused.html);
    for _ in 0..20 {
        let page = ann.page().await?;
        assert!(page.status == StatusCode::OK && page.knows("Ann") && page.pictures().len() == 1, "{}", page.html);
    }
    assert_eq!(ann.get(&page.pictures()[0]).await?.0, StatusCode::OK);
    assert!(node.visitor()?.sign_in("Bob").await?.knows("Bob"));
    assert_eq!(fs::read_dir(&uploads)?.count(), files, "nothing is left of the upload");
    assert!(counted(&node, LOST).await? > 0, "the queue holds 5 lines, and more were not written");

    fs::remove_file(filler)?;
    let upload = async || ann.upload_with("two.jpg", 20, token.clone()).await.ok().filter(|page| page.status == StatusCode::OK);
    wait::until("an upload to be taken again", PATIENCE, upload).await?;
    assert_eq!(ann.page().await?.pictures().len(), 2);
    // The writer finds the room by itself after a moment; until then lines are lost.
    let log = || fs::read_to_string(node.folder().join("access.log")).ok();
    let is_written_again = async || {
        ann.get("/the-last-one").await.ok()?;
        log().filter(|text| text.contains("/the-last-one"))
    };
    wait::until("lines to be written again", PATIENCE, is_written_again).await?;
    // Every line that is there is whole, and the rest are those that were counted.
    let all = async || {
        let text = log()?;
        let known = text.lines().count() as u64 + counted(&node, LOST).await.ok()?;
        (text.ends_with('\n') && known == answered(&node).await.ok()?).then_some(text)
    };
    let text = wait::until("every line to be written, or counted as lost", PATIENCE, all).await?;
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line).with_context(|| format!("{line:?} is no whole line"))?;
    }
    Ok(())
}

/// How many requests the site answered.
async fn answered(node: &Node) -> Result<u64> {
    let text = reqwest::get(format!("{}/metrics", node.admin()?)).await?.text().await?;
    let counts = text.lines().filter(|line| line.starts_with("webapp_requests_total{"));
    counts.map(|line| Ok(line.rsplit(' ').next().unwrap_or_default().parse::<u64>()?)).sum()
}
