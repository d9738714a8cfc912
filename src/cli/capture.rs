//! `nadikota capture`: what devices publish, into a file to look at, to learn from and to play again.

mod hearing;

use std::path::PathBuf;

use super::whole_file::WholeFile;
use super::{Failure, configuration, count};

pub(super) use hearing::Hearing;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Which topics, an MQTT filter such as city/# or tele/+/SENSOR; may be given several times.
    #[arg(long, value_name = "FILTER", required = true)]
    filter: Vec<String>,
    #[command(flatten)]
    hearing: Hearing,
    /// The file, one JSON object a line; it is replaced when all is written, and its owner's alone.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) async fn run(options: Options, files: &[PathBuf]) -> Result<(), Failure> {
    let config = configuration(files)?;
    let mut file = WholeFile::create(options.out.clone())?;
    let heard = options.hearing.hear(&options.filter, &config, |message| {
        file.write(message.line().as_bytes())?;
        file.write(b"\n")
    });
    let heard = heard.await?;
    if heard.messages == 0 {
        eprintln!("nothing came, so nothing was written; {}", heard.advice(&options.filter));
        return Err(Failure::No);
    }
    file.close()?;
    eprintln!("{} into {}: {heard}", count(heard.messages, "message"), options.out.display());
    Ok(())
}
