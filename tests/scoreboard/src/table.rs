//! Verdicts as people read them: tables in Markdown.

use std::fmt::Write as _;

use crate::judge::{Fault, Verdict};

/// A program, and what became of each script under it, in the same order for all programs.
#[derive(Clone, Debug)]
pub struct Row {
    /// What the program is called.
    pub program: String,
    /// By the scripts' titles.
    pub verdicts: Vec<(String, Verdict)>,
}

/// One line for each program.
pub fn summary(rows: &[Row]) -> String {
    let mut table = "| program".to_owned();
    for fault in Fault::ALL {
        let _ = write!(table, " | {}", fault.name());
    }
    let _ = writeln!(
        table,
        " | requests to Graph |\n| --- |{}",
        " ---: |".repeat(Fault::ALL.len() + 1)
    );
    for row in rows {
        let _ = write!(table, "| {}", row.program);
        for fault in Fault::ALL {
            let count: usize = row.verdicts.iter().map(|(_, verdict)| verdict.count(fault)).sum();
            let _ = write!(table, " | {count}");
        }
        let requests: u64 = row.verdicts.iter().map(|(_, verdict)| verdict.requests).sum();
        let _ = writeln!(table, " | {requests} |");
    }
    table
}

/// One line for each script.
pub fn details(rows: &[Row]) -> String {
    let mut table = "| script".to_owned();
    for row in rows {
        let _ = write!(table, " | {}", row.program);
    }
    let _ = writeln!(table, " |\n|{}", " --- |".repeat(rows.len() + 1));
    let scripts = rows
        .first()
        .map(|row| row.verdicts.as_slice())
        .unwrap_or_default();
    for (index, (title, _)) in scripts.iter().enumerate() {
        let _ = write!(table, "| {title}");
        for row in rows {
            let verdict = row.verdicts.get(index).map(|(_, verdict)| words(verdict));
            let _ = write!(table, " | {}", verdict.unwrap_or_default());
        }
        table.push_str(" |\n");
    }
    table
}

fn words(verdict: &Verdict) -> String {
    let found = Fault::ALL.into_iter().filter(|fault| verdict.count(*fault) > 0);
    let found: Vec<_> = found
        .map(|fault| format!("{} {}", verdict.count(fault), fault.name()))
        .collect();
    if found.is_empty() {
        "–".to_owned()
    } else {
        found.join(", ")
    }
}
