//! The table, for people and for programs.

use std::fmt::Write;

use serde_json::json;

use super::rows::{Budget, Row, Samples, Verdict};
use crate::subject::Subject;

const COLUMNS: [Subject; 4] = [
    Subject::Nginx,
    Subject::Haproxy,
    Subject::Hyper,
    Subject::Thoxd,
];

/// A table in Markdown: ratios where the budget is one, figures elsewhere.
pub(crate) fn markdown(rows: &[Row], rounds: usize) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        "Medians of {rounds} rounds; proxy on one core, client and upstream on another.\n"
    )?;
    writeln!(
        text,
        "| | nginx | haproxy | bare hyper | thoxd | budget | |"
    )?;
    writeln!(text, "|---|---:|---:|---:|---:|---|---|")?;
    for row in rows {
        write!(text, "| {}{} |", row.name, unit(row))?;
        for subject in COLUMNS {
            match row.values.get(&subject) {
                Some(value) => write!(text, " {} |", cell(row, subject, *value))?,
                None => write!(text, " |")?,
            }
        }
        writeln!(text, " {} | {} |", budget(row), verdict(row))?;
    }
    Ok(text)
}

/// Rows and single samples, for a program that compares runs.
pub(crate) fn json(rows: &[Row], samples: &Samples) -> serde_json::Value {
    json!({ "rows": rows, "samples": samples })
}

fn unit(row: &Row) -> String {
    match row.budget {
        Budget::Times(_, base) => match row.values.get(&base) {
            Some(value) => format!(" ({} = {} {})", base.title(), figure(*value), row.unit),
            None => String::new(),
        },
        Budget::AtMost(_) => format!(" ({})", row.unit),
    }
}

fn cell(row: &Row, subject: Subject, value: f64) -> String {
    let text = match row.budget {
        Budget::Times(_, base) => match row.values.get(&base) {
            Some(base) => format!("{:.2}", value / base),
            None => figure(value),
        },
        Budget::AtMost(_) => figure(value),
    };
    if subject == Subject::Thoxd {
        format!("**{text}**")
    } else {
        text
    }
}

fn figure(value: f64) -> String {
    if value == 0.0 || value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

fn budget(row: &Row) -> String {
    match row.budget {
        Budget::Times(limit, base) => format!("≤ {limit} × {}", base.title()),
        Budget::AtMost(0.0) => "0".to_owned(),
        Budget::AtMost(limit) => format!("≤ {limit} {}", row.unit),
    }
}

fn verdict(row: &Row) -> &'static str {
    match row.verdict {
        Verdict::Pass => "PASS",
        Verdict::Over => "OVER",
    }
}
