//! Sends what was collected, from a task of its own.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Result;
use aws_sdk_cloudwatch::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    error::ProvideErrorMetadata as _,
    types::{Dimension, MetricDatum, StandardUnit, StatisticSet},
};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    aggregate::{Aggregator, Datum},
    statistics::{self, Metric},
};
use crate::{
    aws::Aws,
    observe::{
        flows::{Flows, Observed},
        host, report,
    },
    settings::CloudWatchSettings,
};

/// Longest time for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time the end of the agent waits for the last data.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What helps when CloudWatch takes nothing.
const REMEDY: &str = "allow cloudwatch:PutMetricData, or set \"cloudwatch.emitMetrics\": false; shipping is not affected";

/// Reasons that are remembered as said; there are fewer error codes than this.
const REASONS: usize = 32;

/// Publishes the metrics of all flows.
pub(crate) struct Publisher {
    settings: CloudWatchSettings,
    flows: Flows,
    client: Client,
    instance: Option<String>,
    data: Aggregator,
    /// Error codes that were said already.
    said: BTreeSet<String>,
    is_failing: bool,
}

impl Publisher {
    /// Runs until `stop`, and sends what is left then. Problems are logged, never returned.
    pub(crate) async fn run(settings: CloudWatchSettings, aws: Aws, flows: Flows, stop: CancellationToken) {
        let started = async {
            let instance = if settings.tag_instance { Some(host::instance().await) } else { None };
            Some((client(&aws).await, instance))
        };
        let started = tokio::select! {
            started = started => started,
            () = stop.cancelled() => None,
        };
        let Some((client, instance)) = started else { return };
        let data = Aggregator::new(settings.queue_size, settings.period, Instant::now());
        let mut publisher = Self { settings, flows, client, instance, data, said: BTreeSet::new(), is_failing: false };
        while !stop.is_cancelled() {
            tokio::select! {
                () = sleep_until(publisher.data.due().into()) => publisher.publish().await,
                () = stop.cancelled() => {}
            }
        }
        // Where CloudWatch took nothing before, the end need not wait for it.
        if !publisher.is_failing {
            let _ = timeout(LAST_WORDS, publisher.publish()).await; // what it cuts off is a metric, not a record
        }
    }

    async fn publish(&mut self) {
        let mut sent = 0;
        for flow in self.flows.all() {
            for datum in self.data_of(flow).await {
                self.data.add(datum);
            }
            if self.data.is_due(Instant::now()) {
                sent += self.flush().await;
            }
        }
        sent += self.flush().await;
        if sent > 0 {
            info!("Successfully published {sent} datums.");
        }
        let dropped = self.data.take_dropped();
        if dropped > 0 {
            let size = self.settings.queue_size;
            warn!(dropped, "more metrics than cloudwatch.metricsQueueSize ({size}) at once; raise it to have all of them");
        }
    }

    async fn data_of(&self, flow: Arc<Observed>) -> Vec<Datum> {
        let full = flow.destination.clone();
        let mut data: Vec<Datum> = flow
            .counters
            .live
            .take_calls()
            .sets()
            .map(|(metric, values)| Datum { metric, destination: full.clone(), values })
            .collect();
        let one = |metric, destination: &str, value: u64| Datum {
            metric,
            destination: destination.to_owned(),
            values: statistics::StatisticSet::of(value as f64),
        };
        let bare = full.split_once(':').map_or(full.as_str(), |(_, name)| name);
        data.push(one(Metric::ConsecutiveProcessingErrors, bare, flow.counters.live.read_errors.get()));
        if self.settings.extra {
            let (truncated, skipped) = flow.take_growth();
            data.push(one(Metric::RecordsTruncated, &full, truncated));
            data.push(one(Metric::RecordsSkipped, &full, skipped));
            // Asks the file system how long the files are, so not on a worker.
            let report = tokio::task::spawn_blocking(move || report::of_flow(&flow, Instant::now())).await;
            data.extend(report.ok().map(|report| one(Metric::LagBytes, &full, report.lag_bytes)));
        }
        data
    }

    /// Sends everything; what fails is dropped, as the Java agent does: it would arrive with a wrong time.
    async fn flush(&mut self) -> usize {
        let mut sent = 0;
        for request in self.data.take(Instant::now()) {
            match self.put(&request).await {
                Ok(()) => {
                    self.is_failing = false;
                    sent += request.len();
                }
                Err((code, error)) => {
                    self.is_failing = true;
                    if self.said.len() < REASONS && self.said.insert(code) {
                        warn!("CloudWatch did not take {} metrics: {error:#}; {REMEDY}", request.len());
                    }
                }
            }
        }
        sent
    }

    async fn put(&self, data: &[Datum]) -> Result<(), (String, anyhow::Error)> {
        let data = data.iter().map(|datum| self.encode(datum)).collect();
        let request = self.client.put_metric_data().namespace(&self.settings.namespace).set_metric_data(Some(data));
        let answer = request.send().await.map(drop);
        answer.map_err(|error| (error.code().unwrap_or("no answer").to_owned(), anyhow::Error::from(error)))
    }

    fn encode(&self, datum: &Datum) -> MetricDatum {
        let values = datum.values;
        let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
        let statistics =
            StatisticSet::builder().sample_count(values.count).sum(values.sum).minimum(values.min).maximum(values.max);
        let encoded = MetricDatum::builder()
            .metric_name(datum.metric.name())
            .unit(if datum.metric.is_bytes() { StandardUnit::Bytes } else { StandardUnit::Count })
            .timestamp(SystemTime::now().into())
            .statistic_values(statistics.build())
            .dimensions(dimension("Destination", &datum.destination));
        match &self.instance {
            Some(instance) => encoded.dimensions(dimension("Instance", instance)).build(),
            None => encoded.build(),
        }
    }
}

/// A client that gives up in time.
async fn client(aws: &Aws) -> Client {
    let sdk = aws.cloudwatch().await;
    let timeouts = TimeoutConfig::builder().operation_timeout(REQUEST_TIMEOUT).build();
    let config = aws_sdk_cloudwatch::config::Builder::from(&sdk).retry_config(RetryConfig::disabled()).timeout_config(timeouts);
    Client::from_conf(config.build())
}
