//! What the ECS agent of a container instance knows of any container on it.
//!
//! For collectors that run beside many tasks. Within a task there is the task metadata endpoint
//! instead; on Fargate and in network mode awsvpc nobody answers here. [`answer`] reads the answers
//! (pure), [`mod@desk`] asks in the background. Not known here: what filters make of it.
//! Source: "Amazon ECS container agent introspection", Amazon ECS Developer Guide,
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-introspection.html>.

pub mod answer;
pub mod desk;

pub use answer::{Container, ContainerId, Instance, ShortId, Task};
pub use desk::{Agent, AgentError, Answer, Clerk, Desk, desk};
