//! The tutorial's page on Apache with PHP, as Debian packages them.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use tempfile::TempDir;
use tests::{
    backends::{MariaDb, Memcached},
    process::{Process, command},
    wait,
};

const APACHE: &str = "/usr/sbin/apache2";
const MODULES: &str = "/usr/lib/apache2/modules";
const START: Duration = Duration::from_secs(30);

/// The original's table with its ten rows, and nothing that sorts it.
const ROWS: &str = "CREATE TABLE upload_images (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, username varchar(255) DEFAULT '',
filename varchar(255) DEFAULT '', timeline timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE=InnoDB DEFAULT CHARSET=latin1;
INSERT INTO upload_images (username, filename) SELECT 'Qingye Jiang', CONCAT('clouds', seq, '.jpg') FROM seq_1_to_10;";

/// Apache, one process for each request at a time, as PHP wants it.
pub(crate) struct Original {
    process: Process,
    port: u16,
    _folder: TempDir,
}

impl Original {
    /// Starts it; none, and a word about it, when something is not installed.
    pub(crate) async fn start(database: &MariaDb, cache: &Memcached) -> Result<Option<Self>> {
        let Some(php) = php_module() else {
            crate::table::say("without the original: install apache2 libapache2-mod-php php-mysql php-memcached");
            return Ok(None);
        };
        database.run_sql(ROWS).await?;
        let folder = tempfile::tempdir()?;
        let root = folder.path();
        // Apache gives up root for another user, who must get in.
        fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
        for name in ["sessions", "www"] {
            fs::create_dir(root.join(name))?;
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o777))?;
        }
        fs::write(root.join("www/index.php"), include_str!("original.php"))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        fs::write(root.join("httpd.conf"), configuration(root, port, &php, database, cache)?)?;
        let mut apache = command(APACHE);
        apache.arg("-f").arg(root.join("httpd.conf")).arg("-DFOREGROUND");
        let process = Process::start("apache2", apache, root)?;
        let original = Self { process, port, _folder: folder };
        let answers = || async { reqwest::get(original.page()).await.ok()?.error_for_status().ok() };
        wait::until("Apache to serve the page", START, answers).await.with_context(|| original.process.output())?;
        Ok(Some(original))
    }

    pub(crate) fn id(&self) -> Result<u32> {
        self.process.id().context("Apache has ended")
    }

    pub(crate) fn page(&self) -> String {
        format!("http://127.0.0.1:{}/index.php", self.port)
    }
}

fn php_module() -> Option<PathBuf> {
    let is_php = |name: &str| name.starts_with("libphp") && name.ends_with(".so");
    let modules = fs::read_dir(MODULES).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let found = modules.filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_php)).max()?;
    Path::new(APACHE).is_file().then_some(found)
}

fn configuration(root: &Path, port: u16, php: &Path, database: &MariaDb, cache: &Memcached) -> Result<String> {
    let port_of = |address: &str| address.rsplit(':').next().and_then(|rest| rest.split('/').next()).map(str::to_owned);
    let database_port = port_of(&database.url()).context("a URL with a port")?;
    let cache_port = port_of(&cache.address()).context("an address with a port")?;
    let user = if rustix::process::geteuid().is_root() { "User www-data\nGroup www-data\n" } else { "" };
    let modules: String = ["mpm_prefork", "authz_core", "dir", "env", "mime"]
        .iter()
        .map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n"))
        .collect();
    Ok(format!(
        "{modules}LoadModule php_module {php}
ServerRoot {root}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {root}/pid
DefaultRuntimeDir {root}
Mutex file:{root}
ErrorLog {root}/error.log
TypesConfig /etc/mime.types
{user}DocumentRoot {root}/www
DirectoryIndex index.php
StartServers 16
MinSpareServers 16
MaxSpareServers 64
MaxRequestWorkers 64
MaxConnectionsPerChild 0
SetEnv DB_PORT {database_port}
SetEnv DB_PASSWORD {password}
SetEnv CACHE_PORT {cache_port}
php_value session.save_path {root}/sessions
php_value display_errors 0
<FilesMatch \"\\.php$\">
    SetHandler application/x-httpd-php
</FilesMatch>
LogFormat \"{{\\\"host\\\":\\\"%a\\\",\\\"time\\\":\\\"%t\\\",\\\"request\\\":\\\"%U\\\",\\\"status\\\":\\\"%>s\\\",\\\"size\\\":\\\"%B\\\"}}\" json
CustomLog {root}/access.log json
",
        php = php.display(),
        root = root.display(),
        password = MariaDb::PASSWORD,
    ))
}
