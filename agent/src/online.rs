//! `agent check --online`: whether each flow could ship, found out without sending anything.
//!
//! For each flow: which credentials there are and whose they are, and whether the stream is there. Nothing that the agent
//! does not need to ship is demanded: who may write to a stream but not describe it gets a note, as may who cannot
//! reach STS.

use std::fmt::Write as _;

use anyhow::{Result, anyhow};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sdk_firehose::types::DeliveryStreamStatus;
use aws_sdk_kinesis::types::StreamStatus;

use crate::{
    aws::{Place, identity},
    destination::{Clients, Explainer, Failure, Reason, Subject, chain},
    settings::{FlowSettings, Kind, Settings, Target},
};

/// Checks every flow and prints what was found.
///
/// # Errors
/// When a flow cannot work.
pub(crate) async fn check(settings: &Settings) -> Result<()> {
    let mut clients = Clients::load(settings).await;
    let mut failed = 0;
    for flow in &settings.flows {
        let mut report = format!("{}\n", flow.id);
        if let Err(problem) = check_flow(&mut clients, flow, &mut report).await {
            failed += 1;
            note(&mut report, "FAILED", &problem);
        } else {
            note(&mut report, "OK", "");
        }
        print!("{report}");
    }
    match failed {
        0 => Ok(()),
        failed => Err(anyhow!("{failed} of {} flow(s) cannot ship; see above", settings.flows.len())),
    }
}

async fn check_flow(clients: &mut Clients, flow: &FlowSettings, report: &mut String) -> Result<(), String> {
    let target = &flow.target;
    let place = clients.aws().place(target).await.map_err(|error| format!("{error:#}"))?;
    check_credentials(clients, target, &place, report).await?;
    let explainer = Explainer::new(Subject::new(target.clone(), place.clone()), clients.aws().sts(&place).await);
    let found = match target.kind {
        Kind::Kinesis => describe_stream(&clients.kinesis(&place).await, target, &explainer).await,
        Kind::Firehose => describe_delivery(&clients.firehose(&place).await, target, &explainer).await,
    };
    match found {
        Ok(state) => note(report, target.kind.resource(), &format!("{} in {}: {state}", target.written(), place.region)),
        Err(failure) if matches!(failure.reason, Reason::AccessDenied | Reason::Throttled) => {
            let text = format!(
                "{} in {}: not looked at ({}); shipping does not need to",
                target.written(),
                place.region,
                failure.message
            );
            note(report, target.kind.resource(), &text);
        }
        Err(failure) => return Err(format!("{}: {}", failure.message, failure.remedy)),
    }
    Ok(())
}

async fn check_credentials(clients: &Clients, target: &Target, place: &Place, report: &mut String) -> Result<(), String> {
    let subject = Subject::new(target.clone(), place.clone());
    let found = clients.aws().chain(&place.region).await.find().await;
    let (source, _) = found.map_err(|error| {
        let failure = subject.of_credentials(&chain(&error));
        format!("{}: {}", failure.message, failure.remedy)
    })?;
    let role = place.role.as_ref().map(|role| format!(", then {}", role.arn)).unwrap_or_default();
    if let (Some(role), Some(provider)) = (&place.role, clients.aws().config(place).await.credentials_provider()) {
        let assumed = provider.provide_credentials().await;
        assumed.map_err(|error| {
            let remedy =
                "check assumeRoleARN and assumeRoleExternalId, and that the role's trust policy names the agent's identity";
            format!("cannot take on {}: {}: {remedy}", role.arn, chain(&error))
        })?;
    }
    let who = match clients.aws().sts(place).await {
        None => "whose they are is not asked, for an endpoint on this machine".to_owned(),
        Some(sts) => match identity::ask(&sts).await {
            Ok(identity) => format!("{} of account {}", identity.arn, identity.account),
            Err(said) => format!("STS cannot say whose ({said})"),
        },
    };
    note(report, "credentials", &format!("{source}{role}: {who}"));
    Ok(())
}

async fn describe_stream(client: &aws_sdk_kinesis::Client, target: &Target, explainer: &Explainer) -> Result<String, Failure> {
    let request = client.describe_stream_summary();
    let request = match &target.arn {
        Some(arn) => request.stream_arn(&arn.text),
        None => request.stream_name(&target.name),
    };
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => return Err(explainer.request(&error).await),
    };
    let Some(summary) = answer.stream_description_summary else { return Ok("there".to_owned()) };
    let (status, shards) = (summary.stream_status, summary.open_shard_count);
    match status {
        StreamStatus::Deleting => Err(Failure::new(Reason::NotFound, "the stream is being deleted")),
        _ => Ok(format!("{}, {shards} open shard(s)", status.as_str())),
    }
}

async fn describe_delivery(client: &aws_sdk_firehose::Client, target: &Target, explainer: &Explainer) -> Result<String, Failure> {
    let answer = match client.describe_delivery_stream().delivery_stream_name(&target.name).limit(1).send().await {
        Ok(answer) => answer,
        Err(error) => return Err(explainer.request(&error).await),
    };
    let Some(description) = answer.delivery_stream_description else { return Ok("there".to_owned()) };
    match description.delivery_stream_status {
        status @ (DeliveryStreamStatus::Deleting | DeliveryStreamStatus::CreatingFailed) => {
            Err(Failure::new(Reason::NotFound, format!("the delivery stream is {}", status.as_str())))
        }
        status => Ok(status.as_str().to_owned()),
    }
}

fn note(report: &mut String, what: &str, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(report, "{}", format!("  {what:<15} {text}").trim_end());
}
