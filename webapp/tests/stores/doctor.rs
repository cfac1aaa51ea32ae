//! `webapp doctor` on real stores: what is well, and for what is not, the cause and the next step.

use anyhow::{Context, Result};
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
    says_with(settings, &[("WEBAPP_REDIS_PASSWORD", password), ("WEBAPP_DATABASE_PASSWORD", MariaDb::PASSWORD)]).await
}

async fn says_with(settings: &str, secrets: &[(&str, &str)]) -> Result<(String, bool)> {
    let node = Node::start("", &[]).await?;
    std::fs::write(node.folder().join("webapp.toml"), settings)?;
    let told = node.tool(&["doctor", "--reader", "root"], secrets).await?;
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
    // Patient, because the machine may be busy: `good` is not to be slow.
    let (told, is_well) = says(&format!("[memcached]\nservers = {servers:?}\ntimeout = \"4s\"\n"), "").await?;
    assert!(!is_well, "{told}");
    assert!(told.contains(&format!("ok    memcached {}: connection, login and a question took", servers[0])), "{told}");
    let refused = finding(&told, &format!("BAD   memcached {}", servers[1]));
    assert!(refused.contains("refuses connections") && refused.contains("next: start the server"), "{refused}");
    let silent = finding(&told, &format!("BAD   memcached {}", servers[2]));
    assert!(silent.contains("did not answer within 5s") && silent.contains("next: check that the port"), "{silent}");
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
    assert!(finding(&told, "ok    photos in S3 bucket photos").contains("was put, read and removed"), "{told}");
    let left = reqwest::get(format!("{}/photos", server.endpoint())).await?.text().await?;
    assert!(!left.contains("webapp-doctor"), "{left}");
    let (told, is_well) = says(&settings("pictures"), "").await?;
    let missed = finding(&told, "BAD   S3 bucket pictures");
    assert!(!is_well && missed.contains("there is no such bucket") && missed.contains("next: make the bucket"), "{told}");
    Ok(())
}

/// Keys of a user who may look at the bucket, and do what a policy allows. From then on the server checks every request.
async fn user_who_may(server: &Server, actions: &[&str]) -> Result<[(&'static str, String); 2]> {
    let client = reqwest::Client::new();
    let iam = async |query: String| -> Result<String> {
        let scope = "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=any";
        let request = client.post(server.endpoint()).header("Authorization", scope);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(query);
        Ok(request.send().await?.error_for_status()?.text().await?)
    };
    let check = async |after: &'static str| -> Result<()> {
        client.post(format!("{}/moto-api/reset-auth", server.endpoint())).body(after).send().await?.error_for_status()?;
        Ok(())
    };
    check("1000").await?; // requests that are not checked
    let user = format!("ann{}", actions.join("").replace("s3:", "-"));
    iam(format!("Action=CreateUser&UserName={user}")).await?;
    let allowed = [&["s3:ListBucket", "s3:HeadBucket"], actions].concat();
    let policy = serde_json::json!({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]
    });
    let policy = percent_encoding::utf8_percent_encode(&policy.to_string(), percent_encoding::NON_ALPHANUMERIC).to_string();
    iam(format!("Action=PutUserPolicy&UserName={user}&PolicyName=p&PolicyDocument={policy}")).await?;
    let keys = iam(format!("Action=CreateAccessKey&UserName={user}")).await?;
    check("0").await?;
    let element = |name: &str| keys.split(&format!("<{name}>")).nth(1).and_then(|rest| rest.split('<').next());
    let key = |name: &str| element(name).map(str::to_owned).with_context(|| format!("no {name} in {keys}"));
    Ok([("AWS_ACCESS_KEY_ID", key("AccessKeyId")?), ("AWS_SECRET_ACCESS_KEY", key("SecretAccessKey")?)])
}

#[tokio::test]
async fn a_right_that_is_missing_in_the_bucket_is_named() -> Result<()> {
    let Some(server) = Server::start(Kind::Moto).await? else { return Ok(()) };
    reqwest::Client::new().put(format!("{}/photos", server.endpoint())).send().await?.error_for_status()?;
    let settings = format!("[s3]\nbucket = \"photos\"\nendpoint = \"{}\"\npath_style = true\n", server.endpoint());
    let cases: [(&[&str], &str, &str); 3] = [
        (&[], "cannot be put there: access is denied", "next: allow s3:PutObject on arn:aws:s3:::photos/uploads/*"),
        (
            &["s3:PutObject", "s3:DeleteObject"],
            "was put there and cannot be read: access is denied",
            "next: allow s3:GetObject on arn:aws:s3:::photos/uploads/*",
        ),
        (
            &["s3:PutObject", "s3:GetObject"],
            "was put there and cannot be removed: access is denied",
            "next: allow s3:DeleteObject on arn:aws:s3:::photos/uploads/*",
        ),
    ];
    for (actions, found, next) in cases {
        let keys = user_who_may(&server, actions).await?;
        let (told, is_well) = says_with(&settings, &keys.each_ref().map(|(name, value)| (*name, value.as_str()))).await?;
        let denied = finding(&told, "BAD   photos in S3 bucket photos");
        assert!(!is_well && denied.contains(found) && denied.contains(next), "{told}");
    }
    Ok(())
}
