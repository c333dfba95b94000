//! Code out of a model's reply, whatever stands around it: fences, fences within fences, prose, an end that is missing.
//!
//! Nothing here fails: what has no fence at all is taken as it stands, and the caller decides whether that will do.

use std::borrow::Cow;

/// What a reply was made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// The code, without its fence and without the fence's indentation.
    pub code: String,
    /// What stands before and after it.
    pub prose: String,
    /// Whether the code stood in a fence.
    pub is_fenced: bool,
    /// Whether that fence had its end; without one the reply has broken off.
    pub is_closed: bool,
}

/// The reply without what a thinking model thought aloud. A thought without its end is all there is: nothing is left.
#[must_use]
pub fn spoken(reply: &str) -> Cow<'_, str> {
    const THOUGHTS: [(&str, &str); 2] = [("<think>", "</think>"), ("<thinking>", "</thinking>")];
    let start = reply.trim_start();
    for (open, close) in THOUGHTS {
        if let Some(rest) = start.strip_prefix(open) {
            return match rest.split_once(close) {
                Some((_, said)) => Cow::Borrowed(said.trim_start_matches(['\r', '\n'])),
                None => Cow::Borrowed(""),
            };
        }
        // Some chat templates write the opening mark into the prompt, so that only its end is in the reply.
        if let Some((before, said)) = reply.split_once(close)
            && !before.contains(open)
            && !before.contains("```")
        {
            return Cow::Borrowed(said.trim_start_matches(['\r', '\n']));
        }
    }
    Cow::Borrowed(reply)
}

/// Finds the code. Of several blocks the largest counts: the others are examples of how to call it.
#[must_use]
pub fn code(reply: &str) -> Extracted {
    let reply = spoken(reply);
    let lines: Vec<&str> = reply.lines().collect();
    let blocks = blocks(&lines);
    let Some(largest) = blocks
        .iter()
        .enumerate()
        // Of two that are as large, the first.
        .max_by_key(|(at, block)| (block.size(&lines), usize::MAX - at))
        .map(|(_, block)| block)
    else {
        return Extracted {
            code: without_preface(&reply).to_owned(),
            ..Extracted::default()
        };
    };
    let outside = |range: std::ops::Range<usize>| lines.get(range).unwrap_or_default().join("\n");
    let before = outside(0..largest.fence_at);
    let after = outside(largest.end.saturating_add(1)..lines.len());
    let prose = [before.trim(), after.trim()];
    let prose = prose.into_iter().filter(|text| !text.is_empty());
    Extracted {
        code: largest.text(&lines),
        prose: prose.collect::<Vec<_>>().join("\n\n"),
        is_fenced: true,
        is_closed: largest.is_closed,
    }
}

/// A fence that opens or closes a block (CommonMark 0.31, 4.5).
#[derive(Clone, Copy, Debug)]
struct Fence {
    indent: usize,
    mark: char,
    length: usize,
    has_info: bool,
}

impl Fence {
    fn of(line: &str) -> Option<Self> {
        let rest = line.trim_start_matches([' ', '\t']);
        let mark = rest.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let info = rest.trim_start_matches(mark);
        let length = rest.len() - info.len();
        // A backtick behind the fence makes it inline code.
        if length < 3 || (mark == '`' && info.contains('`')) {
            return None;
        }
        Some(Self {
            indent: line.len() - rest.len(),
            mark,
            length,
            has_info: !info.trim().is_empty(),
        })
    }

    /// Whether this one ends a block that `open` began. One that is indented deeper is part of the code: of a docstring.
    fn closes(self, open: Self) -> bool {
        self.mark == open.mark
            && self.length >= open.length
            && !self.has_info
            && self.indent <= open.indent
    }

    /// Whether this one begins a block inside the one that `open` began.
    fn nests_in(self, open: Self) -> bool {
        self.mark == open.mark
            && self.length >= open.length
            && self.has_info
            && self.indent <= open.indent
    }
}

/// A block, by its lines: `fence_at` has the fence, `end` its end, or is behind the last line.
#[derive(Clone, Copy, Debug)]
struct Block {
    fence_at: usize,
    end: usize,
    indent: usize,
    is_closed: bool,
}

impl Block {
    fn inside<'l, 'a>(&self, lines: &'l [&'a str]) -> &'l [&'a str] {
        lines.get(self.fence_at + 1..self.end).unwrap_or_default()
    }

    fn size(&self, lines: &[&str]) -> usize {
        self.inside(lines)
            .iter()
            .map(|line| line.trim().len())
            .sum()
    }

    fn text(&self, lines: &[&str]) -> String {
        let mut text = String::new();
        for line in self.inside(lines) {
            let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
            text.push_str(line.get(blanks.min(self.indent)..).unwrap_or(line));
            text.push('\n');
        }
        text
    }
}

fn blocks(lines: &[&str]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let Some(open) = Fence::of(line) else {
            at += 1;
            continue;
        };
        let end = nested_end(lines, at, open)
            .map(|end| (end, true))
            .unwrap_or_else(|| first_end(lines, at, open));
        blocks.push(Block {
            fence_at: at,
            end: end.0,
            indent: open.indent,
            is_closed: end.1,
        });
        // A block that another one's beginning has ended leaves that line to be read again.
        let is_own_end = lines
            .get(end.0)
            .and_then(|line| Fence::of(line))
            .is_some_and(|fence| fence.closes(open));
        at = if is_own_end { end.0 + 1 } else { end.0 };
    }
    blocks
}

/// The end where blocks within the block are counted; `None` where the counting does not come out even.
fn nested_end(lines: &[&str], fence_at: usize, open: Fence) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, line) in lines.iter().enumerate().skip(fence_at + 1) {
        let Some(fence) = Fence::of(line) else {
            continue;
        };
        if fence.nests_in(open) {
            depth += 1;
        } else if fence.closes(open) {
            match depth.checked_sub(1) {
                None => return Some(at),
                Some(less) => depth = less,
            }
        }
    }
    None
}

/// The first fence that ends the block, or begins the next one where the model has forgotten the end.
fn first_end(lines: &[&str], fence_at: usize, open: Fence) -> (usize, bool) {
    for (at, line) in lines.iter().enumerate().skip(fence_at + 1) {
        if let Some(fence) = Fence::of(line)
            && (fence.closes(open) || fence.nests_in(open))
        {
            return (at, true);
        }
    }
    (lines.len(), false)
}

/// Without a first paragraph such as "Here is the code:".
fn without_preface(reply: &str) -> &str {
    let reply = reply.trim_matches(['\r', '\n']);
    match reply.split_once('\n') {
        Some((first, rest)) if is_preface(first) => rest.trim_matches(['\r', '\n']),
        _ => reply,
    }
}

fn is_preface(line: &str) -> bool {
    const BEGINNINGS: [&str; 6] = ["here", "sure", "certainly", "of course", "okay", "the "];
    let line = line.trim().to_lowercase();
    line.ends_with(':') && BEGINNINGS.iter().any(|begin| line.starts_with(begin))
}

/// Without what the model repeated of the code around the place that it was to fill.
#[must_use]
pub fn without_overlap<'c>(completion: &'c str, before: &str, after: &str) -> &'c str {
    let mut rest = completion;
    // The whole of what stands before, or its last line.
    let last_line = before.rsplit('\n').next().unwrap_or_default();
    for repeated in [before, last_line] {
        if !repeated.trim().is_empty()
            && let Some(new) = rest.strip_prefix(repeated)
        {
            rest = new;
            break;
        }
    }
    // What stands behind, if the completion goes on into it: a line of it at least, so that a lone brace stays.
    let tail = after.trim();
    if tail.len() >= SHORTEST_OVERLAP
        && let Some(at) = rest.find(tail)
    {
        return rest.get(..at).unwrap_or(rest);
    }
    let Some(first) = tail.lines().next().map(str::trim) else {
        return rest;
    };
    if first.len() >= SHORTEST_OVERLAP {
        let mut start = 0;
        for line in rest.split_inclusive('\n') {
            if line.trim() == first && start > 0 {
                return rest.get(..start).unwrap_or(rest);
            }
            start += line.len();
        }
    }
    rest
}

/// Below this a line such as `}` or `end` is rather part of the answer than a repetition.
const SHORTEST_OVERLAP: usize = 8;

/// The first `most` lines.
#[must_use]
pub fn first_lines(text: &str, most: usize) -> &str {
    match text.match_indices('\n').nth(most.saturating_sub(1)) {
        Some((at, _)) if most > 0 => text.get(..at).unwrap_or(text),
        Some(_) | None => text,
    }
}

/// The points of the lists in a text, without their marks.
#[must_use]
pub fn points(prose: &str) -> Vec<String> {
    let item = |line: &str| {
        let line = line.trim();
        let marked = line
            .strip_prefix("- ")
            .or_else(|| line.strip_prefix("* "))
            .or_else(|| line.strip_prefix("• "));
        let numbered = || {
            let digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
            (digits.len() < line.len())
                .then(|| {
                    digits
                        .strip_prefix(". ")
                        .or_else(|| digits.strip_prefix(") "))
                })
                .flatten()
        };
        let text = marked.or_else(numbered)?.trim().trim_matches('*').trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    prose.lines().filter_map(item).collect()
}

#[cfg(test)]
mod tests;
