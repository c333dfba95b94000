//! Prompts, streams, pipes, Ctrl-C, the conversation in a terminal.

use crate::{
    command::{Running, in_terminal, interrupt, run, run_with_input, thox, wait},
    server::{Client, Request, Server},
};
use std::{
    io::Write as _,
    process::Stdio,
    sync::mpsc,
    time::{Duration, Instant},
};

const ROUTER: &str = r#"{"rules":{"large_model_threshold":"10B","default_model":"thox-coder"},"backends":[],"models":[],"decisions":[]}"#;

const MODEL: &str = r#"{"id":"thox-coder","object":"model","created":1,"owned_by":"ollama","backend":"ollama","backends":["ollama"],"loaded":true}"#;

/// A device whose replies `answer` makes.
fn device(answer: impl Fn(&Request, &mut Client) + Send + Sync + 'static) -> Server {
    Server::start(move |request, client| {
        if request.line.starts_with("GET /v1/router/status ") {
            client.reply(200, ROUTER);
        } else if request.line.starts_with("GET /v1/models/thox-coder ") {
            client.reply(200, MODEL);
        } else if request.line.starts_with("GET /v1/models/") {
            client.reply(404, r#"{"error":{"message":"no such model","type":"x","param":"model","code":"model_not_found"}}"#);
        } else {
            assert_eq!(request.line, "POST /v1/chat/completions HTTP/1.1");
            answer(request, client);
        }
    })
}

fn hello(_: &Request, client: &mut Client) {
    client.stream();
    for token in ["Hel", "lo", "!"] {
        client.token(token);
    }
    client.end("stop");
}

/// The prompts that the device was asked, the last of each conversation.
fn prompts(server: &Server) -> Vec<String> {
    let chats = server
        .seen()
        .into_iter()
        .filter(|request| !request.body.is_empty());
    chats
        .map(|request| {
            let body = request.json();
            let messages = body["messages"].as_array().unwrap();
            messages.last().unwrap()["content"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[test]
fn a_prompt_is_asked_and_the_reply_is_plain_text() {
    let server = device(hello);
    let host = server.host();
    let done = run(&["chat", "--host", &host, "thox-large", "Say", "hello."]);
    assert_eq!(
        (done.code, done.stdout.as_str(), done.stderr.as_str()),
        (Some(0), "Hello!\n", "")
    );
    let request = server.seen().pop().unwrap().json();
    assert_eq!(request["model"], "thox-large");
    assert_eq!(request["stream"], true);

    let done = run(&["chat", "--host", &host, "Say hello."]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "Hello!\n"));
    assert_eq!(
        server.seen().pop().unwrap().json()["model"],
        "thox-coder",
        "the device's default"
    );
    assert_eq!(prompts(&server), ["Say hello.", "Say hello."]);
}

#[test]
fn what_is_piped_in_is_the_prompt_or_part_of_it() {
    let server = device(hello);
    let host = server.host();
    assert_eq!(
        run_with_input(&["chat", "--host", &host], "Hi\n").stdout,
        "Hello!\n"
    );
    assert_eq!(
        run_with_input(&["chat", "--host", &host, "m", "Review:"], "+ a\n- b\n").stdout,
        "Hello!\n"
    );
    assert_eq!(prompts(&server), ["Hi", "Review:\n\n+ a\n- b"]);

    for input in ["", " \n"] {
        let done = run_with_input(&["chat", "--host", &host], input);
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(
            done.stderr
                .starts_with("error: there is no prompt\nnext:  type one"),
            "{done:?}"
        );
    }
    let done = run(&["chat", "--host", &host, "Hello"]);
    assert_eq!(done.code, Some(2), "nothing to read and nobody to ask");
    assert!(
        done.stderr
            .starts_with("error: there is no prompt, `Hello` is taken for the model\n"),
        "{done:?}"
    );
}

#[test]
fn a_pipe_that_stays_silent_is_explained() {
    let server = device(hello);
    let mut command = thox(&["chat", "--host", &server.host()]);
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    let mut input = running.child.stdin.take().unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    input.write_all(b"late").unwrap();
    drop(input);
    let done = running.finish();
    assert_eq!(done.stdout, "Hello!\n");
    assert!(
        done.stderr
            .starts_with("thox reads the prompt from the standard input"),
        "{done:?}"
    );
}

#[test]
fn json_is_one_document() {
    let server = device(hello);
    let done = run(&["chat", "--json", "--host", &server.host(), "m", "Hi"]);
    let document: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let expected = serde_json::json!({
        "model": "thox-coder", "backend": "ollama", "content": "Hello!", "reasoning": null,
        "finish_reason": "stop", "usage": {"total_tokens": 3},
    });
    assert_eq!(document, expected);
}

#[test]
fn what_a_model_thinks_is_no_part_of_its_reply() {
    let server = device(|_, client| {
        client.stream();
        client.event(r#"{"choices":[{"index":0,"delta":{"reasoning_content":"Hm."}}]}"#);
        client.token("Yes.");
        client.end("stop");
    });
    let host = server.host();
    assert_eq!(run(&["chat", "--host", &host, "m", "Hi"]).stdout, "Yes.\n");
    let done = run(&["chat", "--json", "--host", &host, "m", "Hi"]);
    let document: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(
        (&document["content"], &document["reasoning"]),
        (&"Yes.".into(), &"Hm.".into())
    );
    let (mut child, screen, _keyboard) = in_terminal(thox(&["chat", "--host", &host, "m", "Hi"]));
    assert_eq!(wait(&mut child), Some(0));
    screen.until("\u{1b}[2mHm.\u{1b}[0m\r\n\r\nYes.", 1);
}

#[test]
fn tokens_are_shown_when_they_come() {
    let (sender, receiver) = mpsc::channel::<()>();
    let receiver = std::sync::Mutex::new(receiver);
    let server = device(move |_, client| {
        client.stream();
        client.token("first");
        receiver.lock().unwrap().recv().unwrap();
        client.token(" second");
        client.end("stop");
    });
    let running = Running::start(thox(&["chat", "--host", &server.host(), "m", "Hi"]));
    running.stdout.until("first", 1);
    assert_eq!(running.stdout.so_far(), "first");
    sender.send(()).unwrap();
    assert_eq!(running.finish().stdout, "first second\n");
}

#[test]
fn a_reply_that_fails_or_breaks_off_is_no_success() {
    const ERROR: &str =
        r#"{"error":{"message":"the engine stopped","type":"server_error","code":"engine_error"}}"#;
    type End = fn(&mut Client);
    let cases: [(End, i32, &str); 7] = [
        (
            |client| client.event(ERROR),
            1,
            "error: the engine stopped\n",
        ),
        (|_| (), 1, "error: the connection broke off: "),
        (
            Client::finish,
            1,
            "error: the reply broke off: the connection ended before the reply did\n",
        ),
        (
            |client| client.end("length"),
            0,
            "(cut off: the reply reached the model's limit of tokens)\n",
        ),
        (|client| client.event("[DONE]"), 0, ""),
        (
            |client| client.event("nonsense"),
            1,
            "error: the device sends an event that is no chunk of a reply: ",
        ),
        (
            |client| client.event("{}"),
            1,
            "error: the connection broke off: ",
        ),
    ];
    for (at, (end, code, message)) in cases.into_iter().enumerate() {
        let server = device(move |_, client| {
            client.stream();
            client.token("So");
            end(client);
        });
        let done = run(&["chat", "--host", &server.host(), "m", "Hi"]);
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(code), "So\n"),
            "{at}: {done:?}"
        );
        assert!(
            done.stderr.starts_with(message) && done.stderr.is_empty() == message.is_empty(),
            "{at}: {done:?}"
        );
    }
}

#[test]
fn a_refusal_has_the_devices_words_and_its_own_exit_code() {
    let server = device(|_, client| {
        client.reply(404, r#"{"error":{"message":"there is no model m; thox models list shows what there is","type":"x","param":"model","code":"model_not_found"}}"#);
    });
    let done = run(&["chat", "--host", &server.host(), "m", "Hi"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(5), ""));
    assert_eq!(
        done.stderr,
        "error: there is no model m; thox models list shows what there is\n"
    );
}

/// Ctrl-C in front of a device that gives the tokens and then falls silent: how the command ends, and that the device
/// sees the client go at once.
fn interrupted(tokens: &'static [&'static str], has_head: bool) -> (Option<i32>, String) {
    let (sender, receiver) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    let (sender, ready) = (std::sync::Mutex::new(sender), std::sync::Mutex::new(ready));
    let server = device(move |_, client| {
        if has_head {
            client.stream();
        }
        for token in tokens {
            client.token(token);
        }
        ready.lock().unwrap().send(()).unwrap();
        client.gone(&sender.lock().unwrap());
    });
    let running = Running::start(thox(&["chat", "--host", &server.host(), "m", "Hi"]));
    is_ready.recv_timeout(Duration::from_secs(20)).unwrap();
    running.stdout.until(&tokens.concat(), 1);
    let pressed = Instant::now();
    running.interrupt();
    let done = running.finish();
    let gone = receiver
        .recv_timeout(Duration::from_secs(5))
        .expect("the device sees the client go");
    assert!(
        gone.duration_since(pressed) < Duration::from_millis(500),
        "{:?}",
        gone - pressed
    );
    (done.code, done.stdout)
}

#[test]
fn ctrl_c_ends_the_generation_wherever_it_is() {
    assert_eq!(
        interrupted(&["Once", " upon"], true),
        (Some(130), "Once upon\n".to_owned())
    );
    assert_eq!(
        interrupted(&[], true).0,
        Some(130),
        "before the first token"
    );
    assert_eq!(
        interrupted(&[], false).0,
        Some(130),
        "before the reply's head"
    );
}

#[test]
fn a_reader_that_goes_away_ends_the_generation() {
    let (sender, receiver) = mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let server = device(move |_, client| {
        client.stream();
        for _ in 0..200 {
            client.token("word ");
            std::thread::sleep(Duration::from_millis(5));
        }
        client.gone(&sender.lock().unwrap());
    });
    let mut command = thox(&["chat", "--host", &server.host(), "m", "Hi"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(wait(&mut child), Some(0));
    receiver.recv_timeout(Duration::from_secs(10)).unwrap();
}

#[test]
fn a_mistyped_model_is_told_before_the_first_prompt() {
    let server = device(hello);
    let (mut child, screen, _keyboard) =
        in_terminal(thox(&["chat", "--host", &server.host(), "Hello"]));
    assert_eq!(wait(&mut child), Some(5));
    screen.until("no such model", 1);
    screen.until("a prompt of one word needs the model before it", 1);
    assert!(!screen.so_far().contains(">>>"));
}

#[test]
fn a_conversation_in_a_terminal_survives_ctrl_c_and_ends_with_ctrl_d() {
    let (sender, receiver) = mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let server = device(move |request, client| {
        client.stream();
        match request.json()["messages"].as_array().unwrap().len() {
            1 => {
                client.token("Bad \u{1b}]0;title\u{7}news");
                client.gone(&sender.lock().unwrap());
            }
            _ => {
                client.token("Good.");
                client.end("stop");
            }
        }
    });
    let (mut child, screen, mut keyboard) = in_terminal(thox(&["chat", "--host", &server.host()]));
    screen.until(">>> ", 1);
    interrupt(&child);
    screen.until("(Ctrl-D or /bye ends)", 1);
    keyboard.write_all(b"First\n").unwrap();
    screen.until("news", 1);
    interrupt(&child);
    receiver
        .recv_timeout(Duration::from_secs(5))
        .expect("the device sees the client go");
    screen.until(">>> ", 3);
    keyboard.write_all(b"Second\n").unwrap();
    screen.until("Good.", 1);
    screen.until(">>> ", 4);
    keyboard.write_all(b"\x04").unwrap();
    assert_eq!(wait(&mut child), Some(0));
    assert!(
        screen.so_far().contains("Bad ]0;titlenews"),
        "no escape reaches the terminal: {:?}",
        screen.so_far()
    );

    let last = server.seen().pop().unwrap().json();
    let said: Vec<&str> = last["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["role"].as_str().unwrap())
        .collect();
    assert_eq!(
        said,
        ["user", "assistant", "user"],
        "what came before Ctrl-C was said"
    );
}
