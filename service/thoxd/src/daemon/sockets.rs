//! Where the daemon listens: on the sockets that the service manager has opened, and where the settings say.

use super::start::CannotStart;
use crate::{
    http::{
        self, Encrypted, Listener,
        connection::Terms,
        entrance::{Places, accept},
    },
    lan::{Lan, Surroundings},
    lifetime::Lifetime,
    settings::{self, Server, Settings},
    systemd::Sockets,
    tls::{Names, Tls},
};
use std::net::{IpAddr, SocketAddr, TcpListener};
use thox_policy::listening::{Opened, Serves, plan};

/// The plain port's sockets.
pub(super) fn plain(settings: &Settings, sockets: &Sockets) -> Result<Vec<Listener>, CannotStart> {
    let listen = &settings.server.listen;
    opened(&sockets.http, listen, &Server::listen(), "server.listen")
}

/// What was handed over, as far as the setting means it, and what it names beyond.
fn opened(
    passed: &[TcpListener],
    wanted: &[SocketAddr],
    usual: &[SocketAddr],
    setting: &str,
) -> Result<Vec<Listener>, CannotStart> {
    let addresses: Vec<SocketAddr> = passed
        .iter()
        .map(TcpListener::local_addr)
        .collect::<Result<_, _>>()?;
    let plan = plan(&addresses, wanted, usual);
    let mut listeners = Vec::new();
    for (socket, serves) in passed.iter().zip(plan.adopted) {
        let only = match serves {
            Serves::All => None,
            Serves::To(only) => Some(only),
        };
        let is_for_nobody = only.as_ref().is_some_and(Vec::is_empty);
        let listener = http::adopt(socket.try_clone()?, only)?;
        if is_for_nobody {
            tracing::warn!(
                "the service manager has opened {}, which {setting} does not name: nobody is answered there",
                listener.address
            );
        }
        listeners.push(listener);
    }
    for Opened { address, only_v6 } in plan.opened {
        listeners.push(http::bind(address, only_v6, setting)?);
    }
    Ok(listeners)
}

/// The encrypted port's sockets, where it is enabled, with a certificate that is kept up to date.
pub(super) fn encrypted(
    settings: &Settings,
    sockets: &Sockets,
    lan: &Lan,
    lifetime: &Lifetime,
) -> Result<(Option<Encrypted>, Vec<Listener>), CannotStart> {
    if !settings.tls.enabled {
        if !sockets.https.is_empty() {
            tracing::warn!(
                "the service manager has opened a socket for TLS, and tls.enabled is false: nobody is answered there. Set tls.enabled, or systemctl disable --now thoxd-https.socket"
            );
        }
        return Ok((None, Vec::new()));
    }
    let tls = Tls::open(
        &settings.tls,
        &settings.state_dir,
        certified_names(&lan.now()),
    )?;
    let listen = |listener: Listener| {
        let listener = listener.with_tls(tls.config());
        let fingerprint = tls.fingerprint();
        tracing::info!(
            "listening with TLS on https://{}, fingerprint of its key {fingerprint}",
            listener.address
        );
        listener
    };
    let bound = opened(
        &sockets.https,
        &settings.tls.listen,
        &settings::Tls::listen(),
        "tls.listen",
    )?;
    let listeners: Vec<Listener> = bound.into_iter().map(listen).collect();
    let encrypted = Encrypted {
        tls: tls.clone(),
        ports: listeners
            .iter()
            .map(|listener| listener.address.port())
            .collect(),
    };
    let kept = tls.clone();
    lifetime.spawn_restarting("keeping the certificate up to date", move || {
        kept.clone().keep()
    });
    let changes = lan.changes();
    lifetime.spawn_restarting("putting names into the certificate", move || {
        let (tls, mut changes) = (tls.clone(), changes.clone());
        async move {
            while changes.changed().await.is_ok() {
                let names = certified_names(&changes.borrow_and_update());
                tls.set_names(names);
            }
        }
    });
    Ok((Some(encrypted), listeners))
}

/// The control socket, where it can be had. Its connections have places of their own: whoever is on the device gets in
/// also while the network takes all others.
///
/// # Errors
/// One that was handed over cannot be used.
pub(super) async fn control(
    server: &Server,
    sockets: &Sockets,
    terms: &Terms,
) -> Result<(), CannotStart> {
    let control = match (&sockets.control, &server.control_socket.0) {
        (Some(socket), _) => http::control::adopt(socket.try_clone()?)?,
        (None, None) => return Ok(()),
        (None, Some(file)) => match http::control::bind(file).await {
            Ok(control) => control,
            Err(error) => {
                tracing::warn!("{error}");
                return Ok(());
            }
        },
    };
    let serving = accept(control, terms.clone(), Places::new(server));
    terms
        .lifetime
        .spawn_critical("accepting connections on the control socket", serving);
    Ok(())
}

/// What the device's certificate is for.
fn certified_names(surroundings: &Surroundings) -> Names {
    let names: Vec<String> = surroundings.names.iter().map(ToString::to_string).collect();
    let addresses: Vec<IpAddr> = surroundings.addresses().collect();
    Names::new(&names, &addresses)
}
