//! Publishes messages of the test's own and waits until a broker has acknowledged all.

use std::net::SocketAddr;

use nadikota::mqtt::publish::Publisher;

use super::city;

const WINDOW: u16 = 100;

pub fn publish<P: Clone + Into<Vec<u8>>>(broker: SocketAddr, client_id: &str, messages: &[(String, P)]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut publisher = Publisher::new(&city::client(broker, client_id), WINDOW);
        let (mut sent, mut acknowledged) = (0, 0);
        while acknowledged < messages.len() {
            while let Some((topic, payload)) = messages.get(sent)
                && publisher.outstanding() < usize::from(WINDOW)
                && publisher.try_publish(0, topic, payload.clone().into(), false)
            {
                sent += 1;
            }
            acknowledged += usize::from(publisher.poll().await.expect("the broker stays").is_some());
        }
    });
}
