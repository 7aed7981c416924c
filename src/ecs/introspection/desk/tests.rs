//! Against a small HTTP server that stands in for an agent.

use std::convert::Infallible;
use std::sync::Mutex;

use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::*;

/// Ends a test that hangs; no test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);
const ID: &str = "79c796ed2a7f";
const INSTANCE: &str = r#"{"Cluster": "c", "Version": "v1",
    "ContainerInstanceArn": "arn:aws:ecs:eu-west-1:1:container-instance/c/0ab"}"#;
const TASK: &str = r#"{"Arn": "arn:aws:ecs:eu-west-1:1:task/c/e01d", "Containers": [
    {"DockerId": "79c796ed2a7f864f485c76f83f3165488097279d296a7c05bd5201a1c69b2920"}]}"#;

struct Bench {
    desk: Desk,
    news: Arc<Notify>,
    asked: Arc<Mutex<Vec<String>>>,
}

/// A clerk at work for an agent that answers by path and number of the request.
async fn bench(answer: impl Fn(&str, usize) -> (u16, String) + Clone + Send + 'static) -> Bench {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let entered = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (answer, asked) = (answer.clone(), Arc::clone(&entered));
            let service = service_fn(move |request: Request<Incoming>| {
                let path = request.uri().to_string();
                let number = asked.lock().unwrap().len();
                let (status, body) = answer(&path, number);
                asked.lock().unwrap().push(path);
                let body = Full::new(Bytes::from(body));
                let answer = Response::builder().status(status).body(body).unwrap();
                async { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    let news = Arc::new(Notify::new());
    let (desk, clerk) = desk(Agent::new("127.0.0.1", port).unwrap(), Arc::clone(&news));
    tokio::spawn(Clerk { pace: Pace::NO_WAIT, ..clerk }.run());
    Bench { desk, news, asked }
}

impl Bench {
    async fn next(&mut self) -> Answer {
        let next = async {
            loop {
                if let Some(answer) = self.desk.answer() {
                    return answer;
                }
                self.news.notified().await;
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("an answer")
    }
}

fn id(text: &str) -> ContainerId<'_> {
    ContainerId::begin(text.as_bytes()).expect("an id")
}

#[tokio::test]
async fn the_instance_comes_unasked_and_a_task_for_its_container() {
    let mut bench = bench(|path, _| {
        (200, if path == "/v1/metadata" { INSTANCE.to_owned() } else { TASK.to_owned() })
    })
    .await;
    let Answer::Instance(Some(instance)) = bench.next().await else { panic!("no instance") };
    assert_eq!(instance.cluster, "c");
    assert!(bench.desk.ask(id(ID)));
    let Answer::Task { asked, task: Some(task) } = bench.next().await else { panic!("no task") };
    assert_eq!((&*asked, task.id.as_str()), (ID, "e01d"));
    assert_eq!(*bench.asked.lock().unwrap(), ["/v1/metadata", "/v1/tasks?dockerid=79c796ed2a7f"]);
}

#[tokio::test]
async fn a_failure_is_told_once_and_the_instance_when_it_is_known() {
    let mut bench = bench(|_, number| match number {
        0 => (500, String::new()),
        1 => (200, "<html>".to_owned()),
        _ => (200, INSTANCE.to_owned()),
    })
    .await;
    assert!(matches!(bench.next().await, Answer::Instance(None)));
    assert!(matches!(bench.next().await, Answer::Instance(Some(_))));
    assert_eq!(bench.asked.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_container_without_a_task_is_an_answer_too() {
    let huge = format!("{{\"Arn\": \"{}", "x".repeat(ANSWER_BYTES_MAX));
    let bad = [(400, "NOT FOUND".to_owned()), (200, "{}".to_owned()), (200, huge)];
    let count = bad.len();
    let mut bench = bench(move |_, number| match number {
        0 => (200, INSTANCE.to_owned()),
        number => bad[number - 1].clone(),
    })
    .await;
    assert!(matches!(bench.next().await, Answer::Instance(Some(_))));
    for _ in 0..count {
        assert!(bench.desk.ask(id(ID)));
        assert!(matches!(bench.next().await, Answer::Task { task: None, .. }));
    }
}

#[tokio::test]
async fn questions_beyond_the_bound_are_not_taken() {
    let (desk, clerk) = desk(Agent::new("127.0.0.1", 1).unwrap(), Arc::default());
    for _ in 0..QUESTIONS_MAX {
        assert!(desk.ask(id(ID)));
    }
    assert!(!desk.ask(id(ID)));
    drop(clerk);
}

#[tokio::test]
async fn a_clerk_ends_with_its_desk() {
    // Nobody answers on the port: it was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let (desk, clerk) = desk(Agent::new("127.0.0.1", port).unwrap(), Arc::default());
    let running = tokio::spawn(clerk.run());
    drop(desk);
    tokio::time::timeout(PATIENCE, running).await.expect("an end").expect("no panic");
}

#[test]
fn an_agent_has_a_host_and_a_port() {
    let base = |host| Agent::new(host, 51_678).map(|agent| agent.base);
    assert_eq!(base("127.0.0.1").as_deref(), Ok("http://127.0.0.1:51678"));
    assert_eq!(base("::1").as_deref(), Ok("http://[::1]:51678"));
    assert_eq!(base("agent.local").as_deref(), Ok("http://agent.local:51678"));
    for host in ["", "a b", "h/x", "http://h", "u@h", "h?x"] {
        assert_eq!(base(host), Err(AgentError), "{host}");
    }
}
