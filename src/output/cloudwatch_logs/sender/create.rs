//! `CreateLogGroup`, `CreateLogStream` and `PutRetentionPolicy`.
//!
//! Not known here: when to create, and in which order (the quotas of these calls are small).
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_Operations.html>.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;

use aws_sdk_cloudwatchlogs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatchlogs::operation::RequestId;
use aws_sdk_cloudwatchlogs::types::LogGroupClass;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::call::Call;
use super::error::{Class, SendError};
use super::{Sender, Way};

/// Whether a log group is ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Created {
    /// This call made it.
    New,
    /// It was there.
    Existed,
}

impl Sender {
    /// Makes a log stream; one that is there already is as good.
    ///
    /// # Errors
    ///
    /// [`SendError`]; [`Class::NotFound`] means that the log group is missing.
    pub async fn create_stream(&self, group: &str, stream: &str) -> Result<(), SendError> {
        #[cfg_attr(
            not(test),
            expect(clippy::infallible_destructuring_match, reason = "tests have one more")
        )]
        let shared = match &self.way {
            Way::Sdk(shared) => shared,
            #[cfg(test)]
            Way::Simulated(line) => return line.create_stream(group, stream).await,
        };
        let (client, generation) = shared.client();
        let call = Call::new(shared.user_agent());
        let request = client.create_log_stream().log_group_name(group).log_stream_name(stream);
        let sending = request.customize().interceptor(call.clone()).send();
        let answer = read(Box::pin(sending).await, &call);
        shared.check(existing(answer).map(drop), generation).await
    }

    /// Makes a log group of the class (`STANDARD` where it is `None`) with the tags.
    ///
    /// # Errors
    ///
    /// [`SendError`]; [`Class::Throttled`] may also mean that the account has no room for a group.
    pub async fn create_group(
        &self,
        group: &str,
        class: Option<&str>,
        tags: &BTreeMap<String, String>,
    ) -> Result<Created, SendError> {
        #[cfg_attr(
            not(test),
            expect(clippy::infallible_destructuring_match, reason = "tests have one more")
        )]
        let shared = match &self.way {
            Way::Sdk(shared) => shared,
            #[cfg(test)]
            Way::Simulated(line) => return line.create_group(group).await,
        };
        let (client, generation) = shared.client();
        let call = Call::new(shared.user_agent());
        // The service knows the classes; the SDK's list may be older than a class.
        let class = class.map(LogGroupClass::from);
        let tags = tags.iter().map(|(key, value)| (key.clone(), value.clone()));
        let tags: HashMap<_, _> = tags.collect();
        let request = client
            .create_log_group()
            .log_group_name(group)
            .set_log_group_class(class)
            .set_tags((!tags.is_empty()).then_some(tags));
        let sending = request.customize().interceptor(call.clone()).send();
        let answer = read(Box::pin(sending).await, &call);
        shared.check(existing(answer), generation).await
    }

    /// Sets for how many days the log group keeps its events.
    ///
    /// # Errors
    ///
    /// [`SendError`]; [`Class::Invalid`] where the service does not offer this number of days.
    pub async fn put_retention(&self, group: &str, days: i32) -> Result<(), SendError> {
        #[cfg_attr(
            not(test),
            expect(clippy::infallible_destructuring_match, reason = "tests have one more")
        )]
        let shared = match &self.way {
            Way::Sdk(shared) => shared,
            #[cfg(test)]
            Way::Simulated(line) => return line.put_retention(group).await,
        };
        let (client, generation) = shared.client();
        let call = Call::new(shared.user_agent());
        let request = client.put_retention_policy().log_group_name(group).retention_in_days(days);
        let sending = request.customize().interceptor(call.clone()).send();
        let answer = read(Box::pin(sending).await, &call);
        shared.check(answer, generation).await
    }
}

fn read<O, E>(answer: Result<O, SdkError<E, HttpResponse>>, call: &Call) -> Result<(), SendError>
where
    O: RequestId,
    E: ProvideErrorMetadata + Error + 'static,
{
    match answer {
        Ok(output) if output.request_id().is_none() => Err(SendError::no_request_id(None)),
        Ok(_output) => Ok(()),
        Err(error) => Err(SendError::from_sdk(&error, call)),
    }
}

pub(super) fn existing(answer: Result<(), SendError>) -> Result<Created, SendError> {
    match answer {
        Ok(()) => Ok(Created::New),
        Err(error) if error.class == Class::AlreadyExists => Ok(Created::Existed),
        Err(error) => Err(error),
    }
}
