//! Whether the agent lives and is ready. Pure: reads a report.

use super::report::Report;

/// Why a restart would help; empty when every loop makes progress. A destination that does not answer is no reason.
pub(crate) fn not_alive(report: &Report) -> Vec<String> {
    let stuck = |flow: &super::FlowReport| {
        let (name, seconds) = flow.stuck.as_ref()?;
        Some(format!("flow {}: its {name} has hung for {seconds} s; look for a dead disk or file system", flow.id))
    };
    report.flows.iter().filter_map(stuck).collect()
}

/// Why lines are not delivered although the agent lives; empty when it is ready.
pub(crate) fn not_ready(report: &Report) -> Vec<String> {
    let mut reasons = not_alive(report);
    if report.is_stopping {
        reasons.push("the agent is stopping".to_owned());
    }
    for flow in &report.flows {
        if flow.state == "starting" {
            reasons.push(format!("flow {} is starting", flow.id));
        }
        if let (Some(remedy), true) = (&flow.remedy, needs_a_person(&flow.state)) {
            let message = flow.last_error.as_ref().map(|error| error.message.as_str()).unwrap_or_default();
            reasons.push(format!("flow {}: {} ({message}); {remedy}", flow.id, flow.state));
        }
        if let Some(error) = &flow.checkpoint_error {
            reasons.push(format!("flow {}: {error}", flow.id));
        }
    }
    reasons
}

/// What `agent status` calls wrong: what is not ready, and a destination that does not answer.
pub(crate) fn wrong(report: &Report) -> Vec<String> {
    let mut reasons = not_ready(report);
    let silent = report.flows.iter().filter(|flow| flow.state == "unavailable");
    reasons.extend(silent.map(|flow| format!("flow {}: its destination does not answer", flow.id)));
    reasons
}

/// Waiting helps against the other states.
fn needs_a_person(state: &str) -> bool {
    !matches!(state, "ok" | "starting" | "throttled" | "unavailable")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::report;

    fn report() -> Report {
        report::tests::report(tempfile::tempdir().unwrap().path())
    }

    #[test]
    fn an_agent_that_works_is_alive_and_ready() {
        assert_eq!((not_alive(&report()), not_ready(&report()), wrong(&report())), (vec![], vec![], vec![]));
    }

    #[test]
    fn a_loop_that_hangs_is_named() {
        let mut report = report();
        report.flows[0].stuck = Some(("shipper".to_owned(), 400));
        assert!(not_alive(&report)[0].contains("shipper has hung for 400 s"), "{:?}", not_alive(&report));
    }

    #[test]
    fn a_destination_that_is_down_is_wrong_but_neither_dead_nor_unready() {
        let mut report = report();
        report.flows[0].state = "unavailable".to_owned();
        report.flows[0].remedy = Some("check the network".to_owned());
        assert_eq!((not_alive(&report), not_ready(&report)), (vec![], vec![]));
        assert_eq!(wrong(&report).len(), 1);
    }

    #[test]
    fn what_only_a_person_can_mend_is_not_ready_and_says_how() {
        let mut report = report();
        report.flows[0].state = "misconfigured".to_owned();
        report.flows[0].remedy = Some("check the stream's name".to_owned());
        report.flows[0].checkpoint_error = Some("disk full".to_owned());
        let reasons = not_ready(&report);
        assert!(reasons[0].contains("check the stream's name") && reasons[1].contains("disk full"), "{reasons:?}");
        assert_eq!(not_alive(&report), [] as [String; 0]);
    }
}
