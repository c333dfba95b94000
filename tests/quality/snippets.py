"""The code that the tools are given; `§` marks what `thox_complete` has to find again."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Snippet:
    name: str
    file: str
    language: str
    goal: str
    # An explanation that has understood the code names one of these.
    words: tuple[str, ...]
    text: str

    @property
    def code(self) -> str:
        return self.text.replace("§", "")

    @property
    def around(self) -> tuple[str, str]:
        """Before and after the gap."""
        before, _, after = self.text.split("§")
        return before, after


def of(name: str, file: str, language: str, goal: str, words: str, text: str) -> Snippet:
    return Snippet(name, file, language, goal, tuple(words.split()), text.lstrip("\n"))


SNIPPETS = [
    of("slug", "slug.py", "python", "use a regular expression", "hyphen dash lower slug", '''
def slug(title):
    result = ""
    for letter in title.lower():
        §if letter.isalnum():
            result += letter
        elif not result.endswith("-"):
            result += "-"§
    return result.strip("-")
'''),
    of("median", "median.py", "python", "add type hints and a docstring", "median middle sort", '''
def median(values):
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    middle = len(ordered) // 2
    §if len(ordered) % 2:
        return ordered[middle]§
    return (ordered[middle - 1] + ordered[middle]) / 2
'''),
    of("retry", "retry.py", "python", "double the delay after each failure", "retry again attempt exception", '''
import time


def retry(action, attempts=3, delay=1.0):
    for attempt in range(attempts):
        try:
            return action()
        except OSError:
            §if attempt == attempts - 1:
                raise§
            time.sleep(delay)
'''),
    of("cache", "cache.py", "python", "name the magic number", "cache least oldest recent", '''
from collections import OrderedDict


class Cache:
    def __init__(self):
        self.entries = OrderedDict()

    def put(self, key, value):
        self.entries[key] = value
        §self.entries.move_to_end(key)
        if len(self.entries) > 128:
            self.entries.popitem(last=False)§

    def get(self, key):
        return self.entries.get(key)
'''),
    of("csv-sum", "csv_sum.py", "python", "skip rows that are no numbers", "csv column sum total", '''
import csv


def total(path, column):
    with open(path, newline="") as file:
        §rows = csv.DictReader(file)
        return sum(float(row[column]) for row in rows)§
'''),
    of("debounce", "debounce.js", "javascript", "return a function to cancel as well", "debounce timer timeout delay", '''
export function debounce(action, delay) {
  let timer;
  return (...args) => {
    §clearTimeout(timer);
    timer = setTimeout(() => action(...args), delay);§
  };
}
'''),
    of("group-by", "group-by.js", "javascript", "use reduce", "group key", '''
export function groupBy(items, key) {
  const groups = {};
  for (const item of items) {
    §const name = item[key];
    groups[name] ??= [];
    groups[name].push(item);§
  }
  return groups;
}
'''),
    of("query", "query.js", "javascript", "use URLSearchParams", "query parameter url", '''
export function parseQuery(text) {
  const result = {};
  for (const part of text.replace(/^\\?/, '').split('&')) {
    §if (!part) continue;
    const [name, value = ''] = part.split('=');
    result[decodeURIComponent(name)] = decodeURIComponent(value);§
  }
  return result;
}
'''),
    of("clamp", "clamp.rs", "rust", "make it generic over PartialOrd", "minimum maximum range bound limit clamp", '''
/// Keeps `value` within the two limits.
pub fn clamp(value: i32, least: i32, most: i32) -> i32 {
    §if value < least {
        least
    } else if value > most {
        most
    } else {
        value
    }§
}
'''),
    of("word-count", "words.rs", "rust", "do not allocate a String for each word that is there already", "count word map", '''
use std::collections::HashMap;

pub fn count(text: &str) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for word in text.split_whitespace() {
        §*counts.entry(word.to_lowercase()).or_insert(0) += 1;§
    }
    counts
}
'''),
    of("reverse", "reverse.go", "go", "reverse runes and not bytes", "reverse backward", '''
package text

func Reverse(text string) string {
	bytes := []byte(text)
	for i, j := 0, len(bytes)-1; i < j; i, j = i+1, j-1 {
		§bytes[i], bytes[j] = bytes[j], bytes[i]§
	}
	return string(bytes)
}
'''),
    of("ring", "ring.go", "go", "return an error instead of overwriting", "ring buffer circular", '''
package ring

type Ring struct {
	items []int
	next  int
}

func New(size int) *Ring {
	return &Ring{items: make([]int, size)}
}

func (r *Ring) Add(item int) {
	§r.items[r.next] = item
	r.next = (r.next + 1) % len(r.items)§
}
'''),
]
