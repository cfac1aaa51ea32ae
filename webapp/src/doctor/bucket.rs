//! The bucket, step by step: name, port, credentials, time of a question, and the rights that photos need.

use std::time::{Duration, Instant};

use super::{Finding, Grade, network};
use crate::storage::{Bucket, BucketProblem, S3Settings, Step};

/// For looking for credentials and for one question. The machine's role alone may take a second.
const LIMIT: Duration = Duration::from_secs(10);

/// Looks at the configured bucket, if there is one. Leaves nothing in it.
pub(super) async fn bucket(settings: &S3Settings) -> Vec<Finding> {
    let Some(bucket) = Bucket::of(settings).await else { return Vec::new() };
    let what = format!("S3 bucket {}", bucket.name());
    let Some((host, port)) = bucket.address() else {
        return vec![Finding::bad(what, "no region is known", "set s3.region, or AWS_REGION")];
    };
    let reached = network::reach("S3", &host, port).await;
    if reached.grade == Grade::Bad {
        return vec![reached];
    }
    let began = Instant::now();
    let answer = bucket.ask(LIMIT).await;
    let took = began.elapsed();
    let finding = match answer {
        Ok(()) if took <= settings.timeout => {
            Finding::good(what, format!("signing and a question took {:.0} ms", took.as_secs_f64() * 1000.0))
        }
        Ok(()) => Finding::warning(
            what,
            format!("signing and a question took {took:.1?}, but s3.timeout allows {:?}", settings.timeout),
            "look at the way to S3 and for load, or raise s3.timeout",
        ),
        Err(problem) => {
            let next = remedy(&problem, bucket.name());
            return vec![reached, Finding::bad(what, with_causes(&problem), next)];
        }
    };
    vec![reached, finding, rights(&bucket).await]
}

/// Puts, reads and removes a small object: whoever may ask for a bucket may not yet do that.
async fn rights(bucket: &Bucket) -> Finding {
    let what = format!("photos in S3 bucket {}", bucket.name());
    let object = bucket.trial_name();
    let began = Instant::now();
    match bucket.try_object(&object, LIMIT).await {
        Ok(()) => {
            let took = began.elapsed().as_secs_f64() * 1000.0;
            Finding::good(what, format!("a small object was put, read and removed in {took:.0} ms"))
        }
        Err((step, problem)) => {
            let found = format!("{object} {}: {}", outcome(step), with_causes(&problem));
            Finding::bad(what, found, next_step(step, &problem, bucket.name(), &object))
        }
    }
}

fn outcome(step: Option<Step>) -> &'static str {
    match step {
        Some(Step::Put) => "cannot be put there",
        Some(Step::Get) => "was put there and cannot be read",
        Some(Step::Delete) => "was put there and cannot be removed",
        None => "could not be put, read and removed in time",
    }
}

fn next_step(step: Option<Step>, problem: &BucketProblem, name: &str, object: &str) -> String {
    let folder = object.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let objects = format!("arn:aws:s3:::{name}/{folder}*");
    match (problem, step) {
        (BucketProblem::Denied, Some(Step::Put)) => format!(
            "allow s3:PutObject on {objects}, and kms:GenerateDataKey on the key if the bucket encrypts with one of yours; \
             until then every upload is refused"
        ),
        (BucketProblem::Denied, Some(Step::Get)) => format!(
            "allow s3:GetObject on {objects}, and kms:Decrypt on the key if the bucket encrypts with one of yours; until then \
             no photo is shown"
        ),
        (BucketProblem::Denied, Some(Step::Delete)) => format!(
            "allow s3:DeleteObject on {objects}; until then deleted photos stay in the bucket. Remove {object} with other rights"
        ),
        (BucketProblem::Silent(_), None) => format!("look at the way to S3 and for load; remove {object} if it is there"),
        _ => remedy(problem, name),
    }
}

fn remedy(problem: &BucketProblem, name: &str) -> String {
    match problem {
        BucketProblem::NoCredentials => {
            "give the machine a role, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned()
        }
        BucketProblem::Denied => format!(
            "check the credentials and this machine's clock, and allow s3:ListBucket on {name} and s3:GetObject, s3:PutObject, \
             s3:DeleteObject on what is in it"
        ),
        BucketProblem::Missing => format!("make the bucket {name}, or correct s3.bucket, s3.endpoint and s3.path_style"),
        BucketProblem::OtherRegion => "set s3.region to the bucket's region".to_owned(),
        BucketProblem::Silent(_) => "the server takes connections and answers nothing: check it, and s3.endpoint".to_owned(),
        BucketProblem::Other(_) => "check that s3.endpoint speaks S3, with https:// where it speaks TLS".to_owned(),
    }
}

fn with_causes(problem: &BucketProblem) -> String {
    anyhow::Chain::new(problem).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
