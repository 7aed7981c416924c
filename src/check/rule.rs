//! Around the path, check: the kinds of findings, each with the name it keeps and why it matters.
//!
//! `docs/check.md` lists them for users. Not known here: when one applies.

/// A kind of finding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// What the reader of a configuration says.
    Configuration,
    /// A container whose records no output wants.
    ContainerUnrouted,
    /// An input whose records no output wants.
    InputUnrouted,
    /// An output that gets nothing.
    OutputUnused,
    /// A filter that never works.
    FilterUnused,
    /// Two outputs that write the same events to the same place.
    DeliveredTwice,
    /// One log stream for all tasks.
    StreamShared,
    /// A log group that keeps events for ever.
    GroupNeverExpires,
    /// Two sockets on one address.
    AddressTaken,
    /// A server that need not prove who it is.
    ServerUnverified,
    /// A value of another type than ECS takes.
    TaskDefinition,
    /// No container with a `firelensConfiguration`.
    RouterMissing,
    /// More than one of them.
    RouterRepeated,
    /// A router that is no Fluent Bit.
    RouterType,
    /// A task on Windows.
    Platform,
    /// Fargate without `awsvpc`.
    FargateNetwork,
    /// A network mode in which the agent makes no TCP inputs.
    NetworkWithoutInputs,
    /// Another image than Firelane's.
    RouterImage,
    /// Files that only the init image of AWS reads.
    InitImage,
    /// A router whose end nobody notices.
    RouterNotEssential,
    /// A router that logs to itself.
    RouterLoop,
    /// A router whose own log lines are lost.
    RouterUnseen,
    /// A router that no container uses.
    RouterIdle,
    /// A command in place of the image's.
    CommandReplaced,
    /// A volume over a file or a socket that the agent mounts.
    SocketHidden,
    /// A user that the agent does not take.
    RouterUser,
    /// Files to write where nothing can be written.
    ReadOnlyFileSystem,
    /// Less memory than the router may need.
    MemoryLimit,
    /// A buffer smaller than the memory would allow.
    BufferSize,
    /// Less memory than the containers and their log drivers may need.
    TaskMemory,
    /// `Grace` and `stopTimeout` that do not fit.
    StopTimeout,
    /// A buffer of Docker's log driver that is too small, or no number.
    DriverBufferLimit,
    /// Log options without `Name`.
    OptionName,
    /// An option for the agent that is spelt otherwise.
    OptionSpelling,
    /// A `Match` in place of the agent's.
    MatchOption,
    /// A secret where everyone can read it.
    PlainSecret,
    /// Credentials that come before those of the task's role.
    StaticCredentials,
    /// An external configuration that the agent or the router does not find.
    ExternalConfig,
    /// An external configuration on S3 for a task on Fargate.
    ExternalConfigOnFargate,
    /// An external configuration that is not here to be looked at.
    ExternalConfigUnseen,
    /// `enable-ecs-log-metadata` that is no boolean.
    EcsMetadata,
    /// A health check that nobody answers.
    HealthCheckUnanswered,
    /// A health check in a form that is not run as meant.
    HealthCheckForm,
    /// A health check with a tool that the image does not have.
    HealthCheckTool,
    /// A health check that fails with CloudWatch Logs.
    HealthCheckOfOutputs,
    /// A container that waits for something that does not come.
    DependsOn,
    /// A router that starts after those who log.
    RouterDependsOn,
    /// A port that another container has.
    PortTaken,
    /// No role that may write logs.
    TaskRole,
    /// No role for what the agent does before the task starts.
    ExecutionRole,
    /// A container without log configuration.
    ContainerWithoutLogs,
}

/// Each kind with its name and why it matters, in the order of `docs/check.md` and of [`Rule`].
const RULES: [(Rule, &str, &str); 51] = [
    (Rule::Configuration, "configuration", ""),
    (
        Rule::ContainerUnrouted,
        "container-unrouted",
        "records of a tag that no output matches are dropped",
    ),
    (Rule::InputUnrouted, "input-unrouted", "records of a tag that no output matches are dropped"),
    (Rule::OutputUnused, "output-unused", "whoever wrote it expects records there"),
    (Rule::FilterUnused, "filter-unused", "whoever wrote it expects it to do something"),
    (
        Rule::DeliveredTwice,
        "delivered-twice",
        "each output that matches delivers its own copy, and each copy is paid for",
    ),
    (
        Rule::StreamShared,
        "stream-shared",
        "events of all tasks lie in one stream, and nobody can tell which task wrote one",
    ),
    (
        Rule::GroupNeverExpires,
        "group-never-expires",
        "a log group made without a retention keeps its events for ever, and is paid for as long",
    ),
    (Rule::AddressTaken, "address-taken", "the second socket cannot listen, and nothing starts"),
    (
        Rule::ServerUnverified,
        "server-unverified",
        "whoever stands between can read the logs and pretend to have taken them",
    ),
    (Rule::TaskDefinition, "task-definition", "ECS does not register it"),
    (
        Rule::RouterMissing,
        "router-missing",
        "the log driver awsfirelens needs a container with firelensConfiguration in its task",
    ),
    (Rule::RouterRepeated, "router-repeated", "ECS takes one log router a task"),
    (
        Rule::RouterType,
        "router-type",
        "for another type the agent writes a configuration that is not Fluent Bit's",
    ),
    (Rule::Platform, "platform", "FireLens works on Linux only"),
    (Rule::FargateNetwork, "fargate-network-mode", "tasks on Fargate have the network mode awsvpc"),
    (
        Rule::NetworkWithoutInputs,
        "network-without-inputs",
        "the agent makes TCP inputs in the modes bridge and awsvpc only",
    ),
    (Rule::RouterImage, "router-image", "what is said here is what Firelane would do"),
    (
        Rule::InitImage,
        "init-image",
        "only the init image of AWS reads them, so that the configuration lacks what they hold",
    ),
    (
        Rule::RouterNotEssential,
        "router-not-essential",
        "when it ends, the task goes on, its logs are lost, and nothing says so",
    ),
    (
        Rule::RouterLoop,
        "router-loop",
        "each of its lines makes it log another, and its last words are lost with it",
    ),
    (
        Rule::RouterUnseen,
        "router-unseen",
        "errors, and the account of what was delivered, are in its own log",
    ),
    (Rule::RouterIdle, "router-idle", "it costs memory and routes nothing"),
    (
        Rule::CommandReplaced,
        "command-replaced",
        "the router may read another configuration than the one that is judged here",
    ),
    (Rule::SocketHidden, "socket-hidden", "the log drivers do not reach the router's socket"),
    (
        Rule::RouterUser,
        "router-user",
        "the agent gives the socket's folder to this user and takes numbers only",
    ),
    (
        Rule::ReadOnlyFileSystem,
        "read-only-file-system",
        "what is to be written there cannot be written",
    ),
    (
        Rule::MemoryLimit,
        "memory-limit",
        "a container that needs more than its limit is killed, and what waited in it is lost",
    ),
    (
        Rule::BufferSize,
        "buffer-size",
        "the buffer is what bridges an outage of CloudWatch Logs; when it is full, applications wait",
    ),
    (
        Rule::TaskMemory,
        "task-memory",
        "containers and log drivers share the task's memory; the first to want too much is killed",
    ),
    (
        Rule::StopTimeout,
        "stop-timeout",
        "after SIGTERM the router delivers until Grace is over; ECS kills it after stopTimeout",
    ),
    (
        Rule::DriverBufferLimit,
        "driver-buffer-limit",
        "Docker's log driver drops events, unseen, when more than this number of them wait",
    ),
    (
        Rule::OptionName,
        "option-name",
        "the agent fails the task: \"missing output key Name which is required\"",
    ),
    (
        Rule::OptionSpelling,
        "option-spelling",
        "the agent knows its options in one spelling only and takes any other for the output's",
    ),
    (
        Rule::MatchOption,
        "match-option",
        "the agent's own Match would lead this container's records here, and no others",
    ),
    (
        Rule::PlainSecret,
        "secret-in-plain-text",
        "everyone who may describe the task definition can read it",
    ),
    (
        Rule::StaticCredentials,
        "static-credentials",
        "they come before the task's role and do not change with it",
    ),
    (Rule::ExternalConfig, "external-config", "without it the task or the router does not start"),
    (
        Rule::ExternalConfigOnFargate,
        "external-config-on-fargate",
        "on Fargate ECS takes config-file-type file only",
    ),
    (
        Rule::ExternalConfigUnseen,
        "external-config-unseen",
        "it may add inputs, filters, outputs and service settings; what follows knows none of them",
    ),
    (
        Rule::EcsMetadata,
        "ecs-metadata",
        "the agent takes true and false; at anything else it leaves the metadata out without failing",
    ),
    (
        Rule::HealthCheckUnanswered,
        "health-check-unanswered",
        "ECS stops a task whose essential container is unhealthy",
    ),
    (
        Rule::HealthCheckForm,
        "health-check-form",
        "Docker runs CMD as it stands and CMD-SHELL in a shell, and no other form at all",
    ),
    (
        Rule::HealthCheckTool,
        "health-check-tool",
        "a command that is not there fails, and ECS stops the task as unhealthy",
    ),
    (
        Rule::HealthCheckOfOutputs,
        "health-check-of-outputs",
        "when CloudWatch Logs fails, every task with this check is replaced, with what waits in it",
    ),
    (Rule::DependsOn, "depends-on", "the container does not start"),
    (
        Rule::RouterDependsOn,
        "router-depends-on",
        "then the agent does not see to it that the router starts first and stops last",
    ),
    (Rule::PortTaken, "port-taken", "containers of a task in awsvpc mode share their ports"),
    (Rule::TaskRole, "task-role", "without credentials nothing can be delivered"),
    (Rule::ExecutionRole, "execution-role", "without it ECS cannot prepare the task"),
    (Rule::ContainerWithoutLogs, "container-without-logs", "what it prints is not routed"),
];

impl Rule {
    /// Every kind, in the order of `docs/check.md`.
    pub fn all() -> impl Iterator<Item = Self> {
        RULES.iter().map(|(rule, ..)| *rule)
    }

    /// The name, which does not change from version to version.
    #[must_use]
    pub fn id(self) -> &'static str {
        RULES.get(self as usize).map_or("", |(_, id, _)| id)
    }

    /// Why it matters; empty where the finding says it all.
    #[must_use]
    pub fn why(self) -> &'static str {
        RULES.get(self as usize).map_or("", |(.., why)| why)
    }

    /// Whether it says more of an option than the reader of the configuration.
    pub(super) const fn explains_options(self) -> bool {
        matches!(self, Self::OptionSpelling | Self::MatchOption)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_kinds() {
        assert!(Rule::all().enumerate().all(|(place, rule)| rule as usize == place));
    }

    #[test]
    fn names_are_small_letters_with_dashes_and_stand_once() {
        let mut ids: Vec<_> = Rule::all().map(Rule::id).collect();
        assert!(ids.iter().all(|id| id.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
    }

    #[test]
    fn the_reference_lists_every_kind_in_this_order() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/check.md");
        let text = std::fs::read_to_string(path).unwrap();
        let listed = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let known: Vec<_> = Rule::all().map(Rule::id).collect();
        assert_eq!(listed.filter(|id| known.contains(id)).collect::<Vec<_>>(), known);
    }
}
