//! Wiring: filters that want to know something, and the tasks that ask for it.
//!
//! Here a filter and the one who asks for it get the two ends of a channel. The tasks stand beside
//! the way of the records: they end by themselves, and nothing waits for them. Not known here: what
//! is asked.

use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::ec2;
use crate::ecs::introspection;
use crate::filter::aws::{self, Aws};
use crate::filter::ecs::{self, Ecs};

/// What asks, beside the way, for what filters want to know.
#[derive(Debug)]
pub struct Inquiries {
    imds: Option<ec2::Endpoint>,
    started: Instant,
    aws: Vec<ec2::Inquiry>,
    ecs: Vec<introspection::Clerk>,
    /// Told of each answer.
    news: Arc<Notify>,
}

impl Inquiries {
    /// None yet. Filters that hold records do so from `started` on.
    #[must_use]
    pub fn new(imds: Option<ec2::Endpoint>, started: Instant) -> Self {
        Self { imds, started, aws: Vec::new(), ecs: Vec::new(), news: Arc::default() }
    }

    /// Starts them; they end by themselves, and nothing waits for them. Returns what tells of their
    /// answers, if there will be any.
    #[must_use]
    pub fn start(self, handle: &Handle) -> Option<Arc<Notify>> {
        let Self { aws, ecs, news, .. } = self;
        let news = (!(aws.is_empty() && ecs.is_empty())).then_some(news);
        aws.into_iter().for_each(|inquiry| drop(handle.spawn(inquiry.run())));
        ecs.into_iter().for_each(|clerk| drop(handle.spawn(clerk.run())));
        news
    }

    /// A filter `aws`, and what asks for it.
    #[must_use]
    pub fn aws(&mut self, config: aws::config::Config) -> Aws {
        let aws::config::Config { version, wanted, retry_after } = config;
        let (imds, news) = (self.imds.clone(), Arc::clone(&self.news));
        let (latest, inquiry) = ec2::inquiry(imds, version, wanted, retry_after, news);
        if inquiry.is_none() {
            tracing::warn!("the environment keeps EC2 metadata off: filter aws adds nothing");
        }
        self.aws.extend(inquiry);
        Aws::new(latest, self.started)
    }

    /// A filter `ecs`, and what asks for it.
    #[must_use]
    pub fn ecs(&mut self, config: ecs::config::Config) -> Ecs {
        let (desk, clerk) = introspection::desk(config.agent.clone(), Arc::clone(&self.news));
        self.ecs.push(clerk);
        Ecs::new(config, desk, self.started)
    }
}
