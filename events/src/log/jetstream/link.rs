//! The connection: an asynchronous client on a thread of its own, asked from any thread and waited for.

use std::ops::RangeInclusive;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use async_nats::jetstream::context::{GetStreamErrorKind, PublishError};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, DirectGetErrorKind, Info, LastRawMessageErrorKind, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use async_nats::{Client, ConnectOptions, ServerInfo};
use tokio::runtime::{Builder, Runtime};

use super::{Options, PAUSE, commit_subject, epoch_subject, stream_name};
use crate::commit::Commit;
use crate::log::Cause;

/// How often a message is asked for before reading fails.
const READ_ATTEMPTS: u32 = 3;
/// How long after a connection was lost or refused the next is tried.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);
/// What every request may take beyond the time the client gives it.
const GRACE: Duration = Duration::from_secs(2);

/// A message of the stream.
#[derive(Debug)]
pub(super) struct Stored {
    /// The commit's bytes.
    pub(super) payload: Vec<u8>,
    /// The id that its writer gave it.
    pub(super) id: Option<String>,
}

/// A connection to the stream of one partition.
#[derive(Debug)]
pub(super) struct Link {
    /// Present until the end.
    runtime: Option<Runtime>,
    client: Client,
    context: Context,
    stream: Stream<()>,
    name: String,
    partition: u16,
    /// Which no other connection has.
    writer: String,
    answer_within: Duration,
}

/// Messages that were asked for.
pub(super) struct Window(Receiver<Vec<Result<Option<Stored>, Cause>>>);

impl Window {
    /// The messages, in order.
    pub(super) fn wait(self) -> Result<Vec<Result<Option<Stored>, Cause>>, Cause> {
        self.0.recv().map_err(Cause::from)
    }
}

impl Link {
    pub(super) fn connect(options: &Options) -> Result<Link, Cause> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("nats").enable_all().build()?;
        let name = stream_name(options.partition);
        let (url, credentials, within) =
            (options.url.clone(), options.credentials.clone(), options.answer_within);
        let connecting = {
            let name = name.clone();
            async move {
                let mut connect = ConnectOptions::new()
                    .name("linggong")
                    .connection_timeout(within)
                    .reconnect_delay_callback(|_| RECONNECT_PAUSE);
                if let Some(file) = credentials {
                    connect = connect.credentials_file(file).await?;
                }
                let client = connect.connect(url).await?;
                let context = async_nats::jetstream::ContextBuilder::new()
                    .timeout(within)
                    .ack_timeout(within)
                    .build(client.clone());
                let stream = context.get_stream_no_info(name).await?;
                Ok::<_, Cause>((client, context, stream))
            }
        };
        let (client, context, stream) = waited(&runtime, connecting)??;
        let writer = client.new_inbox();
        Ok(Link {
            runtime: Some(runtime),
            client,
            context,
            stream,
            name,
            partition: options.partition,
            writer,
            answer_within: within,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn server_info(&self) -> ServerInfo {
        self.client.server_info()
    }

    /// The id of the message that holds `commit`: other bytes or another writer give another.
    pub(super) fn id(&self, commit: &Commit) -> String {
        format!("{}.{}", self.writer, commit.digest())
    }

    /// What the server that leads the stream says of it; `None` where there is no such stream.
    pub(super) fn stream_info(&self) -> Result<Option<Info>, Cause> {
        let (context, name) = (self.context.clone(), self.name.clone());
        self.wait(async move {
            match context.get_stream(name).await {
                Ok(stream) => Ok(Some(stream.cached_info().clone())),
                Err(error) => match error.kind() {
                    GetStreamErrorKind::JetStream(told)
                        if told.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                    {
                        Ok(None)
                    }
                    GetStreamErrorKind::JetStream(_)
                    | GetStreamErrorKind::EmptyName
                    | GetStreamErrorKind::InvalidStreamName
                    | GetStreamErrorKind::Request => Err(error.into()),
                },
            }
        })
    }

    pub(super) fn create(&self, config: Config) -> Result<(), Cause> {
        let context = self.context.clone();
        self.wait(async move { Ok(context.create_stream(config).await.map(|_| ())?) })
    }

    /// Sends one commit and waits for the number that the server gave it.
    pub(super) fn publish(
        &self,
        commit: &Commit,
        takes_over: bool,
        expected: Option<u64>,
    ) -> Result<Result<u64, PublishError>, Cause> {
        let subject =
            if takes_over && commit.header().genesis.is_none() { epoch_subject } else { commit_subject };
        let subject = subject(self.partition);
        let mut message = PublishMessage::build()
            .payload(commit.bytes().to_vec().into())
            .message_id(self.id(commit))
            .expected_stream(&self.name);
        if let Some(last) = expected {
            message = message.expected_last_sequence(last);
        }
        let (context, within) = (self.context.clone(), self.answer_within + GRACE);
        self.wait(async move {
            let answer = async {
                let ack = context.send_publish(subject, message).await?.await?;
                Ok(ack.sequence)
            };
            Ok(tokio::time::timeout(within, answer).await?)
        })
    }

    /// The message of this number, from the server that leads the stream; `None` where it has none.
    pub(super) fn stored(&self, sequence: u64) -> Result<Option<Stored>, Cause> {
        let stream = self.stream.clone();
        self.wait(async move { from_leader(&stream, sequence).await })
    }

    /// Asks for many messages at once, of any server that has them.
    pub(super) fn window(&self, sequences: RangeInclusive<u64>) -> Window {
        let (sender, receiver) = sync_channel(1);
        let stream = self.stream.clone();
        if let Some(runtime) = &self.runtime {
            runtime.spawn(async move {
                let asked: Vec<_> = sequences
                    .map(|it| {
                        let stream = stream.clone();
                        tokio::spawn(async move { read(&stream, it).await })
                    })
                    .collect();
                let mut arrived = Vec::with_capacity(asked.len());
                for one in asked {
                    arrived.push(one.await.unwrap_or_else(|error| Err(error.into())));
                }
                // Whoever asked may have gone.
                sender.send(arrived).ok();
            });
        }
        Window(receiver)
    }

    fn wait<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T, Cause>> + Send + 'static,
    ) -> Result<T, Cause> {
        let runtime = self.runtime.as_ref().ok_or("the connection has ended")?;
        waited(runtime, task)?
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Waiting for its end is not allowed on a thread that drives tasks of another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Runs `task` on the runtime's own thread, so that any thread may wait for it.
fn waited<T: Send + 'static>(
    runtime: &Runtime,
    task: impl Future<Output = T> + Send + 'static,
) -> Result<T, Cause> {
    let (sender, receiver) = sync_channel(1);
    runtime.spawn(async move { sender.send(task.await).ok() });
    receiver.recv().map_err(Cause::from)
}

async fn read(stream: &Stream<()>, sequence: u64) -> Result<Option<Stored>, Cause> {
    let mut attempts = 1;
    loop {
        let outcome = match stream.direct_get(sequence).await {
            Ok(message) => return Ok(Some(of_message(message))),
            // A replica may be behind; the leader is not.
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => from_leader(stream, sequence).await,
            Err(error) => Err(error.into()),
        };
        if outcome.is_ok() || attempts == READ_ATTEMPTS {
            return outcome;
        }
        attempts += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn from_leader(stream: &Stream<()>, sequence: u64) -> Result<Option<Stored>, Cause> {
    match stream.get_raw_message(sequence).await {
        Ok(message) => Ok(Some(of_message(message))),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn of_message(message: async_nats::jetstream::message::StreamMessage) -> Stored {
    let id = message.headers.get(async_nats::header::NATS_MESSAGE_ID).map(|it| it.as_str().to_owned());
    Stored { payload: message.payload.to_vec(), id }
}
