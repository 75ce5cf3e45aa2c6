//! Programs that others make from the OpenAPI document.

use std::{path::Path, process::Stdio};

use anyhow::{Result, ensure};
use testkit::in_world;
use tokio::process::Command;

/// What a web developer might write against the generated types.
const PAGE: &str = r#"
import type { paths, components } from "./lapidary";

type Answer = paths["/v1/predictions"]["post"]["responses"]["200"]["content"]["application/json"];
type Problem = components["schemas"]["Problem"];

export async function price(api: string): Promise<number> {
  const body: paths["/v1/predictions"]["post"]["requestBody"]["content"]["application/json"] =
    { carat: 1.1, cut: "Very Good", color: "H", clarity: "SI2" };
  const response = await fetch(`${api}/v1/predictions`, { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) {
    const problem: Problem = await response.json();
    throw new Error(problem.errors.map((fault) => `${fault.pointer}: ${fault.detail}`).join());
  }
  const answer: Answer = await response.json();
  return answer.range ? answer.range.low : answer.price;
}
"#;

async fn run(folder: &Path, program: &str, arguments: &[&str]) -> Result<Option<(bool, String)>> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    match command.output().await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        output => {
            let output = output?;
            let said = [output.stdout, output.stderr].concat();
            Ok(Some((
                output.status.success(),
                String::from_utf8_lossy(&said).into_owned(),
            )))
        }
    }
}

#[tokio::test]
async fn a_generated_typescript_client_compiles() -> Result<()> {
    in_world(|world| async move {
        let api = world.start("api", &[]).await?;
        let folder = world.path("client");
        std::fs::create_dir_all(&folder)?;
        let document = reqwest::get(format!("{}/openapi.json", api.address().await?))
            .await?
            .bytes()
            .await?;
        std::fs::write(folder.join("openapi.json"), document)?;
        std::fs::write(folder.join("page.ts"), PAGE)?;
        let packages = [
            "install",
            "--no-audit",
            "--no-fund",
            "openapi-typescript@7",
            "typescript@5",
        ];
        match run(&folder, "npm", &packages).await? {
            Some((true, _)) => {}
            Some((false, said)) => {
                println!("skipped: npm cannot install what it takes: {said}");
                return Ok(());
            }
            None => {
                println!("skipped: npm is absent");
                return Ok(());
            }
        }
        let bin = folder.join("node_modules/.bin");
        for (program, arguments) in [
            ("openapi-typescript", &["openapi.json", "-o", "lapidary.d.ts"][..]),
            (
                "tsc",
                &[
                    "--noEmit",
                    "--strict",
                    "--target",
                    "es2022",
                    "--lib",
                    "es2022,dom",
                    "page.ts",
                ],
            ),
        ] {
            let program = bin.join(program).display().to_string();
            let (done, said) = run(&folder, &program, arguments).await?.unwrap_or_default();
            ensure!(done, "{program}: {said}");
        }
        Ok(())
    })
    .await
}
