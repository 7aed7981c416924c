//! Step 6, output: connections that wait to be used again.
//!
//! Bounded in number, in time and in uses. Must not know how connections are made.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use super::connection::Connection;
use crate::clock;

/// Most connections that wait: as many requests as are on their way at once, and a few more.
const IDLE_MAX: usize = 8;

/// Connections that wait. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    idle: Arc<Mutex<Idle>>,
    rules: Rules,
}

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Whether anything is.
    pub(super) keepalive: bool,
    /// For how long; `None`: without end.
    pub(super) idle_timeout: Duration,
    /// For how many requests; `None`: without end.
    pub(super) uses_max: Option<u32>,
}

#[derive(Debug, Default)]
struct Idle {
    /// The one that was used last at the end.
    connections: Vec<Connection>,
    /// Whether a task closes those whose time is up.
    is_swept: bool,
}

impl Pool {
    pub(super) fn new(rules: Rules) -> Self {
        Self { idle: Arc::default(), rules }
    }

    /// The connection that was used last and is still open.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut idle = lock(&self.idle);
        let now = clock::now();
        while let Some(connection) = idle.connections.pop() {
            if connection.is_open() && !is_late(&connection, self.rules.idle_timeout, now) {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection that can be used again, if the rules say so.
    pub(super) fn put(&self, mut connection: Connection) {
        let is_used_up = self.rules.uses_max.is_some_and(|max| connection.uses >= max);
        if !self.rules.keepalive || is_used_up || self.rules.idle_timeout.is_zero() {
            return;
        }
        connection.idle_since = clock::now();
        let mut idle = lock(&self.idle);
        if idle.connections.len() >= IDLE_MAX {
            idle.connections.remove(0);
        }
        idle.connections.push(connection);
        if !std::mem::replace(&mut idle.is_swept, true) {
            // It holds the pool no longer than the last connection waits.
            tokio::spawn(sweep(Arc::clone(&self.idle), self.rules.idle_timeout));
        }
    }
}

/// Closes connections when their time is up, until none waits.
async fn sweep(idle: Arc<Mutex<Idle>>, timeout: Duration) {
    loop {
        let next = {
            let mut idle = lock(&idle);
            let now = clock::now();
            idle.connections.retain(|kept| kept.is_open() && !is_late(kept, timeout, now));
            let next =
                idle.connections.iter().filter_map(|kept| kept.idle_since.checked_add(timeout));
            let next = next.min();
            idle.is_swept = next.is_some();
            next
        };
        match next {
            Some(next) => sleep_until(next.into()).await,
            None => return,
        }
    }
}

fn is_late(connection: &Connection, timeout: Duration, now: Instant) -> bool {
    now.saturating_duration_since(connection.idle_since) >= timeout
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
