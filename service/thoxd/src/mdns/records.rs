//! What is told: two services on two names of one host. Nothing of models, keys and owner: whoever listens on the
//! network hears it.

use super::names::Kind;
use mdns_sd::ServiceInfo;
use std::net::IpAddr;
use thox_policy::discovery::Ports;

/// The device's own service, by which `thox discover` finds it.
const DEVICE: &str = "_thox._tcp.local.";

/// Any web page (RFC 6763, 6.4 and IANA's register): browsers and file managers list it.
const WEB: &str = "_http._tcp.local.";

/// The same over TLS, in the place of the other where there is no plain port: `_http._tcp` is plain HTTP's.
const SECURE_WEB: &str = "_https._tcp.local.";

/// What the device tells, the same on all links but for the addresses.
#[derive(Clone, Debug)]
pub(super) struct Records {
    /// The wanted name, `thox.local`.
    pub(super) main: String,
    /// The name with the id in it.
    pub(super) stable: String,
    id: String,
    ports: Ports,
}

impl Records {
    pub(super) fn new(hostname: &str, id: &str, ports: Ports) -> Self {
        Self {
            main: format!("{hostname}.local"),
            stable: format!("thox-{id}.local"),
            id: id.to_owned(),
            ports,
        }
    }

    /// Both services. A service has one host: the one of people is of the name that people use, the device's own is of
    /// the name that stays. Where the device's own has one port in its record and in `tls`, that port speaks TLS alone.
    pub(super) fn services(&self, addresses: &[IpAddr]) -> mdns_sd::Result<[ServiceInfo; 2]> {
        let (web, port, tls) = match self.ports {
            Ports::Plain { port, tls } => (WEB, port, tls),
            Ports::Encrypted(port) => (SECURE_WEB, port, Some(port)),
        };
        let instance = format!("Thox {}", self.id);
        let service = |kind: &str, host: &str, text: &[(&str, &str)]| {
            let host = format!("{host}.");
            ServiceInfo::new(kind, &instance, &host, addresses, port, text)
        };
        let tls = tls.map(|port| port.to_string());
        let mut text = vec![
            ("txtvers", "1"),
            ("api", "v1"),
            ("path", "/v1"),
            ("device", "/thox/v1"),
            ("health", "/health"),
        ];
        text.extend(tls.as_deref().map(|port| ("tls", port)));
        Ok([
            service(DEVICE, &self.stable, &text)?,
            service(web, &self.main, &[("path", "/")])?,
        ])
    }
}

/// Whose name a service stands for, by the service's own.
pub(super) fn kind(fullname: &str) -> Option<Kind> {
    if fullname.ends_with(DEVICE) {
        Some(Kind::Stable)
    } else if fullname.ends_with(WEB) || fullname.ends_with(SECURE_WEB) {
        Some(Kind::Main)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(ports: Ports) -> [ServiceInfo; 2] {
        let records = Records::new("thox", "k3mzq2xa", ports);
        records.services(&["192.168.1.7".parse().unwrap()]).unwrap()
    }

    fn told(service: &ServiceInfo) -> String {
        let text = service.get_properties().iter();
        text.map(|one| format!("{}={}", one.key(), one.val_str()))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn what_is_told_is_this_and_no_more() {
        let [device, web] = services(Ports::Plain {
            port: 8080,
            tls: Some(8443),
        });
        assert_eq!((device.get_port(), web.get_port()), (8080, 8080));
        assert!(web.get_fullname().ends_with("._http._tcp.local."));
        assert_eq!(device.get_hostname(), "thox-k3mzq2xa.local.");
        assert_eq!(web.get_hostname(), "thox.local.");
        assert_eq!(
            told(&device),
            "txtvers=1 api=v1 path=/v1 device=/thox/v1 health=/health tls=8443"
        );
        assert_eq!(told(&web), "path=/");
        assert_eq!(kind(device.get_fullname()), Some(Kind::Stable));
        assert_eq!(kind(web.get_fullname()), Some(Kind::Main));
    }

    #[test]
    fn where_there_is_tls_alone_no_plain_port_is_told() {
        let [device, web] = services(Ports::Encrypted(8443));
        assert_eq!((device.get_port(), web.get_port()), (8443, 8443));
        assert!(told(&device).ends_with(" tls=8443"));
        assert!(web.get_fullname().ends_with("._https._tcp.local."));
        assert_eq!(web.get_hostname(), "thox.local.");
        assert_eq!(kind(web.get_fullname()), Some(Kind::Main));
    }
}
