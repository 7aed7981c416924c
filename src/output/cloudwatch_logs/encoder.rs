//! How the requests of an output are encoded: plain, or compressed where that is asked for, makes
//! them smaller and is taken by the endpoint.
//!
//! Compressing is cut into pieces, so that no thread is held for longer than one of them takes. Must
//! not know streams, nor what requests say.

use std::io::Read as _;
use std::sync::{Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use tokio::sync::Mutex;
use tokio::task::yield_now;

use super::gzip::{Gzip, LEVEL, NotSmaller};
use super::sender::Encoding;

/// Least bytes of a body that is compressed. The head of a request with its signature has some 900
/// bytes, so that what a smaller body saves is less than a segment of TCP.
pub(super) const GZIP_BYTES_MIN: usize = 1_024;
/// Bytes that are compressed at once: some 100 µs of text, and of what hardly becomes smaller less
/// than 500 µs.
const PIECE_BYTES: usize = 32 * 1_024;
/// How long requests are sent plain after the endpoint took one plain that it had refused compressed.
/// An endpoint that never takes them costs one request more in this time.
pub(super) const REFUSED_REST: Duration = Duration::from_secs(3_600);

/// Encodes the bodies of one output.
#[derive(Debug)]
pub(super) struct Encoder {
    /// `None`: everything is sent plain. One body is compressed at a time, which bounds the memory;
    /// the others wait in their turn.
    gzip: Option<Mutex<Gzip>>,
    plain_until: StdMutex<Option<Instant>>,
}

/// The body of a request as it is sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Request {
    pub(super) body: Bytes,
    pub(super) encoding: Encoding,
}

impl Encoder {
    pub(super) fn new(compress: Encoding) -> Self {
        let gzip = match compress {
            Encoding::Plain => None,
            Encoding::Gzip => Some(Mutex::new(Gzip::new(LEVEL))),
        };
        Self { gzip, plain_until: StdMutex::default() }
    }

    /// Encodes a body. What is compressed is let go as soon as it is.
    pub(super) async fn encode(&self, body: Bytes, now: Instant) -> Request {
        let gzip = self.gzip.as_ref().filter(|_| body.len() >= GZIP_BYTES_MIN && !self.rests(now));
        let Some(gzip) = gzip else { return Request::plain(body) };
        match compress(&mut *gzip.lock().await, &body).await {
            Ok(body) => Request { body, encoding: Encoding::Gzip },
            Err(NotSmaller) => Request::plain(body),
        }
    }

    /// The endpoint took a request plain that it had refused compressed. `true`: it is time to say so.
    pub(super) fn refused(&self, now: Instant) -> bool {
        // Others that were on their way may have been refused, too.
        let is_told = self.rests(now);
        *self.plain_until.lock().unwrap_or_else(PoisonError::into_inner) =
            now.checked_add(REFUSED_REST);
        !is_told
    }

    fn rests(&self, now: Instant) -> bool {
        let until = self.plain_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| until > now)
    }
}

impl Request {
    fn plain(body: Bytes) -> Self {
        Self { body, encoding: Encoding::Plain }
    }

    /// The same request without compression; `None`: it has none.
    ///
    /// Rare, so that no plain body has to be kept for it.
    pub(super) async fn inflated(&self) -> Option<Self> {
        if self.encoding == Encoding::Plain {
            return None;
        }
        let mut decoder = GzDecoder::new(self.body.as_ref());
        let mut plain = Vec::new();
        // What we compressed can be read.
        while decoder.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut plain).ok()? > 0 {
            yield_now().await;
        }
        Some(Self::plain(Bytes::from(plain)))
    }
}

async fn compress(gzip: &mut Gzip, body: &Bytes) -> Result<Bytes, NotSmaller> {
    gzip.begin(body.len());
    for piece in body.chunks(PIECE_BYTES) {
        gzip.push(piece)?;
        yield_now().await;
    }
    gzip.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::gzip::tests::inflate;
    use super::*;

    fn encode(encoder: &Encoder, body: &[u8], now: Instant) -> Request {
        let body = Bytes::copy_from_slice(body);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(encoder.encode(body, now))
    }

    #[tokio::test]
    async fn a_body_below_the_least_is_plain_and_one_of_it_is_compressed() {
        let (encoder, now) = (Encoder::new(Encoding::Gzip), crate::clock::now());
        let text = Bytes::from_static(&[b'x'; GZIP_BYTES_MIN]);
        let less = text.slice(1..);
        assert_eq!(encoder.encode(less.clone(), now).await, Request::plain(less));
        let request = encoder.encode(text.clone(), now).await;
        assert_eq!(request.encoding, Encoding::Gzip);
        assert_eq!(inflate(&request.body), text);
    }

    #[tokio::test]
    async fn without_the_option_everything_is_plain() {
        let text = Bytes::from_static(&[b'x'; 10_000]);
        let encoder = Encoder::new(Encoding::Plain);
        let request = encoder.encode(text.clone(), crate::clock::now()).await;
        assert_eq!(request, Request::plain(text));
    }

    #[tokio::test]
    async fn after_a_refusal_requests_are_plain_for_a_time_and_it_is_told_once() {
        let (encoder, now) = (Encoder::new(Encoding::Gzip), crate::clock::now());
        let text = Bytes::from_static(&[b'x'; 10_000]);
        assert!(encoder.refused(now));
        assert!(!encoder.refused(now), "one that was on its way with the first");
        let last = now + REFUSED_REST - Duration::from_nanos(1);
        assert_eq!(encoder.encode(text.clone(), last).await.encoding, Encoding::Plain);
        let again = now + REFUSED_REST;
        assert_eq!(encoder.encode(text, again).await.encoding, Encoding::Gzip);
        assert!(encoder.refused(again), "after that time it is news");
    }

    #[tokio::test]
    async fn an_attempt_that_ends_early_leaves_the_next_its_turn() {
        let encoder = std::sync::Arc::new(Encoder::new(Encoding::Gzip));
        let text = Bytes::from(vec![b'x'; 10 * PIECE_BYTES]);
        let now = crate::clock::now();
        let (left, body) = (std::sync::Arc::clone(&encoder), text.clone());
        let left = tokio::spawn(async move { left.encode(body, now).await });
        yield_now().await;
        yield_now().await;
        left.abort();
        assert!(left.await.is_err_and(|error| error.is_cancelled()), "it was in its middle");
        let request = encoder.encode(text.clone(), now).await;
        assert_eq!(request.inflated().await, Some(Request::plain(text)));
    }

    proptest! {
        #[test]
        fn what_is_sent_is_the_body_never_longer_and_the_same_each_time(
            words in prop::collection::vec("[a-e]{1,9}|[^a-e]{1,9}", 0..600),
        ) {
            let (encoder, now) = (Encoder::new(Encoding::Gzip), crate::clock::now());
            let body = words.concat().into_bytes();
            let request = encode(&encoder, &body, now);
            match request.encoding {
                Encoding::Plain => prop_assert_eq!(&request.body[..], &body[..]),
                Encoding::Gzip => {
                    prop_assert!(request.body.len() < body.len());
                    prop_assert_eq!(inflate(&request.body), body.clone());
                }
            }
            prop_assert_eq!(encode(&encoder, &body, now), request);
        }
    }
}
