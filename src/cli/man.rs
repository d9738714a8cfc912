//! `nadikota man`: one manual page of the whole program, every command with its options.

use std::io;

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use super::{Arguments, EXIT_CODES, Failure, say_bytes};

#[derive(Debug, clap::Args)]
pub(super) struct Options {}

pub(super) fn run(_options: &Options) -> Result<(), Failure> {
    let mut page = Vec::new();
    write(&mut page).context("cannot write the page")?;
    say_bytes(&page)
}

fn write(page: &mut Vec<u8>) -> io::Result<()> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let man = Man::new(command.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    write_commands(&command, page)?;
    page.extend_from_slice(b".SH \"EXIT STATUS\"\n.nf\n");
    let codes = EXIT_CODES.split_once('\n').map_or(EXIT_CODES, |(_, codes)| codes);
    page.extend_from_slice(codes.as_bytes());
    page.extend_from_slice(b"\n.fi\n");
    man.render_version_section(page)
}

/// A section for each command that does something, named as it is typed.
fn write_commands(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    for command in command.get_subcommands() {
        if command.has_subcommands() {
            write_commands(command, page)?;
            continue;
        }
        let name = command.get_bin_name().unwrap_or(command.get_name()).to_uppercase();
        page.extend_from_slice(format!(".SH \"{name}\"\n").as_bytes());
        // What every command takes is told once, at the top.
        let common = |arg: clap::Arg| {
            let id = arg.get_id().as_str();
            let hidden = matches!(id, "config" | "help" | "version");
            arg.hide(hidden)
        };
        let man = Man::new(command.clone().mut_args(common));
        let mut parts = Vec::new();
        man.render_synopsis_section(&mut parts)?;
        man.render_description_section(&mut parts)?;
        man.render_options_section(&mut parts)?;
        // The parts of a command stand one level below it.
        let parts = String::from_utf8_lossy(&parts).replace("\n.SH ", "\n.SS ");
        let parts = parts.strip_prefix(".SH ").map(|rest| format!(".SS {rest}")).unwrap_or(parts);
        page.extend_from_slice(parts.as_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_command_and_every_option() {
        let mut page = Vec::new();
        write(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap().replace("\\-", "-");
        let mut command = Arguments::command();
        command.build();
        let mut seen = 0;
        check(&command, &page, &mut seen);
        assert!(seen > 10, "only {seen} commands");
        assert!(page.contains("EXIT STATUS") && page.contains("command line or the configuration is wrong"));
    }

    fn check(command: &Command, page: &str, seen: &mut usize) {
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            check(inner, page, seen);
        }
        if command.has_subcommands() {
            return;
        }
        *seen += 1;
        let heading = format!(".SH \"{}\"\n", command.get_bin_name().unwrap().to_uppercase());
        let (_, section) = page.split_once(&heading).unwrap_or_else(|| panic!("no {heading}"));
        let section = section.split(".SH ").next().unwrap();
        for argument in command.get_arguments() {
            let Some(long) = argument.get_long().filter(|long| !matches!(*long, "config" | "help")) else {
                continue;
            };
            assert!(section.contains(&format!("--{long}")), "{heading}: --{long}");
        }
        assert!(!section.contains("--config"), "{heading}");
    }
}
