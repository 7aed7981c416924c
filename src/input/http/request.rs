//! One request: its body is read, unpacked and decoded, its records are taken in, and only then is
//! it answered.
//!
//! All memory of all its chunks is taken before the first of them is handed on: a request is taken
//! in as a whole or leaves nothing behind. Must not know how its connection is served.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::http::request::Parts;

use super::Settings;
use super::answer::{self, Answer, Refusal};
use super::body::Decoder;
use super::content::{self, Content, Wish};
use super::paid::Paid;
use super::pulse::Pulse;
use super::tag;
use super::tagged::{Stamp, Tagged};
use crate::chunk::Chunk;
use crate::clock;
use crate::input::Intake;
use crate::input::inflate::{Codec, InflateError, Inflater};
use crate::input::owed::Owed;
use crate::input::socket::Peer;
use crate::ledger::Share;
use crate::record::chunk::TaggedEntries;
use crate::record::json_in::Pair;
use crate::telemetry::InputCounters;
use crate::telemetry::odd::OddReason;

/// Most bytes of a refused request that are read on, so that its sender reads the answer: one whose
/// bytes nobody reads may find its connection reset before.
const DRAIN_BYTES_MAX: usize = 16 * 1_024 * 1_024;
/// How long that may take.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(2);
/// Most bytes by which the room for an unpacked body grows at once.
const GROWTH_BYTES_MAX: usize = 1 << 20;
/// Least bytes by which it does.
const GROWTH_BYTES_MIN: usize = 4 * 1_024;

/// What others read at once. Where there is not as much, memory is short.
const PRESSURE_BYTES: usize = 64 * 1_024;
/// How often is looked whether memory is short, while a body comes slowly.
const PRESSURE_LOOK: Duration = Duration::from_millis(500);

/// A peer, and what its requests need.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) settings: Arc<Settings>,
    pub(super) peer: Peer,
    pub(super) intake: Intake,
    pub(super) counters: Arc<InputCounters>,
    pub(super) pulse: Arc<Pulse>,
}

/// A request being served, until it is dropped.
struct Serving<'a>(&'a Pulse);

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.0.end(clock::now());
    }
}

/// A body on its way.
struct Upload {
    body: Incoming,
    idle: Option<Duration>,
    /// Whether its sender sends without being told to.
    flows: bool,
}

impl Visit {
    /// Serves one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Answer {
        self.pulse.begin();
        let _serving = Serving(&self.pulse);
        let (head, body) = request.into_parts();
        let flows = !content::expects_word(&head.headers);
        let mut upload = Upload { body, idle: self.settings.idle, flows };
        match self.serve(&head, &mut upload).await {
            Ok(answer) => answer,
            Err(refusal) => {
                self.log(&head, &refusal);
                upload.drain(&refusal).await;
                answer::refusal(&refusal, head.version)
            }
        }
    }

    async fn serve(&self, head: &Parts, upload: &mut Upload) -> Result<Answer, Refusal> {
        let content = match content::wish(head, upload.has_body(), self.settings.has_health)? {
            Wish::Health => return Ok(answer::health()),
            Wish::Records(content) => content,
        };
        let wait = self.settings.pressure_wait;
        let mut paid = Paid::new(&self.intake, &self.counters, wait);
        let body = match &content.param {
            Some(param) => {
                paid.raise_to(param.len()).await?;
                param.clone()
            }
            None => self.body(head, upload, &mut paid).await?,
        };
        let body = match content.codec {
            Some(codec) => {
                let bytes_max =
                    content.unpacked_bytes_max(codec, &body, self.settings.body_bytes_max);
                unpacked(codec, body, bytes_max, &mut paid).await?
            }
            None => body,
        };
        let tagged = self.decoded(head, &content, body, &mut paid).await?;
        self.take_in(tagged, &mut paid).await
    }

    /// Reads the body, for which is paid as it comes and not by what it is said to be.
    async fn body(
        &self,
        head: &Parts,
        upload: &mut Upload,
        paid: &mut Paid<'_>,
    ) -> Result<Vec<u8>, Refusal> {
        let bytes_max = self.settings.body_bytes_max;
        let too_large = Refusal::TooLarge { bytes_max };
        let claimed = content::claimed_bytes(&head.headers);
        let claimed = claimed.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        if claimed.is_some_and(|claimed| claimed > bytes_max) {
            return Err(too_large);
        }
        let mut bytes = Vec::new();
        let mut pressed = pin!(self.pressed());
        loop {
            let data = tokio::select! {
                biased;
                data = upload.next() => data?,
                () = pressed.as_mut() => return Err(Refusal::Busy),
            };
            let Some(data) = data else { break };
            let length = bytes.len() + data.len();
            if length > bytes_max {
                return Err(too_large);
            }
            if length > bytes.capacity() {
                let doubled = (2 * bytes.len()).min(claimed.unwrap_or(bytes_max));
                let room = length.max(doubled);
                paid.raise_to(room).await?;
                bytes.reserve_exact(room - bytes.len());
            }
            bytes.extend_from_slice(&data);
        }
        if bytes.is_empty() { Err(Refusal::NoPayload) } else { Ok(bytes) }
    }

    /// Returns once a body had its time and others need the memory that it keeps: however slowly it
    /// comes, it costs its sender and not them.
    async fn pressed(&self) {
        tokio::time::sleep(self.settings.pressure_wait).await;
        while self.intake.budget.try_take(PRESSURE_BYTES).is_some() {
            tokio::time::sleep(PRESSURE_LOOK).await;
        }
    }

    async fn decoded<'a>(
        &'a self,
        head: &'a Parts,
        content: &Content,
        body: Vec<u8>,
        paid: &mut Paid<'_>,
    ) -> Result<Tagged<'a>, Refusal> {
        let key = self.settings.remote_addr_key.as_deref();
        let address = key.zip(content::remote_addr(&head.headers));
        let mut tagged = Tagged::new(Stamp {
            time: content.time.unwrap_or_else(clock::event_now),
            tag: tag::of_path(head.uri.path()).unwrap_or_else(|| self.settings.tag.clone()),
            tag_key: self.settings.tag_key.as_ref(),
            remote_addr: address.map(|(key, text)| Pair { key, text }),
        });
        let mut decoder = Decoder::new(content.form, &body);
        loop {
            let room = decoder.room_bytes();
            paid.raise_to(body.capacity().saturating_add(tagged.bytes()).saturating_add(room))
                .await?;
            if !decoder.step(&mut tagged)? {
                return Ok(tagged);
            }
            // Others have their turn: a body may be large.
            tokio::task::yield_now().await;
        }
    }

    /// Hands all records on, once all their memory is there.
    async fn take_in(&self, tagged: Tagged<'_>, paid: &mut Paid<'_>) -> Result<Answer, Refusal> {
        let (records, skipped) = (tagged.records(), tagged.skipped());
        let chunks = tagged.finish();
        let cost = |chunk: &TaggedEntries| Chunk::cost_bytes(&chunk.tag, &chunk.entries);
        let total = chunks.iter().map(cost).sum();
        paid.raise_to(total).await?;
        let bytes: usize = chunks.iter().map(|chunk| chunk.entries.data.len()).sum();
        let paid_for = |chunk: TaggedEntries| {
            let share = paid.split(cost(&chunk));
            (chunk, share)
        };
        let mut owed = Owed::new(self.intake.storage);
        let marked = |(chunk, mut share): (TaggedEntries, Share)| {
            share.follow(owed.mark());
            (chunk, share)
        };
        let chunks = chunks.into_iter().map(paid_for).map(marked);
        let chunks: Vec<(TaggedEntries, Share)> = chunks.collect();
        owed.push(());
        paid.shrink_to(0);
        self.counters.records.add(records);
        self.counters.bytes.add(bytes as u64);
        self.counters.odd(OddReason::RecordNotMap, skipped);
        let intake = self.intake.clone();
        // A task of its own: a peer that goes away ends the serving of its request wherever that
        // stands, and what was begun here has to be done.
        let handed_on = tokio::spawn(async move {
            // The ring may close in between: what is left gets its place in the ledger all the same.
            let (mut some, mut all) = (false, true);
            for (chunk, share) in chunks {
                let taken = intake.take_in(chunk, share).await.is_ok();
                some |= taken;
                all &= taken;
            }
            (some, all)
        });
        match handed_on.await {
            Ok((_, true)) => self.stored(owed).await,
            Ok((false, false)) => Err(Refusal::Ending),
            Ok((true, false)) | Err(_) => Err(Refusal::EndingWithin),
        }
    }

    /// Answers once all records are stored, where that is to be waited for.
    async fn stored(&self, mut owed: Owed<()>) -> Result<Answer, Refusal> {
        if owed.pop_due().is_none() {
            let _owes = self.intake.activity.owes();
            let mut ending = self.intake.ending();
            tokio::select! {
                biased;
                () = owed.due() => {}
                () = ending.over() => return Err(Refusal::EndingWithin),
                () = tokio::time::sleep(self.settings.stored_wait) => {
                    return Err(Refusal::NotStored);
                }
            }
        }
        Ok(answer::success(&self.settings))
    }

    fn log(&self, head: &Parts, refusal: &Refusal) {
        let (input, peer, path) = (&self.counters.name, &self.peer, head.uri.path());
        let status = refusal.status();
        if self.settings.warnings.is_due(clock::now()) {
            tracing::warn!("{input}: {peer}: request to {path} refused with {status}: {refusal}");
        } else {
            tracing::debug!("{input}: {peer}: request to {path} refused with {status}: {refusal}");
        }
    }
}

impl Upload {
    /// Whether there is more to come of it.
    fn has_body(&self) -> bool {
        !self.body.is_end_stream()
    }

    /// The next bytes; `None`: the body is whole.
    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        self.flows = true;
        loop {
            let frame = self.body.frame();
            let frame = match self.idle {
                Some(idle) => {
                    tokio::time::timeout(idle, frame).await.map_err(|_| Refusal::Silent)?
                }
                None => frame.await,
            };
            match frame {
                None => return Ok(None),
                Some(Err(_)) => return Err(Refusal::Cut),
                // What follows a body is no part of it.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// Reads on, within limits, what its sender is sending anyway.
    async fn drain(&mut self, refusal: &Refusal) {
        if !self.flows
            || matches!(
                refusal,
                Refusal::Silent
                    | Refusal::Cut
                    | Refusal::Ending
                    | Refusal::EndingWithin
                    | Refusal::NotStored
            )
        {
            return;
        }
        let draining = async {
            let mut bytes = 0;
            while self.has_body() && bytes < DRAIN_BYTES_MAX {
                match self.next().await {
                    Ok(Some(data)) => bytes += data.len(),
                    Ok(None) | Err(_) => break,
                }
            }
        };
        // Whether it came to its end decides no more than whether the connection goes on.
        let _ = tokio::time::timeout(DRAIN_TIME_MAX, draining).await;
    }
}

/// Unpacks a body, for which is paid step by step.
async fn unpacked(
    codec: Codec,
    packed: Vec<u8>,
    bytes_max: usize,
    paid: &mut Paid<'_>,
) -> Result<Vec<u8>, Refusal> {
    let refusal = |error| match error {
        InflateError::TooLarge => Refusal::Inflated { bytes_max },
        InflateError::Corrupt => Refusal::Damaged,
    };
    let (mut inflater, mut out) = (Inflater::new(codec, &packed, bytes_max), Vec::new());
    loop {
        if out.len() == out.capacity() {
            let growth = out.len().max(4 * packed.len());
            let growth = growth.clamp(GROWTH_BYTES_MIN, GROWTH_BYTES_MAX);
            let growth = growth.max(inflater.room_bytes().map_err(refusal)?);
            let room = out.len() + growth;
            paid.raise_to(packed.capacity() + room + inflater.own_bytes()).await?;
            out.reserve_exact(growth);
        }
        if !inflater.step(&mut out).map_err(refusal)? {
            break;
        }
        // What the next step holds, which is more than the last where a window fills.
        paid.raise_to(packed.capacity() + out.capacity() + inflater.own_bytes()).await?;
        tokio::task::yield_now().await;
    }
    drop(inflater);
    drop(packed);
    out.shrink_to_fit();
    paid.raise_to(out.capacity()).await?;
    paid.shrink_to(out.capacity());
    if out.is_empty() { Err(Refusal::NoPayload) } else { Ok(out) }
}
