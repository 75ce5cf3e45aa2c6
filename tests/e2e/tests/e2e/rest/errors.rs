//! Every error there is, by a table; and all faults of a request at once.

use anyhow::Result;
use reqwest::Method;
use serde_json::json;
use testkit::in_world;

use super::{DIAMOND, call, faults, post, problem, served};

/// Method, path, content type, body, status, and a part of what is said.
const ERRORS: [(Method, &str, &str, &str, u16, &str); 26] = [
    (
        Method::POST,
        "/v1/predictions",
        "application/json",
        "{\"carat\" 1}",
        400,
        "missing `:` at line 1, column 10",
    ),
    (
        Method::POST,
        "/v1/predictions",
        "application/json",
        "",
        400,
        "the end where a value should be",
    ),
    (
        Method::POST,
        "/v1/predictions",
        "application/json",
        "{\"carat\": NaN}",
        400,
        "begins no value",
    ),
    (
        Method::POST,
        "/v1/predictions",
        "text/plain",
        DIAMOND,
        415,
        "content-type: application/json",
    ),
    (
        Method::POST,
        "/v1/predictions",
        "application/json",
        "[]",
        422,
        "has to be an object",
    ),
    (
        Method::POST,
        "/v1/predictions?explain=maybe",
        "application/json",
        DIAMOND,
        422,
        "explain has to be true or false",
    ),
    (
        Method::POST,
        "/v1/predictions?colour=red",
        "application/json",
        DIAMOND,
        422,
        "\"colour\" is not a parameter here",
    ),
    (
        Method::POST,
        "/v1/predictions/batch",
        "application/json",
        "{}",
        422,
        "diamonds is missing",
    ),
    (
        Method::POST,
        "/v1/predictions/batch",
        "application/json",
        "{\"diamonds\":[]}",
        422,
        "1 to 10000 diamonds",
    ),
    (Method::GET, "/v1/predictions", "", "", 405, "`allow`"),
    (Method::DELETE, "/v1/models/1", "", "", 405, "`allow`"),
    (Method::GET, "/v1/nothing", "", "", 404, "no such page"),
    (Method::GET, "/v1/models/0", "", "", 404, "no such model version"),
    // S17: other ways of writing a path, and what is no text.
    (Method::GET, "/v1/models/+1", "", "", 404, "no such model version"),
    (Method::GET, "/v1/models/01", "", "", 404, "no such model version"),
    (Method::GET, "/v1/models/%ff", "", "", 404, "no such page"),
    (Method::GET, "/docs/nothing", "", "", 404, "no such page"),
    (
        Method::GET,
        "/v1/models/99999999999",
        "",
        "",
        404,
        "no such model version",
    ),
    (
        Method::GET,
        "/v1/models/champion?at=1999-01-01T00:00:00Z",
        "",
        "",
        404,
        "no champion at that time",
    ),
    (Method::GET, "/v1/runs/none", "", "", 404, "no such training run"),
    (
        Method::GET,
        "/v1/datasets/7",
        "",
        "",
        404,
        "no such dataset version",
    ),
    (Method::GET, "/v1/files/abc", "", "", 404, "no such data file"),
    (Method::GET, "/v1/models?limit=0", "", "", 422, "from 1 to 1000"),
    (
        Method::GET,
        "/v1/runs?cursor=1",
        "",
        "",
        422,
        "the next_cursor of the part before",
    ),
    (
        Method::GET,
        "/v1/runs?status=lost&kind=tea&since=now",
        "",
        "",
        422,
        "one of queued, running, succeeded",
    ),
    (
        Method::GET,
        "/v1/diamonds/similar?carat=heavy&n=0",
        "",
        "",
        422,
        "a number such as 1.1",
    ),
];

#[tokio::test]
async fn every_error_is_a_problem_that_says_what_to_do() -> Result<()> {
    in_world(|world| async move {
        let system = served(&world).await?;
        for (method, path, content_type, body, status, said) in ERRORS {
            let request = call(method, &format!("{}{path}", system.url)).header("content-type", content_type);
            let answer = request.body(body).send().await?;
            assert_eq!(answer.status().as_u16(), status, "{path} {body}");
            assert_eq!(answer.headers().contains_key("allow"), status == 405, "{path}");
            let problem = problem(answer).await?;
            assert!(
                problem.to_string().replace("\\\"", "\"").contains(said),
                "{path}: {problem}"
            );
        }
        let large = post(&format!("{}/v1/predictions", system.url), &" ".repeat(5 << 20));
        let answer = large.send().await?;
        assert_eq!(answer.status().as_u16(), 413);
        assert!(
            problem(answer).await?["detail"]
                .as_str()
                .unwrap()
                .contains("4194304 bytes")
        );
        // S13: one diamond needs no more.
        let large = format!("{{{}}}", r#""x":1,"#.repeat(3000));
        let answer = post(&format!("{}/v1/predictions", system.url), &large)
            .send()
            .await?;
        assert_eq!(answer.status().as_u16(), 413);
        let problem = problem(answer).await?;
        assert_eq!(
            problem["detail"],
            "the body is larger than 16384 bytes; this is for one diamond; send many to /v1/predictions/batch"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn all_faults_of_a_request_are_named_at_once() -> Result<()> {
    in_world(|world| async move {
        let system = served(&world).await?;
        let body = r#"{"carat":1e999,"cut":"ideal plus","clarity":7,"weight":2,"x":-1,"x":2}"#;
        let answer = post(&format!("{}/v1/predictions", system.url), body).send().await?;
        assert_eq!(
            faults(&problem(answer).await?),
            [
                r#"/weight: "weight" is not a field here; there are: carat, cut, color, clarity, depth, table, x, y, z"#,
                "/x: x is given twice; send it once",
                "/carat: carat must be a finite number",
                r#"/cut: cut "ideal plus" is not a grade; use one of Fair, Good, Very Good, Premium, Ideal"#,
                "/color: color is missing; send one of J, I, H, G, F, E, D",
                r#"/clarity: clarity has to be a text such as "IF", and is a number"#,
                "/x: x must be greater than 0",
            ]
        );
        let batch = json!({"diamonds": [super::diamond(), {"carat": -1, "cut": "Ideal", "color": "H", "clarity": "SI2"}]});
        let answer = post(&format!("{}/v1/predictions/batch", system.url), &batch.to_string()).send().await?;
        assert_eq!(
            faults(&problem(answer).await?),
            ["/diamonds/1/carat: carat must be greater than 0"]
        );
        let answer = reqwest::get(format!("{}/v1/diamonds/similar?carat=1&cut=best&n=0", system.url)).await?;
        let said = faults(&problem(answer).await?);
        assert_eq!(said.len(), 4, "{said:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn answers_are_counted_by_method_route_and_status() -> Result<()> {
    in_world(|world| async move {
        let api = world.start("api", &[]).await?;
        let url = api.address().await?;
        for _ in 0..3 {
            post(&format!("{url}/v1/predictions"), DIAMOND).send().await?;
        }
        post(&format!("{url}/v1/predictions"), "{").send().await?;
        for version in 1..=2 {
            reqwest::get(format!("{url}/v1/models/{version}")).await?;
        }
        reqwest::get(format!("{url}/nothing")).await?;
        let text = reqwest::get(format!("{url}/metrics")).await?.text().await?;
        let counted = |labels: &str| {
            let series = format!("lapidary_http_requests_total{{service=\"api\",{labels}}} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&series));
            line.map(str::to_owned)
        };
        // Without a model there is no price, but there is a route.
        for (labels, count) in [
            (r#"method="POST",route="/v1/predictions",status="503""#, "3"),
            (r#"method="POST",route="/v1/predictions",status="400""#, "1"),
            (r#"method="GET",route="/v1/models/{version}",status="404""#, "2"),
            (r#"method="GET",route="none",status="404""#, "1"),
        ] {
            assert_eq!(counted(labels).as_deref(), Some(count), "{labels} in {text}");
        }
        Ok(())
    })
    .await
}
