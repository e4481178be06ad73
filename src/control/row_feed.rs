//! Rows as they are committed.

use std::io;
use std::sync::Arc;

use barograph_actors::account::RouteId;
use barograph_actors::batch::Value;
use barograph_actors::feed::Row;
use barograph_actors::route::Router;
use barograph_config::Route;
use serde_json::{Value as Json, json};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;

use super::Control;
use super::protocol::{self, Refusal};
use super::server::{Line, Rest};

/// So much text is sent at once.
const CHUNK: usize = 32 * 1024;

/// Which rows.
pub(super) struct Wanted {
    only: Option<RouteId>,
}

impl Wanted {
    /// Those of a route, by its table's name, or all.
    pub(super) fn of(control: &Control, table: Option<&str>) -> Result<Self, Refusal> {
        let Some(table) = table else { return Ok(Self { only: None }) };
        let router = control.router();
        let routes = router.routes();
        match routes.iter().position(|route| route.table == table) {
            Some(index) => Ok(Self { only: Some(RouteId(u16::try_from(index).ok())) }),
            None => {
                let tables: Vec<&str> = routes.iter().map(|route| route.table.as_str()).collect();
                let message = format!("there is no route with the table {table:?}");
                Err(Refusal::new(message, format!("there are: {}", tables.join(", "))))
            }
        }
    }

    fn wants(&self, route: RouteId) -> bool {
        self.only.is_none_or(|only| only == route)
    }
}

/// Sends each row from now on, after a line that describes the columns.
pub(super) async fn stream(
    mut line: Line,
    control: &Control,
    wanted: &Wanted,
    mut closes: watch::Receiver<bool>,
) -> io::Result<()> {
    let router = control.router();
    let mut feed = control.published.feeds().watch_rows();
    line.send(&protocol::ok(&json!({ "routes": described(&router, wanted) }))).await?;
    loop {
        let rest = tokio::select! {
            biased;
            rows = feed.recv() => match rows {
                Ok(rows) => {
                    send(&mut line, &control.router(), wanted, &rows).await?;
                    continue;
                }
                Err(RecvError::Lagged(number)) => {
                    line.missed("commits", number).await?;
                    continue;
                }
                Err(RecvError::Closed) => Rest::Closing,
            },
            rest = line.rest(&mut closes) => rest,
        };
        if matches!(rest, Rest::Closing) {
            loop {
                match feed.try_recv() {
                    Ok(rows) => send(&mut line, &control.router(), wanted, &rows).await?,
                    Err(TryRecvError::Lagged(number)) => line.missed("commits", number).await?,
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
        }
        if !line.after(rest).await? {
            return Ok(());
        }
    }
}

fn described(router: &Router, wanted: &Wanted) -> Vec<Json> {
    let of = |(index, route): (usize, &Route)| {
        let columns = route.columns.iter();
        let columns = columns.map(|column| json!({ "name": column.name, "unit": column.unit }));
        let id = RouteId(u16::try_from(index).ok());
        let columns = columns.collect::<Vec<_>>();
        wanted.wants(id).then(|| json!({ "route": route.table, "columns": columns }))
    };
    router.routes().iter().enumerate().filter_map(of).collect()
}

async fn send(
    line: &mut Line,
    router: &Router,
    wanted: &Wanted,
    rows: &Arc<[Row]>,
) -> io::Result<()> {
    let mut text = String::new();
    for row in rows.iter().filter(|row| wanted.wants(row.route)) {
        let content = json!({
            "route": router.name(row.route),
            "received_at": row.received_at.to_string(),
            "values": row.values.iter().map(value_json).collect::<Vec<_>>(),
        });
        text += &protocol::line("row", &content);
        if text.len() > CHUNK {
            line.send(&text).await?;
            text.clear();
        }
    }
    if text.is_empty() { Ok(()) } else { line.send(&text).await }
}

/// A value of a row.
pub(super) fn value_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) => Json::from(*number),
        Value::Real(number) => Json::from(*number),
        Value::Text(text) => Json::from(text.as_str()),
    }
}
