//! The embedded model against questions that it was never trained on: right, honestly declined, or wrong.
//!
//! `cargo test -p thox-starter evaluation -- --nocapture` prints the score and every miss of the questions in
//! eval/dev.tsv; of eval/heldout.tsv only the counts, so that nobody tunes the patterns to them.

use std::collections::HashMap;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use thox_starter::{Ask, Cancel, Message, Model, embedded_gguf};

/// A wrong answer is worse than a declined one.
const MOST_WRONG: f64 = 0.09;

/// A model that declines everything is no help.
const LEAST_RIGHT: f64 = 0.78;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Verdict {
    Right,
    Declined,
    Wrong,
}

struct Question {
    expected: Vec<String>,
    text: String,
}

struct Score {
    counts: HashMap<Verdict, usize>,
    total: usize,
}

impl Score {
    fn share(&self, verdict: Verdict) -> f64 {
        self.counts.get(&verdict).copied().unwrap_or(0) as f64 / self.total as f64
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Each answer of the training text with the name of its intent; what is declined is called `decline`.
fn intents() -> HashMap<String, String> {
    let mut intents = HashMap::new();
    for file in [
        "intents-talk.txt",
        "intents-connect.txt",
        "intents-service.txt",
        "off-topic.txt",
    ] {
        let mut name = String::new();
        for line in read_to_string(folder().join("train/text").join(file))
            .unwrap()
            .lines()
        {
            if let Some(head) = line.strip_prefix("@ ") {
                name = head.split([' ', ':']).next().unwrap().to_owned();
            } else if let Some(answer) = line.strip_prefix("> ") {
                intents.insert(answer.to_owned(), name.clone());
            }
        }
    }
    intents
}

/// For an intent the others whose answer is right for it too.
fn also() -> HashMap<String, Vec<String>> {
    let text = read_to_string(folder().join("eval/also.tsv")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let split = |line: &str| {
        let (intent, others) = line.split_once('\t').unwrap();
        (
            intent.to_owned(),
            others.split(' ').map(str::to_owned).collect(),
        )
    };
    lines.map(split).collect()
}

fn questions(file: &str) -> Vec<Question> {
    let text = read_to_string(folder().join("eval").join(file)).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let read = |line: &str| {
        let (expected, text) = line
            .split_once('\t')
            .unwrap_or_else(|| panic!("no tab in {line:?}"));
        Question {
            expected: expected.split('|').map(str::to_owned).collect(),
            text: text.to_owned(),
        }
    };
    lines.map(read).collect()
}

fn answer(model: &Model, question: &str) -> String {
    let message = Message {
        role: "user".to_owned(),
        content: question.to_owned(),
    };
    let prompt = model.chat_prompt(&[message]).unwrap();
    let mut text = String::new();
    model
        .answer(
            &Ask {
                prompt,
                max_tokens: Some(200),
                ..Ask::default()
            },
            &Cancel::default(),
            |piece| text.push_str(piece),
        )
        .unwrap();
    text
}

fn score(file: &str, show_misses: bool) -> Score {
    let (model, intents, questions) = (
        Model::parse(embedded_gguf()).unwrap(),
        intents(),
        questions(file),
    );
    let also = also();
    let answers_too = |expected: &String, intent: &str| {
        expected == intent
            || also
                .get(expected)
                .is_some_and(|others| others.iter().any(|other| other == intent))
    };
    let known: Vec<&String> = intents.values().collect();
    for question in &questions {
        assert!(
            question.expected.iter().all(|name| known.contains(&name)),
            "{:?} is no intent",
            question.expected
        );
    }
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let answers: Vec<(&Question, String)> = std::thread::scope(|scope| {
        let parts = questions.chunks(questions.len().div_ceil(workers));
        let threads: Vec<_> = parts
            .map(|part| {
                scope.spawn(|| {
                    part.iter()
                        .map(|q| (q, answer(&model, &q.text)))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let mut counts = HashMap::new();
    for (question, reply) in &answers {
        let intent = intents.get(reply).map_or("(garbled)", String::as_str);
        let verdict = match intent {
            intent
                if question
                    .expected
                    .iter()
                    .any(|expected| answers_too(expected, intent)) =>
            {
                Verdict::Right
            }
            "decline" => Verdict::Declined,
            _ => Verdict::Wrong,
        };
        if show_misses && verdict != Verdict::Right {
            println!(
                "{verdict:?}: {:?} wants {:?}, gets {intent}",
                question.text, question.expected
            );
        }
        *counts.entry(verdict).or_insert(0) += 1;
    }
    let score = Score {
        counts,
        total: answers.len(),
    };
    let [right, declined, wrong] =
        [Verdict::Right, Verdict::Declined, Verdict::Wrong].map(|v| score.share(v) * 100.0);
    println!(
        "{file}: {} questions, {right:.1} % right, {declined:.1} % declined, {wrong:.1} % wrong",
        score.total
    );
    score
}

#[test]
fn held_out_questions_are_answered_rightly_or_declined() {
    let score = score("heldout.tsv", false);
    assert!(score.total >= 200);
    assert!(score.share(Verdict::Wrong) <= MOST_WRONG);
    assert!(score.share(Verdict::Right) >= LEAST_RIGHT);
}

#[test]
fn development_questions_are_answered_rightly_or_declined() {
    let score = score("dev.tsv", true);
    assert!(score.share(Verdict::Wrong) <= MOST_WRONG);
}

#[test]
fn the_first_words_of_a_new_user_are_answered() {
    let (model, intents) = (Model::parse(embedded_gguf()).unwrap(), intents());
    let cases = [
        ("Hello!", "hello"),
        ("Hello", "hello"),
        ("Write a hello world", "decline"),
        ("Write a quicksort in Python", "decline"),
        ("Explain async/await", "decline"),
        ("How do I connect?", "connect"),
        ("How do I create an API key?", "make_key"),
        ("Which models are there?", "models"),
        ("Who are you?", "who_are_you"),
        ("Thank you!", "thanks"),
    ];
    for (question, expected) in cases {
        let reply = answer(&model, question);
        assert_eq!(
            intents.get(&reply).map(String::as_str),
            Some(expected),
            "{question:?} gets {reply:?}"
        );
    }
}

#[test]
fn what_the_model_says_of_its_size_is_true() {
    let model = Model::parse(embedded_gguf()).unwrap();
    let says = answer(&model, "How many parameters do you have?");
    assert!(
        says.contains("about one megabyte") && says.contains("about one million parameters"),
        "{says:?}"
    );
    assert!((800_000..1_200_000).contains(&model.parameters()));
    assert!((800_000..1_200_000).contains(&model.file_bytes()));
}
