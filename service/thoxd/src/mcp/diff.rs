//! What a refactoring changes, as a unified diff.

use diffy::DiffOptions;

/// Lines of context; as `diff -u` has them.
const CONTEXT: usize = 3;

/// The diff from `old` to `new`, with the file's name in its head; empty where nothing changes.
#[must_use]
pub fn unified(old: &str, new: &str, file: Option<&str>) -> String {
    if old == new {
        return String::new();
    }
    let name = file.unwrap_or("code");
    DiffOptions::new()
        .set_context_len(CONTEXT)
        .set_original_filename(format!("a/{name}"))
        .set_modified_filename(format!("b/{name}"))
        .create_patch(old, new)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_has_heads_hunks_and_the_missing_newline() {
        let diff = unified("a\nb\nc\n", "a\nB\nc", Some("x.rs"));
        assert_eq!(
            diff,
            "--- a/x.rs\n+++ b/x.rs\n@@ -1,3 +1,3 @@\n a\n-b\n-c\n+B\n+c\n\\ No newline at end of file\n"
        );
        assert_eq!(unified("a\n", "a\n", None), "");
    }
}
