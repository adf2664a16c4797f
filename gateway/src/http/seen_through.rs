//! Work that is seen through, whoever goes away meanwhile.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Work that goes on, on a task of its own, where whoever waits for it is dropped before it is done. Who stays, as
/// nearly all do, pays for no task.
pub(super) struct SeenThrough<F>(Option<Pin<Box<F>>>)
where
    F: Future<Output: Send> + Send + 'static;

impl<F> SeenThrough<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    pub(super) fn new(work: F) -> SeenThrough<F> {
        SeenThrough(Some(Box::pin(work)))
    }
}

impl<F> Future for SeenThrough<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Taken out meanwhile: work that panics is not gone on with. Once it is done nobody asks again.
        let Some(mut work) = self.0.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = Some(work);
        }
        polled
    }
}

impl<F> Drop for SeenThrough<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    fn drop(&mut self) {
        // Without a runtime the process ends, and what was under way with it.
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            drop(runtime.spawn(work));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn whoever_stays_gets_the_answer_and_whoever_goes_leaves_the_work_to_its_end() {
        assert_eq!(SeenThrough::new(async { 7 }).await, 7);

        let (go, held) = oneshot::channel::<()>();
        let (done, heard) = oneshot::channel();
        let work = SeenThrough::new(async move {
            held.await.unwrap();
            done.send(8).unwrap();
        });
        let waiting = tokio::spawn(work);
        tokio::task::yield_now().await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        go.send(()).unwrap();
        assert_eq!(heard.await, Ok(8));

        let (done, heard) = oneshot::channel();
        drop(SeenThrough::new(async move { done.send(9).unwrap() }));
        assert_eq!(heard.await, Ok(9), "work that nobody began to wait for too");
    }

    #[tokio::test]
    async fn work_that_panics_is_not_gone_on_with() {
        let waiting = tokio::spawn(SeenThrough::new(async { panic!("broken") }));
        assert!(waiting.await.unwrap_err().is_panic());
    }
}
