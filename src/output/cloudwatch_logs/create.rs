//! Creates what a batch found missing: the log stream, and the log group if that is allowed.
//!
//! Never asked for in advance and never described: a missing stream shows itself at the first
//! batch. Creating a group is single-flight: `CreateLogGroup` may be called 10 times a second in an
//! account, and all containers of a deployment start at once.

use tokio::sync::Mutex;

use super::config::LogGroupClass;
use super::plan::CreationRules;
use super::sender::{Class, Created, SendError, Sender};
use super::target::Target;

/// What may be created, and how.
#[derive(Debug)]
pub struct Creation {
    /// What the configuration says.
    pub rules: CreationRules,
    /// Held while a group is created.
    pub one_at_a_time: Mutex<()>,
}

impl Creation {
    /// Creates the stream, and its group where that is missing too. `missing` is how the service
    /// said that one of them is.
    ///
    /// # Errors
    ///
    /// The service's; what is missing and may not be created is [`Class::NotFound`].
    pub async fn create(
        &self,
        sender: &Sender,
        target: &Target,
        missing: SendError,
    ) -> Result<(), SendError> {
        if !self.rules.streams {
            return self.without_stream(sender, target, missing).await;
        }
        let Err(error) = sender.create_stream(&target.group, &target.stream).await else {
            return Ok(());
        };
        if error.class != Class::NotFound {
            return Err(error);
        }
        if !self.rules.groups {
            let message = format!(
                "log group {} does not exist; create it, or set auto_create_group true",
                target.group
            );
            return Err(SendError { message, ..error });
        }
        let _alone = self.one_at_a_time.lock().await;
        self.create_group(sender, &target.group).await?;
        sender.create_stream(&target.group, &target.stream).await
    }

    /// The group may be created where that is what is missing; then there still is no stream.
    async fn without_stream(
        &self,
        sender: &Sender,
        target: &Target,
        missing: SendError,
    ) -> Result<(), SendError> {
        // The service names only one of them, and only in its text.
        if self.rules.groups && missing.message.contains("group") {
            let _alone = self.one_at_a_time.lock().await;
            self.create_group(sender, &target.group).await?;
        }
        let message = format!(
            "log stream {} does not exist in log group {}; create it, or set auto_create_stream \
             true",
            target.stream, target.group
        );
        Err(SendError { message, ..missing })
    }

    async fn create_group(&self, sender: &Sender, group: &str) -> Result<(), SendError> {
        let class = self.rules.class.map(|class| match class {
            LogGroupClass::Standard => "STANDARD",
            LogGroupClass::InfrequentAccess => "INFREQUENT_ACCESS",
        });
        let created = sender.create_group(group, class, &self.rules.tags).await?;
        // Only by whoever created it: `PutRetentionPolicy` may be called 5 times a second.
        if let (Created::New, Some(days)) = (created, self.rules.retention_days)
            && let Err(error) = sender.put_retention(group, days).await
        {
            // Events do not wait for it.
            tracing::error!("log group {group}: cannot set its retention to {days} days: {error}");
        }
        Ok(())
    }
}
