//! The interface, for programs: an OpenAPI document, of which the types of the replies are derived.

mod parts;

use std::sync::LazyLock;

use utoipa::ToSchema;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{AnyOfBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, Content, ContentBuilder, Header, HttpMethod, InfoBuilder, LicenseBuilder,
    ObjectBuilder, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr, Required, Response,
    ResponseBuilder, Schema, SecurityRequirement, Server,
};

use super::answer::json_text;
use crate::ipc::protocol::page_commands;
use crate::wire::command::{CommandArguments, CommandReply};
use crate::wire::page::{
    Credentials, Events, Gaps, Issues, Latest, Problem, Routes, Session, SignedIn,
};
use crate::wire::status::{AccountStatus, Status};
use parts::{
    MOMENT_FROM, MOMENT_TO, any_whole, list, parameter, rows_parameters, series, series_parameters,
    text_of, whole,
};

/// The document as text.
pub(super) fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| json_text(&document()));
    &TEXT
}

const ABOUT: &str = "What a recorder has recorded, and how it is. Times in text are UTC, `YYYY-MM-DD \
    HH:MM:SS.sss`; numbers that end in `_ms` are milliseconds since 1970 UTC. Keys may be added; those that are here \
    stay. JSON has a weak ETag: with If-None-Match the answer is 304 while nothing has changed. Answers are compressed \
    where the client accepts gzip. HEAD is answered wherever GET is.";
const TOKEN: &str = "The token of watchtower.read_token_file or watchtower.admin_token_file.";
const SESSION: &str = "The cookie that login sets; over TLS its name is __Host-barograph.";
const ROWS: &str = "Every row once: id, created_at (UTC), and the columns of the route, in the order of their arrival. \
    CSV is by RFC 4180 with a line of names; NULL is an empty field, and text is as it was recorded, also where a \
    spreadsheet would take it for a formula. It is read from the database as fast as it is taken, in constant memory; \
    when it cannot be read on, the connection ends without the last chunk.";

/// Why a request is refused: status, what it means, and a header that says more.
const REFUSALS: [(&str, &str, Option<&str>); 11] = [
    ("400", "A parameter is missing, unknown, given twice, or no such value.", None),
    (
        "401",
        "A token is needed here (watchtower.read_token_file), or the one that was sent is not valid.",
        None,
    ),
    (
        "403",
        "Called by a name that is not this machine's (watchtower.hosts), from a page elsewhere, or without the right to.",
        None,
    ),
    ("404", "There is no such route, number or command, or nothing of that name.", None),
    ("405", "A method that this address does not understand.", Some("Allow")),
    ("406", "None of gzip, deflate and identity is acceptable.", None),
    ("409", "It cannot be done as things are.", None),
    ("413", "More was sent than is read here.", None),
    ("415", "What was sent is no JSON, or is compressed.", None),
    (
        "429",
        "Too much at a time, or wrong tokens came from this address: wait.",
        Some("Retry-After"),
    ),
    (
        "503",
        "The database or an actor cannot be asked now, or the question takes too long. Status, latest, issues and \
         account are answered all the same.",
        Some("Retry-After"),
    ),
];
/// The schema that is not derived from a type.
const SERIES: &str = "Series";
/// Of what is read.
const OF_READING: [&str; 9] = ["400", "401", "403", "405", "406", "413", "415", "429", "503"];
/// Of what is sent.
const OF_SENDING: [&str; 7] = ["400", "401", "403", "405", "413", "415", "429"];

fn document() -> OpenApi {
    let mut document = Document::default();
    document.knows::<Problem>();
    document.of_state();
    document.of_history();
    document.of_access();
    document.of_watching();
    let Document { paths, schemas } = document;
    let mut components = Components::new();
    components.schemas.extend(schemas.into_iter().map(|(name, schema)| {
        // Of a series some keys may be absent.
        let schema = if name == SERIES { schema } else { complete(schema) };
        (name, schema)
    }));
    for (status, description, header) in REFUSALS {
        components.responses.insert(response_name(status), refusal(status, description, header));
    }
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(TOKEN));
    components.add_security_scheme("token", SecurityScheme::Http(token.build()));
    let session = ApiKey::Cookie(ApiKeyValue::with_description("barograph", SESSION));
    components.add_security_scheme("session", SecurityScheme::ApiKey(session));
    let license = "MIT OR Apache-2.0";
    let license = LicenseBuilder::new().name(license).identifier(Some(license)).build();
    let info = InfoBuilder::new().title("Barograph").version("1").description(Some(ABOUT));
    OpenApiBuilder::new()
        .info(info.license(Some(license)).build())
        .servers(Some([Server::new("/")]))
        .security(Some([SecurityRequirement::default(), by("token"), by("session")]))
        .paths(paths)
        .components(Some(components))
        .build()
}

fn by(scheme: &str) -> SecurityRequirement {
    SecurityRequirement::new(scheme, [""; 0])
}

/// What is described so far.
#[derive(Default)]
struct Document {
    paths: PathsBuilder,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Document {
    fn of_state(&mut self) {
        let status = "Its mode, broker, database, spool, actors, issues and account.";
        self.read::<Status>("status", "How the recorder is", status, []);
        let latest = "Values, and what follows from them.";
        self.read::<Latest>("latest", "The newest reading of each route", latest, []);
        let routes = "Routes with their columns and derived values.";
        self.read::<Routes>("routes", "What is recorded", routes, []);
        self.read::<AccountStatus>("account", "Where every message is", "Part of status.", []);
        self.read::<Issues>("issues", "What is wrong now", "Part of status, the worst first.", []);
        let session = "Answered without a session, too.";
        self.read::<Session>("session", "What the caller may do", session, []);
        let itself = response("OpenAPI 3.1.").content("application/json", any_object());
        let get = operation("document", "This document").response("200", tagged(itself));
        self.get("/api/v1/openapi.json", refusing(get.response("304", unchanged()), &OF_READING));
    }

    fn of_history(&mut self) {
        let events = [
            whole("limit", "At most so many; unless given, 100.", 1, 1_000),
            any_whole("before", "Older than the event with this id: for the next page."),
            any_whole("since", MOMENT_FROM),
            any_whole("until", "Up to this moment."),
            text_of("actor", "About this actor.", 100).example(Some("mqtt".into())),
            text_of("event", "Of this name.", 100).example(Some("mode_changed".into())),
            list(
                "except",
                "Of none of these names, with commas between them.",
                "^[^,]+(,[^,]+){0,63}$",
            )
            .example(Some("stats".into())),
        ];
        self.read::<Events>("events", "What happened", "Newest first.", events);
        let gaps = "Those that overlap the range, oldest first; of more than 20,000 the newest.";
        let range = [any_whole("from", MOMENT_FROM), any_whole("to", MOMENT_TO)];
        self.read::<Gaps>("gaps", "When something may be missing, and why", gaps, range);
        self.schemas.push((SERIES.to_owned(), series()));
        let series =
            response("Only buckets that have rows.").content("application/json", json_of(SERIES));
        let get = operation("series", "Numbers over any range, in buckets")
            .parameters(Some(series_parameters().map(ParameterBuilder::build)))
            .response("200", tagged(series))
            .response("304", unchanged());
        self.get("/api/v1/series", refusing(refusing(get, &OF_READING), &["404"]));
        let rows = response(ROWS)
            .content("text/csv", plain_text())
            .content("application/jsonl", plain_text())
            .header("Content-Disposition", Header::default());
        let get = operation("rows", "All rows of a range, as a file")
            .parameters(Some(rows_parameters().map(ParameterBuilder::build)))
            .response("200", rows)
            .response("304", unchanged());
        self.get("/api/v1/rows", refusing(refusing(get, &OF_READING), &["404"]));
    }

    fn of_access(&mut self) {
        let login = self.reply::<SignedIn>("A cookie with the session, that scripts cannot read.");
        let login = login.header("Set-Cookie", Header::default());
        let login = operation("login", "Signs in").response("200", login);
        self.post::<Credentials>("/api/v1/login", login, "The token.", &OF_SENDING);
        let over = response("The session is over.").content("application/json", any_object());
        let logout = operation("logout", "Signs out").response("200", over);
        self.post::<()>("/api/v1/logout", logout, "Any JSON.", &OF_SENDING);
        let done = self.reply::<CommandReply>("It was done.");
        let name =
            ObjectBuilder::new().schema_type(Type::String).enum_values(Some(page_commands()));
        let name = parameter("name", "Which command.", name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .example(Some("checkpoint".into()));
        let command = operation("command", "Gives the recorder a command")
            .description(Some("For the admin alone. `fault` needs a recorder that was started with --fault-injection."))
            .securities(Some([by("token"), by("session")]))
            .parameter(name)
            .response("200", done);
        let refusals = [&OF_SENDING[..], &["404", "409", "503"]].concat();
        let path = "/api/v1/commands/{name}";
        self.post::<CommandArguments>(
            path,
            command,
            "What the command takes; `{}` of most.",
            &refusals,
        );
    }

    fn of_watching(&mut self) {
        let open = |id, summary| {
            let open = operation(id, summary).securities(Some(Vec::new()));
            refusing_in_text(open, &IN_TEXT)
        };
        let health = open("healthz", "The process lives");
        self.get("/healthz", in_text(health, "200", "alive"));
        let ready =
            "The broker is connected and heard, and database or spool takes messages: a sentence.";
        let ready = in_text(open("readyz", "Whether it records durably"), "200", ready);
        let not = "It does not, or is paused, or stops: why, as a sentence.";
        self.get("/readyz", in_text(ready, "503", not));
        let metrics = "In Prometheus' text format, or OpenMetrics' if that is accepted.";
        let metrics = response(metrics)
            .content("text/plain", plain_text())
            .content("application/openmetrics-text", plain_text());
        let get = operation("metrics", "The metrics, for Prometheus").response("200", metrics);
        self.get("/metrics", refusing_in_text(get, &[&IN_TEXT[..], &["401", "429"]].concat()));
    }

    /// A reply that is read.
    fn read<T: ToSchema>(
        &mut self,
        name: &str,
        summary: &str,
        description: &str,
        parameters: impl IntoIterator<Item = ParameterBuilder>,
    ) {
        let reply = tagged(self.reply::<T>(description));
        let parameters: Vec<_> = parameters.into_iter().map(ParameterBuilder::build).collect();
        let get = operation(name, summary)
            .parameters((!parameters.is_empty()).then_some(parameters))
            .response("200", reply)
            .response("304", unchanged());
        self.get(&format!("/api/v1/{name}"), refusing(get, &OF_READING));
    }

    fn get(&mut self, path: &str, operation: OperationBuilder) {
        self.path(path, HttpMethod::Get, operation);
    }

    fn post<T: ToSchema>(
        &mut self,
        path: &str,
        operation: OperationBuilder,
        body: &str,
        refusals: &[&str],
    ) {
        T::schemas(&mut self.schemas);
        let content = ContentBuilder::new().schema(Some(T::schema())).build();
        let body = RequestBodyBuilder::new()
            .description(Some(body))
            .required(Some(Required::True))
            .content("application/json", content);
        let operation = refusing(operation.request_body(Some(body.build())), refusals);
        self.path(path, HttpMethod::Post, operation);
    }

    fn path(&mut self, path: &str, method: HttpMethod, operation: OperationBuilder) {
        let paths = std::mem::take(&mut self.paths);
        self.paths = paths.path(path, PathItem::new(method, operation));
    }

    fn reply<T: ToSchema>(&mut self, description: &str) -> ResponseBuilder {
        self.knows::<T>();
        response(description).content("application/json", json_of(T::name()))
    }

    fn knows<T: ToSchema>(&mut self) {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
    }
}

/// Statuses that are answered in text where people look.
const IN_TEXT: [&str; 3] = ["403", "405", "415"];

fn operation(id: &str, summary: &str) -> OperationBuilder {
    OperationBuilder::new().operation_id(Some(id)).summary(Some(summary))
}

fn response(description: &str) -> ResponseBuilder {
    ResponseBuilder::new().description(description)
}

fn unchanged() -> ResponseBuilder {
    response("It is still what If-None-Match names.")
}

fn tagged(reply: ResponseBuilder) -> ResponseBuilder {
    reply.header("ETag", Header::default())
}

/// With the ways in which it is turned away.
fn refusing(operation: OperationBuilder, statuses: &[&str]) -> OperationBuilder {
    statuses.iter().fold(operation, |operation, status| {
        operation.response(*status, Ref::from_response_name(response_name(status)))
    })
}

fn response_name(status: &str) -> String {
    format!("Refused{status}")
}

fn refusal(status: &str, description: &str, header: Option<&str>) -> RefOr<Response> {
    let refusal = match status {
        "406" => response(description).content("text/plain", plain_text()),
        _ => response(description).content("application/json", json_of("Problem")),
    };
    RefOr::T(match header {
        Some(header) => refusal.header(header, Header::default()).build(),
        None => refusal.build(),
    })
}

/// The same refusals, as text where people look.
fn refusing_in_text(operation: OperationBuilder, statuses: &[&str]) -> OperationBuilder {
    let of = REFUSALS.iter().filter(|(status, ..)| statuses.contains(status));
    of.fold(operation, |operation, (status, description, _)| {
        let refused = response(description).content("text/plain", plain_text());
        operation.response(*status, refused.content("application/json", json_of("Problem")))
    })
}

fn in_text(operation: OperationBuilder, status: &str, description: &str) -> OperationBuilder {
    operation.response(status, response(description).content("text/plain", plain_text()))
}

/// A reply of this schema.
fn json_of(schema: impl Into<String>) -> Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build()
}

fn plain_text() -> Content {
    ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).build()
}

fn any_object() -> Content {
    ContentBuilder::new().schema(Some(ObjectBuilder::new())).build()
}

/// Corrects a derived schema. A reply has all of its keys; the derive marks those with a default as optional, because a reader
/// may do without them. A reply that is one of several types may match more than one, so `oneOf` becomes `anyOf`.
fn complete(schema: RefOr<Schema>) -> RefOr<Schema> {
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            object.required = object.properties.keys().cloned().collect();
            object.properties.values_mut().for_each(forget_default);
            object.into()
        }
        RefOr::T(Schema::OneOf(of)) => {
            of.items.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item).into()
        }
        RefOr::T(_) | RefOr::Ref(_) => schema,
    }
}

fn forget_default(property: &mut RefOr<Schema>) {
    match property {
        RefOr::T(Schema::Object(object)) => object.default = None,
        RefOr::T(Schema::Array(array)) => array.default = None,
        RefOr::T(Schema::OneOf(of)) => of.default = None,
        RefOr::T(_) | RefOr::Ref(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;

    /// All references resolve, and every key of a reply is required.
    #[test]
    fn the_document_is_whole() {
        let document: Json = serde_json::from_str(text()).unwrap();
        assert_eq!(document["paths"].as_object().unwrap().len(), 17);
        let mut references = Vec::new();
        find_references(&document, &mut references);
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        let issue = &document["components"]["schemas"]["IssueStatus"];
        assert_eq!(issue["required"].as_array().unwrap().len(), 6, "{issue}");
        assert!(!issue.to_string().contains("default"), "{issue}");
    }

    fn find_references(json: &Json, found: &mut Vec<String>) {
        match json {
            Json::Object(object) => {
                found.extend(object.get("$ref").and_then(Json::as_str).map(str::to_owned));
                object.values().for_each(|value| find_references(value, found));
            }
            Json::Array(items) => items.iter().for_each(|item| find_references(item, found)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }
}
