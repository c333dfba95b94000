use super::{
    super::{
        names::Kind,
        responder::{Origin, Said},
    },
    *,
};
use crate::lifetime::planted;
use std::sync::atomic::Ordering;
use thox_policy::discovery::{Link, Ports};
use tokio::time::{sleep, timeout};

/// No interface has this number: nothing is said anywhere.
const NOWHERE: u32 = u32::MAX;

fn offered() -> Announced {
    Announced {
        id: "k3mzq2xa".to_owned(),
        offer: Offer {
            ports: Ports::Plain {
                port: 8080,
                tls: None,
            },
            bound: vec!["0.0.0.0:8080".parse().unwrap()],
        },
    }
}

fn link_at(address: &str) -> Links {
    let link = Link {
        index: NOWHERE,
        name: "nowhere0".into(),
        is_up: true,
        is_shared: true,
        networks: vec![format!("{address}/24").parse().unwrap()],
    };
    Links {
        links: vec![link],
        wakes: 0,
    }
}

fn announcer() -> Announcer {
    let records = Records::new("thox", "k3mzq2xa", offered().offer.ports);
    let called = wanted(&records.main, &records.stable);
    Announcer {
        announced: offered(),
        choice: Choice::default(),
        records,
        names: Names::so_far(called.clone()),
        called: Arc::new(watch::Sender::new(called)),
        responders: BTreeMap::new(),
        turns: 0,
        silent: BTreeMap::new(),
        wakes: 0,
        retry: None,
        reports: mpsc::channel(REPORTS).0,
        lifetime: Lifetime::default(),
    }
}

#[tokio::test]
async fn what_an_old_responder_says_changes_nothing() {
    let mut announcer = announcer();
    announcer.take_up(&link_at("192.0.2.7")).await;
    let old = announcer.responders[&NOWHERE].origin();
    announcer.take_up(&link_at("192.0.2.8")).await;
    let new = announcer.responders[&NOWHERE].origin();
    assert_ne!(old, new);
    let before = announcer.called.borrow().clone();
    for said in [
        Said::Named(Kind::Main, "thox-9.local".to_owned()),
        Said::Silent,
        Said::Ended,
    ] {
        let words = format!("{said:?}");
        announcer.hear(Report { from: old, said });
        assert_eq!(announcer.responders[&NOWHERE].origin(), new, "{words}");
        assert_eq!(*announcer.called.borrow(), before, "{words}");
        assert!(announcer.retry.is_none(), "{words}");
    }
    let hear = |announcer: &mut Announcer, from: Origin, said| {
        announcer.hear(Report { from, said });
        announcer.called.borrow().clone()
    };
    let name = "thox-2.local".to_owned();
    let called = hear(&mut announcer, new, Said::Named(Kind::Main, name));
    assert_eq!(&*called.name, "thox-2.local");
    assert_eq!(&*called.wished, "thox.local");
    let called = hear(&mut announcer, new, Said::Ended);
    assert!(called.trouble.unwrap().contains("nowhere0"));
    assert!(announcer.responders.is_empty() && announcer.retry.is_some());
}

#[tokio::test]
async fn a_panic_is_told_of_and_the_device_is_announced_again() {
    let (times, _planted) = planted::panic_at("announced on the network");
    let lifetime = Lifetime::default();
    let (_links, links) = watch::channel(link_at("192.0.2.7"));
    let settings = settings::Mdns {
        enabled: true,
        hostname: settings::HostLabel("thox".to_owned()),
        choice: Choice::default(),
    };
    let _called = announce(offered(), &settings, links, &lifetime);
    let begun_again = async {
        while times.load(Ordering::SeqCst) < 2 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), begun_again).await.unwrap();
    let troubles = lifetime.troubles();
    assert!(
        troubles[0].contains("telling the network of the device panicked"),
        "{troubles:?}"
    );
    lifetime.stop();
    assert_eq!(lifetime.drain(Duration::from_secs(10)).await, 0);
}
