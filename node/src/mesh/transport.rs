//! The end of a link that calls: a connection of our own, and the one call on it. And what both ends have in common.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use proto::peer::Frame;
use proto::peer::peer_client::PeerClient;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::codegen::http;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Streaming};

use super::frames::FRAME_MAX;
use super::outbox::Outbox;
use super::serve::{PASSWORD, USER};
use crate::config::Config;
use crate::tls;

/// Bytes that may be under way on a link before the other end has read them: what bounds a slow peer's backlog here.
pub const STREAM_WINDOW: u32 = 4 << 20;
pub const CONNECTION_WINDOW: u32 = 8 << 20;
/// Largest HTTP/2 frame. The default of 16 KB would cut a flood into many.
pub const H2_FRAME: u32 = 256 << 10;
/// Bytes that are taken from the outbox before they are written.
pub const SEND_BUFFER: usize = 512 << 10;
/// How often the transport looks whether the other end still lives, and how long it waits for an answer. Beats tell sooner.
pub const KEEP_ALIVE: Duration = Duration::from_secs(10);
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// A peer that does not answer for so long is tried again later.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Why there is no link.
#[derive(Debug)]
pub enum Failure {
    /// Nobody there, or nobody who understands.
    Unreachable(String),
    /// The peer does not take this node's password.
    Refused(String),
}

/// Calls a peer.
pub async fn open(
    config: &Config,
    host: &str,
    port: u16,
    outbox: &Outbox,
) -> Result<(Streaming<Frame>, SocketAddr), Failure> {
    let unreachable = |what: String| Failure::Unreachable(what);
    let late = |_| Failure::Unreachable(format!("no answer within {} s", CONNECT_WITHIN.as_secs()));
    let connecting = tokio::time::timeout(CONNECT_WITHIN, connect(config, host, port));
    let stream = connecting.await.map_err(late)?.map_err(|e| unreachable(e.to_string()))?;
    let addr = stream.peer_addr().map_err(|e| unreachable(e.to_string()))?;
    let _ = stream.set_nodelay(true);
    if !config.tls_replication {
        return Ok((speak(config, stream, addr, outbox).await?, addr));
    }
    let securing = tokio::time::timeout(CONNECT_WITHIN, secure(config, host, stream));
    let stream = securing.await.map_err(late)?.map_err(|e| unreachable(format!("TLS: {e}")))?;
    Ok((speak(config, stream, addr, outbox).await?, addr))
}

/// Checks who is at the other end, and shows who is at this one.
async fn secure(config: &Config, host: &str, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
    let terms = tls::client::client_config(config).map_err(std::io::Error::other)?;
    let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
    TlsConnector::from(terms).connect(name, stream).await
}

/// Begins the one call on a connection.
async fn speak(
    config: &Config,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    addr: SocketAddr,
    outbox: &Outbox,
) -> Result<Streaming<Frame>, Failure> {
    let unreachable = |what: String| Failure::Unreachable(what);
    let late = |_| Failure::Unreachable(format!("no answer within {} s", CONNECT_WITHIN.as_secs()));
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(H2_FRAME)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|e| unreachable(e.to_string()))?;
    // It ends with the call, which holds the other side of it.
    tokio::spawn(async move {
        if let Err(e) = connection.await {
            tracing::debug!("Connection to {addr} ended: {e}");
        }
    });
    let calling = tokio::time::timeout(CONNECT_WITHIN, call(config, Caller(sender), outbox));
    calling.await.map_err(late)?
}

async fn connect(config: &Config, host: &str, port: u16) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::other("the name has no address");
    for addr in lookup_host((host, port)).await? {
        let socket = if addr.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
        if let Ok(from) = config.bind_source_addr.parse::<std::net::IpAddr>()
            && from.is_ipv6() == addr.is_ipv6()
        {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        match socket.connect(addr).await {
            Ok(stream) => return Ok(stream),
            Err(e) => last = e,
        }
    }
    Err(last)
}

async fn call(config: &Config, caller: Caller, outbox: &Outbox) -> Result<Streaming<Frame>, Failure> {
    let origin = http::Uri::from_static("http://everwrite.peer");
    let mut client = PeerClient::with_origin(caller, origin)
        .max_decoding_message_size(FRAME_MAX)
        .max_encoding_message_size(usize::MAX);
    let mut request = Request::new(outbox.frames());
    if !config.masterauth.is_empty() {
        let metadata = request.metadata_mut();
        let user: &[u8] = if config.masteruser.is_empty() { b"default" } else { &config.masteruser };
        metadata.insert_bin(USER, MetadataValue::from_bytes(user));
        metadata.insert_bin(PASSWORD, MetadataValue::from_bytes(&config.masterauth));
    }
    match client.link(request).await {
        Ok(response) => Ok(response.into_inner()),
        Err(status) if status.code() == Code::Unauthenticated => {
            Err(Failure::Refused(status.message().to_owned()))
        }
        Err(status) => Err(Failure::Unreachable(format!(
            "it does not answer as a peer (is active-replica on there?): {}",
            status.message()
        ))),
    }
}

/// What tonic calls through: one HTTP/2 connection.
#[derive(Clone)]
struct Caller(http2::SendRequest<tonic::body::Body>);

impl tonic::codegen::Service<http::Request<tonic::body::Body>> for Caller {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = tonic::codegen::BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
