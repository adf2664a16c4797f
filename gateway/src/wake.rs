//! Waiting for what tasks say in a thread of our own, without a runtime: at the end it may be gone first.

use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::sync::watch;

/// Why a thread that waited goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// There is something new.
    New,
    /// Nothing new for now: time is up, or somebody called.
    Called,
    /// There will never be anything new.
    Over,
}

/// Waits for the next value, for `patience` at most; [`Thread::unpark`] calls the thread before.
pub fn wait<T>(values: &mut watch::Receiver<T>, patience: Duration) -> Woken {
    let waker = Waker::from(Arc::new(Caller(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut changed = pin!(values.changed());
    let mut parked = false;
    loop {
        match changed.as_mut().poll(&mut context) {
            Poll::Ready(Ok(())) => return Woken::New,
            Poll::Ready(Err(_)) => return Woken::Over,
            Poll::Pending if parked => return Woken::Called,
            Poll::Pending => thread::park_timeout(patience),
        }
        parked = true;
    }
}

struct Caller(Thread);

impl Wake for Caller {
    fn wake(self: Arc<Caller>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_waits_hears_of_what_is_new_of_a_call_and_of_the_end_without_a_runtime() {
        let (values, mut seen) = watch::channel(1);
        let (said, heard) = std::sync::mpsc::channel();
        let waiting = thread::spawn(move || {
            loop {
                let woken = wait(&mut seen, Duration::from_secs(3600));
                said.send((woken, *seen.borrow_and_update())).unwrap();
                if woken == Woken::Over {
                    return;
                }
            }
        });
        values.send_replace(2);
        assert_eq!(heard.recv(), Ok((Woken::New, 2)));
        waiting.thread().unpark();
        assert_eq!(heard.recv(), Ok((Woken::Called, 2)));
        drop(values);
        assert_eq!(heard.recv(), Ok((Woken::Over, 2)));
        waiting.join().unwrap();
    }
}
