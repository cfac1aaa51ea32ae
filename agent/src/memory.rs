//! One bound for the memory of all flows: each takes its share of it. Pure.
//!
//! What a flow may hold follows from its queue and its batches ([`memory_bound`]). When the flows together could hold more
//! than the agent may, those that could hold most get a shorter queue first, fewer requests on their way then, and
//! smaller batches at last. That costs some speed in a burst and never a line: the log files are the buffer.

use crate::{
    destination::AROUND_RECORD,
    recipe::Recipe,
    record::Record,
    settings::FlowSettings,
    tail::{CHUNK_RECORDS, READ_BYTES},
};

/// Batches are not made smaller than this: requests of a few lines each would cost more than they save.
const MIN_BATCH_BYTES: usize = 64 * 1024;

/// Chunks that may wait between a tailer and its shipper. Enough to read while requests are built; the files are
/// the real buffer, so a larger `publishQueueCapacity` would only use memory.
const MAX_QUEUED_CHUNKS: usize = 8;

/// Makes the flows fit into `budget` bytes as far as they can. Returns what they may hold together then.
pub(crate) fn fit(flows: &mut [FlowSettings], budget: usize) -> usize {
    let bounds: Vec<usize> = flows.iter().map(memory_bound).collect();
    let most = share(bounds, budget);
    flows.iter_mut().for_each(|flow| shrink(flow, most));
    flows.iter().map(memory_bound).sum()
}

/// The most a single flow may hold, so that all together stay within the budget: small flows leave more to the others.
fn share(mut bounds: Vec<usize>, budget: usize) -> usize {
    bounds.sort_unstable();
    let (mut left, count) = (budget, bounds.len());
    for (index, bound) in bounds.into_iter().enumerate() {
        let share = left / (count - index);
        if bound > share {
            return share;
        }
        left -= bound;
    }
    usize::MAX
}

fn shrink(flow: &mut FlowSettings, most: usize) {
    while memory_bound(flow) > most {
        if flow.queue_capacity > 1 {
            // What is beyond the most that is used does not count; the loop ends in either case.
            flow.queue_capacity = (flow.queue_capacity / 2).max(1);
        } else if flow.max_requests > 1 {
            flow.max_requests -= 1;
        } else if flow.batch.max_bytes > MIN_BATCH_BYTES {
            flow.batch.max_bytes = (flow.batch.max_bytes / 2).max(MIN_BATCH_BYTES);
        } else {
            return;
        }
    }
}

/// Chunks that may wait between the tailer of a flow and its shipper.
pub(crate) fn queued_chunks(flow: &FlowSettings) -> usize {
    flow.queue_capacity.clamp(1, MAX_QUEUED_CHUNKS)
}

/// Bytes a flow may hold at most, when every line has the size that makes it worst.
pub(crate) fn memory_bound(flow: &FlowSettings) -> usize {
    let line = flow.records.limit;
    // A chunk of made records closes with the one that takes it past a read's size.
    let data = if Recipe::of(flow).is_plain() { READ_BYTES.max(line) } else { READ_BYTES + line };
    let chunk = data + CHUNK_RECORDS * size_of::<Record>();
    // One chunk more is being filled, and one taken apart.
    let chunks = (queued_chunks(flow) + 2) * chunk;
    // The open batch and the one that waits for a place.
    let waiting = 2 * flow.batch.max_bytes;
    // The records, and the body with their base64 and the JSON around it.
    let sending = flow.max_requests * (flow.batch.max_bytes * (3 + 4) / 3 + flow.batch.max_records * AROUND_RECORD);
    let packing = flow.records.packing.map_or(0, |packing| packing.memory_bytes(flow.max_requests + 2));
    chunks + waiting + sending + packing + READ_BYTES.max(line)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::testing::flow;

    const MIB: usize = 1024 * 1024;

    fn flows(count: usize) -> Vec<FlowSettings> {
        (0..count).map(|index| flow(Path::new("/l"), &format!("{index}.log"), "")).collect()
    }

    #[test]
    fn small_flows_leave_their_share_to_the_others() {
        assert_eq!(share(vec![10, 10, 10], 100), usize::MAX);
        assert_eq!(share(vec![100, 100], 100), 50);
        assert_eq!(share(vec![10, 100, 100], 100), 45);
        assert_eq!(share(vec![], 100), usize::MAX);
    }

    #[test]
    fn few_flows_keep_what_they_ask_for() {
        let (mut few, before) = (flows(3), flows(3));
        let total = fit(&mut few, 512 * MIB);
        assert_eq!(total, before.iter().map(memory_bound).sum::<usize>());
        assert_eq!(few[0].batch.max_bytes, before[0].batch.max_bytes);
    }

    #[test]
    fn many_flows_stay_within_the_budget() {
        let mut many = flows(50);
        assert!(many.iter().map(memory_bound).sum::<usize>() > 1024 * MIB);
        assert!(fit(&mut many, 512 * MIB) <= 512 * MIB);
    }

    #[test]
    fn what_cannot_fit_is_as_small_as_it_gets() {
        let mut many = flows(2000);
        assert!(fit(&mut many, 16 * MIB) > 16 * MIB);
        assert!(many.iter().all(|flow| flow.queue_capacity == 1 && flow.batch.max_bytes == MIN_BATCH_BYTES));
    }

    #[test]
    fn the_memory_bound_follows_the_settings() {
        let mut flow = flow(Path::new("/l"), "a.log", "");
        let most = memory_bound(&flow);
        flow.queue_capacity = 1;
        flow.batch.max_bytes = 100_000;
        assert!(memory_bound(&flow) < most / 5);
    }
}
