//! `nadikota learn`: a capture becomes routes, profiles and registry rows to paste, each guess with its reason.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use super::capture::Hearing;
use super::explain::open;
use super::progress::Progress;
use super::whole_file::WholeFile;
use super::{Failure, configuration, count, say};
use crate::capture::Captured;
use crate::config::{Config, profile_files};
use crate::learn::{Proposal, learn};

/// Messages that are held in memory, and bytes of their topics and payloads.
const MOST_MESSAGES: usize = 100_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// What `nadikota capture` wrote.
    #[arg(required_unless_present = "filter", conflicts_with = "filter")]
    file: Option<PathBuf>,
    /// Listens to the broker instead, for these topics: an MQTT filter; may be given several times.
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    #[command(flatten)]
    hearing: Hearing,
    /// Writes a folder instead of stdout: routes, profiles and rows as files that `nadikota check` accepts as they are.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) async fn run(options: &Options, files: &[PathBuf]) -> Result<(), Failure> {
    let config = configuration(files)?;
    let messages = match &options.file {
        Some(file) => read(file)?,
        None => {
            let mut messages = Vec::new();
            let keep = |message| {
                messages.push(message);
                Ok(())
            };
            let heard = options.hearing.hear(&options.filter, &config, keep).await?;
            if heard.messages == 0 {
                eprintln!("nothing came; {}", heard.advice(&options.filter));
                return Err(Failure::No);
            }
            eprintln!("{} heard: {heard}", count(heard.messages, "message"));
            messages
        }
    };
    let proposal = learn(&messages, &config.transform);
    match &options.out {
        None => say(sheet(&proposal).trim_end()),
        Some(dir) => write(dir, &proposal, &config),
    }
}

/// The messages of a file, as far as there is room for them.
fn read(file: &Path) -> Result<Vec<Captured>, Failure> {
    let (mut messages, mut bytes) = (Vec::new(), 0_usize);
    let size = std::fs::metadata(file).map_or(0, |found| found.len()).max(1);
    let mut reader = open(file)?;
    let mut progress = Progress::of("messages", true);
    while let Some(message) = reader.next() {
        let message = message.with_context(|| file.display().to_string())?;
        bytes = bytes.saturating_add(message.topic.len()).saturating_add(message.payload.len());
        if messages.len() >= MOST_MESSAGES || bytes > MOST_BYTES {
            eprintln!(
                "the capture is larger than what is learned from at once: only its first {} are used",
                count(messages.len(), "message")
            );
            break;
        }
        messages.push(message);
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let done = reader.position() as f64 / size as f64;
        progress.step(u64::try_from(messages.len()).unwrap_or(u64::MAX), done);
    }
    progress.end();
    Ok(messages)
}

/// One text with all three parts, for a person to paste from.
fn sheet(proposal: &Proposal) -> String {
    format!(
        "{}\n# ---- nadikota.toml: before routes that are more general ----\n\n{}\n\
         # ---- a file in the folder of `profiles`, such as profiles/learned.toml ----\n\n{}\n\
         # ---- the file of `devices`: fill in district, site and position ----\n\n{}",
        proposal.told(),
        proposal.routes(),
        proposal.profiles(),
        proposal.devices()
    )
}

/// A configuration of its own in a folder that is not there yet, or empty.
fn write(dir: &Path, proposal: &Proposal, config: &Config) -> Result<(), Failure> {
    let failed = || format!("cannot write into {}", dir.display());
    std::fs::create_dir_all(dir.join("profiles")).with_context(failed)?;
    let main = dir.join("nadikota.toml");
    if main.exists() {
        return Err(Failure::Failed(anyhow!(
            "{} is there already, perhaps with your edits: name another folder, or remove it",
            main.display()
        )));
    }
    let zone = config.time_zone.iana_name().unwrap_or("UTC");
    let catalogue = config.path_of("catalogue").map(|path| {
        let path = path.canonicalize().unwrap_or(path);
        format!("catalogue = {}\n", serde_json::Value::from(path.display().to_string()))
    });
    let text = format!(
        "{}# To try it: nadikota --config {} explain --capture FILE --summary\n# Then paste the routes into your own \
         nadikota.toml, before more general ones.\n\ntime_zone = \"{zone}\"\ndevices = \"devices.csv\"\nprofiles = \
         \"profiles\"\n{}\n[[destinations]]\nname = \"default\"\nkind = \"embedded\"\n\n{}",
        proposal.told(),
        main.display(),
        catalogue.unwrap_or_default(),
        proposal.routes()
    );
    let mut profiles = profile_files(config).map_err(|why| anyhow!(why))?;
    profiles.push((
        "learned.toml".to_owned(),
        format!("{}\n[profiles]\n{}", proposal.told(), proposal.profiles()),
    ));
    for (name, text) in profiles {
        put(dir.join("profiles").join(name), &text)?;
    }
    put(dir.join("devices.csv"), &format!("{}{}", Proposal::devices_head(), proposal.devices()))?;
    put(main.clone(), &text)?;
    eprintln!("{}; try it: nadikota --config {} check", dir.display(), main.display());
    Ok(())
}

fn put(path: PathBuf, text: &str) -> anyhow::Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write(text.as_bytes())?;
    file.close()
}
