//! Columns that come from the record of a stream, not from its lines.

use crate::chunk::StreamRecord;
use crate::program::Metadata;

/// A metadata column of a record, as text that its type reads.
pub(super) fn text(metadata: Metadata, record: &StreamRecord) -> String {
    match metadata {
        Metadata::ArrivalTime => {
            jiff::Timestamp::from_millisecond(record.arrival_ms).map(|time| time.to_string()).unwrap_or_default()
        }
        Metadata::PartitionKey => record.partition_key.clone(),
        Metadata::SequenceNumber => record.sequence_number.clone(),
        Metadata::ShardId => record.shard_name.to_string(),
    }
}
