//! Asks the agent, in a task of its own, for one who never waits.
//!
//! [`Desk`] is the reader's side: it puts questions and takes answers, and both return at once.
//! [`Clerk`] is the task: first it asks for the instance, until that is known; then for a container
//! at a time. Not known here: how often one asks, and what an answer is for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Uri;
use tokio::sync::{Notify, mpsc};

use super::super::pace::Pace;
use super::answer::{AnswerError, ContainerId, Instance, Task};
use crate::http_request::{self, GetError, Limits, get};

/// Most questions that wait for their turn. More containers hardly start at once; what is not asked
/// for now is asked for with the container's next records.
const QUESTIONS_MAX: usize = 64;
/// One answer a question, and two about the instance: the clerk never waits for room.
const ANSWERS_MAX: usize = QUESTIONS_MAX + 2;
/// The agent answers from memory, on this host.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);
/// Most bytes of an answer: that of the task metadata endpoint, which says more of the same.
const ANSWER_BYTES_MAX: usize = 1_048_576;
const STATUS_OK: u16 = 200;

/// Where an agent answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Agent {
    /// `http://host:port`
    base: String,
}

/// The host is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected the name or the address of a host, such as 127.0.0.1")]
pub struct AgentError;

/// The reader's side.
#[derive(Debug)]
pub struct Desk {
    questions: mpsc::Sender<Box<str>>,
    answers: mpsc::Receiver<Answer>,
}

/// What came of a question.
#[derive(Debug)]
pub enum Answer {
    /// The instance; `None` if the first attempt has failed. It comes unasked, and later still if
    /// it is known later.
    Instance(Option<Instance>),
    /// The task of a container, if it has one and the agent could be asked.
    Task {
        /// The id as it was asked for.
        asked: Box<str>,
        /// The task.
        task: Option<Task>,
    },
}

/// The asking itself, to be run in a task of its own.
#[derive(Debug)]
pub struct Clerk {
    agent: Agent,
    questions: mpsc::Receiver<Box<str>>,
    answers: mpsc::Sender<Answer>,
    /// Told of each answer.
    news: Arc<Notify>,
    pace: Pace,
}

/// Why something is not known.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("asking {path} failed")]
    Get { path: String, source: GetError },
    /// 400 or 404 where the container belongs to no task.
    #[error("{path} answered {status}, expected 200")]
    Status { path: String, status: u16 },
    #[error("{path} answered something else")]
    Answer { path: String, source: AnswerError },
}

impl Agent {
    /// The agent that answers on this host and port.
    ///
    /// # Errors
    ///
    /// [`AgentError`], where no address can be made of it.
    pub fn new(host: &str, port: u16) -> Result<Self, AgentError> {
        let is_bare_v6 = host.contains(':') && !host.starts_with('[');
        let host = if is_bare_v6 { format!("[{host}]") } else { host.to_owned() };
        let base = format!("http://{host}:{port}");
        let address: Uri = base.parse().map_err(|_| AgentError)?;
        let is_host = address.host() == Some(host.as_str()) && address.path() == "/";
        (is_host && !host.is_empty()).then_some(Self { base }).ok_or(AgentError)
    }

    /// `http://host:port`
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.base
    }

    async fn instance(&self) -> Result<Instance, AskError> {
        let path = "/v1/metadata".to_owned();
        let body = self.ask(&path).await?;
        Instance::parse(&body).map_err(|source| AskError::Answer { path, source })
    }

    async fn task(&self, id: ContainerId<'_>) -> Result<Task, AskError> {
        let path = format!("/v1/tasks?dockerid={}", id.as_str());
        let body = self.ask(&path).await?;
        Task::parse(&body, id).map_err(|source| AskError::Answer { path, source })
    }

    async fn ask(&self, path: &str) -> Result<Bytes, AskError> {
        let get_error = |source| AskError::Get { path: path.to_owned(), source };
        let address = format!("{}{path}", self.base).parse();
        let address: Uri = address.map_err(|_| get_error(GetError::Address))?;
        let limits = Limits { timeout: ASK_TIMEOUT, body_bytes_max: ANSWER_BYTES_MAX };
        match get(&address, limits).await.map_err(get_error)? {
            http_request::Answer { status: STATUS_OK, body } => Ok(body),
            http_request::Answer { status, .. } => {
                Err(AskError::Status { path: path.to_owned(), status })
            }
        }
    }
}

/// The two sides of asking an agent. `news` is told of each answer.
#[must_use]
pub fn desk(agent: Agent, news: Arc<Notify>) -> (Desk, Clerk) {
    let (question_sender, questions) = mpsc::channel(QUESTIONS_MAX);
    let (answers, answer_receiver) = mpsc::channel(ANSWERS_MAX);
    let desk = Desk { questions: question_sender, answers: answer_receiver };
    (desk, Clerk { agent, questions, answers, news, pace: Pace::DEFAULT })
}

impl Desk {
    /// Asks for the task of a container; `false` if too many questions wait already.
    #[must_use]
    pub fn ask(&self, id: ContainerId<'_>) -> bool {
        self.questions.try_send(id.as_str().into()).is_ok()
    }

    /// The next answer, if there is one.
    #[must_use]
    pub fn answer(&mut self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }

    /// One to answer by hand, for tests of those who ask.
    #[cfg(test)]
    pub(crate) fn fixture() -> (Self, mpsc::Receiver<Box<str>>, mpsc::Sender<Answer>) {
        let (question_sender, questions) = mpsc::channel(QUESTIONS_MAX);
        let (answers, answer_receiver) = mpsc::channel(ANSWERS_MAX);
        (Self { questions: question_sender, answers: answer_receiver }, questions, answers)
    }
}

impl Clerk {
    /// Answers until nobody asks any more.
    pub async fn run(self) {
        let Self { agent, mut questions, answers, news, pace } = self;
        let answer = async |answer| {
            // That nobody listens any more is seen below.
            let _ = answers.send(answer).await;
            news.notify_one();
        };
        let work = async {
            for attempt in 0_u32.. {
                match agent.instance().await {
                    Ok(instance) => {
                        answer(Answer::Instance(Some(instance))).await;
                        break;
                    }
                    Err(error) => report(&error, attempt),
                }
                if attempt == 0 {
                    answer(Answer::Instance(None)).await;
                }
                tokio::time::sleep(pace.retry_after(attempt, fastrand::u64(..))).await;
            }
            while let Some(asked) = questions.recv().await {
                let task = match ContainerId::begin(asked.as_bytes()) {
                    Some(id) => agent.task(id).await.map_err(|error| tell(id, &error)).ok(),
                    None => None,
                };
                answer(Answer::Task { asked, task }).await;
            }
        };
        tokio::select! {
            () = work => {}
            () = answers.closed() => {}
        }
    }
}

/// One warning, not one each attempt.
fn report(error: &AskError, attempt: u32) {
    let cause = std::error::Error::source(error).map(tracing::field::display);
    if attempt == 0 {
        tracing::warn!(%error, cause, "the ECS agent does not say its cluster, asking again");
    } else {
        tracing::debug!(%error, cause, attempt, "the ECS agent does not say its cluster");
    }
}

/// Containers that ECS did not start are no fault: they are asked for a few times and told of.
fn tell(id: ContainerId<'_>, error: &AskError) {
    let cause = std::error::Error::source(error).map(tracing::field::display);
    tracing::info!(%error, cause, "no ECS task of container {}", id.as_str());
}

#[cfg(test)]
mod tests;
