//! `thox completions` and `thox man`: what is made from the description of the commands.

use crate::{arguments::Arguments, failure::Failure, output::Output};
use clap::CommandFactory as _;
use clap_complete::Shell;
use std::{fs, path::Path};

/// Prints the shell's completion script.
pub(super) fn completions(shell: Shell, output: Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "thox", &mut script);
    output.raw(&script)
}

/// Prints thox(1), or writes it and the page of each command to a folder.
pub(super) fn manual(folder: Option<&Path>, output: Output) -> Result<(), Failure> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Arguments::command()).render(&mut page)?;
        return output.raw(&page);
    };
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), folder))
        .map_err(|error| {
            Failure::error(format!(
                "cannot write the pages to {}: {error}",
                folder.display()
            ))
        })?;
    output.line(&format!(
        "Written to {}; read with: man -l {}/thox.1",
        folder.display(),
        folder.display()
    ))
}
