//! The bucket, step by step: name, port, credentials, rights, time of a question.

use std::time::{Duration, Instant};

use super::{Finding, Grade, network};
use crate::storage::{Bucket, BucketProblem, S3Settings};

/// For looking for credentials and for one question. The machine's role alone may take a second.
const LIMIT: Duration = Duration::from_secs(10);

/// Looks at the configured bucket, if there is one. Stores nothing.
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
            Finding::bad(what, with_causes(&problem), next)
        }
    };
    vec![reached, finding]
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
