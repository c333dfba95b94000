//! Loading as a whole: the chain of sources, the messages, and the default file's word for it.

use super::*;
use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path, time::Duration};
use thox_policy::{EngineKind, ParameterCount};

/// Sources in a folder of their own, in which `files` stand.
fn sources(root: &Path, files: &[(&str, &str)]) -> Sources {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    Sources {
        config: None,
        set: Vec::new(),
        environment: BTreeMap::new(),
        account: Account::System,
        root: root.to_owned(),
    }
}

fn problems(text: &str) -> Vec<String> {
    let Err(Problems(problems)) = parse_text(text) else {
        panic!("accepted: {text}");
    };
    problems.iter().map(Problem::to_string).collect()
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

#[test]
fn a_pc_without_any_file_has_working_settings() {
    let settings = parse_text("").unwrap();
    assert_eq!(
        settings.server.listen,
        ["0.0.0.0:8080".parse::<SocketAddr>().unwrap()]
    );
    assert_eq!(settings.server.max_body, Bytes(32 << 20));
    let ollama = &settings.engines["ollama"];
    assert_eq!(
        (ollama.kind, ollama.enabled, ollama.queue),
        (EngineKind::Ollama, true, 256)
    );
    assert_eq!(
        ollama.url.as_ref().unwrap().to_string(),
        "http://127.0.0.1:11434"
    );
    assert_eq!(settings.engines["starter"].kind, EngineKind::Starter);
    let coder = &settings.models["thox-coder"];
    assert_eq!(coder.parameters, Some(ParameterCount(7_000_000_000)));
    assert_eq!(coder.on["ollama"], "qwen2.5-coder:7b");
    assert_eq!(
        settings.router.large_model_threshold,
        ParameterCount(10_000_000_000)
    );
    assert_eq!(settings.router.default_model, "thox-coder");
    assert_eq!(settings.log.level, "info");
}

#[test]
fn the_last_source_that_has_a_key_wins() {
    let root = tempfile::tempdir().unwrap();
    let chain = [
        "usr/lib/thox/config.d/00-default.toml",
        "usr/lib/thox/config.d/50-board.toml",
        "etc/thox/config.toml",
        "etc/thox/config.d/10-first.toml",
        "etc/thox/config.d/20-second.toml",
        "home/.config/thox/config.toml",
        "run/thox/config.d/10.toml",
    ];
    let mut sources = sources(root.path(), &[]);
    sources.account = Account::Person;
    let home = root.path().join("home");
    sources
        .environment
        .insert("HOME".to_owned(), home.to_str().unwrap().to_owned());
    for (failures, file) in (11..).zip(chain) {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("[router.circuit]\nfailures = {failures}\n")).unwrap();
        let loaded = Settings::load(&sources).unwrap();
        assert_eq!(loaded.settings.router.circuit.failures, failures, "{file}");
        let explanation = loaded.explain(&key("router.circuit.failures")).unwrap();
        assert_eq!(
            explanation.origin,
            Origin::File {
                path,
                line: Some(2)
            }
        );
    }

    let variable = "THOX_ROUTER__CIRCUIT__FAILURES";
    sources
        .environment
        .insert(variable.to_owned(), "21".to_owned());
    let loaded = Settings::load(&sources).unwrap();
    assert_eq!(loaded.settings.router.circuit.failures, 21);
    let explanation = loaded.explain(&key("router.circuit.failures")).unwrap();
    assert_eq!(explanation.origin, Origin::Environment(variable.to_owned()));

    sources.set = vec![
        "router.circuit.failures=31".to_owned(),
        "router.circuit.failures=32".to_owned(),
    ];
    assert_eq!(
        Settings::load(&sources)
            .unwrap()
            .settings
            .router
            .circuit
            .failures,
        32
    );

    // The system's and the user's files are left out, environment and command line are not.
    let file = root.path().join("mine.toml");
    fs::write(&file, "router.circuit.open_for = \"9s\"\n").unwrap();
    sources.config = Some(file);
    sources.environment.clear();
    sources.set.clear();
    let circuit = Settings::load(&sources).unwrap().settings.router.circuit;
    assert_eq!(
        (circuit.failures, circuit.open_for),
        (3, Duration::from_secs(9))
    );
}

#[test]
fn all_mistakes_are_told_at_once_with_file_line_and_what_to_write() {
    let text = "\
state_dir = \"var\"
default_model = \"x\"
[server]
lisen = [\"0.0.0.0:80\"]
max_body = 32
listen = [\"0.0.0.0:80\", \"localhost:80\"]
header_timeout = \"0s\"
max_connections = 0
[log]
level = \"inof\"
[sever]
x = 1
[router.circuit]
failures = -1
";
    let mut found = problems(text);
    found.sort();
    let mut expected = [
        "settings:1: state_dir: expected an absolute path in quotes, given the text \"var\"",
        "settings:2: unknown key default_model; did you mean router.default_model?",
        "settings:4: unknown key server.lisen; did you mean server.listen?",
        "settings:5: server.max_body: expected a size above zero such as \"32MiB\" or \"1GiB\", given the number 32",
        "settings:6: server.listen: expected a list of at least one address and port such as [\"0.0.0.0:8080\", \"[::]:8080\"], given a list of 2: the text \"localhost:80\" is none",
        "settings:7: server.header_timeout: expected a duration above zero such as \"500ms\", \"30s\" or \"10m\", given the text \"0s\"",
        "settings:8: server.max_connections: expected a whole number, 1 or more, given the number 0",
        "settings:10: log.level: expected \"error\", \"warn\", \"info\", \"debug\", \"trace\" or \"off\", or such a level for each part, \"info,thoxd=debug\", given the text \"inof\"",
        "settings:11: unknown key sever; did you mean server?",
        "settings:14: router.circuit.failures: expected a whole number, 1 or more, given the number -1",
    ];
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn engines_and_models_are_checked_against_each_other() {
    for (text, expected) in [
        (
            "[engines.gpu]\nkind = \"trtllm\"\n",
            "settings:1: engines.gpu.url is missing: set it to an address such as \"http://127.0.0.1:11434\" or \"unix:/run/engine.sock\"",
        ),
        (
            "[engines.gpu]\nurl = \"http://127.0.0.1:1\"\n",
            "settings:1: engines.gpu.kind is missing: set it to \"ollama\", \"trtllm\", \"edge-llm\", \"openai\" or \"starter\"",
        ),
        (
            "[engines.starter]\nurl = \"http://127.0.0.1:1\"\n",
            "settings:2: engines.starter.url: the starter engine is part of thoxd and has no address; remove this key",
        ),
        (
            "[engines.ollama]\nurl = \"http://127.0.0.1:11434/v1\"\n",
            "settings:2: engines.ollama.url: expected an address such as \"http://127.0.0.1:11434\" or \"unix:/run/engine.sock\", given the text \"http://127.0.0.1:11434/v1\": leave out what follows the port, such as /v1: the engine's paths are known",
        ),
        (
            "[engines.tensorrt]\nkind = \"openai\"\nurl = \"http://127.0.0.1:1\"\n",
            "settings:1: engines.tensorrt: the name tensorrt stands for the engines that are reported as tensorrt; give an engine of kind openai another name",
        ),
        (
            "[engines.\"My GPU\"]\nkind = \"openai\"\nurl = \"http://127.0.0.1:1\"\n",
            "settings:1: engines.\"My GPU\": an engine's name has 1 to 64 lower-case letters, digits, - and _",
        ),
        (
            "[models.thox-coder]\nolama = \"x\"\n",
            "settings:2: unknown key models.thox-coder.olama; did you mean models.thox-coder.ollama?",
        ),
        (
            "[models.mine]\nparameters = \"7B\"\n",
            "settings:1: models.mine: no engine is named that has this model; add one, such as ollama = \"qwen2.5-coder:7b\"",
        ),
        (
            "[models.mine]\nollama = 7\n",
            "settings:2: models.mine.ollama: expected a model's name in quotes, given the number 7",
        ),
        (
            "engines = 5\n",
            "settings:1: engines: expected a table, given the number 5",
        ),
        ("[server\n", "settings:1: "),
        (
            "state_dir = \"/a\"\nstate_dir = \"/b\"\n",
            "settings:2: duplicate key",
        ),
    ] {
        let found = problems(text);
        assert!(
            found.len() == 1 && found[0].starts_with(expected),
            "{text}: {found:#?}"
        );
    }
    let own = "[engines.gpu]\nkind = \"openai\"\nurl = \"unix:/run/gpu.sock\"\n[models.mine]\ngpu = \"big\"\n";
    assert_eq!(parse_text(own).unwrap().models["mine"].on["gpu"], "big");
}

#[test]
fn the_environment_reaches_every_section_and_leaves_others_alone() {
    let root = tempfile::tempdir().unwrap();
    let mut sources = sources(root.path(), &[]);
    for (name, value) in [
        ("THOX_HOST", "http://elsewhere:8080"),
        ("THOX_API_KEY", "sk-1"),
        ("THOX_SERVER__LISTEN", "127.0.0.1:9000"),
        ("THOX_SERVER__MAX_CONNECTIONS", "7"),
        ("THOX_ENGINES__OLLAMA__URL", "http://127.0.0.1:1"),
        ("THOX_MODELS__THOX_CODER_FAST__OLLAMA", "tiny"),
        ("THOX_TLS__ENABLED", "true"),
        ("THOX_DOWNLOADS__REGISTRIES", "hf.co"),
        ("THOX_AUTH__ENABLED", "true"),
        ("THOX_LIMITS__REMOTE_REQUESTS_PER_MINUTE", "9"),
        ("THOX_AUDIT__ENABLED", "true"),
        ("THOX_STATE_DIR", "/tmp/state"),
        ("PATH", "/bin"),
    ] {
        sources
            .environment
            .insert(name.to_owned(), value.to_owned());
    }
    let settings = Settings::load(&sources).unwrap().settings;
    assert_eq!(
        settings.server.listen,
        ["127.0.0.1:9000".parse::<SocketAddr>().unwrap()]
    );
    assert_eq!(settings.server.max_connections, 7);
    assert_eq!(
        settings.engines["ollama"].url.as_ref().unwrap().to_string(),
        "http://127.0.0.1:1"
    );
    assert_eq!(settings.models["thox-coder-fast"].on["ollama"], "tiny");
    assert!(settings.tls.enabled && settings.auth.enabled && settings.audit.enabled);
    assert_eq!(settings.downloads.registries, ["hf.co".parse().unwrap()]);
    assert_eq!(settings.limits.remote_requests_per_minute, 9);
    assert_eq!(settings.state_dir, Path::new("/tmp/state"));

    for (name, value, expected) in [
        (
            "THOX_SEVER__LISTEN",
            "x",
            "environment variable THOX_SEVER__LISTEN: unknown key sever.listen; did you mean THOX_SERVER__LISTEN?",
        ),
        (
            "THOX_SERVER__LISEN",
            "x",
            "environment variable THOX_SERVER__LISEN: unknown key server.lisen; did you mean server.listen?",
        ),
        (
            "THOX_SERVER__MAX_BODY",
            "big",
            "environment variable THOX_SERVER__MAX_BODY: server.max_body: expected a size above zero such as \"32MiB\" or \"1GiB\", given the text \"big\"",
        ),
    ] {
        sources.environment = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let found = Settings::load(&sources).unwrap_err().to_string();
        assert_eq!(found, expected);
    }
}

#[test]
fn set_takes_toml_and_bare_words() {
    let root = tempfile::tempdir().unwrap();
    let mut sources = sources(root.path(), &[]);
    sources.set = [
        "server.listen=[\"127.0.0.1:1\", \"127.0.0.1:2\"]",
        "server.max_body=1GiB",
        "router.default_model=\"quoted\"",
        "models.\"a.b\".ollama=plain:7b",
        "engines.starter.enabled=false",
    ]
    .map(str::to_owned)
    .to_vec();
    let settings = Settings::load(&sources).unwrap().settings;
    assert_eq!(settings.server.listen.len(), 2);
    assert_eq!(settings.server.max_body, Bytes(1 << 30));
    assert_eq!(settings.router.default_model, "quoted");
    assert_eq!(settings.models["a.b"].on["ollama"], "plain:7b");
    assert!(!settings.engines["starter"].enabled);

    for (argument, expected) in [
        ("server.listen", "--set server.listen: there is no = in it"),
        ("a b=1", "--set a b=1: `a b` is no key"),
        (
            "server.lisen=x",
            "--set server.lisen=x: unknown key server.lisen; did you mean server.listen?",
        ),
    ] {
        sources.set = vec![argument.to_owned()];
        let found = Settings::load(&sources).unwrap_err().to_string();
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_others_mistakes() {
    let root = tempfile::tempdir().unwrap();
    let mut sources = sources(
        root.path(),
        &[("etc/thox/config.toml", "[log]\nlevel = 5\n")],
    );
    fs::create_dir_all(root.path().join("etc/thox/config.d/10.toml")).unwrap();
    let found = Settings::load(&sources).unwrap_err().to_string();
    assert!(
        found.contains("config.d/10.toml: cannot be read: Is a directory"),
        "{found}"
    );
    assert!(
        found.contains("config.toml:2: log.level: expected"),
        "{found}"
    );
    sources.config = Some(root.path().join("none.toml"));
    let found = Settings::load(&sources).unwrap_err().to_string();
    assert!(
        found.contains("none.toml: cannot be read: No such file"),
        "{found}"
    );
}

#[test]
fn the_default_file_documents_every_key_and_nothing_else() {
    let loaded = Settings::load(&sources(tempfile::tempdir().unwrap().path(), &[])).unwrap();
    for key in loaded.keys() {
        let explanation = loaded.explain(key).unwrap();
        assert!(
            !explanation.documentation.is_empty(),
            "{key} is not documented"
        );
    }
    let documented = documentation::read(DEFAULT_FILE);
    for entry in documented.iter().filter(|entry| !entry.is_table) {
        assert!(
            loaded.explain(&entry.key).is_ok(),
            "{} is documented and does not exist",
            entry.key
        );
    }
    for entry in documented
        .iter()
        .filter(|entry| entry.is_table && entry.key.segments().len() == 1)
    {
        assert!(!entry.text.is_empty(), "[{}] has no comment", entry.key);
    }
}

#[test]
fn the_defaults_that_the_default_file_shows_are_those_in_force() {
    let uncommented: Vec<&str> = DEFAULT_FILE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase()) => key,
            _ => line,
        })
        .collect();
    let mut shown = parse_text(&uncommented.join("\n")).unwrap();
    let in_force = parse_text("").unwrap();
    // The keys that have an example and no default.
    assert!(shown.tls.certificate.take().is_some() && shown.tls.key.take().is_some());
    assert!(shown.dbus.address.take().is_some());
    assert!(
        shown
            .engines
            .get_mut("ollama")
            .unwrap()
            .api_key_file
            .take()
            .is_some()
    );
    assert_eq!(shown, in_force);
}

#[test]
fn a_certificate_and_its_key_come_together() {
    assert_eq!(
        problems("[tls]\ncertificate = \"/etc/c.pem\"\n"),
        [
            "settings:1: tls.key is missing: set it to the path of the PEM file with tls.certificate's key"
        ]
    );
    assert_eq!(
        problems("[tls]\nkey = \"/etc/k.pem\"\n"),
        [
            "settings:1: tls.certificate is missing: set it to the path of the PEM file with the certificate of tls.key"
        ]
    );
    assert_eq!(
        problems("[tls]\nkey = \"/etc/k.pem\"\ncertificate = 3\n"),
        ["settings:3: tls.certificate: expected an absolute path in quotes, given the number 3"]
    );
    let both = "[tls]\nenabled = true\ncertificate = \"/c.pem\"\nkey = \"/k.pem\"\n";
    let tls = parse_text(both).unwrap().tls;
    assert_eq!(tls.certificate.unwrap(), Path::new("/c.pem"));
    assert_eq!(tls.key.unwrap(), Path::new("/k.pem"));
}

#[test]
fn the_network_is_told_by_a_name_and_on_links_that_can_be() {
    let settings = parse_text("").unwrap().mdns;
    assert!(settings.enabled);
    assert_eq!(settings.hostname.0, "thox");
    assert!(settings.choice.only.is_empty() && !settings.choice.exclude.is_empty());
    let text = "[mdns]\nhostname = \"Box-7\"\ninterfaces = \"eth*\"\nexclude_interfaces = []\n";
    let settings = parse_text(text).unwrap().mdns;
    assert_eq!(settings.hostname.0, "box-7");
    assert_eq!(settings.choice.only.len(), 1);
    for wrong in [
        "hostname = \"thox.local\"",
        "hostname = \"\"",
        "hostname = \"-a\"",
        "hostname = \"localhost\"",
        "hostname = \"a b\"",
        "interfaces = [\"e*h0\"]",
        "exclude_interfaces = [\"\"]",
    ] {
        let found = problems(&format!("[mdns]\n{wrong}\n"));
        assert!(
            found.len() == 1 && found[0].contains("mdns."),
            "{wrong}: {found:?}"
        );
    }
}

#[test]
fn explains_value_default_and_origin() {
    let root = tempfile::tempdir().unwrap();
    let file = "etc/thox/config.toml";
    let loaded = Settings::load(&sources(
        root.path(),
        &[(file, "server.max_body = \"1GiB\"\n")],
    ))
    .unwrap();
    let explanation = loaded.explain(&key("server.max_body")).unwrap();
    assert_eq!(explanation.value.as_deref(), Some("\"1GiB\""));
    assert_eq!(explanation.plain(), "1GiB");
    assert_eq!(explanation.default.as_deref(), Some("\"32MiB\""));
    assert_eq!(
        explanation.origin.to_string(),
        format!("{}:1", root.path().join(file).display())
    );
    assert!(
        explanation
            .documentation
            .starts_with("Largest body of a request")
    );

    let untouched = loaded.explain(&key("engines.ollama.queue")).unwrap();
    assert_eq!(
        (untouched.plain().as_str(), untouched.origin),
        ("256", Origin::Default)
    );
    let unset = loaded.explain(&key("engines.ollama.api_key_file")).unwrap();
    assert_eq!((unset.value, unset.default), (None, None));

    assert_eq!(loaded.within(&key("router")).unwrap().len(), 4);
    let unknown = loaded.explain(&key("server.max_bdy")).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "there is no key server.max_bdy; did you mean server.max_body?"
    );
    let table = loaded.within(&key("engine.ollama")).unwrap_err();
    assert_eq!(table.nearest.as_deref(), Some("engines.ollama"));
    let elsewhere = loaded.explain(&key("default_model")).unwrap_err();
    assert_eq!(elsewhere.nearest.as_deref(), Some("router.default_model"));
}

proptest::proptest! {
    #[test]
    fn no_text_brings_the_parser_down(text in "[\\[\\]a-z0-9.=\"'#\\n {},:_-]{0,200}") {
        if let Err(problems) = parse_text(&text) {
            proptest::prop_assert!(!problems.0.is_empty() && !problems.to_string().is_empty());
        }
    }
}
