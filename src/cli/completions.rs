//! `nadikota completions`: what a shell needs to complete our command line.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Arguments, Failure, say_bytes};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The shell, such as bash: `nadikota completions bash > /etc/bash_completion.d/nadikota`.
    shell: Shell,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    say_bytes(&script(options.shell))
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "nadikota", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_gets_every_command_and_its_options() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            for word in ["nadikota", "quarantine", "completions", "payload-file"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn bash_takes_the_script_and_completes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nadikota.bash");
        std::fs::write(&path, script(Shell::Bash)).unwrap();
        let ask = "source \"$1\"; COMP_WORDS=(nadikota quar); COMP_CWORD=1; \
                   _nadikota nadikota quar nadikota; echo \"${COMPREPLY[@]}\"";
        let told = std::process::Command::new("bash").args(["--norc", "-c", ask, "bash"]).arg(&path).output();
        assert_eq!(String::from_utf8_lossy(&told.unwrap().stdout).trim(), "quarantine");
    }
}
