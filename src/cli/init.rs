//! `portcullis init`: portcullis.toml and a policy in observe mode from a pgbouncer.ini, so that a
//! team can try Portcullis on its own traffic before it refuses anything.

mod carry;
mod ini;
mod settings;
#[cfg(test)]
mod tests;
mod write;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::answer::Answer;
use crate::config::{Config, Problem};
use crate::policy::{Policy, check_together};
use carry::{Carried, carry};
use write::Moved;

/// The policy, beside portcullis.toml.
const POLICY: &str = "policies/production.toml";

/// Writes portcullis.toml and a policy in observe mode that put Portcullis beside a PgBouncer as it is,
/// and says what could not be carried over. Existing files are never touched.
#[derive(Debug, Args)]
#[command(after_help = super::examples::INIT)]
pub struct InitArgs {
    /// PgBouncer's configuration
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Where to write; made if it is not there
    #[arg(long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Writes the files. 0: written; 2: could not (then nothing is).
pub fn run(args: &InitArgs) -> ExitCode {
    init(args)
        .unwrap_or_else(Answer::failed_as(args.json))
        .print()
}

/// `Err`: what could not be done.
fn init(args: &InitArgs) -> Result<Answer, String> {
    let ini = std::path::absolute(&args.from)
        .map_err(|error| format!("{}: {error}", args.from.display()))?;
    let carried = carry(&ini, &ini::load(&ini)?);
    let config = write::config(&carried, &ini, POLICY);
    let policy = write::policy(&carried, &ini);
    let files = [
        args.output.join("portcullis.toml"),
        args.output.join(POLICY),
    ];
    let warnings = checked(&files, &config, &policy)?;
    write_new(&files, &[&config, &policy])?;
    let shown = files.map(|file| file.display().to_string());
    Ok(Answer {
        stdout: match args.json {
            true => as_json(&shown, &carried),
            false => shown.iter().map(|file| format!("{file}\n")).collect(),
        },
        stderr: talk(&shown, &carried, &warnings),
        code: 0,
    })
}

/// What `portcullis check` will say to the files: warnings. It must not find an error.
fn checked(files: &[PathBuf; 2], config: &str, policy: &str) -> Result<Vec<Problem>, String> {
    let told = |problems: Vec<Problem>| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        format!("the files would not be valid\n{}", problems.join("\n"))
    };
    let config = Config::parse(config, &files[0], 1).map_err(told)?;
    let (policy, mut warnings) =
        Policy::parse(policy, &files[1].display().to_string()).map_err(told)?;
    warnings.extend(check_together(&config, &policy));
    match warnings.iter().any(Problem::is_error) {
        true => Err(told(warnings)),
        false => Ok(warnings),
    }
}

/// Writes all of them or none.
fn write_new(files: &[PathBuf], texts: &[&str]) -> Result<(), String> {
    if let Some(file) = files.iter().find(|file| file.symlink_metadata().is_ok()) {
        return Err(format!(
            "{} is there already; nothing was written",
            file.display()
        ));
    }
    for (at, (file, text)) in files.iter().zip(texts).enumerate() {
        if let Err(error) = write_one(file, text) {
            // Those are ours, from a moment ago.
            for written in &files[..at] {
                let _ = std::fs::remove_file(written);
            }
            return Err(format!("could not write {}: {error}", file.display()));
        }
    }
    Ok(())
}

fn write_one(file: &Path, text: &str) -> std::io::Result<()> {
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut file = std::fs::File::create_new(file)?;
    file.write_all(text.as_bytes())
}

fn talk(files: &[String; 2], carried: &Carried, warnings: &[Problem]) -> String {
    let mut lines = vec!["written; not carried over:".to_owned()];
    for lost in &carried.lost {
        lines.push(format!("  {}: {}", lost.setting, lost.why));
    }
    if carried.lost.is_empty() {
        lines[0] = "written; nothing is left out".to_owned();
    }
    if !carried.stays.is_empty() {
        let stays: Vec<&str> = carried.stays.iter().map(String::as_str).collect();
        lines.push(format!("PgBouncer goes on with: {}", stays.join(", ")));
    }
    lines.extend(write::moved_http(carried).map(|moved| moved.line()));
    lines.extend(warnings.iter().map(ToString::to_string));
    let config = &files[0];
    lines.push(format!("next:  portcullis check {config}"));
    lines.push(format!("       portcullis serve --config {config}"));
    lines.join("\n")
}

fn as_json(files: &[String; 2], carried: &Carried) -> String {
    let lost = carried.lost.iter();
    let lost = lost.map(|lost| json!({ "setting": lost.setting, "why": lost.why }));
    let moved = write::moved_http(carried).into_iter();
    let moved = moved
        .map(|moved| json!({ "setting": Moved::SETTING, "port": moved.port, "why": moved.why }));
    let value = json!({
        "written": files,
        "not_carried_over": lost.collect::<Vec<_>>(),
        "stays_in_pgbouncer": carried.stays,
        "moved": moved.collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}
