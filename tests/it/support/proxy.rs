//! A TCP proxy that can cut its links, or swallow what goes one way.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Between a client and a server.
pub struct Proxy {
    address: SocketAddr,
    links: Arc<Mutex<Vec<TcpStream>>>,
    swallows: Arc<AtomicBool>,
}

impl Proxy {
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let (links, swallows) = (Arc::<Mutex<Vec<TcpStream>>>::default(), Arc::<AtomicBool>::default());
        let (all, swallow) = (Arc::clone(&links), Arc::clone(&swallows));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(server)) else { continue };
                let ends = [&client, &server].map(|end| end.try_clone().expect("a second handle"));
                all.lock().expect("no panic").extend(ends);
                let back = [&server, &client].map(|end| end.try_clone().expect("a second handle"));
                let swallow = Arc::clone(&swallow);
                std::thread::spawn(move || pump(client, server, &swallow));
                let [from, to] = back;
                std::thread::spawn(move || pump(from, to, &AtomicBool::new(false)));
            }
        });
        Self { address, links, swallows }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every link; new ones are let through.
    pub fn cut(&self) {
        for link in self.links.lock().expect("no panic").drain(..) {
            let _ = link.shutdown(Shutdown::Both);
        }
        self.swallows.store(false, Ordering::SeqCst);
    }

    /// From now on nothing from the client reaches the server; the client does not notice.
    pub fn swallow(&self) {
        self.swallows.store(true, Ordering::SeqCst);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, swallow: &AtomicBool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !swallow.load(Ordering::SeqCst) && to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
