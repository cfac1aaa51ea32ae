//! Tags of an instance: the one call to EC2, whose SDK would double the build.
//!
//! EC2 speaks the query protocol, as STS does. So an STS client sends the request: an interceptor puts in EC2's body and
//! a signature for EC2, and the SDK keeps doing what it does well: connections, time-outs, proxies, TLS. The answer is
//! read from the raw response, because it is none of STS'.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_credential_types::{Credentials, provider::ProvideCredentials as _};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextMut},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use quick_xml::{Reader, events::Event};

use crate::destination::chain;

/// The version of the API the answer is read by.
const VERSION: &str = "2016-11-15";

/// The tags of an instance, in the order EC2 names them.
///
/// # Errors
/// When they cannot be had, with what EC2 said.
pub(crate) async fn tags(config: &SdkConfig, region: &str, instance: &str) -> Result<Vec<(String, String)>, String> {
    let provider = config.credentials_provider().ok_or("there are no credentials")?;
    let credentials = provider.provide_credentials().await.map_err(|error| chain(&error))?;
    let body = format!("Action=DescribeTags&Version={VERSION}&Filter.1.Name=resource-id&Filter.1.Value.1={instance}");
    let endpoint = config.endpoint_url().map_or_else(|| endpoint(region), str::to_owned);
    let query = Query { body, credentials, region: region.to_owned() };
    let client = aws_sdk_sts::config::Builder::from(config).endpoint_url(endpoint).interceptor(query).build();
    let answer = aws_sdk_sts::Client::from_conf(client).get_caller_identity().send().await;
    let Err(error) = answer else { return Err("the answer is one of STS".to_owned()) };
    let Some(response) = error.raw_response() else { return Err(chain(&error)) };
    let text = response.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
    if response.status().is_success() { parse(&text) } else { Err(refusal(&text)) }
}

fn endpoint(region: &str) -> String {
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://ec2.{region}.amazonaws.com{suffix}")
}

/// Turns a request to STS into one to EC2.
#[derive(Debug)]
struct Query {
    body: String,
    credentials: Credentials,
    region: String,
}

impl Intercept for Query {
    fn name(&self) -> &'static str {
        "Query"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        for header in ["authorization", "x-amz-date", "x-amz-security-token"] {
            request.headers_mut().remove(header);
        }
        request.headers_mut().insert("content-length", self.body.len().to_string());
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("ec2")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?;
        let type_header = [("content-type", request.headers().get("content-type").unwrap_or_default().to_owned())];
        let signed = type_header.iter().map(|(name, value)| (*name, value.as_str()));
        let body = SignableBody::Bytes(self.body.as_bytes());
        let signable = SignableRequest::new("POST", request.uri().to_owned(), signed, body)?;
        let (instructions, _) = sign(signable, &parameters.into())?.into_parts();
        for (name, value) in instructions.headers() {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        *request.body_mut() = SdkBody::from(self.body.as_str());
        Ok(())
    }
}

/// `<tagSet><item><resourceId>i-1</resourceId>..<key>Name</key><value>web</value></item>..`
fn parse(xml: &str) -> Result<Vec<(String, String)>, String> {
    let mut tags: Vec<(String, String)> = Vec::new();
    let mut has_answer = false;
    for (path, text) in texts(xml)? {
        has_answer |= path.first().is_some_and(|root| root == "DescribeTagsResponse");
        match (path.last().map(String::as_str), tags.last_mut()) {
            (Some("key"), _) => tags.push((text, String::new())),
            (Some("value"), Some((_, value))) => *value = text,
            _ => {}
        }
    }
    if has_answer { Ok(tags) } else { Err("the answer is not EC2's".to_owned()) }
}

/// `<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>..</Message>..`
fn refusal(xml: &str) -> String {
    let texts = texts(xml).unwrap_or_default();
    let find =
        |name: &str| texts.iter().find(|(path, _)| path.last().is_some_and(|last| last == name)).map(|(_, text)| text.as_str());
    format!("{}: {}", find("Code").unwrap_or("unknown error"), find("Message").unwrap_or("no message"))
}

/// Each element's own text with the names on the way to it.
fn texts(xml: &str) -> Result<Vec<(Vec<String>, String)>, String> {
    let mut reader = Reader::from_str(xml);
    let (mut path, mut texts) = (Vec::<(String, String)>::new(), Vec::new());
    loop {
        match reader.read_event().map_err(|error| format!("the answer is not XML: {error}"))? {
            Event::Start(start) => path.push((start.local_name().as_ref().to_owned(), String::new())),
            Event::Text(text) => append(&mut path, &text),
            Event::GeneralRef(reference) => {
                let resolved = reference.resolve_char_ref().ok().flatten().map(String::from);
                let resolved = resolved.or_else(|| quick_xml::escape::resolve_predefined_entity(&reference).map(str::to_owned));
                append(&mut path, &resolved.unwrap_or_default());
            }
            Event::End(_) => {
                let names = path.iter().map(|(name, _)| name.clone()).collect();
                if let Some((_, text)) = path.pop() {
                    texts.push((names, text));
                }
            }
            Event::Eof => return Ok(texts),
            _ => {}
        }
    }
}

fn append(path: &mut [(String, String)], more: &str) {
    if let Some((_, text)) = path.last_mut() {
        text.push_str(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_with_their_escapes() {
        let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
            <DescribeTagsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>7a62c49f</requestId><tagSet>
            <item><resourceId>i-1</resourceId><resourceType>instance</resourceType><key>Name</key><value>a &amp; b&#33;</value></item>
            <item><resourceId>i-1</resourceId><resourceType>instance</resourceType><key>Empty</key><value/></item>
            </tagSet></DescribeTagsResponse>"#;
        let expected = [("Name", "a & b!"), ("Empty", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(parse(xml).unwrap(), expected);
    }

    #[test]
    fn a_refusal_is_told_in_ec2_s_words() {
        let xml = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized to perform this \
                   operation.</Message></Error></Errors><RequestID>x</RequestID></Response>";
        assert_eq!(refusal(xml), "UnauthorizedOperation: You are not authorized to perform this operation.");
        assert_eq!(refusal("not xml <"), "unknown error: no message");
    }

    #[test]
    fn another_service_s_answer_is_no_empty_list_of_tags() {
        assert!(parse("<html><body>welcome</body></html>").is_err());
    }
}
