//! The promises, held against the books: what must be true at any moment, and what at the end.

use std::time::Duration;

use super::books::{Books, Ending, Kind};
use super::peers::TEXT_BYTES_MIN;
use super::scenario::{BUDGET_AMPLE_BYTES, End, OutputPlan, STORE_AMPLE_BYTES};
use super::told::{mistold, must_all_be_told};
use crate::input::RESERVE_BYTES;
use crate::ledger::{Account, Balance, Reason};
use crate::option::RetryLimit;
use crate::output::cloudwatch_logs::delivery::Limits;

/// What a run may take beyond its deadline: two looks at whether peers are silent, which come before
/// anything ends.
const DEADLINE_SLACK: Duration = Duration::from_millis(45);
/// What was sent so long before reading ended is read.
const SETTLED: Duration = Duration::from_millis(700);
/// How long a router may take to stop that has nothing to do and no peers.
const IDLE_STOP_MAX: Duration = Duration::from_millis(100);
/// What is kept of the time to stop so that what was on its way can be told.
const STOP_RESERVE: Duration = Duration::from_millis(200);
/// The same where what is left is written to disk.
const DISK_RESERVE: Duration = Duration::from_millis(1_200);
/// How long acks that wait for the disk are waited for after everything has its outcome.
const LAST_ACKS: Duration = Duration::from_millis(500);

/// What must be true at any moment.
pub(super) fn check(books: &mut Books) {
    books.checks += 1;
    books.follow_readers();
    if books.is_down {
        return;
    }
    if let Some(wrong) = broken(books) {
        books.wrong(wrong);
    }
}

fn broken(books: &Books) -> Option<String> {
    let telemetry = &books.telemetry;
    let intake = telemetry.intake.balance();
    let accounts = telemetry.outputs.iter().map(|output| (output.name.as_str(), &output.account));
    for (name, account) in accounts.chain([("intake", &telemetry.intake)]) {
        if let Some(wrong) = unbalanced(account) {
            return Some(format!("{name}: {wrong}"));
        }
    }
    let read: u64 = books.peers.iter().map(|peer| peer.received).sum();
    if intake.received > read {
        return Some(format!("{} records are received, {read} were read", intake.received));
    }
    let acked: u64 = books.peers.iter().map(|peer| peer.acked_lines).sum();
    if acked > intake.received && books.before.is_none() {
        return Some(format!("{acked} records are acknowledged, {} received", intake.received));
    }
    let early = books.peers.iter().position(|peer| {
        let last = peer.acked.checked_sub(1).and_then(|last| peer.ack_frames.get(last));
        !peer.is_http && last.is_some_and(|frame| *frame >= peer.whole)
    });
    if let Some(peer) = early {
        return Some(format!("peer {peer} has an ack of a frame that was not read"));
    }
    let used = telemetry.budget.used_bytes();
    if used > telemetry.budget.bytes_max() {
        return Some(format!("{used} bytes of the budget are used"));
    }
    if let Some(wrong) = mistold(books, false) {
        return Some(wrong);
    }
    for (at, (output, book)) in telemetry.outputs.iter().zip(&books.outputs).enumerate() {
        let balance = output.account.balance();
        if balance.received != intake.delivered {
            let (handed, received) = (intake.delivered, balance.received);
            return Some(format!("{}: {handed} handed on, {received} received", output.name));
        }
        if balance.delivered > book.delivered {
            let (ours, theirs) = (balance.delivered, book.delivered);
            return Some(format!("{}: {ours} delivered, {theirs} answered so", output.name));
        }
        let before = books.before.as_ref();
        let of_before = before.map_or(0, |before| {
            let left = &before.outputs[at];
            // All that comes again comes from disk.
            let unnoted = if before.keeps_notes { 0 } else { balance.replayed };
            left.in_doubt + left.unsure + unnoted
        });
        let doubted = output.ambiguous_records.get() + of_before;
        if book.doubles > doubted {
            let doubles = book.doubles;
            return Some(format!("{}: {doubles} came twice, {doubted} in doubt", output.name));
        }
    }
    // A reserve stands beside the budget, and is used where that is used up.
    let is_ample = telemetry.budget.bytes_max() == BUDGET_AMPLE_BYTES;
    let held = telemetry.outputs.iter().map(|output| output.account.balance().held).max();
    let held = (intake.held + held.unwrap_or(0)).saturating_sub(books.empty);
    let is_ample = is_ample && books.scenario.inputs.iter().all(|input| input.bytes_max.is_none());
    let beside = if is_ample { 0 } else { RESERVE_BYTES * books.scenario.inputs.len() as u64 };
    // What lies on disk takes no memory.
    let is_stored = books.scenario.store.is_some();
    if !is_stored && used + beside < held * TEXT_BYTES_MIN as u64 {
        return Some(format!("{held} records are held, and {used} bytes of memory"));
    }
    let given_up: u64 = telemetry.inputs.iter().map(|input| input.connection_errors.get()).sum();
    let silent = books.peers.iter().filter(|peer| peer.may_be_given_up).count() as u64;
    (given_up > silent).then(|| format!("{given_up} connections were closed by us"))
}

/// The ledger counts no outcome of what it has not entered.
fn unbalanced(account: &Account) -> Option<String> {
    let balance = account.balance();
    let Balance { received, replayed, made, delivered, merged, dropped, stored, held } = balance;
    let came = received + replayed + made;
    let ended = delivered + merged + dropped.iter().sum::<u64>() + stored;
    (came != ended + held).then(|| format!("{came} came in, {ended} ended, {held} are held"))
}

/// What must be true when the router has ended.
pub(super) fn check_end(books: &mut Books, ended_at: Duration) {
    check(books);
    let wrongs = [broken_end(books, ended_at), late(books, ended_at), lost(books, ended_at)];
    for wrong in wrongs.into_iter().flatten() {
        books.wrong(wrong);
    }
}

fn broken_end(books: &Books, ended_at: Duration) -> Option<String> {
    let telemetry = &books.telemetry;
    let intake = telemetry.intake.balance();
    let accounts = telemetry.outputs.iter().map(|output| output.account.balance());
    let held: u64 = accounts.chain([intake]).map(|balance| balance.held).sum();
    if held > 0 {
        return Some(format!("{held} records are held at the end"));
    }
    let used = telemetry.budget.used_bytes();
    if used > 0 {
        let connections = telemetry.inputs.iter().map(|input| input.connections.get());
        let open: u64 = connections.sum();
        return Some(format!("{used} bytes are used at the end, {open} connections are open"));
    }
    let parts = books.memories.iter().zip(&books.scenario.inputs);
    let held = parts.map(|(part, plan)| plan.bytes_max.map_or(0, |_| part.held_bytes())).max();
    if held.is_some_and(|held| held > 0) {
        return Some(format!("{held:?} bytes of an input's part are held at the end"));
    }
    let read: u64 = books.peers.iter().map(|peer| peer.received).sum();
    let least: u64 = books.peers.iter().map(|peer| peer.received_min()).sum();
    if !(least..=read).contains(&intake.received) {
        let received = intake.received;
        return Some(format!("{received} records received at the end, {least} to {read} read"));
    }
    if let Some(wrong) = mistold(books, must_all_be_told(books, ended_at >= forced_at(books))) {
        return Some(wrong);
    }
    if let Some(peer) = unread(books, ended_at) {
        return Some(format!("what peer {peer} had sent before was not read"));
    }
    let broken = books.service.violations();
    (!broken.is_empty()).then(|| format!("the service's rules were broken: {broken:?}"))
}

/// The peer of which something was left unread that came well before reading ended, though there was
/// time.
fn unread(books: &Books, ended_at: Duration) -> Option<usize> {
    if ended_at >= forced_at(books) {
        return None;
    }
    books.peers.iter().position(|peer| {
        let Some(channel) = &peer.to_reader else { return false };
        let is_old = channel.closed_after_put().is_some_and(|time| time >= SETTLED);
        let is_excused = peer.acked < peer.ack_frames.len() || peer.may_be_given_up;
        channel.taken() < channel.put() && is_old && !is_excused
    })
}

/// When the end of the time to stop may be felt: reading ends in its last third, sending shortly
/// before its end.
fn forced_at(books: &Books) -> Duration {
    let grace = books.scenario.stop.grace;
    let reading = grace - grace / 3;
    let since = books.stopped_at.unwrap_or_default();
    since + reading.min(grace.saturating_sub(reserve(books)))
}

fn reserve(books: &Books) -> Duration {
    let survives = books.scenario.store.as_ref().is_some_and(|store| store.survives);
    if survives { DISK_RESERVE } else { STOP_RESERVE }
}

/// Whether the router stopped in its time.
fn late(books: &Books, ended_at: Duration) -> Option<String> {
    let (stop, since) = (&books.scenario.stop, books.stopped_at?);
    let took = ended_at - since;
    let is_durable = books.scenario.is_durable();
    let acks = if is_durable { LAST_ACKS } else { Duration::ZERO };
    if took > stop.grace + DEADLINE_SLACK + acks {
        return Some(format!("stopping took {took:?} of {:?}", stop.grace));
    }
    let is_idle = books
        .peers
        .iter()
        .all(|peer| peer.to_reader.as_ref().is_none_or(|channel| channel.is_closed()));
    // Acks that wait for the disk are tried also where nobody reads them any more.
    // What there is to tell is told then.
    let tells = books.scenario.outputs.iter().any(|output| output.has_markers);
    let was_delivered = stop.at.is_none() && !is_durable && !tells;
    (is_idle && was_delivered && books.all_closed_at_stop && took > IDLE_STOP_MAX)
        .then(|| format!("stopping took {took:?} with nothing to do"))
}

/// Whether what is missing is counted under a reason that this scenario may have.
fn lost(books: &Books, ended_at: Duration) -> Option<String> {
    let scenario = &books.scenario;
    let telemetry = &books.telemetry;
    let since = books.stopped_at.unwrap_or_default();
    let grace = scenario.stop.grace;
    let may_stop = ended_at >= forced_at(books);
    // As long as the disk takes something nothing is given up, unless that was asked for.
    let may_exhaust = match scenario.retry_limit {
        RetryLimit::NoRetries => true,
        RetryLimit::Retries(_) => scenario.store.as_ref().is_none_or(|store| {
            // Where records choose their stream, parts of chunks have a bound of their own.
            let is_tight = |one: &OutputPlan| one.limits != Limits::default();
            let is_ample = store.faults.is_empty() && store.bytes_max == STORE_AMPLE_BYTES;
            !is_ample || scenario.outputs.iter().any(is_tight)
        }),
        RetryLimit::Unlimited => false,
    };
    let survives = scenario.store.as_ref().is_some_and(|store| store.survives);
    let has_room = scenario.store.as_ref().is_some_and(|store| {
        store.survives && store.faults.is_empty() && store.bytes_max == STORE_AMPLE_BYTES
    });
    let intake = telemetry.intake.balance();
    let accounts = telemetry.outputs.iter().map(|output| (&output.name, output.account.balance()));
    for (name, balance) in accounts.chain([(&"intake".to_owned(), intake)]) {
        if balance.stored > 0 && !(survives && may_stop) {
            return Some(format!("{name}: {} stored", balance.stored));
        }
        for reason in Reason::ALL {
            let is_allowed = match reason {
                // What a disk that survives has room for is stored.
                Reason::Stopped => may_stop && !has_room,
                Reason::RetriesExhausted => may_exhaust,
                Reason::TooOld | Reason::TooNew | Reason::Refused | Reason::Empty => true,
                _ => false,
            };
            let count = balance.dropped_for(reason);
            if count > 0 && !is_allowed {
                return Some(format!("{name}: {count} dropped as {}", reason.as_str()));
            }
        }
    }
    let deadline = since + grace.saturating_sub(reserve(books));
    for (output, book) in telemetry.outputs.iter().zip(&books.outputs) {
        let balance = output.account.balance();
        // An answer of the very moment of the deadline may not have been heard.
        let ended = |wanted, until: Duration| {
            let ends = book.taken.iter().filter_map(|taken| taken.end);
            ends.filter(|(end, at)| *end == wanted && *at < until).count() as u64
        };
        let endings = [Reason::TooOld, Reason::TooNew, Reason::Refused].map(Ending::Dropped);
        for wanted in endings.into_iter().chain([Ending::Delivered]) {
            let ours = match wanted {
                Ending::Delivered => balance.delivered,
                Ending::Dropped(reason) => balance.dropped_for(reason),
            };
            let (least, most) = (ended(wanted, deadline), ended(wanted, Duration::MAX));
            if !(least..=most).contains(&ours) {
                return Some(format!("{}: {ours} are {wanted:?}, expected {most}", output.name));
            }
        }
        let empty = |is_certain| {
            let lines = books.peers.iter().flat_map(|peer| peer.kept(is_certain));
            let lines = lines.flat_map(|(_, lines)| lines.clone());
            lines.filter(|line| books.lines[*line].kind == Kind::Empty).count() as u64
        };
        let (least, empty) = (empty(true), empty(false));
        let dropped = balance.dropped_for(Reason::Empty);
        let is_cut = balance.stored > 0
            || balance.dropped_for(Reason::Stopped) > 0
            || balance.dropped_for(Reason::RetriesExhausted) > 0
            || intake.dropped_for(Reason::Stopped) > 0;
        if dropped > empty || (dropped < least && !is_cut) {
            return Some(format!("{}: {dropped} dropped as empty of {empty}", output.name));
        }
    }
    None
}

/// What is where, for whoever looks for a reason.
pub(super) fn state(books: &Books) -> String {
    let telemetry = &books.telemetry;
    let outputs = telemetry.outputs.iter().map(|output| output.account.balance().to_string());
    let outputs: Vec<_> = outputs.collect();
    let acks: Vec<_> = books.peers.iter().map(|one| (one.acked, one.ack_frames.len())).collect();
    let channels = books.peers.iter().filter_map(|peer| peer.to_reader.as_ref());
    let read: Vec<_> = channels.map(|one| (one.taken(), one.put(), one.is_closed())).collect();
    let (intake, used) = (telemetry.intake.balance(), telemetry.budget.used_bytes());
    format!("intake {intake}, outputs {outputs:?}, {used} bytes used, read {read:?}, acks {acks:?}")
}

/// Changes with every record that comes in or has its outcome.
pub(super) fn progress(books: &Books) -> u64 {
    let telemetry = &books.telemetry;
    let accounts = telemetry.outputs.iter().map(|output| output.account.balance());
    let balances = accounts.chain([telemetry.intake.balance()]);
    balances.map(|one| 2 * (one.received + one.replayed) - one.held).sum()
}

/// Whether all that was sent and can be delivered is.
pub(super) fn is_quiet(books: &Books) -> bool {
    let telemetry = &books.telemetry;
    let accounts = telemetry.outputs.iter().map(|output| output.account.balance());
    let held: u64 = accounts.chain([telemetry.intake.balance()]).map(|balance| balance.held).sum();
    // A peer that goes before it has its acks is one that an ack cannot be written to: what it has
    // sent behind that is left.
    let is_read = |peer: &super::books::Peer| {
        let is_gone = peer.acked < peer.ack_frames.len();
        let channel = peer.to_reader.as_ref();
        channel.is_none_or(|one| one.taken() == one.put() || (one.is_closed() && is_gone))
    };
    let is_sent = books.peers.iter().zip(&books.scenario.peers).all(|(peer, plan)| {
        let is_cut = peer.to_reader.as_ref().is_some_and(|channel| channel.is_closed());
        let is_half = matches!(plan.end, End::BreaksOff | End::FallsSilent);
        let is_acked = peer.acked == peer.ack_frames.len();
        let is_whole = peer.frames.len() == plan.frames && (!is_half || peer.may_be_given_up);
        (is_cut || (is_whole && is_acked)) && is_read(peer)
    });
    held == 0 && is_sent
}
