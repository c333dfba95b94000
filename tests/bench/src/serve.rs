//! The accept loop of the upstream and of the bare proxy.

use std::error::Error;
use std::future::Future;
use std::io::Write;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Tells whoever started this program where it listens: one line on stdout.
pub(crate) fn announce(listener: &TcpListener) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "http://{}", listener.local_addr()?)?;
    out.flush()?;
    Ok(())
}

/// Serves HTTP/1.1 on each connection until the process ends.
pub(crate) async fn forever<S, F, B, E>(listener: TcpListener, service: S) -> anyhow::Result<()>
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
{
    loop {
        let (socket, _) = listener.accept().await?;
        // Nagle's algorithm adds 40 ms to a stream's events.
        socket.set_nodelay(true)?;
        let service = service_fn(service.clone());
        tokio::spawn(async move {
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await;
            // A client that leaves in mid-stream is what half of the bench is about.
            drop(served);
        });
    }
}
