//! Makes the destinations of all flows. Flows with equal settings share a client, and so its connections and credentials.

use anyhow::Result;

use super::{Destination, Explainer, Failure, Firehose, Kinesis, Subject};
use crate::{
    aws::{Aws, Place},
    record::Record,
    settings::{Kind, Settings, Target},
};

/// Either service.
#[derive(Debug)]
pub(crate) enum AnyDestination {
    /// A stream.
    Kinesis(Kinesis),
    /// A delivery stream.
    Firehose(Firehose),
}

impl Destination for AnyDestination {
    async fn send(&self, records: &[Record]) -> Result<Vec<Option<Failure>>, Failure> {
        match self {
            Self::Kinesis(kinesis) => kinesis.send(records).await,
            Self::Firehose(firehose) => firehose.send(records).await,
        }
    }
}

/// The clients made so far, each with where it leads.
#[derive(Debug)]
pub(crate) struct Clients {
    aws: Aws,
    kinesis: Vec<(Place, aws_sdk_kinesis::Client)>,
    firehose: Vec<(Place, aws_sdk_firehose::Client)>,
}

impl Clients {
    pub(crate) async fn load(settings: &Settings) -> Self {
        Self { aws: Aws::load(settings).await, kinesis: Vec::new(), firehose: Vec::new() }
    }

    /// How AWS is reached.
    pub(crate) fn aws(&self) -> &Aws {
        &self.aws
    }

    /// The destination of a flow.
    ///
    /// # Errors
    /// When no region is known.
    pub(crate) async fn destination(&mut self, target: &Target) -> Result<AnyDestination> {
        let place = self.aws.place(target).await?;
        let explainer = Explainer::new(Subject::new(target.clone(), place.clone()), self.aws.sts(&place).await);
        Ok(match target.kind {
            Kind::Kinesis => AnyDestination::Kinesis(Kinesis::new(self.kinesis(&place).await, explainer)),
            Kind::Firehose => AnyDestination::Firehose(Firehose::new(self.firehose(&place).await, explainer)),
        })
    }

    /// A client for streams in this place.
    pub(crate) async fn kinesis(&mut self, place: &Place) -> aws_sdk_kinesis::Client {
        if let Some((_, client)) = self.kinesis.iter().find(|(known, _)| known == place) {
            return client.clone();
        }
        let sdk = self.aws.config(place).await;
        let config = aws_sdk_kinesis::config::Builder::from(&sdk).interceptor(self.aws.user_agent());
        let client = aws_sdk_kinesis::Client::from_conf(config.build());
        self.kinesis.push((place.clone(), client.clone()));
        client
    }

    /// A client for delivery streams in this place.
    pub(crate) async fn firehose(&mut self, place: &Place) -> aws_sdk_firehose::Client {
        if let Some((_, client)) = self.firehose.iter().find(|(known, _)| known == place) {
            return client.clone();
        }
        let sdk = self.aws.config(place).await;
        let config = aws_sdk_firehose::config::Builder::from(&sdk).interceptor(self.aws.user_agent());
        let client = aws_sdk_firehose::Client::from_conf(config.build());
        self.firehose.push((place.clone(), client.clone()));
        client
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[tokio::test]
    async fn flows_with_equal_settings_share_a_client() {
        let text = r#"{"kinesis.region": "eu-west-1", "firehose.region": "eu-west-1", "flows": [
            {"filePattern": "/l/a", "kinesisStream": "a"}, {"filePattern": "/l/b", "kinesisStream": "b"},
            {"filePattern": "/l/c", "kinesisStream": "a", "region": "eu-west-2"},
            {"filePattern": "/l/d", "kinesisStream": "a", "assumeRoleARN": "arn:aws:iam::123456789012:role/logs"},
            {"filePattern": "/l/e", "deliveryStream": "a"}]}"#;
        let settings = Settings::parse(text.as_bytes(), Path::new("test")).unwrap();
        let mut clients = Clients::load(&settings).await;
        for flow in &settings.flows {
            clients.destination(&flow.target).await.unwrap();
        }
        assert_eq!((clients.kinesis.len(), clients.firehose.len()), (3, 1));
    }
}
