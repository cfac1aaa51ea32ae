//! Sends a request by the example of one that the SDK sent.
//!
//! For each request the SDK resolves the endpoint, merges settings and asks some twenty interceptors, which costs more than
//! all the rest but the digest; and from one request to the next only the body, the time and the signature differ. So
//! a request of which everything was accepted is imitated for a minute: the same address and headers over the same
//! connections, with credentials from the SDK's cache, signed by the SDK's signer.
//!
//! What is not imitated: an answer that is anything but plain success is given to the SDK, which understands it as if it had
//! sent the request itself.

use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_runtime::auth::sigv4::SCHEME_ID;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        auth::AuthScheme as _,
        connection::CaptureSmithyConnection,
        http::{HttpConnector as _, SharedHttpConnector},
        identity::{Identity, ResolveCachedIdentity as _},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use bytes::Bytes;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use tokio::time::timeout;

use super::answer::{Shape, examine};
use crate::aws::REQUEST_TIMEOUT;

/// Time after which a request goes through the SDK again, which may have reason to do it differently by then.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// A clock that is off by less is not corrected, as times are signed in whole seconds. Source: AWS accepts five minutes.
const MAX_UNCORRECTED: Duration = Duration::from_secs(30);

/// A request that was accepted.
#[derive(Debug)]
pub(super) struct Example {
    connector: SharedHttpConnector,
    /// Know the credentials.
    components: RuntimeComponents,
    /// Without its body.
    request: HttpRequest,
    scope: Scope,
    taken: Instant,
}

/// What a signature is for. It stands in the request's `authorization`.
#[derive(Debug, PartialEq, Eq)]
struct Scope {
    region: String,
    service: String,
    /// How far the service's clock is from ours, if that is much.
    clock_ahead: Duration,
    clock_behind: Duration,
}

/// What came back, and over what.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) answer: Result<HttpResponse, ConnectorError>,
    pub(super) connection: CaptureSmithyConnection,
}

/// What became of a request that was sent by example.
#[derive(Debug)]
pub(super) enum Outcome {
    /// So many records were accepted: all that the answer speaks of.
    Accepted(usize),
    /// For the SDK to understand.
    Other(Box<Answered>),
    /// Nothing was sent.
    NotSent,
}

impl Example {
    /// Takes a signed request for an example. None when it cannot be one.
    pub(super) fn of(request: &HttpRequest, connector: &SharedHttpConnector, components: &RuntimeComponents) -> Option<Self> {
        let scope = Scope::of(request, SystemTime::now())?;
        let mut example = HttpRequest::empty();
        example.set_method(request.method()).ok()?;
        example.set_uri(request.uri()).ok()?;
        for (name, value) in request.headers().iter() {
            example.headers_mut().append(name.to_owned(), value.to_owned());
        }
        let (connector, components, taken) = (connector.clone(), components.clone(), Instant::now());
        Some(Self { connector, components, request: example, scope, taken })
    }

    /// Whether it may still be imitated.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        now.duration_since(self.taken) < FRESH_FOR
    }

    /// Sends another body in the same way.
    pub(super) async fn send(&self, body: Bytes, digest: &str, shape: &Shape) -> Outcome {
        let connection = CaptureSmithyConnection::new();
        let Ok(identity) = self.identity().await else { return Outcome::NotSent };
        let Ok(mut request) = self.imitate(body, digest, &identity, SystemTime::now()) else { return Outcome::NotSent };
        request.add_extension(connection.clone());
        let exchange = async {
            let mut answer = self.connector.call(request).await?;
            let accepted = examine(&mut answer, shape).await?;
            Ok((answer, accepted))
        };
        let answer = match timeout(REQUEST_TIMEOUT, exchange).await {
            Ok(Ok((_, Some(count)))) => return Outcome::Accepted(count),
            Ok(Ok((answer, None))) => Ok(answer),
            Ok(Err(error)) => Err(error),
            Err(elapsed) => Err(ConnectorError::timeout(elapsed.into())),
        };
        Outcome::Other(Box::new(Answered { answer, connection }))
    }

    /// The credentials of now: they may be others than the example's.
    async fn identity(&self) -> Result<Identity, BoxError> {
        let scheme = self.components.auth_scheme(SCHEME_ID).ok_or("no such scheme")?;
        let resolver = scheme.identity_resolver(&self.components).ok_or("nobody knows credentials")?;
        let cache = self.components.identity_cache();
        cache.resolve_cached_identity(resolver, &self.components, &ConfigBag::base()).await
    }

    /// A signed request with this body.
    fn imitate(&self, body: Bytes, digest: &str, identity: &Identity, now: SystemTime) -> Result<HttpRequest, BoxError> {
        identity.data::<Credentials>().ok_or("not an access key")?;
        let mut request = self.request.try_clone().ok_or("an empty body can be cloned")?;
        let headers = request.headers_mut();
        for header in ["authorization", "x-amz-date", "x-amz-security-token"] {
            headers.remove(header);
        }
        headers.insert("content-length", body.len().to_string());
        headers.insert("amz-sdk-invocation-id", uuid(rand::random()));
        let parameters = v4::SigningParams::builder()
            .identity(identity)
            .region(&self.scope.region)
            .name(&self.scope.service)
            .time(now + self.scope.clock_ahead - self.scope.clock_behind)
            .settings(SigningSettings::default())
            .build()?;
        let payload = SignableBody::Precomputed(digest.to_owned());
        let signable = SignableRequest::new(request.method(), request.uri(), request.headers().iter(), payload)?;
        let (instructions, _) = sign(signable, &parameters.into())?.into_parts();
        for (name, value) in instructions.headers() {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        *request.body_mut() = SdkBody::from(body);
        Ok(request)
    }
}

impl Scope {
    /// `AWS4-HMAC-SHA256 Credential=AKID/20261121/eu-west-1/kinesis/aws4_request, SignedHeaders=.., Signature=..`
    fn of(request: &HttpRequest, now: SystemTime) -> Option<Self> {
        let text = request.headers().get("authorization")?.strip_prefix("AWS4-HMAC-SHA256 Credential=")?;
        let mut parts = text.split_once(',')?.0.rsplit('/');
        let ["aws4_request", service, region] = [parts.next()?, parts.next()?, parts.next()?] else { return None };
        let signed = signed_at(request.headers().get("x-amz-date")?)?;
        let off_by = |difference: Result<Duration, _>| difference.ok().filter(|off| *off > MAX_UNCORRECTED).unwrap_or_default();
        Some(Self {
            region: region.to_owned(),
            service: service.to_owned(),
            clock_ahead: off_by(signed.duration_since(now)),
            clock_behind: off_by(now.duration_since(signed)),
        })
    }
}

/// Parses `20261121T012203Z`.
fn signed_at(text: &str) -> Option<SystemTime> {
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    let time: Timestamp = TimeZone::UTC.to_timestamp(time).ok()?;
    Some(SystemTime::from(time))
}

/// A random UUID, version 4. Format: RFC 9562, section 5.4.
fn uuid(random: u128) -> String {
    let bits = random & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let part = |shift: u32, digits: u32| bits >> shift & ((1 << (4 * digits)) - 1);
    format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", part(96, 8), part(80, 4), part(64, 4), part(48, 4), part(0, 12))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(authorization: &str, date: &str) -> HttpRequest {
        let mut request = HttpRequest::get("http://localhost/").unwrap();
        request.headers_mut().insert("authorization", authorization.to_owned());
        request.headers_mut().insert("x-amz-date", date.to_owned());
        request
    }

    #[test]
    fn the_signature_s_scope_and_the_service_s_clock_are_read_from_the_request() {
        let text = "AWS4-HMAC-SHA256 Credential=id/20261121/eu-west-1/kinesis/aws4_request, SignedHeaders=host, Signature=00";
        let request = signed(text, "20261121T012203Z");
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_224_123);
        let scope = Scope::of(&request, date + Duration::from_millis(900)).unwrap();
        assert_eq!((scope.region.as_str(), scope.service.as_str()), ("eu-west-1", "kinesis"));
        assert_eq!((scope.clock_ahead, scope.clock_behind), (Duration::ZERO, Duration::ZERO));
        assert_eq!(Scope::of(&request, date - Duration::from_secs(600)).unwrap().clock_ahead.as_secs(), 600);
        assert_eq!(Scope::of(&request, date + Duration::from_secs(600)).unwrap().clock_behind.as_secs(), 600);
        assert_eq!(Scope::of(&signed("Bearer abc", "20261121T012203Z"), date), None);
        assert_eq!(Scope::of(&signed(&text.replace("HMAC", "ECDSA-P256"), "20261121T012203Z"), date), None);
    }

    #[test]
    fn an_invocation_is_named_by_a_uuid_of_version_4() {
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
