//! Everything that is asked of AWS passes here: it is counted, it makes the trace, and some of it goes wrong.
//!
//! Knows requests as bytes. The SDK writes maps in any order, so that a request counts by what it is made of, whatever
//! the order. Must not know what a request means.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use local_stack::aws::{Strike, Tap, Wired};

use crate::plan::mix;

/// The tap of one run.
pub(crate) struct Wiretap {
    state: Mutex<State>,
    /// Counts writes of the tables, so that who looks knows whether there can be something new.
    writes: AtomicU64,
}

struct State {
    dice: Rng,
    percent: u8,
    watched: bool,
    aloud: bool,
    trace: u64,
    requests: BTreeMap<String, u64>,
    struck: u64,
}

impl Wiretap {
    pub(crate) fn new(seed: u64, aloud: bool) -> Self {
        Self {
            state: Mutex::new(State {
                dice: Rng::with_seed(mix(seed, 0x7a9)),
                percent: 0,
                watched: true,
                aloud,
                trace: 0,
                requests: BTreeMap::new(),
                struck: 0,
            }),
            writes: AtomicU64::new(0),
        }
    }

    /// From now on so many percent of the requests to the tables go wrong.
    pub(crate) fn break_some(&self, percent: u8) {
        self.lock().percent = percent;
    }

    /// Looks of the simulation itself neither count nor go wrong.
    pub(crate) fn watch(&self, watched: bool) {
        self.lock().watched = watched;
    }

    /// Something else that has happened.
    pub(crate) fn note(&self, what: &str) {
        let mut state = self.lock();
        state.trace = mix(state.trace, hash(what.as_bytes()));
        if state.aloud {
            drop(state);
            crate::say(&format!("      {what}"));
        }
    }

    pub(crate) fn trace(&self) -> u64 {
        self.lock().trace
    }

    /// Requests that went wrong.
    pub(crate) fn struck(&self) -> u64 {
        self.lock().struck
    }

    /// Requests by action.
    pub(crate) fn requests(&self) -> BTreeMap<String, u64> {
        self.lock().requests.clone()
    }

    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tap for Wiretap {
    fn request(&self, request: Wired<'_>) -> Strike {
        let writes = request.service.starts_with("Dynamo") && !request.is_read();
        if writes {
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
        let mut state = self.lock();
        if !state.watched {
            return Strike::None;
        }
        *state.requests.entry(request.action.to_owned()).or_default() += 1;
        let mut strike = Strike::None;
        if request.service.starts_with("Dynamo") && state.dice.u8(0..100) < state.percent {
            let strikes = [Strike::Refused, Strike::AnswerLost, Strike::Repeated];
            strike = strikes[state.dice.usize(0..3)];
            state.struck += 1;
        }
        let pieces = pieces(request.body);
        state.trace = mix(mix(state.trace, hash(request.action.as_bytes())), pieces);
        if state.aloud {
            let body: String = String::from_utf8_lossy(request.body).chars().take(200).collect();
            let line = match strike {
                Strike::None => format!("      {} {body}", request.action),
                Strike::Refused | Strike::AnswerLost | Strike::Repeated => {
                    format!("      {} {strike:?} {body}", request.action)
                }
            };
            drop(state);
            crate::say(&line);
        }
        strike
    }

    fn answered(&self, request: Wired<'_>, status: u16) {
        let mut state = self.lock();
        if !state.watched {
            return;
        }
        state.trace = mix(state.trace, u64::from(status));
        if state.aloud && status != 200 {
            drop(state);
            crate::say(&format!("      {} was answered {status}", request.action));
        }
    }
}

/// Eight bytes at a time, as rustc hashes: every byte of every request comes by here.
fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x517c_c1b7_2722_0a95;
    let (words, rest) = bytes.as_chunks::<8>();
    let rest = rest.iter().map(|byte| u64::from(*byte));
    let words = words.iter().map(|word| u64::from_le_bytes(*word)).chain(rest);
    words.fold(bytes.len() as u64, |hash, word| {
        (hash.rotate_left(5) ^ word).wrapping_mul(FACTOR)
    })
}

/// A document by its words, in any order. What the SDK makes up, a token of its own for each transaction, is left out.
fn pieces(body: &[u8]) -> u64 {
    const MADE_UP: &[u8] = b"ClientRequestToken";
    let mut sum = 0_u64;
    let mut skip = 0_u8;
    let is_between = |byte: &u8| matches!(byte, b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"');
    for word in body.split(is_between).filter(|word| !word.is_empty()) {
        if word == MADE_UP {
            skip = 2;
        }
        if skip > 0 {
            skip -= 1;
            continue;
        }
        sum = sum.wrapping_add(mix(hash(word), word.len() as u64));
    }
    sum
}
