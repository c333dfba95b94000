//! What is told: two services on two names of one host. Nothing of models, keys and owner: whoever listens on the
//! network hears it.

use super::names::Kind;
use mdns_sd::ServiceInfo;
use std::net::IpAddr;

/// The device's own service, by which `thox discover` finds it.
const DEVICE: &str = "_thox._tcp.local.";

/// Any web page (RFC 6763, 6.4 and IANA's register): browsers and file managers list it.
const WEB: &str = "_http._tcp.local.";

/// The ports at which the device is answered on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Plain HTTP.
    pub plain: u16,
    /// HTTPS, where it is on.
    pub tls: Option<u16>,
}

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
    /// the name that stays.
    pub(super) fn services(&self, addresses: &[IpAddr]) -> mdns_sd::Result<[ServiceInfo; 2]> {
        let instance = format!("Thox {}", self.id);
        let service = |kind: &str, host: &str, text: &[(&str, &str)]| {
            let host = format!("{host}.");
            ServiceInfo::new(kind, &instance, &host, addresses, self.ports.plain, text)
        };
        let tls = self.ports.tls.map(|port| port.to_string());
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
            service(WEB, &self.main, &[("path", "/")])?,
        ])
    }
}

/// Whose name a service stands for, by the service's own.
pub(super) fn kind(fullname: &str) -> Option<Kind> {
    if fullname.ends_with(DEVICE) {
        Some(Kind::Stable)
    } else if fullname.ends_with(WEB) {
        Some(Kind::Main)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_this_and_no_more() {
        let ports = Ports {
            plain: 8080,
            tls: Some(8443),
        };
        let records = Records::new("thox", "k3mzq2xa", ports);
        let address = "192.168.1.7".parse().unwrap();
        let [device, web] = records.services(&[address]).unwrap();
        assert_eq!(device.get_hostname(), "thox-k3mzq2xa.local.");
        assert_eq!(web.get_hostname(), "thox.local.");
        let told = |service: &ServiceInfo| {
            let text = service.get_properties().iter();
            text.map(|one| format!("{}={}", one.key(), one.val_str()))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            told(&device),
            "txtvers=1 api=v1 path=/v1 device=/thox/v1 health=/health tls=8443"
        );
        assert_eq!(told(&web), "path=/");
        assert_eq!(kind(device.get_fullname()), Some(Kind::Stable));
        assert_eq!(kind(web.get_fullname()), Some(Kind::Main));
    }
}
