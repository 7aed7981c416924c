//! Connections over a pair of sockets, with the ring in the hands of the test.

use std::io::Write as _;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::*;
use crate::chunk::{Chunk, Storage};
use crate::input::owed::OWED_MAX;
use crate::input::{LARGE_BYTES, Terms};
use crate::ledger::{Account, Budget, Reason};
use crate::ring::Ring;

/// A peer of a `forward` input, and what it has sent.
struct Stand {
    peer: UnixStream,
    intake: Intake,
    served: JoinHandle<()>,
}

impl Stand {
    fn new(storage: Storage) -> Self {
        let (ours, peer) = UnixStream::pair().unwrap();
        let ring = Arc::new(Ring::new(1_024));
        let intake = Intake::new(ring, Budget::new(10_000_000), Arc::new(Account::default()));
        let intake = intake.for_input(0, &Terms { storage, ..Terms::default() });
        let admitted = Admitted {
            socket: Socket::Unix(ours),
            peer: Peer::Unix,
            greeted_by: None,
            warns_of_timeout: false,
            io_timeout: None,
        };
        let decoder = forward::decode::Decoder::new(forward::decode::DecodeOptions::default());
        let decoder = Decoder::Forward(Box::new(decoder));
        let counters = Arc::new(InputCounters::new("forward.0"));
        let connection = Connection::new(admitted, decoder, intake.clone(), counters);
        Self { peer, intake, served: tokio::spawn(connection.serve(None)) }
    }

    /// Sends a record for which an ack with this id is wanted.
    async fn send(&mut self, id: u8) {
        let frame = [b"\x94\xa1t\x01\x81\xa1k\xa1v\x81\xa5chunk\xcc".as_slice(), &[id]].concat();
        self.peer.write_all(&frame).await.unwrap();
    }

    /// Sends bytes from a task of their own, as the connection takes them.
    fn send_all(&mut self, bytes: Vec<u8>) {
        let (peer, _) = UnixStream::pair().unwrap();
        let mut peer = std::mem::replace(&mut self.peer, peer);
        tokio::spawn(async move {
            peer.write_all(&bytes).await.unwrap();
            std::future::pending::<()>().await;
        });
    }

    async fn chunk(&self) -> Chunk {
        self.intake.ring.pop().await.unwrap()
    }

    /// The ids of the next acks.
    async fn acks(&mut self, count: usize) -> Vec<u8> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let mut ack = [0; 7];
            self.peer.read_exact(&mut ack).await.unwrap();
            assert_eq!(ack[..6], *b"\x81\xa3ack\xcc");
            ids.push(ack[6]);
        }
        ids
    }

    /// Whether nothing was answered, after everybody had several turns.
    async fn is_silent(&mut self) -> bool {
        turns().await;
        let mut byte = [0];
        self.peer.try_read(&mut byte).is_err()
    }

    /// Whether nothing was taken in, after everybody had several turns.
    async fn is_unread(&self) -> bool {
        turns().await;
        tokio::select! {
            biased;
            chunk = self.intake.ring.pop() => {
                chunk.unwrap().delivered();
                false
            }
            () = std::future::ready(()) => true,
        }
    }
}

/// Lets the other tasks of this thread, and its sockets, have several turns.
async fn turns() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_waits_in_memory_is_acknowledged_when_it_is_taken_in() {
    let mut stand = Stand::new(Storage::Memory);
    stand.send(1).await;
    assert_eq!(stand.acks(1).await, [1]);
    stand.chunk().await.delivered();
}

#[tokio::test]
async fn what_is_to_be_stored_is_acknowledged_once_it_is_and_in_its_order() {
    let mut stand = Stand::new(Storage::Filesystem);
    stand.send(1).await;
    let first = stand.chunk().await;
    assert_eq!(first.storage, Storage::Filesystem);
    assert!(stand.is_silent().await);
    // The peer is read on meanwhile.
    stand.send(2).await;
    stand.chunk().await.delivered();
    assert!(stand.is_silent().await);
    first.dropped(Reason::Refused);
    assert_eq!(stand.acks(2).await, [1, 2]);
}

#[tokio::test]
async fn what_was_left_is_never_acknowledged() {
    let mut stand = Stand::new(Storage::Filesystem);
    stand.send(1).await;
    stand.chunk().await.dropped(Reason::Stopped);
    stand.send(2).await;
    stand.chunk().await.delivered();
    assert!(stand.is_silent().await);
}

#[tokio::test]
async fn what_is_stored_after_reading_has_ended_is_acknowledged_still() {
    let mut stand = Stand::new(Storage::Filesystem);
    stand.send(1).await;
    let chunk = stand.chunk().await;
    stand.intake.end_reading();
    turns().await;
    assert!(!stand.served.is_finished() && !stand.intake.activity.is_busy());
    chunk.delivered();
    assert_eq!(stand.acks(1).await, [1]);
    stand.served.await.unwrap();
}

#[tokio::test]
async fn nobody_waits_for_an_ack_when_all_is_over() {
    let mut stand = Stand::new(Storage::Filesystem);
    stand.send(1).await;
    let chunk = stand.chunk().await;
    stand.intake.end_waiting();
    stand.served.await.unwrap();
    assert_eq!(stand.peer.read(&mut [0]).await.unwrap(), 0, "closed without an ack");
    chunk.delivered();
}

#[tokio::test]
async fn a_peer_that_closes_its_half_first_hears_of_what_it_sent() {
    let mut stand = Stand::new(Storage::Filesystem);
    stand.send(1).await;
    stand.peer.shutdown().await.unwrap();
    stand.chunk().await.delivered();
    assert_eq!(stand.acks(1).await, [1]);
    stand.served.await.unwrap();
}

#[tokio::test]
async fn a_peer_that_is_owed_too_much_is_not_read_on_until_it_is_answered() {
    let mut stand = Stand::new(Storage::Filesystem);
    let mut held = Vec::new();
    for id in 0..OWED_MAX {
        stand.send(u8::try_from(id).unwrap()).await;
        held.push(stand.chunk().await);
    }
    stand.send(200).await;
    assert!(stand.is_unread().await);
    held.remove(0).delivered();
    assert_eq!(stand.acks(1).await, [0]);
    assert!(!stand.is_unread().await);
    held.into_iter().for_each(Chunk::delivered);
}

/// A record of so many bytes that unpacks to them from a few.
fn packed(bytes: usize) -> Vec<u8> {
    let mut entry = b"\x92\x01\x81\xa1k\xc6".to_vec();
    entry.extend_from_slice(&u32::try_from(bytes).unwrap().to_be_bytes());
    entry.resize(entry.len() + bytes, 7);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&entry).unwrap();
    let gzip = gzip.finish().unwrap();
    let len = u16::try_from(gzip.len()).unwrap().to_be_bytes();
    [b"\x92\xa1t\xc5".as_slice(), &len, &gzip].concat()
}

#[tokio::test]
async fn a_frame_that_unpacks_to_much_waits_for_its_right_and_no_other_waits_for_it() {
    let mut stand = Stand::new(Storage::Memory);
    let elsewhere = stand.intake.take_large().await;
    stand.peer.write_all(&packed(LARGE_BYTES - 100)).await.unwrap();
    stand.chunk().await.delivered();
    stand.peer.write_all(&packed(LARGE_BYTES)).await.unwrap();
    assert!(stand.is_unread().await);
    assert_eq!(stand.intake.decoding.available_permits(), 1, "others of the input go on");
    drop(elsewhere);
    let chunk = stand.chunk().await;
    assert!(chunk.entries.data.len() > LARGE_BYTES);
    turns().await;
    chunk.delivered();
    // The budget paid for it, so its right is free again.
    assert!(stand.intake.take_large().await.is_some());
}

#[tokio::test]
async fn a_large_frame_of_json_waits_likewise() {
    let mut stand = Stand::new(Storage::Memory);
    let elsewhere = stand.intake.take_large().await;
    let frame = |bytes| format!("[\"t\",1,{{\"k\":\"{}\"}}]\n", "x".repeat(bytes));
    stand.send_all([frame(1), frame(LARGE_BYTES), frame(2)].concat().into_bytes());
    stand.chunk().await.delivered();
    assert!(stand.is_unread().await);
    drop(elsewhere);
    let lens = [stand.chunk().await, stand.chunk().await].map(|chunk| {
        let bytes = chunk.entries.data.len();
        chunk.delivered();
        bytes
    });
    assert!(lens[0] > LARGE_BYTES && lens[1] < 10, "{lens:?}");
}

#[tokio::test]
async fn a_large_frame_beyond_the_budget_keeps_its_right_until_its_records_have_gone() {
    let mut stand = Stand::new(Storage::Memory);
    let all = stand.intake.budget.try_take(10_000_000);
    let frame = packed(LARGE_BYTES);
    stand.peer.write_all(&frame).await.unwrap();
    let chunk = stand.chunk().await;
    turns().await;
    let large = stand.intake.take_large();
    tokio::pin!(large);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(large.as_mut().poll(&mut context).is_pending());
    chunk.delivered();
    assert!(large.await.is_some());
    drop(all);
}

#[tokio::test]
async fn a_frame_is_read_a_little_beyond_the_budget_and_then_needs_the_right_to_more() {
    let mut stand = Stand::new(Storage::Memory);
    let elsewhere = stand.intake.take_large().await;
    let all = stand.intake.budget.try_take(10_000_000);
    let reserve = stand.intake.reserve.try_take(64 * 1_024);
    let frame = |bytes: usize| {
        let len = u32::try_from(bytes).unwrap().to_be_bytes();
        [b"\x93\xa1t\x01\x81\xa1k\xc6".as_slice(), &len, &vec![7; bytes]].concat()
    };
    let small = LARGE_BYTES - READ_BYTES;
    stand.send_all([frame(small), frame(4 * LARGE_BYTES)].concat());
    stand.chunk().await.delivered();
    assert!(stand.is_unread().await);
    drop(elsewhere);
    stand.chunk().await.delivered();
    drop((all, reserve));
}

#[test]
fn the_part_of_a_frame_that_waits_keeps_no_read_buffer() {
    for (bytes, capacity_max) in [(1, 8), (1_000, 1_024), (60_000, READ_BYTES)] {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        buffer.extend_from_slice(&vec![7; bytes]);
        room::compact(&mut buffer);
        assert!(buffer.capacity() <= capacity_max, "{bytes}: {}", buffer.capacity());
        assert_eq!(buffer, vec![7; bytes]);
    }
}
