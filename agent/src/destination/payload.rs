//! Puts a body of our own into a request of the SDK, and signs it with a digest of our own.
//!
//! Everything else stays the SDK's: endpoint, region, credentials, signature, connections, time-outs and errors. The
//! digest is by far the largest cost of a request, and aws-lc's is almost twice as fast as the SDK's.

use aws_lc_rs::digest::{SHA256, digest};
use aws_runtime::auth::PayloadSigningOverride;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextMut},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use bytes::Bytes;

use super::transport::Transport;

/// Replaces the body the SDK wrote.
#[derive(Debug)]
pub(crate) struct Payload {
    body: Bytes,
    digest: String,
    transport: Transport,
}

impl Payload {
    /// The body to send, and its digest as [`sha256_hex`] writes it. The request shows its HTTP client to `transport`.
    pub(crate) fn new(body: Bytes, digest: String, transport: &Transport) -> Self {
        Self { body, digest, transport: transport.clone() }
    }
}

impl Intercept for Payload {
    fn name(&self) -> &'static str {
        "Payload"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.transport.learn(components);
        let request = context.request_mut();
        request.headers_mut().insert("content-length", self.body.len().to_string());
        *request.body_mut() = SdkBody::from(self.body.clone());
        config.interceptor_state().store_put(PayloadSigningOverride::Precomputed(self.digest.clone()));
        Ok(())
    }
}

/// The SHA-256 of a body as signatures have it: in hexadecimal, lower case.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
    digest(&SHA256, bytes).as_ref().iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[cfg(test)]
pub(in crate::destination) mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::{Duration, SystemTime},
    };

    use aws_credential_types::Credentials;
    use aws_sigv4::{
        http_request::{SignableBody, SignableRequest, SigningSettings, sign},
        sign::v4,
    };
    use axum::{Router, http::HeaderMap, routing::post};
    use jiff::civil::DateTime;

    use super::*;
    use crate::testing;

    /// A request as a server sees it.
    pub(in crate::destination) type Seen = Arc<Mutex<Option<(HeaderMap, Bytes)>>>;

    /// Starts a server that notes the last request and accepts it.
    pub(in crate::destination) async fn server(seen: Seen) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let note = move |headers: HeaderMap, body: Bytes| async move {
            *seen.lock().unwrap() = Some((headers, body));
            r#"{"FailedRecordCount":0,"Records":[]}"#
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(note))).await });
        endpoint
    }

    /// What a service would compute from the request it received.
    pub(in crate::destination) fn signature(endpoint: &str, headers: &HeaderMap, body: &[u8]) -> String {
        let text = |name: &str| headers[name].to_str().unwrap();
        let time = DateTime::strptime("%Y%m%dT%H%M%SZ", text("x-amz-date")).unwrap();
        let seconds = time.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second();
        let identity = Credentials::new("id", "secret", None, None, "test").into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("kinesis")
            .time(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap()))
            .settings(SigningSettings::default())
            .build()
            .unwrap();
        let (_, signed) = text("authorization").split_once("SignedHeaders=").unwrap();
        let names = signed.split_once(',').unwrap().0;
        let signed = names.split(';').filter(|name| !["host", "x-amz-date"].contains(name)).map(|name| (name, text(name)));
        let request = SignableRequest::new("POST", format!("{endpoint}/"), signed, SignableBody::Bytes(body)).unwrap();
        sign(request, &parameters.into()).unwrap().into_parts().1
    }

    #[tokio::test]
    async fn the_request_carries_our_body_with_its_length_and_a_signature_that_fits() {
        let seen = Seen::default();
        let endpoint = server(seen.clone()).await;
        let body = Bytes::from_static(br#"{"StreamName":"other","Records":[{"Data":"YQ==","PartitionKey":"1"}]}"#);
        let request = testing::client(&endpoint).put_records().stream_name("s");
        request
            .customize()
            .interceptor(Payload::new(body.clone(), sha256_hex(&body), &Transport::default()))
            .send()
            .await
            .unwrap();
        let (headers, received) = seen.lock().unwrap().take().unwrap();
        assert_eq!(received, body);
        assert_eq!(headers["content-length"], body.len().to_string().as_str());
        assert_eq!(headers["x-amz-target"], "Kinesis_20131202.PutRecords");
        let expected = format!("Signature={}", signature(&endpoint, &headers, &received));
        assert!(headers["authorization"].to_str().unwrap().ends_with(&expected), "{headers:?}");
        assert_ne!(signature(&endpoint, &headers, b"another body"), signature(&endpoint, &headers, &received));
    }

    #[test]
    fn a_digest_is_written_in_lower_case_hexadecimal() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex(b"abc"), expected);
    }
}
