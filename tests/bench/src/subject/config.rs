//! The proxies' configurations: each as its manual would have it for streams and kept connections.

use std::net::SocketAddr;
use std::path::Path;

/// The name by which clients of thoxd know the upstream's model.
pub(crate) const ALIAS: &str = "thox-coder";

/// One worker, a pool of kept connections, no buffering of replies.
///
/// The body buffer holds the 32 KB prompts: with nginx's default of 16 KB each would go through a
/// temporary file.
pub(crate) fn nginx(folder: &Path, port: u16, upstream: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 100000000;
  client_max_body_size 32m;
  client_body_buffer_size 128k;
  upstream engine {{
    server {upstream};
    keepalive 256;
    keepalive_requests 100000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://engine;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }}
  }}
}}
"
    )
}

/// One thread, kept connections shared between clients.
pub(crate) fn haproxy(port: u16, upstream: SocketAddr) -> String {
    format!(
        "global
  nbthread 1
  maxconn 8000
  tune.bufsize 65536
defaults
  mode http
  option http-keep-alive
  option http-no-delay
  option abortonclose
  http-reuse always
  timeout connect 5s
  timeout client 600s
  timeout server 600s
frontend clients
  bind 127.0.0.1:{port} backlog 4096
  default_backend engine
backend engine
  server engine {upstream} pool-max-conn 256
"
    )
}

/// The upstream as the Ollama that it imitates, its model under another name, the embedded engine off
/// as in the device's image.
pub(crate) fn thoxd(folder: &Path, upstream: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "state_dir = \"{folder}/state\"
[server]
listen = [\"127.0.0.1:0\"]
max_connections_per_client = 1024
[engines.ollama]
kind = \"ollama\"
url = \"http://{upstream}\"
[engines.starter]
enabled = false
[models.{ALIAS}]
ollama = \"{}\"
",
        crate::upstream::MODEL
    )
}
