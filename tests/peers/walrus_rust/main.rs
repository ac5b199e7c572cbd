//! The original's storage engine, driven through what its documentation offers. Arguments and answer:
//! tests/peers/README.md.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use walrus_rust::{FsyncSchedule, ReadConsistency, Walrus};

/// A read of a batch may bring this much.
const READ_BYTES: usize = 1 << 20;

#[derive(Clone)]
struct Options {
    work: String,
    threads: usize,
    topics: usize,
    count: usize,
    min: usize,
    max: usize,
    batch: usize,
    seconds: f64,
    sync: String,
}

#[derive(Default)]
struct Tally {
    entries: usize,
    bytes: usize,
    latencies_ns: Vec<u32>,
}

/// Lehmer's generator: only lengths depend on it.
struct Lengths {
    state: u64,
    min: usize,
    span: usize,
}

impl Lengths {
    fn next(&mut self) -> usize {
        self.state = self.state * 48271 % 2147483647;
        self.min + self.state as usize % self.span
    }
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut given: HashMap<&str, &str> = HashMap::new();
    for pair in arguments.chunks(2) {
        if let [name, value] = pair {
            given.insert(name, value);
        }
    }
    let number = |name: &str, default: usize| -> usize {
        given.get(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let options = Options {
        work: given.get("--work").unwrap_or(&"append").to_string(),
        threads: number("--threads", 1),
        topics: number("--topics", number("--threads", 1)),
        count: number("--count", 100_000),
        min: number("--min", 500),
        max: number("--max", 1024),
        batch: number("--batch", 1),
        seconds: number("--seconds", 10) as f64,
        sync: given.get("--sync").unwrap_or(&"each").to_string(),
    };
    // Read by the engine when it opens; no thread runs yet.
    std::env::set_var("WALRUS_DATA_DIR", given.get("--dir").unwrap_or(&"."));
    std::env::set_var("WALRUS_QUIET", "1");

    let schedule = match options.sync.as_str() {
        "each" => FsyncSchedule::SyncEach,
        "none" => FsyncSchedule::NoFsync,
        millis => FsyncSchedule::Milliseconds(millis.parse().expect("each, none or milliseconds")),
    };
    let wal = Arc::new(Walrus::with_consistency_and_schedule(
        ReadConsistency::StrictlyAtOnce,
        schedule,
    )?);

    let (tallies, seconds) = match options.work.as_str() {
        "append" => run(&wal, &options, append),
        "read" => {
            prepare(&wal, &options);
            run(&wal, &options, read_batches)
        }
        "readNext" => {
            prepare(&wal, &options);
            run(&wal, &options, read_next)
        }
        other => panic!("unknown work {other}"),
    };
    report(&options.work, tallies, seconds);
    Ok(())
}

/** Writes all that is to be read, however long that takes. */
fn prepare(wal: &Arc<Walrus>, options: &Options) {
    run(wal, &Options { batch: 100, seconds: f64::INFINITY, ..options.clone() }, append);
}

type Work = fn(&Walrus, &Options, usize, &AtomicBool) -> Tally;

/// Runs `work` on all threads until their share is done or the time is over.
fn run(wal: &Arc<Walrus>, options: &Options, work: Work) -> (Vec<Tally>, f64) {
    let over = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let threads: Vec<_> = (0..options.threads)
        .map(|index| {
            let (wal, options, over) = (wal.clone(), options.clone(), over.clone());
            thread::spawn(move || work(&wal, &options, index, &over))
        })
        .collect();
    while threads.iter().any(|thread| !thread.is_finished()) {
        if start.elapsed().as_secs_f64() > options.seconds {
            over.store(true, Ordering::Relaxed);
        }
        thread::sleep(Duration::from_millis(2));
    }
    let seconds = start.elapsed().as_secs_f64();
    (threads.into_iter().map(|thread| thread.join().expect("a thread")).collect(), seconds)
}

fn topic_of(options: &Options, index: usize) -> String {
    format!("topic_{}", index % options.topics)
}

fn append(wal: &Walrus, options: &Options, index: usize, over: &AtomicBool) -> Tally {
    let topic = topic_of(options, index);
    let payload = vec![b'x'; options.max];
    let span = options.max - options.min + 1;
    let mut lengths = Lengths { state: index as u64 + 1, min: options.min, span };
    let mut tally = Tally::default();
    while tally.entries < options.count / options.threads && !over.load(Ordering::Relaxed) {
        let batch: Vec<&[u8]> = (0..options.batch).map(|_| &payload[..lengths.next()]).collect();
        let start = Instant::now();
        if options.batch == 1 {
            wal.append_for_topic(&topic, batch[0]).expect("append");
        } else {
            wal.batch_append_for_topic(&topic, &batch).expect("batch append");
        }
        tally.latencies_ns.push(start.elapsed().as_nanos() as u32);
        tally.entries += batch.len();
        tally.bytes += batch.iter().map(|entry| entry.len()).sum::<usize>();
    }
    tally
}

fn read_batches(wal: &Walrus, options: &Options, index: usize, over: &AtomicBool) -> Tally {
    let topic = topic_of(options, index);
    let mut tally = Tally::default();
    while !over.load(Ordering::Relaxed) {
        let start = Instant::now();
        let entries = wal.batch_read_for_topic(&topic, READ_BYTES, true).expect("batch read");
        if entries.is_empty() {
            break;
        }
        tally.latencies_ns.push(start.elapsed().as_nanos() as u32);
        tally.entries += entries.len();
        tally.bytes += entries.iter().map(|entry| entry.data.len()).sum::<usize>();
    }
    tally
}

fn read_next(wal: &Walrus, options: &Options, index: usize, over: &AtomicBool) -> Tally {
    let topic = topic_of(options, index);
    let mut tally = Tally::default();
    while !over.load(Ordering::Relaxed) {
        let start = Instant::now();
        let Some(entry) = wal.read_next(&topic, true).expect("read") else { break };
        tally.latencies_ns.push(start.elapsed().as_nanos() as u32);
        tally.entries += 1;
        tally.bytes += entry.data.len();
    }
    tally
}

fn report(work: &str, tallies: Vec<Tally>, seconds: f64) {
    let entries: usize = tallies.iter().map(|tally| tally.entries).sum();
    let bytes: usize = tallies.iter().map(|tally| tally.bytes).sum();
    let mut all: Vec<u32> = tallies.into_iter().flat_map(|tally| tally.latencies_ns).collect();
    all.sort_unstable();
    let at = |part: f64| all.get((all.len() as f64 * part) as usize).map_or(0.0, |ns| *ns as f64 / 1e3);
    println!(
        "{{\"peer\":\"walrus-rust\",\"version\":\"0.2.0\",\"work\":\"{work}\",\"entries\":{entries},\
         \"bytes\":{bytes},\"seconds\":{seconds:.3},\"p50Us\":{:.1},\"p99Us\":{:.1},\"p999Us\":{:.1}}}",
        at(0.5), at(0.99), at(0.999)
    );
}
