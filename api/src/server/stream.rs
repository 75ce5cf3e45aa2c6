//! A connection that is given up when the client takes next to nothing for too long.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::connections::State;

/// Bytes that count as progress: a byte now and then does not, for it would hold a connection for ever.
const PROGRESS_BYTES: usize = 16 << 10;

/// A stream whose writes make progress within a time, or fail. It notices when all of an answer is written.
pub(super) struct ImpatientStream {
    stream: TcpStream,
    connection: Arc<State>,
    progress: Progress,
}

/// Whether so many bytes, or all that there are, are written within each stretch of a time.
struct Progress {
    timeout: Duration,
    /// Of a stretch, which begins with a write that has to wait.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Bytes written within it.
    written: usize,
}

impl ImpatientStream {
    pub(super) fn new(stream: TcpStream, timeout: Duration, connection: Arc<State>) -> Self {
        Self {
            stream,
            connection,
            progress: Progress::new(timeout),
        }
    }
}

impl Progress {
    fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            deadline: None,
            written: 0,
        }
    }

    /// What becomes of a write: one that waits fails once the stretch is over.
    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.written = self.written.saturating_add(bytes);
                if self.written >= PROGRESS_BYTES {
                    self.done();
                }
                written
            }
            Poll::Ready(Err(_)) => written,
            Poll::Pending => self.wait(context).map(Err),
        }
    }

    /// The stretch is over, in time.
    fn done(&mut self) {
        (self.deadline, self.written) = (None, 0);
    }

    /// Comes with an error when the stretch has taken too long.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if self.deadline.is_none() {
            self.deadline = Some(Box::pin(sleep(self.timeout)));
            self.written = 0;
        }
        let deadline = self
            .deadline
            .as_mut()
            .map(|deadline| deadline.as_mut().poll(context));
        match deadline {
            Some(Poll::Ready(())) => Poll::Ready(io::ErrorKind::TimedOut.into()),
            _ => Poll::Pending,
        }
    }
}

impl AsyncRead for ImpatientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for ImpatientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.progress.wrote(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.progress.wrote(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_pending() {
            return self.progress.wait(context).map(Err);
        }
        // The HTTP library flushes once it has written all that it had.
        self.progress.done();
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.connection.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn context() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    fn wrote(progress: &mut Progress, bytes: usize) {
        let written = progress.wrote(&mut context(), Poll::Ready(Ok(bytes)));
        assert!(matches!(written, Poll::Ready(Ok(found)) if found == bytes));
    }

    /// Whether the next write, which has to wait, fails.
    fn is_over(progress: &mut Progress) -> bool {
        progress.wrote(&mut context(), Poll::Pending).is_ready()
    }

    /// A reader that takes a byte within each stretch would hold its connection for ever.
    #[tokio::test]
    async fn a_few_bytes_do_not_begin_a_stretch_anew_and_many_or_the_last_do() {
        let mut progress = Progress::new(Duration::ZERO);
        let late = async |progress: &mut Progress| {
            assert!(progress.deadline.is_some());
            // It ends later than the stretch does.
            sleep(Duration::from_millis(5)).await;
            is_over(progress)
        };
        let begin = |progress: &mut Progress| {
            progress.done();
            progress.deadline = Some(Box::pin(sleep(Duration::from_millis(1))));
        };
        begin(&mut progress);
        wrote(&mut progress, 1);
        assert!(late(&mut progress).await, "a byte is no progress");
        begin(&mut progress);
        wrote(&mut progress, PROGRESS_BYTES - 1);
        assert!(late(&mut progress).await);
        begin(&mut progress);
        wrote(&mut progress, PROGRESS_BYTES - 1);
        wrote(&mut progress, 1);
        assert!(
            progress.deadline.is_none(),
            "a stretch of its own begins with the next wait"
        );
        begin(&mut progress);
        progress.done();
        assert!(progress.deadline.is_none());
    }
}
