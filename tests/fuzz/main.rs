//! Fuzzing on the stable toolchain: seeds first, then mutants of what behaved in a new way, each target in a process
//! of its own.
//!
//! ```sh
//! cargo test --test fuzz -- --for 10m              # every target, two at a time
//! cargo test --test fuzz -- --target senml --for 1h --seed 7
//! cargo test --test fuzz -- --target senml --replay FILE
//! ```
//!
//! There is no feedback from the compiler, as a nightly one could give. A target tells by a number how it behaved
//! (which reason, how many values, what kind); a number not seen before keeps the input for further mutation. A
//! panic, an abort, a death by memory and an input that takes longer than ten seconds are all found: the parent
//! looks at what its child had in hand, saves it under `target/tmp/fuzz` and prints it.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a surprise must end the process: that is how it is found"
)]

mod decoding;
mod lines;
mod mutate;
mod storage;
mod texts;
mod traps;

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nadikota::journal::disk::Note;
use nadikota::settings::Span;

use mutate::Mutator;

/// Tries one input, panics where a promise is broken, and tells by a number how it behaved.
pub type Try = Box<dyn FnMut(&[u8]) -> u64>;

/// What is fuzzed. Its seeds lie under `seeds/` in the folder of its name.
#[derive(Debug)]
pub struct Target {
    pub name: &'static str,
    pub build: fn(&Path) -> Try,
    /// Texts that mean something to it.
    pub words: &'static [&'static str],
}

impl Target {
    fn is_trap(&self) -> bool {
        self.name.starts_with("trap_")
    }

    /// A trap is there to be found, so nobody waits for it.
    fn too_long(&self) -> Duration {
        if self.name == traps::SLOW { Duration::from_secs(1) } else { TOO_LONG }
    }
}

/// No mutant is longer.
const LONGEST: usize = 16 * 1024;
/// Inputs kept for mutation.
const CORPUS: usize = 4096;
/// An input that takes longer is a find. A busy machine stops us for a while, but not for so long.
const TOO_LONG: Duration = Duration::from_secs(10);
/// More behaviours than this tell nothing new.
const BEHAVIOURS: usize = 1 << 20;
/// A child's address space: what needs more is a find.
const MEMORY: u64 = 4 << 30;

fn targets() -> Vec<Target> {
    let mut all = decoding::targets();
    all.extend(lines::targets());
    all.extend(storage::targets());
    all.extend(texts::targets());
    all
}

struct Options {
    within: Duration,
    seed: u64,
    jobs: usize,
    only: Vec<String>,
    replay: Option<PathBuf>,
    /// We are the child for this target and work in this folder.
    child: Option<(String, PathBuf)>,
}

impl Options {
    fn read(mut line: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            within: Duration::from_secs(3),
            seed: fastrand::u64(..),
            jobs: 2,
            only: Vec::new(),
            replay: None,
            child: None,
        };
        while let Some(name) = line.next() {
            let mut value = || line.next().ok_or(format!("{name} needs a value"));
            let number = |text: String| text.parse().map_err(|_| format!("{text} is no number"));
            match name.as_str() {
                "--for" => options.within = value()?.parse::<Span>()?.0,
                "--seed" => options.seed = number(value()?)?,
                "--jobs" => options.jobs = value()?.parse().map_err(|_| "--jobs needs a number")?,
                "--target" => options.only.push(value()?),
                "--replay" => options.replay = Some(value()?.into()),
                "--child" => options.child = Some((value()?, value()?.into())),
                _ => return Err(format!("unknown argument {name}; see tests/fuzz/main.rs")),
            }
        }
        let known = targets();
        let unknown = |wanted: &&String| !known.iter().any(|target| target.name == **wanted);
        if let Some(wanted) = options.only.iter().find(unknown) {
            let names: Vec<_> = known.iter().map(|target| target.name).collect();
            return Err(format!("there is no target {wanted}; there are {}", names.join(", ")));
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!("fuzz: {wrong}");
            return ExitCode::from(2);
        }
    };
    let chosen =
        |target: &Target| options.only.is_empty() || options.only.iter().any(|only| only == target.name);
    if let Some((name, dir)) = &options.child {
        let mut all = targets().into_iter().chain(traps::targets());
        let target = all.find(|target| target.name == name).expect("the parent knows it");
        work(&target, dir, options.within, options.seed);
        return ExitCode::SUCCESS;
    }
    if let Some(file) = &options.replay {
        let input = fs::read(file).expect("the file to replay");
        let dir = scratch();
        for target in targets().into_iter().filter(chosen) {
            (target.build)(dir.path())(&input);
            println!("{}: nothing happened", target.name);
        }
        return ExitCode::SUCCESS;
    }
    for trap in traps::targets() {
        let name = trap.name;
        if run(vec![trap], &options) != 1 {
            eprintln!("fuzz: {name} was not found: this run could find nothing like it");
            return ExitCode::FAILURE;
        }
    }
    println!("each trap was found, as it must be; now seed {}, {:?} each", options.seed, options.within);
    let finds = run(targets().into_iter().filter(chosen).collect(), &options);
    println!("{finds} finds");
    if finds == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the targets, some at a time; how many of them found something.
fn run(targets: Vec<Target>, options: &Options) -> usize {
    let mut waiting = VecDeque::from(targets);
    let mut working: Vec<Worker> = Vec::new();
    let mut finds = 0;
    while !waiting.is_empty() || !working.is_empty() {
        while working.len() < options.jobs.max(1)
            && let Some(target) = waiting.pop_front()
        {
            working.push(Worker::start(target, options));
        }
        working.retain_mut(|worker| match worker.ended() {
            None => true,
            Some(well) => {
                finds += usize::from(!well);
                false
            }
        });
        std::thread::sleep(Duration::from_millis(20));
    }
    finds
}

/// In memory where the machine allows it: storage is tried some thousand times a second.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a directory to work in")
}

/// The input that the child tries now: its length, then its bytes.
fn in_hand(dir: &Path) -> PathBuf {
    dir.join("in_hand")
}

/// One target's child.
struct Worker {
    target: Target,
    dir: tempfile::TempDir,
    child: Child,
}

impl Worker {
    fn start(target: Target, options: &Options) -> Self {
        let dir = scratch();
        fs::write(in_hand(dir.path()), []).expect("a file");
        let child = Command::new(std::env::current_exe().expect("our own program"))
            .args(["--child", target.name])
            .arg(dir.path())
            .args(["--seed", &options.seed.to_string()])
            .args(["--for", &Span(options.within).to_string()])
            .stdin(Stdio::null())
            .stderr(if target.is_trap() { Stdio::null() } else { Stdio::inherit() })
            .spawn()
            .expect("a child");
        Self { target, dir, child }
    }

    /// Whether it has ended, and well.
    fn ended(&mut self) -> Option<bool> {
        let why = match self.child.try_wait().expect("the state of our own child") {
            Some(status) if status.success() => return Some(true),
            Some(status) => status.to_string(),
            None if self.stuck() => {
                let _ = self.child.kill();
                let _ = self.child.wait();
                format!("took longer than {:?}", self.target.too_long())
            }
            None => return None,
        };
        if self.target.is_trap() {
            println!("{}: {why}", self.target.name);
            return Some(false);
        }
        let hand = fs::read(in_hand(self.dir.path())).unwrap_or_default();
        let length = hand.get(..8).and_then(|length| length.try_into().ok()).map_or(0, u64::from_le_bytes);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let input = hand.get(8..8_usize.saturating_add(length)).unwrap_or_default();
        let finds = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
        let file = finds.join(format!("{}-{:016x}", self.target.name, hash(&input)));
        fs::create_dir_all(&finds).and_then(|()| fs::write(&file, input)).expect("a place for the find");
        eprintln!(
            "FOUND: {}: {why}\n  input: {}\n  again: cargo test --test fuzz -- --target {} --replay {}",
            self.target.name,
            input.escape_ascii(),
            self.target.name,
            file.display()
        );
        Some(false)
    }

    /// What it has in hand has not changed for too long.
    fn stuck(&self) -> bool {
        let changed = fs::metadata(in_hand(self.dir.path())).and_then(|data| data.modified());
        changed.ok().and_then(|at| at.elapsed().ok()).is_some_and(|age| age > self.target.too_long())
    }
}

/// The child: seeds, then mutants until the time is over.
fn work(target: &Target, dir: &Path, within: Duration, seed: u64) {
    let limit = rustix::process::Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) };
    rustix::process::setrlimit(rustix::process::Resource::As, limit).expect("a limit of memory");
    let note = Note::open(&in_hand(dir)).expect("the file of what is in hand");
    let mut attempt = (target.build)(dir);
    let mut hand = Vec::new();
    let mut once = |input: &[u8]| {
        hand.clear();
        hand.extend(u64::try_from(input.len()).expect("a length").to_le_bytes());
        hand.extend(input);
        note.write(&hand).expect("a note of what is in hand");
        attempt(input)
    };
    let mut corpus = seeds(target.name);
    let planted = corpus.len();
    assert!(planted > 0, "{} has no seeds", target.name);
    let mut seen: HashSet<u64> = corpus.iter().map(|input| once(input)).collect();
    let mut mutator = Mutator::new(seed ^ hash(&target.name), target.words, LONGEST);
    let (begin, mut tries) = (Instant::now(), 0_u64);
    while begin.elapsed() < within {
        let input = mutator.mutant(&corpus);
        tries += 1;
        let behaviour = once(&input);
        if seen.len() < BEHAVIOURS && seen.insert(behaviour) {
            // The seeds stay; of the rest a random one goes where there are too many.
            match corpus.len() {
                full if full >= CORPUS => corpus[mutator.between(planted, CORPUS)] = input,
                _ => corpus.push(input),
            }
        }
    }
    let each = u64::try_from(begin.elapsed().as_millis()).expect("a time").max(1);
    println!(
        "{:<14} {planted} seeds, {tries} mutants, {}/s, {} behaviours",
        target.name,
        tries * 1000 / each,
        seen.len()
    );
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target);
    let mut paths: Vec<_> = fs::read_dir(&dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a seed")).collect()
}

/// A number for anything that can be hashed.
pub fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// The shape of a text: what numbers and quoted parts it holds makes no difference.
pub fn shape(text: &str) -> String {
    let plain = text.split('"').step_by(2).take(4).collect::<String>();
    plain.chars().filter(|c| c.is_ascii_alphabetic() || *c == ' ').take(80).collect()
}
