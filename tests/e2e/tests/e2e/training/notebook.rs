//! A model and a dataset version in Python, with PyPI's xgboost and pandas and no code of ours, as `docs/notebook.md` says.

use std::{env, fs, path::Path, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::{World, checkout, in_world};
use tokio::process::Command;

use crate::data::{diamonds, predict};

/// Python with what the page needs; none where it is absent, which is said aloud.
async fn python() -> Result<Option<String>> {
    let python = env::var("LAPIDARY_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let imports = ["-c", "import pandas, pyarrow, xgboost"];
    let mut command = Command::new(&python);
    let tried = command.args(imports).stderr(Stdio::null()).status().await;
    if tried.is_ok_and(|status| status.success()) {
        return Ok(Some(python));
    }
    println!(
        "skipped: {python} cannot import pandas, pyarrow and xgboost (LAPIDARY_TEST_PYTHON may name another)"
    );
    Ok(None)
}

/// The code block that stands beneath this heading.
fn code_of(heading: &str) -> Result<String> {
    let page = fs::read_to_string(checkout()?.join("docs/notebook.md"))?;
    let section = page.split_once(heading).context("no such heading")?.1;
    let code = section.split_once("```python\n").context("no code")?.1;
    Ok(code
        .split_once("```")
        .context("the code does not end")?
        .0
        .to_owned())
}

/// Runs the page's code in `folder`, and then `more`; what it prints is JSON.
async fn run(python: &str, folder: &Path, code: &str, more: &str) -> Result<Value> {
    let mut command = Command::new(python);
    let output = command
        .args(["-c", &format!("{code}\n{more}")])
        .current_dir(folder)
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

async fn download(world: &World, url: &str, name: &str) -> Result<()> {
    let key = world.operator_key().await?;
    let answer = reqwest::Client::new().get(url).bearer_auth(key).send().await?;
    let bytes = answer.error_for_status()?.bytes().await?;
    Ok(fs::write(world.path(name), bytes)?)
}

/// Trains a kind, and compares what Python says of some samples with what the API answers.
async fn compare(kind: &str, heading: &str, prices: &str) -> Result<()> {
    let Some(python) = python().await? else {
        return Ok(());
    };
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let settings = [
            ("LAPIDARY__TRAINING__KINDS", kind),
            ("LAPIDARY__TRAINING__XGBOOST__TRIALS", "8"),
        ];
        let _trainer = world.start("trainer", &settings).await?;
        let api = world.start("api", &[]).await?;
        world.drop_file("a.csv", &diamonds(2_000, 1))?;
        let url = api.address().await?;
        crate::data::serves(&url, 1).await?;
        download(&world, &format!("{url}/v1/datasets/1/parquet"), "dataset.parquet").await?;
        download(&world, &format!("{url}/v1/models/1/artifact"), "model.json").await?;

        let folder = world.path("");
        let told = run(&python, &folder, &code_of(heading)?, prices).await?;
        let told = told.as_array().context("no list")?;
        assert_eq!(told.len(), 40);
        for row in told {
            let mut diamond = row.clone();
            let fields = diamond.as_object_mut().context("no object")?;
            fields.remove("price");
            let expected = fields
                .remove("predicted")
                .and_then(|price| price.as_f64())
                .context("no price")?;
            let answer: Value = predict(&url, &json!(diamond)).await?.json().await?;
            let price = answer["price"].as_f64().context("no price")?;
            assert!(
                (price - expected).abs() <= 0.0051,
                "{diamond}: {price} here, {expected} in Python"
            );
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_trees_give_the_same_prices_in_python() -> Result<()> {
    let prices = "samples['predicted'] = prices.astype('float64')\n\
                  print(samples.head(40).to_json(orient='records', double_precision=15))";
    compare("xgboost", "## xgboost", prices).await
}

#[tokio::test]
async fn the_coefficients_give_the_same_prices_in_python() -> Result<()> {
    let prices = "import pandas as pd\n\
                  samples = pd.read_parquet('dataset.parquet').head(40)\n\
                  samples['predicted'] = [price(row) for row in samples.to_dict('records')]\n\
                  print(samples.to_json(orient='records', double_precision=15))";
    compare("elastic_net", "## linear and elastic_net", prices).await
}
