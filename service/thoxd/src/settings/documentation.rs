//! What the default file says about each key: the comment above it. In that file `# ` begins a comment, and a `#`
//! without a blank is a key at its default.

use super::key::Key;

/// A key, or a table, and the comment above it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Documented {
    pub(super) key: Key,
    pub(super) text: String,
    pub(super) is_table: bool,
}

/// All keys and tables of a commented file, in its order.
pub(super) fn read(file: &str) -> Vec<Documented> {
    let mut documented = Vec::new();
    let mut table = Key::default();
    let mut comment: Vec<&str> = Vec::new();
    for line in file.lines() {
        if let Some(text) = line
            .strip_prefix("# ")
            .or_else(|| (line == "#").then_some(""))
        {
            comment.push(text);
            continue;
        }
        let text = comment.join("\n");
        comment.clear();
        let line = line.strip_prefix('#').unwrap_or(line);
        let header = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Some(Ok(key)) = header.map(str::parse::<Key>) {
            table = key.clone();
            documented.push(Documented {
                key,
                text,
                is_table: true,
            });
        } else if let Some(Ok(name)) = line.split_once(" = ").map(|(name, _)| name.parse::<Key>()) {
            let segments = table.segments().iter().chain(name.segments());
            let key = Key::from(segments.cloned().collect::<Vec<_>>());
            documented.push(Documented {
                key,
                text,
                is_table: false,
            });
        }
    }
    documented
}

/// What the default file says about the keys of this pattern, in which `NAME` and `ENGINE` stand for names that users
/// choose. Where several keys match, the first that has a comment is the one that explains them.
pub(super) fn of(pattern: &Key) -> Option<String> {
    read(super::DEFAULT_FILE)
        .into_iter()
        .find(|entry| !entry.is_table && !entry.text.is_empty() && matches(pattern, &entry.key))
        .map(|entry| entry.text)
}

fn matches(pattern: &Key, key: &Key) -> bool {
    let (pattern, key) = (pattern.segments(), key.segments());
    pattern.len() == key.len()
        && pattern
            .iter()
            .zip(key)
            .all(|(pattern, name)| match pattern.as_str() {
                "NAME" => true,
                "ENGINE" => !matches!(name.as_str(), "parameters" | "description"),
                pattern => pattern == name,
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_comment_above_a_key() {
        let file = "# Top.\n\n# Where.\n#\n# More.\n#state_dir = \"/x\"\n\n# Doors.\n[server]\n# Ports.\nlisten = []\nbare = 1\n";
        let found: Vec<(String, String)> = read(file)
            .into_iter()
            .map(|entry| (entry.key.to_string(), entry.text))
            .collect();
        let expected = [
            ("state_dir", "Where.\n\nMore."),
            ("server", "Doors."),
            ("server.listen", "Ports."),
            ("server.bare", ""),
        ];
        assert_eq!(
            found,
            expected.map(|(key, text)| (key.to_owned(), text.to_owned()))
        );
    }
}
