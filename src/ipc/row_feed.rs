//! Rows as they are committed.

use std::io;
use std::sync::Arc;

use barograph_actors::message::account::RouteId;
use barograph_actors::message::route::Router;
use barograph_actors::status::feed::Row;
use barograph_config::Route;
use tokio::sync::watch;

use super::Control;
use super::connection::OperatorConnection;
use super::protocol::{self, Content, Missed, PlainContent};
use crate::wire::history::{RowLine, TailColumn, TailRoute, TailRoutes};
use crate::wire::refusal::Refusal;

/// So much text is sent at once.
const CHUNK: usize = 32 * 1024;

/// Which rows.
pub(super) struct RowFilter {
    only: Option<RouteId>,
}

impl RowFilter {
    /// Those of a route, by its table's name, or all.
    pub(super) fn of(control: &Control, table: Option<&str>) -> Result<Self, Refusal> {
        let Some(table) = table else { return Ok(Self { only: None }) };
        let router = control.router();
        match router.recording().find(|(_, route)| route.table == table) {
            Some((id, _)) => Ok(Self { only: Some(id) }),
            None => {
                let tables: Vec<&str> =
                    router.recording().map(|(_, it)| it.table.as_str()).collect();
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
    mut line: OperatorConnection,
    control: &Control,
    wanted: &RowFilter,
    mut closes: watch::Receiver<bool>,
) -> io::Result<()> {
    let feed = control.sources.published.feeds().watch_rows();
    let routes = described(&control.router(), wanted);
    line.say(Content::Ok(TailRoutes { routes })).await?;
    let told = |rows| chunks(control.router(), wanted, rows);
    line.follow(feed, &mut closes, Missed::Commits, told).await
}

fn described(router: &Router, wanted: &RowFilter) -> Vec<TailRoute> {
    let of = |(id, route): (RouteId, &Route)| {
        let columns = route.columns.iter();
        let columns = columns
            .map(|column| TailColumn { name: column.name.clone(), unit: column.unit.clone() });
        wanted
            .wants(id)
            .then(|| TailRoute { route: route.table.clone(), columns: columns.collect() })
    };
    router.recording().filter_map(of).collect()
}

/// The rows of a batch as text, not all of it at once.
fn chunks(
    router: Arc<Router>,
    wanted: &RowFilter,
    rows: Arc<[Row]>,
) -> impl Iterator<Item = String> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let mut text = String::new();
        while let Some(row) = rows.get(next)
            && text.len() <= CHUNK
        {
            next += 1;
            if wanted.wants(row.route) {
                text += &protocol::line(&PlainContent::Row(row_line(&router, row)));
            }
        }
        (!text.is_empty()).then_some(text)
    })
}

fn row_line(router: &Router, row: &Row) -> RowLine {
    RowLine {
        route: router.name(row.route).to_owned(),
        received_at: row.received_at.into(),
        values: row.values.clone(),
    }
}
