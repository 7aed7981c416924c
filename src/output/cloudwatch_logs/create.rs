//! Creates what a batch found missing: the log stream, and the log group if that is allowed.
//!
//! Never asked for in advance and never described: a missing stream shows itself at the first
//! batch. Creating a group is single-flight: `CreateLogGroup` may be called 10 times a second in an
//! account, and all containers of a deployment start at once.

use tokio::sync::Mutex;

use super::config::LogGroupClass;
use super::sender::{Class, Created, SendError, Sender};
use super::target::Target;

/// What may be created, and how.
#[derive(Debug)]
pub struct Creation {
    /// `auto_create_group`
    pub auto_create_group: bool,
    /// `log_retention_days` of a group that is created here.
    pub log_retention_days: Option<i32>,
    /// `log_group_class` of a group that is created here.
    pub log_group_class: Option<LogGroupClass>,
    /// Held while a group is created.
    pub one_at_a_time: Mutex<()>,
}

impl Creation {
    /// Creates the stream, and its group where that is missing too.
    ///
    /// # Errors
    ///
    /// The service's; a group that is missing and may not be created is [`Class::NotFound`].
    pub async fn create(&self, sender: &Sender, target: &Target) -> Result<(), SendError> {
        let Err(error) = sender.create_stream(&target.group, &target.stream).await else {
            return Ok(());
        };
        if error.class != Class::NotFound {
            return Err(error);
        }
        if !self.auto_create_group {
            let message = format!(
                "log group {} does not exist; create it, or set auto_create_group on",
                target.group
            );
            return Err(SendError { message, ..error });
        }
        let _alone = self.one_at_a_time.lock().await;
        self.create_group(sender, &target.group).await?;
        sender.create_stream(&target.group, &target.stream).await
    }

    async fn create_group(&self, sender: &Sender, group: &str) -> Result<(), SendError> {
        let class = self.log_group_class.map(|class| match class {
            LogGroupClass::Standard => "STANDARD",
            LogGroupClass::InfrequentAccess => "INFREQUENT_ACCESS",
        });
        let created = sender.create_group(group, class).await?;
        // Only by whoever created it: `PutRetentionPolicy` may be called 5 times a second.
        if let (Created::New, Some(days)) = (created, self.log_retention_days)
            && let Err(error) = sender.put_retention(group, days).await
        {
            // Events do not wait for it.
            tracing::error!("log group {group}: cannot set its retention to {days} days: {error}");
        }
        Ok(())
    }
}
