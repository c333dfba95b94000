//! `thox logs`

use super::words;
use crate::{
    arguments::LogsArguments,
    device::Device,
    failure::Failure,
    output::{Output, Tone},
};
use thox_api::{LogLevel, LogLine};

/// Prints the last lines of the device's log, and those that come.
pub(super) async fn show(
    device: &Device,
    arguments: &LogsArguments,
    output: Output,
    is_json: bool,
) -> Result<(), Failure> {
    let mut path = format!(
        "/thox/v1/logs?lines={}&follow={}",
        arguments.lines, arguments.follow
    );
    if let Some(level) = arguments.level {
        path.push_str(&format!("&level={}", level.as_str()));
    }
    let mut lines = device.lines(&path).await?;
    while let Some(line) = lines.next().await? {
        if is_json {
            output.line(&line)?;
            continue;
        }
        let read: LogLine = serde_json::from_str(&line).map_err(|error| {
            Failure::error(format!("the device tells its log strangely: {error}"))
        })?;
        print(&read, output)?;
    }
    if arguments.follow {
        return Err(Failure::error("the device has ended its log")
            .next("is it being restarted? `thox status` tells how it is"));
    }
    Ok(())
}

fn print(line: &LogLine, output: Output) -> Result<(), Failure> {
    output.toned(Tone::Faint, &words::moment(line.at_ms))?;
    let tone = match line.level {
        LogLevel::Error => Tone::Bad,
        LogLevel::Warn => Tone::Warning,
        LogLevel::Info => Tone::Good,
        LogLevel::Debug | LogLevel::Trace => Tone::Faint,
    };
    output.print(" ")?;
    output.toned(tone, &format!("{:5}", line.level.as_str()))?;
    output.line(&format!(" {}", line.message))
}
