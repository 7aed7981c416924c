//! A whole process in the test: the local endpoints, a sidecar in front of them, and peers.
//!
//! Every port is free and every file in a folder of its own, so that tests run side by side.

#![allow(dead_code, reason = "each test uses a part")]

pub mod metadata;
pub mod peer;
pub mod process;

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use firelane::clock;
use firelane::config::{self, Config, Disk, Environment};
use firelane::ledger::Balance;
use firelane::lifecycle::{StopSender, stop_channel};
use firelane::local::cloudwatch_logs::{self, AccountSummary, Fault, FaultPlan, Rule};
use firelane::local::{self, task_metadata};
use firelane::pipeline::{Account, Enrichment};
use firelane::sidecar::Sidecar;
use firelane::telemetry::Telemetry;
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// How long anything may take that is waited for: much more than it ever needs.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How often a condition is looked at.
pub const LOOK: Duration = Duration::from_millis(5);

/// The local endpoints and a folder, before a sidecar is started.
pub struct World {
    pub local: local::Running,
    pub folder: TempDir,
}

/// A sidecar at work.
pub struct Running {
    pub world: World,
    pub telemetry: Arc<Telemetry>,
    /// Of each input, as it is listened on.
    pub addresses: Vec<String>,
    pub admin: Option<SocketAddr>,
    stop: StopSender,
    account: JoinHandle<Account>,
}

impl World {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With other options of the CloudWatch Logs endpoint.
    pub async fn with(change: impl FnOnce(&mut cloudwatch_logs::Options)) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut cloudwatch = cloudwatch_logs::Options::new(any);
        cloudwatch.keep.sequence = true;
        change(&mut cloudwatch);
        let options = local::Options {
            cloudwatch_logs: Some(cloudwatch),
            tls: None,
            task_metadata: Some(task_metadata::Options::new(any)),
        };
        let local = local::start(options).await.expect("the local endpoints");
        Self { local, folder: tempfile::tempdir().expect("a folder") }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("fluent.sock")
    }

    pub fn cloudwatch(&self) -> &cloudwatch_logs::Handle {
        self.local.cloudwatch_logs().expect("the endpoint")
    }

    pub fn endpoint(&self) -> String {
        self.local.cloudwatch_logs_url().expect("the endpoint")
    }

    pub fn received(&self) -> AccountSummary {
        self.cloudwatch().account()
    }

    pub fn faults(&self, rules: Vec<Rule>) {
        self.cloudwatch().set_faults(FaultPlan { seed: 1, rules }).expect("a valid plan");
    }

    /// The variables that ECS sets, with the keys that the endpoint knows.
    pub fn environment(&self, more: &[(&str, &str)]) -> Environment {
        let keys = [
            ("AWS_ACCESS_KEY_ID", cloudwatch_logs::ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", cloudwatch_logs::SECRET_ACCESS_KEY),
        ];
        let all = keys.iter().chain(more);
        Environment::new(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())), None)
    }

    /// Reads a configuration: `@DIR@` stands for the folder, `@ENDPOINT@` for CloudWatch Logs.
    pub fn config(&self, text: &str) -> Config {
        let file = self.write("fluent-bit.conf", text);
        config::load(&file, &Disk, &self.environment(&[])).expect("a right configuration")
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let folder = self.folder.path().display().to_string();
        let text = text.replace("@DIR@", &folder).replace("@ENDPOINT@", &self.endpoint());
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).expect("a file in the folder");
        file
    }

    pub async fn run(self, text: &str) -> Running {
        let config = self.config(text);
        self.run_config(config, Enrichment::Off, &[]).await
    }

    pub async fn run_config(
        self,
        config: Config,
        enrichment: Enrichment,
        variables: &[(&str, &str)],
    ) -> Running {
        let environment = self.environment(variables);
        let started = clock::now();
        let sidecar = Sidecar::start(config, enrichment, &environment, started).await;
        let sidecar = sidecar.expect("a sidecar");
        let telemetry = sidecar.telemetry();
        let addresses = sidecar.addresses().into_iter().map(|(_, address)| address).collect();
        let admin = sidecar.admin_address();
        let (stop, stopping) = stop_channel();
        let account = tokio::spawn(sidecar.run(stopping));
        Running { world: self, telemetry, addresses, admin, stop, account }
    }
}

impl Running {
    /// The address of the input at this place of the configuration.
    pub fn address(&self, input: usize) -> &str {
        self.addresses.get(input).expect("an input")
    }

    /// Stops as SIGTERM does, and returns the closing account.
    pub async fn stop(self, grace: Duration) -> (Account, World) {
        self.stop.stop(clock::now(), grace);
        let ended = tokio::time::timeout(grace + PATIENCE, self.account).await;
        (ended.expect("an end in time").expect("no panic"), self.world)
    }

    /// Stops with time enough for everything, and checks that nothing is lost.
    pub async fn stop_well(self) -> World {
        let (account, world) = self.stop(PATIENCE).await;
        assert_eq!(account.lost(), 0, "{account:?}");
        world
    }

    /// The account of an output at this moment.
    pub fn output(&self, place: usize) -> Balance {
        self.telemetry.outputs.get(place).expect("an output").account.balance()
    }

    /// Waits until the endpoint has this many events.
    pub async fn arrived(&self, events: u64) {
        wait_for(&format!("{events} events at the endpoint"), || {
            self.look();
            self.world.received().events >= events
        })
        .await;
    }

    /// Every account balances, at whatever moment this is called.
    pub fn look(&self) {
        balances(&self.telemetry.intake.balance());
        self.telemetry.outputs.iter().for_each(|output| balances(&output.account.balance()));
    }
}

/// received + replayed + made = delivered + stored + merged + dropped + held.
pub fn balances(balance: &Balance) {
    let ended =
        balance.delivered + balance.stored + balance.merged + balance.dropped.iter().sum::<u64>();
    assert_eq!(
        balance.received + balance.replayed + balance.made,
        ended + balance.held,
        "{balance:?}"
    );
}

/// Waits for a condition; says which one did not come.
pub async fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(LOOK).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "waited in vain for {what}");
}

/// Waits for a future that must come to its end.
pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(PATIENCE, future).await;
    ended.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// A fault that the next so many requests meet.
pub fn next(count: u64, fault: Fault) -> Rule {
    Rule { next: Some(count), ..Rule::always(fault) }
}

/// Checks that `records` of each id arrived: none missing, none out of order, and says how many
/// came twice.
pub fn all_arrived(received: &AccountSummary, ids: &[&str], records: u64) -> u64 {
    let mut twice = 0;
    for id in ids {
        let count = received.sequences.get(*id).unwrap_or_else(|| panic!("nothing of {id}"));
        assert_eq!(count.received - count.duplicates, records, "{id}: missing, {count:?}");
        assert_eq!((count.min, count.max), (0, records - 1), "{id}");
        assert_eq!(count.inversions, 0, "{id}: out of order");
        twice += count.duplicates;
    }
    assert_eq!(received.violations.len(), 0, "{:?}", received.violations);
    twice
}
