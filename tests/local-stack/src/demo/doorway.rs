//! The API on a port of this machine, for whoever watches the demo.
//!
//! Knows sockets. Deployed, the same router stands behind a function URL that wants signed requests; here nobody signs,
//! and nobody but this machine is let in.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::cast::Person;
use super::screen::Screen;

/// A caller that holds its line open is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The API while it is served.
pub(super) struct Doorway {
    address: SocketAddr,
    end: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Doorway {
    /// Serves it on a free port.
    pub(super) async fn open(api: Router) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("no port for the API")?;
        let address = listener.local_addr()?;
        let (end, ended) = oneshot::channel::<()>();
        let serving = axum::serve(listener, api).with_graceful_shutdown(async {
            // An error is a sender that was dropped, which ends it as well.
            let _ = ended.await;
        });
        Ok(Self {
            address,
            end,
            serving: tokio::spawn(serving.into_future()),
        })
    }

    /// What to try.
    pub(super) fn explain(&self, screen: &mut Screen, people: &[Person]) {
        let base = format!("http://{}/v1/mailboxes", self.address);
        screen.line("\n   The API listens until the end; try it in another terminal:");
        screen.line(&format!("   curl -s '{base}'"));
        if let Some(first) = people.first() {
            let id = &first.id;
            screen.line(&format!("   curl -s '{base}/{id}'"));
            screen.line(&format!("   curl -s '{base}/{id}/folders'"));
            screen.line(&format!("   curl -s '{base}/{id}/contacts?limit=2'"));
            screen.line(&format!("   curl -s '{base}/{id}/conflicts'"));
            if let Some(card) = first.contacts.last() {
                let contact = &card.id;
                screen.line(&format!(
                    "   curl -s -X PATCH -H 'If-Match: *' -H 'content-type: application/merge-patch+json' \\\n        \
                     -d '{{\"contact\": {{\"nickName\": \"Bo\"}}}}' '{base}/{id}/contacts/{contact}'"
                ));
            }
        }
    }

    /// Lets requests that are under way finish.
    pub(super) async fn close(self) {
        // An error is a server that has ended already.
        let _ = self.end.send(());
        let _ = tokio::time::timeout(PATIENCE, self.serving).await;
    }
}
