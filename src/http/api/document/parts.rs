//! Parts of the document: the parameters of questions, and the reply of `series`.

use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Required, Schema};

use crate::sqlite::read::Stat;

pub(super) const MOMENT_FROM: &str = "From this moment on: milliseconds since 1970 UTC.";
pub(super) const MOMENT_TO: &str =
    "Before this moment: milliseconds since 1970 UTC. A range that ends before it begins is empty.";

pub(super) fn parameter(name: &str, description: &str, schema: ObjectBuilder) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
}

pub(super) fn whole(name: &str, description: &str, least: i64, most: i64) -> ParameterBuilder {
    let number = ObjectBuilder::new().schema_type(Type::Integer);
    parameter(name, description, number.minimum(Some(least)).maximum(Some(most)))
}

pub(super) fn any_whole(name: &str, description: &str) -> ParameterBuilder {
    whole(name, description, i64::MIN, i64::MAX)
}

pub(super) fn text_of(name: &str, description: &str, length_max: usize) -> ParameterBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String);
    parameter(name, description, text.min_length(Some(1)).max_length(Some(length_max)))
}

/// Words with commas between them.
pub(super) fn list(name: &str, description: &str, pattern: &str) -> ParameterBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
    parameter(name, description, text.min_length(Some(1)).max_length(Some(1_000)))
}

fn route() -> ParameterBuilder {
    text_of("route", "The name of a route: that of its table.", 200)
        .required(Required::True)
        .example(Some("weather_data".into()))
}

pub(super) fn series_parameters() -> [ParameterBuilder; 7] {
    let columns =
        "Names of columns that are numbers, and of derived values, with commas between them.";
    let width = "Buckets of exactly this width, in milliseconds, that begin at multiples of it since 1970 UTC; then points \
        is not looked at. At most 35,200 buckets of what has been recorded, fewer of more than four columns; else 400.";
    let stats = "Only these, with commas between them; unless given, all.";
    let stat = Stat::ALL.map(Stat::word).join("|");
    [
        route(),
        list("columns", columns, "^[^,]+(,[^,]+){0,31}$")
            .required(Required::True)
            .example(Some("temperature,humidity".into())),
        any_whole("from", MOMENT_FROM)
            .required(Required::True)
            .example(Some(1_795_000_000_000_i64.into())),
        any_whole("to", MOMENT_TO)
            .required(Required::True)
            .example(Some(1_796_000_000_000_i64.into())),
        whole("points", "At most so many buckets; unless given, 500.", 1, 5_000),
        whole("bucket_ms", width, 1_000, 31_622_400_000),
        list("stats", stats, &format!("^({stat})(,({stat})){{0,6}}$"))
            .example(Some("min,max,mean".into())),
    ]
}

pub(super) fn rows_parameters() -> [ParameterBuilder; 5] {
    let format =
        ObjectBuilder::new().enum_values(Some(["csv", "jsonl"])).default(Some("csv".into()));
    let format = format.schema_type(Type::String);
    [
        route(),
        any_whole("from", MOMENT_FROM).example(Some(1_795_000_000_000_i64.into())),
        any_whole("to", MOMENT_TO).example(Some(1_796_000_000_000_i64.into())),
        parameter("format", "CSV, or a JSON object on each line.", format),
        whole("limit", "Most rows.", 1, i64::MAX).example(Some(1_000.into())),
    ]
}

/// Of `series`: columns and statistics are those that were asked for.
pub(super) fn series() -> RefOr<Schema> {
    let whole = || ObjectBuilder::new().schema_type(Type::Integer);
    let number = SchemaType::from_iter([Type::Number, Type::Null]);
    let numbers = ArrayBuilder::new().items(ObjectBuilder::new().schema_type(number)).build();
    let stats = Stat::ALL
        .iter()
        .fold(ObjectBuilder::new(), |stats, stat| stats.property(stat.word(), numbers.clone()));
    let stats = stats.additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    let columns = ObjectBuilder::new()
        .description(Some("Of each column and statistic one number for each bucket."))
        .additional_properties(Some(stats));
    let complete = "false: not all of this range is summed up yet; ask again later.";
    let complete = ObjectBuilder::new().schema_type(Type::Boolean).description(Some(complete));
    let built = ObjectBuilder::new().schema_type(Type::Number);
    let starts = ArrayBuilder::new().items(whole());
    let series = ObjectBuilder::new()
        .property("route", ObjectBuilder::new().schema_type(Type::String))
        .property("from_ms", whole())
        .property("to_ms", whole())
        .property("bucket_ms", whole().minimum(Some(1)))
        .property("t", starts.description(Some("The beginnings of the buckets that have rows.")))
        .property("columns", columns)
        .property("complete", complete)
        .property("built", built.description(Some("How much of it is, 0 to 1.")));
    let needed = ["route", "from_ms", "to_ms", "bucket_ms", "t", "columns"];
    needed.into_iter().fold(series, |series, name| series.required(name)).into()
}
