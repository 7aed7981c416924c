//! The routes, without a socket.

use hyper::Request;
use serde_json::Value;

use super::super::service::Behaviour;
use super::*;

fn endpoint() -> Arc<Mutex<Service>> {
    let behaviour = Behaviour::default();
    Arc::new(Mutex::new(Service::new(behaviour, Duration::ZERO).expect("no faults")))
}

async fn ask(service: &Arc<Mutex<Service>>, method: &str, uri: &str, body: &str) -> (u16, Value) {
    let request = Request::builder().method(method).uri(uri).body(()).unwrap();
    let (parts, ()) = request.into_parts();
    assert!(is_for(&parts));
    let away = watch::Sender::new(Duration::ZERO);
    let answer = answer(service, &parts, body.as_bytes(), Duration::ZERO, &away);
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn faults_can_be_set_and_read() {
    let service = endpoint();
    let plan = r#"{"seed":3,"rules":[{"fault":"throttle","above_per_s":2.5}]}"#;
    assert_eq!(ask(&service, "POST", "/_local/faults", plan).await.0, 200);
    let (_, set) = ask(&service, "GET", "/_local/faults", "").await;
    assert_eq!((&set["seed"], &set["rules"][0]["above_per_s"]), (&json!(3), &json!(2.5)));
    let wrong = r#"{"rules":[{"fault":"throttle","above_per_s":-1}]}"#;
    assert_eq!(ask(&service, "POST", "/_local/faults", wrong).await.0, 400);
    assert_eq!(ask(&service, "POST", "/_local/faults", r#"{"rule":[]}"#).await.0, 400);
    let (_, kept) = ask(&service, "GET", "/_local/faults", "").await;
    assert_eq!(kept, set, "a wrong plan changes nothing");
}

#[tokio::test]
async fn a_route_has_its_method_and_what_is_no_route_is_not_found() {
    let service = endpoint();
    assert_eq!(ask(&service, "GET", "/_local/health", "").await, (200, json!({"status": "ok"})));
    assert_eq!(ask(&service, "GET", "/_local/account", "").await.1["events"], 0);
    assert_eq!(ask(&service, "POST", "/_local/reset", "").await.0, 200);
    assert_eq!(ask(&service, "GET", "/_local/reset", "").await.0, 405);
    assert_eq!(ask(&service, "GET", "/_local/x", "").await.0, 404);
    assert_eq!(ask(&service, "GET", "/_local/events?group=g", "").await.0, 400);
    assert_eq!(ask(&service, "GET", "/_local/events?group=g&stream=s", "").await.0, 404);
    assert_eq!(ask(&service, "GET", "/_local/puts?group=g", "").await.0, 400);
    assert_eq!(ask(&service, "GET", "/_local/puts?group=g&stream=s", "").await.0, 404);
    assert_eq!(ask(&service, "GET", "/_local/away", "").await.0, 405);
    assert_eq!(ask(&service, "POST", "/_local/away", r#"{"for_ms":3600000}"#).await.0, 200);
    assert_eq!(ask(&service, "POST", "/_local/away", r#"{"for_ms":3600001}"#).await.0, 400);
    assert_eq!(ask(&service, "POST", "/_local/away", "{}").await.0, 400);
}
