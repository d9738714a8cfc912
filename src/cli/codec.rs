//! `nadikota codec test`: a codec against its vectors, with a diff for each case that fails.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Failure, count, say, say_json};
use crate::codec::vectors::{TOLERANCE, Vectors, Verdict};
use crate::codec::{Codecs, Limits};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Runs every vector through a codec; exits with 0 only if all pass. Needs no configuration.
    Test(Test),
}

#[derive(Debug, clap::Args)]
pub(super) struct Test {
    /// The codec's script.
    #[arg(value_name = "FILE")]
    codec: PathBuf,
    /// Inputs with the outputs they must give, as JSON; without it FILE.vectors.json beside the script.
    #[arg(long, value_name = "FILE")]
    vectors: Option<PathBuf>,
    /// The share by which numbers may differ.
    #[arg(long, value_name = "SHARE", default_value_t = TOLERANCE)]
    tolerance: f64,
    /// One JSON object on stdout instead of lines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Told<'t> {
    passed: usize,
    failed: usize,
    /// Cases of downlinks, which are not tried.
    skipped: usize,
    cases: Vec<ToldCase<'t>>,
}

#[derive(Debug, Serialize)]
struct ToldCase<'t> {
    name: &'t str,
    passed: bool,
    differences: &'t [String],
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    let Command::Test(options) = command;
    if !options.tolerance.is_finite() || options.tolerance < 0.0 {
        say("--tolerance must be a share from 0 on, such as 1e-6")?;
        return Err(Failure::Usage);
    }
    let beside = options.codec.with_extension("vectors.json");
    let file = options.vectors.as_deref().unwrap_or(&beside);
    let name = options.codec.file_name().map_or_else(|| "codec.js".into(), |name| name.to_string_lossy());
    let mut codecs = Codecs::new(Limits::default());
    let text = read(&options.codec)?;
    let vectors = read(file)?;
    codecs.add(&name, &text).map_err(|wrong| Failure::Failed(anyhow::anyhow!(wrong)))?;
    let vectors = Vectors::parse(&vectors)
        .map_err(|wrong| Failure::Failed(anyhow::anyhow!("{}: {wrong}", file.display())))?;
    let verdicts = vectors.judge(&codecs, &name, options.tolerance);
    let failed = verdicts.iter().filter(|verdict| !verdict.differences.is_empty()).count();
    let passed = verdicts.len().saturating_sub(failed);
    if options.json {
        let cases = verdicts.iter().map(ToldCase::new).collect();
        say_json(&Told { passed, failed, skipped: vectors.skipped, cases })?;
    } else {
        for verdict in verdicts.iter().filter(|verdict| !verdict.differences.is_empty()) {
            say(format!("FAILED  {}", verdict.name.escape_debug()))?;
            for difference in &verdict.differences {
                say(format!("  {}", difference.escape_debug()))?;
            }
        }
        if vectors.skipped > 0 {
            say(format!("{} of downlinks not tried", count(vectors.skipped, "case")))?;
        }
        say(format!("{} of {} passed", passed, count(verdicts.len(), "case")))?;
    }
    if failed == 0 { Ok(()) } else { Err(Failure::No) }
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        Failure::Failed(anyhow::Error::new(error).context(format!("cannot read {}", path.display())))
    })
}

impl<'t> ToldCase<'t> {
    fn new(verdict: &'t Verdict) -> Self {
        let differences = &verdict.differences;
        Self { name: &verdict.name, passed: differences.is_empty(), differences }
    }
}
