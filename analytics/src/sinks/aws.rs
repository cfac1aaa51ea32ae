//! Kinesis streams and Firehose: at least once, each record with an id that is the same when it is sent again.
//!
//! A record is a row's JSON. In Kinesis its partition key is the id, so records spread over all shards and a consumer can
//! tell those that came twice; Firehose has no keys, so there the id is a member of the JSON, when it is asked for.

use anyhow::{Result, anyhow};
use arrow::array::RecordBatch;
use aws_sdk_kinesis::error::DisplayErrorContext;
use tracing::error;

use super::plan::RemoteStream;
use super::records::{Record, records, with_member};
use super::remote::{Attempt, Network};
use super::{Layout, Sink};

/// The most records of a request, of either service.
const MAX_RECORDS: usize = 500;
/// The most bytes of a request: Firehose's 4 MiB, with room for what surrounds the records.
const MAX_REQUEST_BYTES: usize = 3_500_000;
/// The largest record: Firehose takes 1,000 KiB, and so do streams as they are made.
const MAX_RECORD_BYTES: usize = 1_000 * 1024;

/// One of the two services.
enum Service {
    Kinesis(aws_sdk_kinesis::Client),
    Firehose(aws_sdk_firehose::Client),
}

/// Rows as records.
pub(super) struct AwsSink {
    service: Service,
    /// What the log calls it.
    name: String,
    to: RemoteStream,
    layout: Layout,
    network: Network,
}

impl AwsSink {
    /// A sink into a Kinesis stream; checks that it is there.
    pub(super) fn kinesis(to: RemoteStream, layout: Layout, network: Network) -> Result<Self> {
        let client = network.wait(async {
            let client = aws_sdk_kinesis::Client::new(&config::aws::load(&to.aws).await);
            let known = client.describe_stream_summary().stream_name(&to.name).send().await;
            known.map(|_| client).map_err(|error| missing("kinesis", &to, &error))
        })?;
        Ok(Self { service: Service::Kinesis(client), name: format!("kinesis:{}", to.name), to, layout, network })
    }

    /// A sink into a delivery stream of Firehose; checks that it is there.
    pub(super) fn firehose(to: RemoteStream, layout: Layout, network: Network) -> Result<Self> {
        let client = network.wait(async {
            let client = aws_sdk_firehose::Client::new(&config::aws::load(&to.aws).await);
            let known = client.describe_delivery_stream().delivery_stream_name(&to.name).send().await;
            known.map(|_| client).map_err(|error| missing("firehose", &to, &error))
        })?;
        Ok(Self { service: Service::Firehose(client), name: format!("firehose:{}", to.name), to, layout, network })
    }

    /// The record as it is sent.
    fn body(&self, record: Record) -> Record {
        let mut json = record.json;
        if let Some(field) = &self.to.id_field {
            json = with_member(&json, field, &record.id);
        }
        if matches!(self.service, Service::Firehose(_)) {
            json.push(b'\n'); // Firehose joins records without anything between them
        }
        Record { json, ..record }
    }

    /// One request. Keeps those records that were not taken.
    async fn put(&self, batch: &mut Vec<Record>) -> Attempt {
        let outcome = match &self.service {
            Service::Kinesis(client) => put_kinesis(client, &self.to.name, batch).await,
            Service::Firehose(client) => put_firehose(client, &self.to.name, batch).await,
        };
        let refusals = match outcome {
            Ok(refusals) => refusals,
            Err(reason) => return Attempt::Blocked(reason),
        };
        let reason = refusals.iter().flatten().next().cloned();
        let mut refusals = refusals.into_iter();
        batch.retain(|_| refusals.next().flatten().is_some());
        reason.map_or(Attempt::Done, Attempt::Blocked)
    }
}

impl Sink for AwsSink {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let bodies = records(&self.layout, rows)?.into_iter().map(|record| self.body(record));
        for mut batch in batches(bodies.collect(), &self.name) {
            self.network.wait(self.network.deliver(&self.name, async || self.put(&mut batch).await))?;
        }
        Ok(())
    }
}

/// For each record why it was refused, if it was.
type Refusals = Vec<Option<String>>;

async fn put_kinesis(client: &aws_sdk_kinesis::Client, stream: &str, batch: &[Record]) -> Result<Refusals, String> {
    let mut request = client.put_records().stream_name(stream);
    for record in batch {
        let entry = aws_sdk_kinesis::types::PutRecordsRequestEntry::builder().partition_key(&record.id);
        let entry = entry.data(aws_sdk_kinesis::primitives::Blob::new(record.json.as_slice())).build();
        request = request.records(entry.map_err(|error| error.to_string())?);
    }
    let answer = request.send().await.map_err(|error| DisplayErrorContext(error).to_string())?;
    let refusal = |entry: &aws_sdk_kinesis::types::PutRecordsResultEntry| {
        entry.error_code().map(|code| format!("{code}: {}", entry.error_message().unwrap_or_default()))
    };
    Ok(answer.records().iter().map(refusal).collect())
}

async fn put_firehose(client: &aws_sdk_firehose::Client, stream: &str, batch: &[Record]) -> Result<Refusals, String> {
    let mut request = client.put_record_batch().delivery_stream_name(stream);
    for record in batch {
        let data = aws_sdk_firehose::primitives::Blob::new(record.json.as_slice());
        let record = aws_sdk_firehose::types::Record::builder().data(data).build();
        request = request.records(record.map_err(|error| error.to_string())?);
    }
    let answer = request.send().await.map_err(|error| DisplayErrorContext(error).to_string())?;
    let refusal = |entry: &aws_sdk_firehose::types::PutRecordBatchResponseEntry| {
        entry.error_code().map(|code| format!("{code}: {}", entry.error_message().unwrap_or_default()))
    };
    Ok(answer.request_responses().iter().map(refusal).collect())
}

/// Records in requests of the size that both services take. One that neither ever takes is told and left out.
fn batches(records: Vec<Record>, sink: &str) -> Vec<Vec<Record>> {
    let mut batches: Vec<Vec<Record>> = Vec::new();
    let mut bytes = 0;
    for record in records {
        let size = record.json.len() + record.id.len();
        if size > MAX_RECORD_BYTES {
            error!(sink, id = record.id, size_bytes = size, "a row is larger than a record may be; it was not sent");
            continue;
        }
        match batches.last_mut().filter(|batch| batch.len() < MAX_RECORDS && bytes + size <= MAX_REQUEST_BYTES) {
            Some(batch) => batch.push(record),
            None => {
                batches.push(vec![record]);
                bytes = 0;
            }
        }
        bytes += size;
    }
    batches
}

fn missing<E>(kind: &str, to: &RemoteStream, error: &E) -> anyhow::Error
where
    E: std::error::Error + 'static,
{
    let what = format!("cannot write to {kind}:{}; check its name, the endpoint, the region and the credentials", to.name);
    anyhow!("{}", DisplayErrorContext(error)).context(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(bytes: usize) -> Record {
        Record { id: String::new(), json: vec![b'x'; bytes] }
    }

    #[test]
    fn requests_stay_within_the_limits_of_both_services() {
        let sizes = |records| batches(records, "s").iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(vec![record(1); 501]), [500, 1]);
        assert_eq!(sizes(vec![record(1_000_000); 4]), [3, 1]);
        assert_eq!(sizes(vec![record(MAX_RECORD_BYTES + 1), record(1)]), [1]);
    }
}
