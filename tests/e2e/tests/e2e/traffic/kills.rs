//! SIGKILL, again and again.

use anyhow::Result;
use testkit::{Proxy, in_world};

use super::{api_by_way_of, away, drained, load::Load};

#[tokio::test]
async fn an_api_killed_under_load_again_and_again_has_recorded_every_answer() -> Result<()> {
    in_world(|world| async move {
        let load = Load::default();
        for _ in 0..12 {
            let api = world.start("api", &[]).await?;
            let clients = load.start(&api.address().await?, 16);
            load.grows(150).await?;
            api.crash().await?;
            clients.join_all().await;
        }
        let api = world.start("api", &[]).await?;
        drained(&api.address().await?).await?;
        load.is_on_record(&world).await
    })
    .await
}

#[tokio::test]
async fn an_api_killed_while_it_spools_has_kept_every_answer() -> Result<()> {
    in_world(|world| async move {
        let load = Load::default();
        for _ in 0..4 {
            let way = Proxy::start(world.database.url()).await?;
            let api = api_by_way_of(&world, &way.url(), &[]).await?;
            let url = api.address().await?;
            let clients = load.start(&url, 16);
            load.grows(50).await?;
            way.cut().await;
            away(&url).await?;
            load.grows(150).await?;
            api.crash().await?;
            clients.join_all().await;
        }
        let api = world.start("api", &[]).await?;
        drained(&api.address().await?).await?;
        load.is_on_record(&world).await
    })
    .await
}
