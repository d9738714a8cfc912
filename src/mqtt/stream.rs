//! The stream of bytes to a broker: TCP, TLS, or a WebSocket over one of them.

use std::sync::Arc;

use async_tungstenite::tungstenite::client::IntoClientRequest as _;
use rumqttc::tokio_rustls::TlsConnector;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use ws_stream_tungstenite::WsStream;

use super::Options;

/// What MQTT needs of any of them.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens it; an error says in words of the layer that failed what is wrong.
pub(super) async fn open(
    options: &Options,
    tls: Option<Arc<ClientConfig>>,
) -> Result<Box<dyn Stream>, String> {
    let told = |error: std::io::Error| error.to_string();
    let tcp = TcpStream::connect((options.host.as_str(), options.port)).await.map_err(told)?;
    // Acknowledgements are gathered before they are written: what is written shall leave.
    tcp.set_nodelay(true).map_err(told)?;
    let stream: Box<dyn Stream> = match tls {
        None => Box::new(tcp),
        Some(config) => {
            let name = ServerName::try_from(options.host.clone());
            let name =
                name.map_err(|_| format!("\"{}\" is no name that a certificate can hold", options.host))?;
            Box::new(TlsConnector::from(config).connect(name, tcp).await.map_err(told)?)
        }
    };
    if options.transport.websocket.is_none() {
        return Ok(stream);
    }
    let address = options.transport.address(&options.host, options.port);
    let mut request =
        address.as_str().into_client_request().map_err(|error| format!("{address}: {error}"))?;
    let header = "mqtt".parse().map_err(|_| "the header of the WebSocket cannot be written".to_owned())?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", header);
    let (socket, response) = async_tungstenite::tokio::client_async(request, stream)
        .await
        .map_err(|error| format!("WebSocket: {error}"))?;
    let spoken = response.headers().get("Sec-WebSocket-Protocol");
    if spoken.is_none_or(|spoken| spoken.as_bytes().trim_ascii() != b"mqtt") {
        return Err(format!("{address} is a WebSocket that does not speak MQTT; check the path"));
    }
    Ok(Box::new(WsStream::new(socket)))
}
