//! Replies as small models write them.

use super::*;
use proptest::prelude::*;

#[track_caller]
fn assert_code(reply: &str, code: &str, prose: &str) -> Extracted {
    let found = super::code(reply);
    assert_eq!(found.code, code, "{reply}");
    assert_eq!(found.prose, prose, "{reply}");
    found
}

#[test]
fn a_block_with_prose_around_it() {
    let reply = "Here you are:\n\n```rust\nfn a() {}\n```\n\nIt does nothing.";
    let found = assert_code(reply, "fn a() {}\n", "Here you are:\n\nIt does nothing.");
    assert!(found.is_fenced && found.is_closed);
    assert_code("~~~\nx\n~~~", "x\n", "");
    assert_code("```\r\nx = 1\r\n```\r\n", "x = 1\n", "");
}

#[test]
fn no_fence_at_all() {
    let found = assert_code("fn a() {}", "fn a() {}", "");
    assert!(!found.is_fenced);
    assert_code("Here is the code:\n\n    x = 1\n", "    x = 1", "");
    assert_code(
        "match x:\n    case 1: pass",
        "match x:\n    case 1: pass",
        "",
    );
    assert_code("", "", "");
}

#[test]
fn a_reply_that_broke_off() {
    let found = assert_code(
        "Sure.\n```py\ndef a():\n    ret",
        "def a():\n    ret\n",
        "Sure.",
    );
    assert!(found.is_fenced && !found.is_closed);
    assert_code("```", "", "");
}

#[test]
fn fences_within_the_code() {
    let docs = "```rust\n/// ```\n/// a();\n/// ```\nfn a() {}\n```";
    assert_code(docs, "/// ```\n/// a();\n/// ```\nfn a() {}\n", "");
    let docstring =
        "```python\ndef a():\n    \"\"\"\n    ```\n    a()\n    ```\n    \"\"\"\n```\nDone.";
    assert_code(
        docstring,
        "def a():\n    \"\"\"\n    ```\n    a()\n    ```\n    \"\"\"\n",
        "Done.",
    );
    let markdown = "```markdown\n# T\n```js\na()\n```\nend\n```\nafter";
    assert_code(markdown, "# T\n```js\na()\n```\nend\n", "after");
    let longer = "````md\n```\nx\n```\n````";
    assert_code(longer, "```\nx\n```\n", "");
}

#[test]
fn the_largest_of_several_blocks() {
    let reply = "```sh\ncargo test\n```\nand\n```rust\nfn a() { b() }\nfn b() {}\n```";
    let found = assert_code(
        reply,
        "fn a() { b() }\nfn b() {}\n",
        "```sh\ncargo test\n```\nand",
    );
    assert!(found.is_closed);
    let forgotten = "```rust\nfn long() { 1 + 1 }\n```rust\nfn b() {}\n";
    assert_eq!(code(forgotten).code, "fn long() { 1 + 1 }\n");
    assert_eq!(code("```\naa\n```\n```\nbb\n```").code, "aa\n");
}

#[test]
fn a_block_in_a_list_loses_the_lists_indentation() {
    assert_code(
        "1. Do:\n   ```py\n   if a:\n       b()\n   ```\n",
        "if a:\n    b()\n",
        "1. Do:",
    );
}

#[test]
fn thoughts_are_no_answer() {
    assert_eq!(spoken("<think>\n```a```\n</think>\n\nyes"), "yes");
    assert_eq!(spoken("hm, let me see</think>\nyes"), "yes");
    assert_eq!(spoken("<think>on and on"), "");
    assert_eq!(spoken("no thoughts"), "no thoughts");
    assert_code(
        "<think>```\nwrong\n```</think>```\nright\n```",
        "right\n",
        "",
    );
    let about = "```html\n<a></think>\n```";
    assert_eq!(spoken(about), about);
}

#[test]
fn what_is_repeated_of_the_surroundings_goes() {
    let (before, after) = ("def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n");
    assert_eq!(without_overlap("a + b", before, after), "a + b");
    assert_eq!(without_overlap("    return a + b", before, after), "a + b");
    assert_eq!(
        without_overlap("def add(a, b):\n    return a + b", before, after),
        "a + b"
    );
    assert_eq!(
        without_overlap("a + b\n\nprint(add(1, 2))", before, after),
        "a + b\n\n"
    );
    assert_eq!(without_overlap("x\n}", "{", "\n}"), "x\n}");
}

#[test]
fn lines_are_cut_and_points_are_found() {
    assert_eq!(first_lines("a\nb\nc", 2), "a\nb");
    assert_eq!(first_lines("a\nb", 2), "a\nb");
    assert_eq!(first_lines("a", 9), "a");
    let prose = "It covers:\n- an empty list\n* **one** item\n1. many\n2) none\n3 apples\n-no";
    assert_eq!(
        points(prose),
        ["an empty list", "one** item", "many", "none"]
    );
}

fn lines_without_fences() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[ a-z(){};:#/\"'\\\\.ä]{0,30}", 0..12)
}

proptest! {
    /// Whatever is put into a fence comes out again, whatever prose stands around it.
    #[test]
    fn what_goes_in_comes_out(
        code in lines_without_fences(),
        before in lines_without_fences(),
        after in lines_without_fences(),
        indent in 0_usize..4,
        extra in 0_usize..3,
    ) {
        let blanks = " ".repeat(indent);
        let fence = "`".repeat(3 + extra);
        let mut reply = before.join("\n");
        if !before.is_empty() { reply.push('\n'); }
        reply.push_str(&format!("{blanks}{fence}rust\n"));
        for line in &code { reply.push_str(&format!("{blanks}{line}\n")); }
        reply.push_str(&format!("{blanks}{fence}\n{}", after.join("\n")));
        let found = super::code(&reply);
        let expected: String = code.iter().map(|line| format!("{line}\n")).collect();
        prop_assert_eq!(found.code, expected);
        prop_assert!(found.is_fenced && found.is_closed);
    }

    /// Nothing is invented, and nothing makes it panic.
    #[test]
    fn the_code_is_made_of_the_replys_lines(reply in "([`~ ]{0,5}[a-z`]{0,4}\n?|</?think>|.){0,40}") {
        let found = code(&reply);
        for line in found.code.lines() {
            prop_assert!(reply.contains(line), "{line:?}");
        }
        let _ = without_overlap(&reply, &found.prose, &found.code);
        let _ = points(&reply);
    }
}
