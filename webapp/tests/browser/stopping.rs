//! The program under SIGTERM: balancers are told first, visitors are served until the door closes.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use tests::wait;

use crate::site::{DEADLINE, Site};

#[tokio::test]
async fn on_sigterm_readiness_goes_first_and_the_page_last() {
    let site = Site::start("[server]\ndrain = \"2s\"\n[demo]\npictures = false\n").await;
    let (client, page) = (Client::new(), site.page.clone());
    let readyz = page.replace("/web-demo/index.php", "/readyz");
    assert_eq!(client.get(&readyz).send().await.unwrap().status(), StatusCode::OK);
    let stopping = tokio::spawn(site.process.terminate(DEADLINE));
    let says_no =
        || async { client.get(&readyz).send().await.ok().filter(|answer| answer.status() == StatusCode::SERVICE_UNAVAILABLE) };
    wait::until("readiness to say no", Duration::from_secs(20), says_no).await.unwrap();
    assert_eq!(client.get(&page).send().await.unwrap().status(), StatusCode::OK, "still served while draining");
    stopping.await.unwrap().unwrap().success().unwrap();
    assert!(client.get(&page).send().await.is_err());
}
