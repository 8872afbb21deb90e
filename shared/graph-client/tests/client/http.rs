//! The real transport against a real socket: limits, faults, and redirects that are not followed.

use std::time::Duration;

use bytes::Bytes;
use graph_client::{HttpConfig, HttpTransport, Transport, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Serves one connection with these bytes, then closes it; `None`: accepts and never answers.
async fn serve(answer: Option<&'static [u8]>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = socket.read(&mut request).await;
        match answer {
            Some(answer) => socket.write_all(answer).await.unwrap(),
            None => std::future::pending().await,
        }
    });
    url
}

async fn get(url: &str) -> Result<http::Response<Bytes>, TransportError> {
    let config = HttpConfig {
        total_timeout: Duration::from_millis(500),
        max_answer_bytes: 10,
        plain_http: true,
        ..HttpConfig::default()
    };
    let request = http::Request::get(url).body(Bytes::new()).unwrap();
    HttpTransport::new(&config).unwrap().send(request).await
}

#[tokio::test]
async fn answers_come_whole_whatever_their_status() {
    let url = serve(Some(
        b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 5\r\n\r\nlater",
    ))
    .await;
    let answer = get(&url).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.body()[..]),
        (503, &b"later"[..])
    );
    assert_eq!(answer.headers()["retry-after"], "7");
}

#[tokio::test]
async fn a_zipped_answer_is_unzipped_and_measured_afterwards() {
    const SMALL: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n\
        \x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\xca\x2c\x28\x48\x4d\x01\x00\x57\x68\xc2\xe2\x06\x00\x00\x00";
    const LARGE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n\
        \x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x4b\x4c\xa4\x3d\x00\x00\x64\x7a\x70\xaf\x64\x00\x00\x00";
    assert_eq!(
        &get(&serve(Some(SMALL)).await).await.unwrap().body()[..],
        b"zipped"
    );
    let bomb = get(&serve(Some(LARGE)).await).await.unwrap_err();
    assert!(matches!(bomb, TransportError::TooLarge { limit: 10 }), "{bomb:?}");
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let url = serve(Some(
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
    ))
    .await;
    assert_eq!(get(&url).await.unwrap().status().as_u16(), 302);
}

#[tokio::test]
async fn faults_say_whether_anything_was_sent() {
    let hung = get(&serve(None).await).await.unwrap_err();
    assert!(matches!(hung, TransportError::Timeout(_)), "{hung:?}");

    let cut = get(&serve(Some(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")).await)
        .await
        .unwrap_err();
    assert!(matches!(cut, TransportError::Interrupted(_)), "{cut:?}");

    let large = get(&serve(Some(b"HTTP/1.1 200 OK\r\n\r\nmore than ten")).await)
        .await
        .unwrap_err();
    assert!(
        matches!(large, TransportError::TooLarge { limit: 10 }),
        "{large:?}"
    );

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/secret", listener.local_addr().unwrap());
    drop(listener);
    let unreachable = get(&url).await.unwrap_err();
    assert!(
        matches!(unreachable, TransportError::Connect(_)),
        "{unreachable:?}"
    );
    assert!(
        !format!("{unreachable:?}").contains("secret"),
        "URLs name people: {unreachable:?}"
    );
}

#[tokio::test]
async fn plain_http_is_refused_unless_it_is_configured() {
    let request = http::Request::get("http://127.0.0.1:1/")
        .body(Bytes::new())
        .unwrap();
    let refused = HttpTransport::new(&HttpConfig::default())
        .unwrap()
        .send(request)
        .await
        .unwrap_err();
    assert!(matches!(refused, TransportError::Connect(_)), "{refused:?}");
}
