//! One bound for the memory of all flows: each takes its share of it. Pure.
//!
//! What a flow may hold follows from its queue and its batches ([`memory_bound`]). When the flows together could hold more
//! than the agent may, those that could hold most get a shorter queue first, fewer requests on their way then, and
//! smaller batches at last. That costs some speed in a burst and never a line: the log files are the buffer.

use crate::{run::memory_bound, settings::FlowSettings};

/// Batches are not made smaller than this: requests of a few lines each would cost more than they save.
const MIN_BATCH_BYTES: usize = 64 * 1024;

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
}
